package classify

import (
	"slices"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file tells of which statements nothing stays if they fail, though they may write anything. Most run in one transaction from their
// beginning to their end. There are two exceptions: statements that end a transaction themselves, and code that reaches the database by a
// connection of its own (dblink, foreign tables, languages that are not trusted). The catalog tells whether there is any of the latter,
// unless a DO block makes it itself.

// judgeAtomic notes it for a text of one statement. stmt is nil where the statement could not be parsed.
func (v *Verdict) judgeAtomic(c *Catalog, stmt ast.Stmt, s statement) {
	if c == nil || c.outside {
		return
	}
	v.AtomicInBlock = !s.endsTransaction() && !s.at(0).is("do") && !slices.ContainsFunc(s, func(t token) bool { return t.is("program") })
	v.Atomic = v.AtomicInBlock && stmt != nil && runsInOneTransaction(stmt)
}

// endsTransaction reports whether s begins or ends a transaction, or a part of one.
func (s statement) endsTransaction() bool {
	return s.at(0).is("begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release") ||
		s.at(0).is("prepare") && s.at(1).is("transaction")
}

// runsInOneTransaction knows the statements that do not commit before they have ended.
func runsInOneTransaction(n ast.Stmt) bool {
	switch n := n.(type) {
	case *ast.SelectStmt, *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt, *ast.MergeStmt, *ast.CopyStmt, *ast.TruncateStmt,
		*ast.ExecuteStmt, *ast.PrepareStmt, *ast.DeclareCursorStmt, *ast.FetchStmt,
		*ast.CreateStmt, *ast.CreateTableAsStmt, *ast.ViewStmt, *ast.CreateFunctionStmt, *ast.CreateTriggerStmt, *ast.CreateSeqStmt,
		*ast.CreateEnumStmt, *ast.CreateDomainStmt, *ast.RenameStmt, *ast.CommentStmt, *ast.GrantStmt, *ast.CreatePolicyStmt,
		*ast.RefreshMatViewStmt:
		return true
	case *ast.ExplainStmt:
		query, ok := n.Query.(ast.Stmt)
		return ok && runsInOneTransaction(query)
	case *ast.IndexStmt:
		return !n.Concurrent
	case *ast.DropStmt:
		return !n.Concurrent
	case *ast.AlterTableStmt:
		return n.Cmds != nil && !slices.ContainsFunc(n.Cmds.Items, func(item ast.Node) bool {
			cmd, ok := item.(*ast.AlterTableCmd)
			return !ok || cmd.Subtype == ast.AT_DetachPartition || cmd.Subtype == ast.AT_DetachPartitionFinalize
		})
	}
	return false
}
