package classify

import (
	"maps"
	"slices"

	"github.com/multigres/multigres/go/common/parser/ast"

	"overdrive/querycache/verdict"
)

// This file is about statements that were sent by one catalog, and may have run by another: DDL was committed meanwhile, by somebody else. Then
// they may have written what their verdicts do not know of.
//
//	verdict ── sent ── (DDL is committed: a lock is let go, a name means something else) ── runs ── answered: does the verdict hold?

// hangs is what the meaning of a statement hangs on, as far as that was looked up. It never changes.
type hangs struct {
	relations []verdict.RelationID // that it, and the code that it runs, names, reads or writes, ascending
	code      []verdict.RelationID // by NameID, what may be the name of a function or a type, ascending
	unknown   []string             // names of relations that were not there
	deep      bool                 // there is more
}

// hangsOn returns what the meaning of the statement hangs on.
func (w *walker) hangsOn() hangs {
	h := hangs{deep: w.mention.deep, unknown: w.unknown}
	all := map[verdict.RelationID]bool{}
	for _, set := range w.touchable() {
		for r := range set {
			all[r.id] = true
		}
	}
	for key := range w.written {
		all[key.relation.id] = true
	}
	h.relations = slices.Sorted(maps.Keys(all))
	for name := range w.mention.code {
		h.code = append(h.code, verdict.NameID(name))
	}
	slices.Sort(h.code)
	h.code = slices.Compact(h.code)
	return h
}

// Hangs reports whether the statement is another if somebody changes the meaning of a name.
func (v *Verdict) Hangs() bool {
	h := &v.hangs
	return len(h.relations) > 0 || len(h.code) > 0 || len(h.unknown) > 0 || h.deep
}

// Held reports whether a statement that was sent at a version and is answered now has done what its verdict says: whether none of the DDL that is known since,
// and none of what is being committed, may have made it another. A nil Touch may have done anything. Ask what is being committed before Held is
// called: what is no more has made a version.
func (c *Classifier) Held(v *Verdict, version uint64, committing []*Touch) bool {
	s := c.state.Load()
	if s.version == version && len(committing) == 0 {
		return true
	}
	if s.catalog == nil || s.version != version && (len(s.past) == 0 || s.past[0].version > version+1) {
		return false
	}
	moved := func(t *Touch) bool { return t == nil || t.moves(s.catalog, v) }
	return !slices.ContainsFunc(committing, moved) &&
		!slices.ContainsFunc(s.past, func(past step) bool { return past.version > version && moved(past.touch) })
}

// moves reports whether a statement may do something else by what was touched than its verdict says, if it ran behind it.
func (t *Touch) moves(c *Catalog, v *Verdict) bool {
	switch h := &v.hangs; {
	case v.Effect == verdict.EffectEverything: // nothing is left to fear
		return false
	case t.inert:
		return false
	case h.deep, v.Touch != nil && t.widens(v.Touch), t.hitsAny(h.code), slices.ContainsFunc(h.unknown, t.hitsName):
		return true
	}
	reads := v.Effect == verdict.EffectNone
	return slices.ContainsFunc(v.hangs.relations, func(id verdict.RelationID) bool {
		r := c.byID[id]
		return r == nil || t.hitsName(r.name) || t.relations[id] && (t.bends || !reads) || !reads && t.runsIn(r)
	})
}

// hitsAny reports whether t touches functions or types of the names.
func (t *Touch) hitsAny(code []verdict.RelationID) bool {
	if len(code) == 0 {
		return false
	}
	has := func(name string) bool {
		_, found := slices.BinarySearch(code, verdict.NameID(name))
		return found
	}
	for name := range t.code {
		if has(name) {
			return true
		}
	}
	for name := range t.names { // a relation has a type of its name, and one of arrays
		if has(name) || has(arrayOf(name)) || has(arrayOf(arrayOf(name))) {
			return true
		}
	}
	return false
}

// bends reports whether what reads a relation that is there may run other code by the DDL than before, under the same name: that of policies, or of
// operators and casts of a type.
func bends(n ast.Stmt) bool {
	switch n := n.(type) {
	case *ast.CreatePolicyStmt, *ast.AlterPolicyStmt:
		return true
	case *ast.DropStmt:
		return n.RemoveType == ast.OBJECT_POLICY
	case *ast.RenameStmt:
		return n.RenameType == ast.OBJECT_COLUMN
	case *ast.AlterTableStmt:
		return slices.ContainsFunc(listed(n.Cmds), func(item ast.Node) bool {
			cmd, ok := item.(*ast.AlterTableCmd)
			return !ok || bendingAlter[cmd.Subtype]
		})
	}
	return false
}

// bendingAlter are the kinds of ALTER TABLE that do so.
var bendingAlter = map[ast.AlterTableType]bool{
	ast.AT_EnableRowSecurity: true, ast.AT_DisableRowSecurity: true, ast.AT_ForceRowSecurity: true, ast.AT_NoForceRowSecurity: true, ast.AT_ChangeOwner: true,
	ast.AT_SetRelOptions: true, ast.AT_ResetRelOptions: true, // with whose rights a view is read
	ast.AT_AlterColumnType: true, ast.AT_DropColumn: true,
}

// isInert reports whether the DDL has nobody run other code than before. Some of it takes long, beside those who read and write the table.
func isInert(n ast.Stmt) bool {
	switch n := n.(type) {
	case *ast.IndexStmt:
		return true
	case *ast.AlterTableStmt:
		return !slices.ContainsFunc(listed(n.Cmds), func(item ast.Node) bool {
			cmd, ok := item.(*ast.AlterTableCmd)
			return !ok || !inertAlter[cmd.Subtype] && !addsEmpty(cmd)
		})
	}
	return false
}

// inertAlter are the kinds of ALTER TABLE of which that is so.
var inertAlter = map[ast.AlterTableType]bool{
	ast.AT_ValidateConstraint: true, ast.AT_SetStatistics: true, ast.AT_SetStorage: true, ast.AT_SetCompression: true, ast.AT_ReplicaIdentity: true,
	ast.AT_ClusterOn: true, ast.AT_DropCluster: true,
}

// addsEmpty reports whether a column is added that has nothing in any row, nor will have by itself.
func addsEmpty(cmd *ast.AlterTableCmd) bool {
	column, ok := cmd.Def.(*ast.ColumnDef)
	return cmd.Subtype == ast.AT_AddColumn && ok && isEmpty(column)
}
