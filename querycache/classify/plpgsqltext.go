package classify

import (
	"overdrive/querycache/sqlscan"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file judges the expressions and statements of SQL that stand in a body.

// source returns the text from the first to the last of some words.
func (b *block) source(words []word) string {
	if len(words) == 0 {
		return ""
	}
	return string(b.text[words[0].start:words[len(words)-1].end])
}

// expression judges an expression, which may go on with FROM as that of a SELECT.
func (b *block) expression(words []word) bool {
	return len(words) > 0 && b.judges("SELECT "+b.source(words))
}

// query judges a statement. Where it puts its rows by INTO is cut out.
func (b *block) query(words []word) bool {
	brackets := 0
	for i, w := range words {
		if brackets += w.nests(); brackets == 0 && w.is("into") && i > 0 && !words[i-1].is("insert", "merge") {
			end, ok := b.into(words, i+1)
			return ok && b.judges(b.source(words[:i])+" "+b.source(words[end:]))
		}
	}
	return b.judges(b.source(words))
}

// into reads the targets of an INTO and returns where they end.
func (b *block) into(words []word, at int) (end int, ok bool) {
	if at < len(words) && words[at].is("strict") {
		at++
	}
	for {
		start := at
		for at++; at+1 < len(words) && words[at].text == "."; at += 2 {
		}
		if at > len(words) || !b.target(words[start:at]) {
			return 0, false
		}
		if at >= len(words) || words[at].kind != sqlscan.Punct || words[at].text != "," {
			return at, true
		}
		at++
	}
}

// judges judges a statement of the body as a text is judged, and reports whether nothing is against it.
func (b *block) judges(sql string) bool {
	all := statements([]byte(sql))
	if len(all) != 1 || longName(all) != "" || !b.spend(len(all[0])) {
		return false
	}
	if _, _, ok := tooDear([]byte(sql), all); !ok {
		return false
	}
	var left Verdict
	sessionEffects(&left, all, true)
	if left.Session&^(Queries|Draws|ReadsOwn|SetsOwn) != 0 || len(left.Resets)+len(left.Prepared) > 0 || !all[0].setsOwnAlone() {
		return false
	}
	b.draws, b.ownSets = b.draws || left.Session.Has(Draws), append(b.ownSets, left.Sets...)
	stmts, err := parse(sql)
	if err != nil || len(stmts) != 1 || lostName(stmts, all) != "" {
		return false
	}
	switch n := stmts[0].(type) {
	case *ast.SelectStmt:
		if n.IntoClause != nil {
			return false
		}
	case *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt, *ast.MergeStmt, *ast.CallStmt:
	default:
		return false
	}
	b.walker.statement(stmts[0])
	b.settleNotation()
	return !b.everything
}

// closing returns the place of the bracket that closes the first of some words, -1 where there is none.
func closing(words []word) int {
	brackets := 0
	for i, w := range words {
		if brackets += w.nests(); brackets == 0 && w.nests() < 0 {
			return i
		}
	}
	return -1
}
