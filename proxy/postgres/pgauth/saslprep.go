package pgauth

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// saslprep is SASLprep (RFC 4013) as PostgreSQL applies it to passwords: a password that cannot be prepared, because it is
// not UTF-8 or holds a prohibited or unassigned code point, is used as it is. The newer PRECIS profile for passwords
// (RFC 8265) will not do: it normalises otherwise, so "²" would not match the verifier that PostgreSQL stored for it.
func saslprep(password string) string {
	if isASCII(password) || !utf8.ValidString(password) {
		return password
	}
	mapped := strings.Map(mapRune, password)
	if mapped == "" || strings.ContainsFunc(mapped, isProhibited) || !isBidiSound(mapped) {
		return password
	}
	return norm.NFKC.String(mapped)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// mapRune is the mapping step, RFC 4013, section 2.1.
func mapRune(r rune) rune {
	switch {
	case unicode.Is(otherSpaces, r):
		return ' '
	case unicode.Is(mappedToNothing, r):
		return -1
	default:
		return r
	}
}

func isProhibited(r rune) bool {
	return unicode.Is(prohibited, r) || unicode.Is(unassigned32, r)
}

// isBidiSound is RFC 3454, section 6: a text with right-to-left letters has no left-to-right ones, and begins and ends
// with a right-to-left letter.
func isBidiSound(s string) bool {
	var left, right bool
	for _, r := range s {
		left = left || isLeft(r)
		right = right || isRight(r)
	}
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	return !right || !left && isRight(first) && isRight(last)
}

func isLeft(r rune) bool {
	return classOf(r) == bidi.L
}

func isRight(r rune) bool {
	c := classOf(r)
	return c == bidi.R || c == bidi.AL
}

func classOf(r rune) bidi.Class {
	p, _ := bidi.LookupRune(r)
	return p.Class()
}

// otherSpaces is table C.1.2 of RFC 3454.
var otherSpaces = &unicode.RangeTable{R16: []unicode.Range16{
	{0x00A0, 0x00A0, 1}, {0x1680, 0x1680, 1}, {0x2000, 0x200B, 1}, {0x202F, 0x202F, 1},
	{0x205F, 0x205F, 1}, {0x3000, 0x3000, 1},
}, LatinOffset: 1}

// mappedToNothing is table B.1 of RFC 3454, without what the previous one has already made a space.
var mappedToNothing = &unicode.RangeTable{R16: []unicode.Range16{
	{0x00AD, 0x00AD, 1}, {0x034F, 0x034F, 1}, {0x1806, 0x1806, 1}, {0x180B, 0x180D, 1},
	{0x200C, 0x200D, 1}, {0x2060, 0x2060, 1}, {0xFE00, 0xFE0F, 1}, {0xFEFF, 0xFEFF, 1},
}, LatinOffset: 1}

// prohibited is the union of the tables that RFC 4013, section 2.3 names: C.1.2, C.2.1, C.2.2 and C.3 to C.9 of RFC 3454.
var prohibited = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x0000, 0x001F, 1}, {0x007F, 0x00A0, 1}, {0x0340, 0x0341, 1}, {0x06DD, 0x06DD, 1},
		{0x070F, 0x070F, 1}, {0x1680, 0x1680, 1}, {0x180E, 0x180E, 1}, {0x2000, 0x200F, 1},
		{0x2028, 0x202F, 1}, {0x205F, 0x2063, 1}, {0x206A, 0x206F, 1}, {0x2FF0, 0x2FFB, 1},
		{0x3000, 0x3000, 1}, {0xD800, 0xF8FF, 1}, {0xFDD0, 0xFDEF, 1}, {0xFEFF, 0xFEFF, 1},
		{0xFFF9, 0xFFFF, 1},
	},
	R32: []unicode.Range32{
		{0x1D173, 0x1D17A, 1}, {0x1FFFE, 0x1FFFF, 1}, {0x2FFFE, 0x2FFFF, 1}, {0x3FFFE, 0x3FFFF, 1},
		{0x4FFFE, 0x4FFFF, 1}, {0x5FFFE, 0x5FFFF, 1}, {0x6FFFE, 0x6FFFF, 1}, {0x7FFFE, 0x7FFFF, 1},
		{0x8FFFE, 0x8FFFF, 1}, {0x9FFFE, 0x9FFFF, 1}, {0xAFFFE, 0xAFFFF, 1}, {0xBFFFE, 0xBFFFF, 1},
		{0xCFFFE, 0xCFFFF, 1}, {0xDFFFE, 0xDFFFF, 1}, {0xE0001, 0xE0001, 1}, {0xE0020, 0xE007F, 1},
		{0xEFFFE, 0x10FFFF, 1},
	},
	LatinOffset: 1,
}
