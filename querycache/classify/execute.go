package classify

import "github.com/multigres/multigres/go/common/parser/ast"

// This file tells what EXECUTE does apart from the statement that it executes, which only the session knows.

// bareOf returns what an EXECUTE does by itself, or nil where that may be anything. Its values are cast to the types of the parameters, unseen.
func (v *Verdict) bareOf(n *ast.ExecuteStmt, c *Catalog, doubts []*Touch) *Bare {
	if c == nil || !c.legible() {
		return nil
	}
	w := newWalker(c)
	w.visit(n.Params)
	w.settleNotation()
	if w.everything || w.ddl || w.shared || w.doubted(doubts) || len(w.ownSets) > 0 {
		return nil
	}
	bare := &Bare{Runs: w.runs, Session: v.Session}
	bare.Effect, bare.Writes = w.effect()
	if w.draws || w.fires {
		bare.Session |= Draws
	}
	return bare
}
