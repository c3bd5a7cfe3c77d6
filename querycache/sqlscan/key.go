package sqlscan

import "bytes"

// AppendKey appends to dst what tells text from all texts that the server reads otherwise, and returns it. It is the sequence of
// tokens with one space between them: comments and white space are gone, unquoted words are in lower case, constants
// stand as they were written, and trailing semicolons are dropped. Of two texts with equal keys each may be given the
// other's answer, as long as none of it depends on comments.
//
//	SELECT  Name FROM "T" -- why      select name from "T" where id = 42 and s = E'it\'s'
//	WHERE id=42 AND s = E'it\'s';  ─▶
func AppendKey(dst, text []byte) []byte {
	if bytes.IndexByte(text, '\v') >= 0 { // white space only since PostgreSQL 16
		return append(append(dst, '\v'), text...)
	}
	r := reducer{scan: Scan(text)}
	end, kind := -1, End
	for r.next() {
		switch {
		case r.lead == semicolon:
			dst = append(dst, " ; "...)
		case r.lead == blank && (end < r.scan.Start || !glued(kind, r.scan.Kind)):
			dst = append(dst, ' ')
		}
		end, kind = r.scan.End, r.scan.Kind
		dst = appendToken(dst, text[r.scan.Start:end], kind)
	}
	if r.flags.Has(Unterminated) {
		dst = append(dst, " /*"...) // no key of a whole text ends like this
	}
	return dst
}

// glued reports whether servers tell a b from ab, where a number or a parameter has a word or number right behind it: since
// PostgreSQL 15 that is an error.
func glued(a, b Kind) bool {
	return (a == Number || a == Param) && (b == Word || b == Number || b == Param)
}

func appendToken(dst, token []byte, kind Kind) []byte {
	if kind != Word {
		return append(dst, token...)
	}
	for _, c := range token {
		dst = append(dst, lower[c])
	}
	return dst
}
