package sqlscan

import "bytes"

// HasSpecialDate reports whether b holds one of the words now, today, tomorrow and yesterday, in any case, with no ASCII
// letter before or behind it. The input functions of PostgreSQL's date and time types read them as the present (manual,
// 8.5.1.4 "Special Values"), so an answer that depends on such a string goes stale by itself. The words may stand in a
// literal or in a value bound as text. Backslashes and double quotes inside of a word are passed over, too, because the
// input functions of arrays and ranges of dates take them away: {tod\ay}.
func HasSpecialDate(b []byte) bool {
	return hasSpecialWord(b) || bytes.ContainsAny(b, `\"`) && hasQuotedSpecialWord(b)
}

func hasSpecialWord(b []byte) bool {
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

// hasQuotedSpecialWord is hasSpecialWord for b without its backslashes and double quotes.
func hasQuotedSpecialWord(b []byte) bool {
	var word [len("yesterday") + 1]byte // its end is a letter only of words that are longer
	n := 0
	for _, c := range b {
		switch {
		case asciiLetter(c):
			word[min(n, len(word)-1)] = c
			n++
		case c == '\\', c == '"':
		default:
			if specialAt(word[:min(n, len(word))]) {
				return true
			}
			n = 0
		}
	}
	return specialAt(word[:min(n, len(word))])
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
	piece := 1 // the E is no letter of the value
	for i := piece; i+1 < len(lit); i++ {
		if lit[i] != '\\' {
			continue
		}
		i++
		switch lit[i] {
		case '\\', '"': // may stand inside of a word, for HasSpecialDate to pass over
		case 'n', 'r', 't', '\'', '%', '_':
			if HasSpecialDate(lit[piece : i-1]) {
				return true
			}
			piece = i + 1
		default:
			return true
		}
	}
	return HasSpecialDate(lit[piece:])
}

// SpecialDates tells which strings of text may hold such a word: bit n stands for the string n, from 0, in the order of the text, and the last
// bit for all that are beyond.
func SpecialDates(text []byte) uint64 {
	var found uint64
	n := 0
	for scan := Scan(text); scan.Next() != End; {
		switch t := scan.Token; t.Kind {
		case String, EString, Dollar, UString:
			if mayHoldSpecialDate(text[t.Start:t.End], t) {
				found |= 1 << min(n, 63)
			}
			n++
		}
	}
	return found
}
