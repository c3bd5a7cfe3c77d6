package classify

import (
	"maps"
	"slices"

	"github.com/multigres/multigres/go/common/parser/ast"

	"overdrive/querycache/verdict"
)

// This file is about statements that were sent by one catalog, and may have run by another: DDL was committed meanwhile, by somebody else. Then
// such a statement may have written what its verdict does not know of.
//
//	verdict ── sent ── (DDL is committed: a lock is let go, a name means something else) ── runs ── answered: does the verdict hold?

// A Meaning is what a statement hangs on: another statement may stand behind the same text if one of these changes. It never changes itself.
type Meaning struct {
	judge     *Classifier          // who has judged it; nil: that is not known
	version   uint64               // of the judge's catalog
	relations []verdict.RelationID // that the statement, and the code that it runs, names, reads or writes, ascending
	code      []verdict.RelationID // by NameID, what may be the name of a function or a type, ascending
	unknown   []string             // names of relations that are not there
	reads     bool                 // the statement writes nothing
	touch     *Touch               // of DDL
	anything  bool                 // it hangs on more than is listed
}

// Loosely returns the meaning of all statements that are judged from now on, by the same judge.
func (m *Meaning) Loosely() *Meaning {
	return &Meaning{judge: m.judge, version: m.version, anything: true}
}

// meaning returns what the statement hangs on, nil where that is nothing, or nothing is left to fear of it. A query hangs on operators at least.
func (w *walker) meaning(v *Verdict, query bool) *Meaning {
	if v.Effect == verdict.EffectEverything {
		return nil
	}
	m := &Meaning{unknown: w.unknown, reads: v.Effect == verdict.EffectNone && !v.DDL, touch: v.Touch, anything: w.mention.deep || w.keepsUp}
	all := map[verdict.RelationID]bool{}
	for _, set := range w.touchable() {
		for r := range set {
			all[r.id] = true
		}
	}
	for key := range w.written {
		all[key.relation.id] = true
	}
	m.relations = slices.Sorted(maps.Keys(all))
	for name := range w.mention.code {
		m.code = append(m.code, verdict.NameID(name))
	}
	slices.Sort(m.code)
	m.code = slices.Compact(m.code)
	if len(m.relations)+len(m.code)+len(m.unknown) == 0 && !query && !m.anything && m.touch == nil {
		return nil
	}
	return m
}

// Held reports whether the statement has certainly done what its verdict says, if it ran at any time between the verdict and now. committing is the DDL that
// may have been committed without a version of the catalog yet, where nil stands for any: ask for it before Held is called, so that what is no longer
// among it has a version. Of DDL that was not understood the worst is believed.
func (m *Meaning) Held(committing []*Touch) bool {
	if m.judge == nil {
		return false
	}
	s := m.judge.state.Load()
	if s.version == m.version && len(committing) == 0 {
		return true
	}
	if s.catalog == nil || m.version < s.forgotten {
		return false
	}
	moved := func(t *Touch) bool { return t == nil || t.moves(s.catalog, m) }
	return !slices.ContainsFunc(committing, moved) &&
		!slices.ContainsFunc(s.past, func(past step) bool { return past.version > m.version && moved(past.touch) })
}

// moves reports whether a statement may be another by what was touched.
func (t *Touch) moves(c *Catalog, m *Meaning) bool {
	switch {
	case t.inert:
		return false
	case m.anything, m.touch != nil && t.widens(m.touch), t.hitsAny(m.code), slices.ContainsFunc(m.unknown, t.hitsName):
		return true
	}
	return slices.ContainsFunc(m.relations, func(id verdict.RelationID) bool {
		r := c.byID[id]
		return r == nil || t.hitsName(r.name) || t.relations[id] && (t.bends || !m.reads) || !m.reads && t.runsIn(r)
	})
}

// hitsAny is hitsCode for any of the names that stand behind the numbers, ascending.
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

// Inert reports whether the DDL has nobody run other code than before: statements that are under way beside it are what they were.
func (t *Touch) Inert() bool { return t.inert }

// Code reports whether the DDL is of functions or types.
func (t *Touch) Code() bool { return len(t.code) > 0 }

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

// bendingAlter are the kinds of ALTER TABLE by which a reader may run other code.
var bendingAlter = map[ast.AlterTableType]bool{
	ast.AT_EnableRowSecurity: true, ast.AT_DisableRowSecurity: true, ast.AT_ForceRowSecurity: true, ast.AT_NoForceRowSecurity: true, ast.AT_ChangeOwner: true,
	ast.AT_SetRelOptions: true, ast.AT_ResetRelOptions: true, // with whose rights a view is read
	ast.AT_AlterColumnType: true, ast.AT_DropColumn: true,
}

// isInert is Inert for a statement. Some of it takes long, beside those who read and write the table.
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

// inertAlter are the kinds of ALTER TABLE that are inert.
var inertAlter = map[ast.AlterTableType]bool{
	ast.AT_ValidateConstraint: true, ast.AT_SetStatistics: true, ast.AT_SetStorage: true, ast.AT_SetCompression: true, ast.AT_ReplicaIdentity: true,
	ast.AT_ClusterOn: true, ast.AT_DropCluster: true,
}

// addsEmpty reports whether a column is added that has nothing in any row, nor will have by itself.
func addsEmpty(cmd *ast.AlterTableCmd) bool {
	column, ok := cmd.Def.(*ast.ColumnDef)
	return cmd.Subtype == ast.AT_AddColumn && ok && isEmpty(column)
}
