package admin

import (
	"bytes"
	"strconv"
	"strings"

	"overdrive/querycache/sqlscan"
)

// words are the tokens of a command, by PostgreSQL's own rules, and how far they have been read.
type words struct {
	text   []byte
	tokens []sqlscan.Token
}

// split cuts a text into tokens. Semicolons at the end are dropped.
func split(sql string) (*words, error) {
	w := &words{text: []byte(sql)}
	for s := sqlscan.Scan(w.text); s.Next() != sqlscan.End; {
		if s.Broken {
			return nil, fail(codeSyntax, "unterminated quote")
		}
		w.tokens = append(w.tokens, s.Token)
	}
	for n := len(w.tokens); n > 0 && w.at(n-1) == ";"; n = len(w.tokens) {
		w.tokens = w.tokens[:n-1]
	}
	return w, nil
}

func (w *words) done() bool { return len(w.tokens) == 0 }

// at returns token i as it was written, or "".
func (w *words) at(i int) string {
	if i >= len(w.tokens) {
		return ""
	}
	return string(w.text[w.tokens[i].Start:w.tokens[i].End])
}

// word returns token i in lower case, or "" if there is none.
func (w *words) word(i int) string { return strings.ToLower(w.at(i)) }

// near is the next token, shortened, for an error.
func (w *words) near() string {
	const enough = 30
	s := w.at(0)
	return s[:min(len(s), enough)]
}

func (w *words) skip(n int) { w.tokens = w.tokens[min(n, len(w.tokens)):] }

// accept takes up the next token if it is one of the words.
func (w *words) accept(choices ...string) bool {
	for _, choice := range choices {
		if !w.done() && w.tokens[0].Kind == sqlscan.Word && w.word(0) == choice {
			w.skip(1)
			return true
		}
	}
	return false
}

// punct takes up the next token if it is this one.
func (w *words) punct(p string) bool {
	if w.at(0) != p {
		return false
	}
	w.skip(1)
	return true
}

// name takes up an identifier.
func (w *words) name() (string, bool) {
	if w.done() {
		return "", false
	}
	name, ok := "", true
	switch w.tokens[0].Kind {
	case sqlscan.Word:
		name = w.word(0)
	case sqlscan.Quoted:
		quoted := w.at(0)
		name = strings.ReplaceAll(quoted[1:len(quoted)-1], `""`, `"`)
	default:
		ok = false
	}
	if ok {
		w.skip(1)
	}
	return name, ok
}

// literal takes up a string, '…' or $$…$$.
func (w *words) literal() (string, bool) {
	if w.done() {
		return "", false
	}
	t, s := w.tokens[0], w.at(0)
	switch {
	case t.Kind == sqlscan.String && !t.Continued && s[0] == '\'':
		s = strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	case t.Kind == sqlscan.Dollar:
		tag := s[:1+strings.IndexByte(s[1:], '$')+1]
		s = s[len(tag) : len(s)-len(tag)]
	default:
		return "", false
	}
	w.skip(1)
	return s, true
}

// digits takes up letters and digits up to the next blank, which may be several tokens, or what stands between quotes.
func (w *words) digits() string {
	if s, ok := w.literal(); ok {
		return s
	}
	n, end := 0, 0
	for _, t := range w.tokens {
		if (t.Kind != sqlscan.Word && t.Kind != sqlscan.Number) || n > 0 && t.Start != end {
			break
		}
		n, end = n+1, t.End
	}
	if n == 0 {
		return ""
	}
	s := string(bytes.ToLower(w.text[w.tokens[0].Start:end]))
	w.skip(n)
	return s
}

// number takes up a whole number.
func (w *words) number() (n uint64, ok bool) {
	if w.done() {
		return 0, false
	}
	n, err := strconv.ParseUint(w.at(0), 10, 64)
	if err != nil {
		return 0, false
	}
	w.skip(1)
	return n, true
}

// path takes up identifiers between dots.
func (w *words) path() (names []string, ok bool) {
	for {
		name, ok := w.name()
		if !ok {
			return nil, false
		}
		names = append(names, name)
		if !w.punct(".") {
			return names, true
		}
	}
}

// value takes up a literal, an identifier in quotes, or all up to the next blank as it was written.
func (w *words) value() (string, bool) {
	if s, ok := w.literal(); ok {
		return s, true
	}
	if w.done() {
		return "", false
	}
	if w.tokens[0].Kind == sqlscan.Quoted {
		return w.name()
	}
	n, end := 0, w.tokens[0].Start
	for _, t := range w.tokens {
		if t.Start != end {
			break
		}
		n, end = n+1, t.End
	}
	s := string(w.text[w.tokens[0].Start:end])
	w.skip(n)
	return s, true
}
