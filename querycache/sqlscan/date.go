package sqlscan

import "bytes"

// HasSpecialDate reports whether b holds one of the words now, today, tomorrow and yesterday, in any case, with no ASCII
// letter before or behind it. The input functions of PostgreSQL's date and time types read them as the present (manual,
// 8.5.1.4 "Special Values"), so an answer that depends on such a string goes stale by itself. The words may stand in a
// literal or in a value bound as text.
func HasSpecialDate(b []byte) bool {
	for i := 0; i < len(b); i++ {
		switch lower[b[i]] {
		case 'n', 't', 'y':
			if (i == 0 || !asciiLetter(b[i-1])) && specialAt(b[i:]) {
				return true
			}
		}
	}
	return false
}

// specialAt reports whether b begins with a special word.
func specialAt(b []byte) bool {
	n := 0
	for n < len(b) && asciiLetter(b[n]) {
		n++
	}
	switch n {
	case 3:
		return bytes.EqualFold(b[:n], []byte("now"))
	case 5:
		return bytes.EqualFold(b[:n], []byte("today"))
	case 8:
		return bytes.EqualFold(b[:n], []byte("tomorrow"))
	case 9:
		return bytes.EqualFold(b[:n], []byte("yesterday"))
	}
	return false
}

func asciiLetter(c byte) bool {
	c |= 0x20
	return 'a' <= c && c <= 'z'
}

// mayHoldSpecialDate looks into the string literal lit, whose token is t. What would have to be decoded first counts as
// holding the word: strings in several pieces, Unicode strings, and all escapes but the most usual ones.
func mayHoldSpecialDate(lit []byte, t Token) bool {
	if t.Continued || t.Kind == UString {
		return true
	}
	if t.Kind != EString {
		return HasSpecialDate(lit)
	}
	lit = lit[1:] // the E is no letter of the value
	for {
		i := bytes.IndexByte(lit, '\\')
		if i < 0 || i+1 >= len(lit) {
			return HasSpecialDate(lit)
		}
		switch lit[i+1] {
		case 'n', 'r', 't', '\\', '\'', '"', '%', '_':
		default:
			return true
		}
		if HasSpecialDate(lit[:i]) {
			return true
		}
		lit = lit[i+2:]
	}
}
