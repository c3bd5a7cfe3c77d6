package sqlscan

import "bytes"

// hintWord begins a comment that is meant for the cache: /* overdrive: … */, in any case.
const hintWord = "overdrive:"

// Hint returns what stands behind "overdrive:" in the first comment of text that begins with it, and whether there is one.
// It costs a search for a substring where there is none.
func Hint(text []byte) (words []byte, ok bool) {
	if !mayHoldHint(text) {
		return nil, false
	}
	s := Scan(text)
	for {
		s.next()
		switch s.Kind {
		case End:
			return nil, false
		case comment:
			if words, ok := hintIn(text[s.Start:s.End]); ok && !s.Broken {
				return words, true
			}
		}
	}
}

// mayHoldHint is a cheap test that most texts fail.
func mayHoldHint(text []byte) bool {
	for {
		i := bytes.Index(text, []byte("/*"))
		if i < 0 {
			return false
		}
		text = text[i+2:]
		if begins(text) {
			return true
		}
	}
}

// begins reports whether the inside of a comment begins with hintWord.
func begins(inside []byte) bool {
	inside = bytes.TrimLeft(inside, " \t\r\n")
	return len(inside) >= len(hintWord) && bytes.EqualFold(inside[:len(hintWord)], []byte(hintWord))
}

// hintIn returns what stands behind hintWord in a comment.
func hintIn(comment []byte) ([]byte, bool) {
	inside, block := bytes.CutPrefix(comment, []byte("/*"))
	if !block || !begins(inside) {
		return nil, false
	}
	inside = bytes.TrimLeft(inside, " \t\r\n")[len(hintWord):]
	return bytes.TrimSuffix(inside, []byte("*/")), true
}
