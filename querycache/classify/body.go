package classify

import (
	"bytes"

	"overdrive/querycache/sqlscan"
)

// This file cuts the body of a function into words, and reads one in SQL. That of one in PL/pgSQL is read in plpgsql.go, and the statements and
// expressions of both in plpgsqltext.go.

// block is a body that is being read.
type block struct {
	*walker
	text  []byte
	words []word
	at    int // the next of words
	depth int // blocks and statements, one within the other

	called bool // by name, and not by a trigger

	columns   map[string]bool // of NEW that are set
	anyColumn bool            // all of NEW may be set
}

// word is a token with its place in the text.
type word struct {
	token
	start, end int
}

const (
	maxBodyWords = 20 << 10
	maxBodyDepth = 100
)

// read reads all of the body, and reports whether it was understood.
func (b *block) read() bool {
	if !b.scan() || !b.options() || !b.label() || !b.peek().is("declare", "begin") || !b.block() {
		return false
	}
	b.skip(";")
	return b.at == len(b.words)
}

// readSQL is read for the body of a function in SQL: statements that read or change rows.
func (b *block) readSQL() bool {
	if !b.scan() {
		return false
	}
	for b.at < len(b.words) {
		if b.skip(";") {
			continue
		}
		end := b.at
		for end < len(b.words) && !b.words[end].isSemicolon() {
			end++
		}
		if !b.judges(b.source(b.words[b.at:end])) {
			return false
		}
		b.at = end
	}
	return true
}

// scan cuts the body into words. It returns false where a string has a backslash: a session that compiles it with standard_conforming_strings off
// takes the string to end elsewhere, and what it compiled then stays on its server connection for others. The same holds for what must be decoded
// first, which words cannot be looked for in.
func (b *block) scan() bool {
	for scan := sqlscan.Scan(b.text); scan.Next() != sqlscan.End; {
		t := scan.Token
		switch {
		case t.Broken, t.Kind == sqlscan.Stray, t.Kind == sqlscan.UQuoted, t.Kind == sqlscan.UString, len(b.words) == maxBodyWords:
			return false
		case t.Kind == sqlscan.String && bytes.IndexByte(b.text[t.Start:t.End], '\\') >= 0:
			return false
		}
		b.words = append(b.words, word{tokenOf(b.text, t), t.Start, t.End})
	}
	return true
}

// options reads the #variable_conflict and the like that stand ahead of the block.
func (b *block) options() bool {
	for b.skip("#") {
		if !b.take("variable_conflict", "print_strict_params") || !b.take("error", "use_variable", "use_column", "on", "off") {
			return false
		}
	}
	return true
}
