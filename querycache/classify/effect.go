package classify

import (
	"slices"
	"strings"

	"overdrive/querycache/verdict"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// statement notes what a whole statement reads and may write. Everything that is not listed may write anything and
// change the catalog.
func (w *walker) statement(n ast.Node) {
	switch n := n.(type) {
	case *ast.SelectStmt, *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt, *ast.MergeStmt:
		w.visit(n)
		w.everything = w.everything || w.catalog != nil && (w.catalog.castWrites || w.catalog.opclass != "")

	case *ast.VariableSetStmt, *ast.VariableShowStmt, *ast.DiscardStmt, *ast.ListenStmt, *ast.UnlistenStmt, *ast.NotifyStmt,
		*ast.DeallocateStmt, *ast.ClosePortalStmt, *ast.FetchStmt, *ast.LockStmt, *ast.CheckPointStmt, *ast.ConstraintsSetStmt,
		*ast.LoadStmt:

	case *ast.TransactionStmt:
		if n.Kind == ast.TRANS_STMT_COMMIT_PREPARED {
			w.everything, w.ddl = true, true // what the transaction did is not known here
		}

	case *ast.DeclareCursorStmt:
		w.statement(n.Query)
	case *ast.ExplainStmt:
		if explainRuns(n) {
			w.statement(n.Query)
		} else {
			w.plan(n.Query)
		}
	case *ast.PrepareStmt:
		w.plan(n.Query)
	case *ast.CopyStmt:
		w.copyStmt(n)
	case *ast.TruncateStmt:
		w.truncate(n)

	case *ast.CreateStmt:
		w.createTable(n)
	case *ast.IndexStmt:
		w.createIndex(n)
	case *ast.DropStmt:
		w.drop(n)
	case *ast.CommentStmt:
		w.quietly()
	case *ast.RefreshMatViewStmt:
		w.refresh(n)
	case *ast.CreateTableAsStmt:
		if n.Into == nil || !w.createsTemporary(n.Into.Rel) || isNil(n.Query) {
			w.everything, w.ddl = true, true
			return
		}
		w.statement(n.Query)
	case *ast.CallStmt:
		w.callStmt(n)
	case *ast.ExecuteStmt, *ast.DoStmt:
		w.everything = true
	case *ast.VacuumStmt, *ast.ClusterStmt:
		w.upkeep(false)
	case *ast.ReindexStmt:
		w.upkeep(true)
	default:
		w.everything, w.ddl = true, true
	}
}

// holdsQuery reports whether a statement that is no query has one within.
func holdsQuery(n ast.Stmt) bool {
	switch n.(type) {
	case *ast.ExplainStmt, *ast.CopyStmt, *ast.DeclareCursorStmt, *ast.PrepareStmt, *ast.CreateTableAsStmt:
		return true
	}
	return false
}

// callStmt notes what a procedure does. One that commits is not among those that can be read.
func (w *walker) callStmt(n *ast.CallStmt) {
	if n.Funccall == nil || w.catalog == nil {
		w.everything = true
		return
	}
	w.procedure = n.Funccall
	w.visit(n.Funccall)
}

// plan notes what it may do to parse and plan a statement that is not run: functions that are said to be immutable are
// called, and literals are read by the input of their types.
func (w *walker) plan(n ast.Node) {
	switch n.(type) {
	case *ast.SelectStmt, *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt, *ast.MergeStmt:
		before := w.planning
		w.planning = true
		w.statement(n)
		w.planning = before
	}
}

// createsTemporary reports whether a new table is one that no other session sees, and nothing runs because it is made.
func (w *walker) createsTemporary(n *ast.RangeVar) bool {
	w.temporary = w.catalog != nil && !w.catalog.codeOnDDL && n != nil && n.CatalogName == "" && n.SchemaName == "" &&
		n.RelPersistence == ast.RELPERSISTENCE_TEMP
	return w.temporary
}

// explainRuns reports whether an EXPLAIN executes its statement: ANALYZE is given and not plainly switched off.
func explainRuns(n *ast.ExplainStmt) bool {
	if n.Options == nil {
		return false
	}
	for _, item := range n.Options.Items {
		option, ok := item.(*ast.DefElem)
		if !ok {
			return true
		}
		if !strings.EqualFold(option.Defname, "analyze") {
			continue
		}
		value, ok := option.Arg.(*ast.String)
		if ok && (strings.EqualFold(value.SVal, "false") || strings.EqualFold(value.SVal, "off")) {
			continue
		}
		return true
	}
	return false
}

func (w *walker) copyStmt(n *ast.CopyStmt) {
	switch {
	case n.IsProgram:
		w.everything = true
	case n.IsFrom:
		w.write(n.Relation, change{ops: opInsert})
		w.visit(n.WhereClause)
	case !isNil(n.Query):
		w.statement(n.Query)
	case n.Relation != nil:
		w.relation(n.Relation) // whose policies are run
	}
}

func (w *walker) truncate(n *ast.TruncateStmt) {
	if n.Behavior == ast.DropCascade || n.Relations == nil {
		w.everything = true // it goes to all tables with a foreign key to these, of any kind
		return
	}
	for _, item := range n.Relations.Items {
		rv, _ := item.(*ast.RangeVar)
		w.write(rv, change{ops: opTruncate})
	}
}

// effect returns what the statements visited so far may change.
func (w *walker) effect() (verdict.Effect, []verdict.RelationID) {
	switch {
	case w.everything:
		return verdict.EffectEverything, nil
	case len(w.writes) > 0 || w.runs: // code that was read a moment ago may be another when it runs, so that it counts as a write, be it of nothing
		return verdict.EffectRelations, ids(w.writes)
	}
	return verdict.EffectNone, nil
}

func ids(set map[*relation]bool) []verdict.RelationID {
	out := make([]verdict.RelationID, 0, len(set))
	for r := range set {
		out = append(out, r.id)
	}
	slices.Sort(out)
	return out
}
