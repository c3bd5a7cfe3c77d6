package classify

import (
	"strings"

	"overdrive/querycache/sqlscan"
)

// token is a token of a shape. Names, quoted or not, are told by name.
type token struct {
	kind sqlscan.Kind
	text string // as in the shape
	name string // of a Word or Quoted: the identifier; else empty

	local bool // begins a call of set_config for the transaction alone
}

// is reports whether t is the unquoted word w.
func (t token) is(words ...string) bool {
	if t.kind != sqlscan.Word {
		return false
	}
	for _, w := range words {
		if t.text == w {
			return true
		}
	}
	return false
}

// statement is the tokens of one statement without its semicolon.
type statement []token

// at returns the token i, or an end token outside of the statement.
func (s statement) at(i int) token {
	if i < 0 || i >= len(s) {
		return token{}
	}
	return s[i]
}

// statements cuts text at its semicolons.
func statements(text []byte) []statement {
	var all []statement
	tokens := make([]token, 0, countTokens(text)) // at once, for growing by and by takes several times as much
	one := tokens
	cut := func() {
		if len(one) > 0 {
			statement(one).markLocalConfigs()
			all = append(all, one[:len(one):len(one)])
			one = one[len(one):]
		}
	}
	for scan := sqlscan.Scan(text); scan.Next() != sqlscan.End; {
		tok := tokenOf(text, scan.Token)
		if tok.isSemicolon() {
			cut()
			continue
		}
		one = append(one, tok)
	}
	cut()
	return all
}

// tokenOf returns the token at a place in text.
func tokenOf(text []byte, t sqlscan.Token) token {
	tok := token{kind: t.Kind, text: string(text[t.Start:t.End])}
	switch {
	case t.Kind == sqlscan.Word:
		tok.text = sqlscan.Fold(tok.text)
		tok.name = tok.text
	case t.Kind == sqlscan.Quoted && !t.Broken:
		tok.name = strings.ReplaceAll(tok.text[1:len(tok.text)-1], `""`, `"`)
	}
	return tok
}

// nests returns 1 for a bracket that opens, -1 for one that closes, and 0 for all else.
func (t token) nests() int {
	switch {
	case t.kind != sqlscan.Punct:
	case t.text == "(" || t.text == "[":
		return 1
	case t.text == ")" || t.text == "]":
		return -1
	}
	return 0
}

func (t token) isSemicolon() bool { return t.kind == sqlscan.Punct && t.text == ";" }

// countTokens counts the tokens of text, semicolons aside.
func countTokens(text []byte) int {
	n := 0
	for scan := sqlscan.Scan(text); scan.Next() != sqlscan.End; {
		if text[scan.Start] != ';' {
			n++
		}
	}
	return n
}
