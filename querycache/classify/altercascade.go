package classify

import (
	"slices"

	"github.com/multigres/multigres/go/common/parser/ast"

	"overdrive/querycache/verdict"
)

// This file is about what goes with a relation by CASCADE: views over it, tables that inherit from it, and foreign keys. The server tells of them
// in notices alone; here the trees tell. Functions whose bodies are trees go, too, and materialized views, and policies with a condition for what is
// written, of which not enough is known here: where there is one of these that answers may depend on, CASCADE may change everything.

// cascades is touchesDropped for CASCADE.
func (w *walker) cascades(t *Touch, n *ast.DropStmt) bool {
	switch n.RemoveType {
	case ast.OBJECT_TABLE, ast.OBJECT_VIEW, ast.OBJECT_INDEX, ast.OBJECT_SEQUENCE: // with an index go foreign keys, with a sequence defaults: less is written
	default:
		return false
	}
	if !w.touchesDropped(t, n) {
		return false
	}
	var all []*relation
	for name := range t.names {
		all = append(all, w.catalog.named(name)...)
	}
	if !w.catalog.addDependents(t, all) {
		return false
	}
	return len(w.doubts) == 0 // what was made since may go, too
}

// cascadesFrom adds what goes with a part of a relation.
func (w *walker) cascadesFrom(t *Touch, n *ast.RangeVar) bool {
	r := w.catalog.lookup(n.SchemaName, n.RelName)
	return r != nil && len(w.doubts) == 0 && w.catalog.addDependents(t, r.family())
}

// addDependents adds what goes with the relations, or loses a part with them. It returns false if that is not known.
func (c *Inventory) addDependents(t *Touch, gone []*relation) bool {
	users, ok := c.users(gone)
	if !ok {
		return false
	}
	seen := map[*relation]bool{}
	for len(gone) > 0 {
		r := gone[len(gone)-1]
		gone = gone[:len(gone)-1]
		if seen[r] {
			continue
		}
		seen[r] = true
		t.relations[r.id] = true
		t.names[r.name] = true
		for _, key := range r.affects {
			t.relations[key.to.id] = true
		}
		gone = append(gone, r.children...)
		gone = append(gone, users[r.id]...)
	}
	return true
}

// users returns the views over each relation. ok is false where more may go with those that are gone: their own policies aside.
func (c *Inventory) users(gone []*relation) (users map[verdict.RelationID][]*relation, ok bool) {
	for _, all := range c.functions {
		for _, f := range all {
			if f.isTrusted() {
				return nil, false
			}
		}
	}
	users = map[verdict.RelationID][]*relation{}
	for _, r := range c.byID {
		switch {
		case r.isSystem() || r.kind != 'v' && r.kind != 'm' && (!r.rowSecurity || slices.Contains(gone, r)):
			continue
		case r.kind != 'v' || r.tree.err != nil || r.tree.facts == nil:
			return nil, false
		}
		for _, one := range r.tree.facts.Relations {
			id := verdict.RelationID(one.OID)
			users[id] = append(users[id], r)
		}
	}
	return users, true
}
