package classify

import (
	"reflect"
	"slices"
	"strings"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file lists the DDL that is understood well enough to say what it may change the meaning of. A statement is understood if it says what
// it changes, and runs no code of the user's that may write.

// alteration returns what a statement touches, or nil where it may be anything: it is no DDL, or not of a kind that is well understood; or code of the
// user's may run because of it.
func (w *walker) alteration(n ast.Stmt) *Touch {
	c := w.catalog
	if c == nil || c.codeOnDDL || c.opclass != "" || c.castWrites {
		return nil
	}
	t := newTouch()
	if !w.touches(t, n) {
		return nil
	}
	t.bends, t.inert = bends(n), isInert(n)
	for name := range t.names {
		if c.meansMore(name) {
			t.addCode(name)
		}
	}
	var hit []*relation
	for _, r := range c.byID {
		if t.hits(r) {
			hit = append(hit, r)
		}
	}
	for _, r := range hit {
		if !c.reaches(t, r) {
			return nil
		}
	}
	return t
}

// touches adds to t what the statement names. It returns false if it is not of a kind that is well understood.
func (w *walker) touches(t *Touch, n ast.Stmt) bool {
	switch n := n.(type) {
	case *ast.CommentStmt, *ast.AlterDefaultPrivilegesStmt: // no answer that is kept depends on one
		return true
	case *ast.CreateStmt:
		return w.touchesNew(t, n)
	case *ast.IndexStmt:
		return w.touchesIndexed(t, n)
	case *ast.ViewStmt:
		if !isPlain(n.View) || n.View.RelPersistence == ast.RELPERSISTENCE_TEMP {
			return false
		}
		t.add(n.View.RelName)
		return true
	case *ast.DropStmt:
		if n.Behavior == ast.DropCascade {
			return w.cascades(t, n)
		}
		return w.touchesDropped(t, n)
	case *ast.GrantStmt:
		return w.touchesGranted(t, n)
	case *ast.RenameStmt:
		return w.touchesRenamed(t, n)
	case *ast.AlterTableStmt:
		return (n.Objtype == ast.OBJECT_TABLE || n.Objtype == ast.OBJECT_VIEW) && n.Cmds != nil && w.touchesThere(t, n.Relation) && w.understands(t, n)
	case *ast.CreateTriggerStmt: // the code of a trigger does not run before a row changes
		return n.Constrrel == nil && w.touchesThere(t, n.Relation)
	case *ast.CreatePolicyStmt:
		return w.touchesThere(t, n.Table)
	case *ast.AlterPolicyStmt:
		return w.touchesThere(t, n.Table)
	case *ast.RuleStmt: // one for SELECT makes a view of a table
		return n.Event != ast.CMD_SELECT && w.touchesThere(t, n.Relation)
	}
	return w.touchesCode(t, n)
}

// isPlain reports whether a name is that of a relation of this database, and not said to be of PostgreSQL's own or temporary.
func isPlain(n *ast.RangeVar) bool {
	return n != nil && n.CatalogName == "" && !strings.HasPrefix(n.SchemaName, "pg_")
}

// touchesThere adds a table or view that is there, or may be by DDL that the catalog does not show yet.
func (w *walker) touchesThere(t *Touch, n *ast.RangeVar) bool {
	if !isPlain(n) {
		return false
	}
	r := w.catalog.lookup(n.SchemaName, n.RelName)
	doubted := slices.ContainsFunc(w.doubts, func(d *Touch) bool { return d.names[n.RelName] || r != nil && d.relations[r.id] })
	if doubted {
		t.names[n.RelName] = true
	}
	if r == nil && doubted {
		t.blind = true
		return true
	}
	if r == nil || r.isSystem() || strings.IndexByte("rpvm", r.kind) < 0 {
		return false
	}
	t.relations[r.id] = true
	return true
}

// touchesOld is touchesThere where what the table has may be run for its rows: no code of the user's is.
func (w *walker) touchesOld(t *Touch, n *ast.RangeVar) bool {
	if !w.touchesThere(t, n) {
		return false
	}
	r := w.catalog.lookup(n.SchemaName, n.RelName)
	if r == nil {
		return false
	}
	w.relied[r] = true
	return r.runsNothing()
}

// runsNothing reports whether no code of the user's is run for rows of r.
func (r *relation) runsNothing() bool {
	return !slices.ContainsFunc(r.family(), func(r *relation) bool { return r.opaque || r.coded || r.kind == 'f' })
}

// touchesParent is touchesThere for the table of a new partition, whose key is worked out for the rows of another. Nothing changes a key, and where the
// table is not known it has a plain one.
func (w *walker) touchesParent(t *Touch, n *ast.RangeVar) bool {
	if !w.touchesThere(t, n) {
		return false
	}
	r := w.catalog.lookup(n.SchemaName, n.RelName)
	return r == nil || r.runsNothing()
}

// runsNothing reports whether no code of the user's that may write is run where the server works out an expression.
func (w *walker) runsNothing(n ast.Node) bool {
	before := w.everything
	w.everything = false
	w.visit(n)
	ok := !w.everything
	w.everything = before
	return ok
}

// touchesNew is touches for CREATE TABLE. What is run is where a partition begins and ends, and nothing else: columns have their defaults and
// conditions for the rows to come.
func (w *walker) touchesNew(t *Touch, n *ast.CreateStmt) bool {
	if !isPlain(n.Relation) || n.Relation.RelPersistence == ast.RELPERSISTENCE_TEMP || n.OfTypename != nil || !plainKey(n.PartSpec) || !w.plainBound(n.PartBound) {
		return false
	}
	t.add(n.Relation.RelName)
	understood := true
	eachNode(n, func(node any) {
		switch node := node.(type) {
		case *ast.RangeVar: // whose rows carry changes on to the new table, or which is read with it
			switch {
			case node == n.Relation:
			case n.PartBound != nil && slices.Contains(listed(n.InhRelations), ast.Node(node)):
				understood = understood && w.touchesParent(t, node)
			default:
				understood = understood && w.touchesThere(t, node)
			}
		case *ast.Constraint:
			understood = understood && node.Contype != ast.CONSTR_EXCLUSION
			if node.Conname != "" {
				t.add(node.Conname)
			}
		}
	})
	return understood
}

// plainKey reports whether a table is partitioned by nothing but columns, if it is.
func plainKey(n *ast.PartitionSpec) bool {
	if n == nil {
		return true
	}
	for _, item := range listed(n.PartParams) {
		if e, ok := item.(*ast.PartitionElem); !ok || !isNil(e.Expr) || e.Opclass != nil {
			return false
		}
	}
	return true
}

// plainBound reports whether nothing of the user's is run to work out where a partition begins and ends, if there is one.
func (w *walker) plainBound(n *ast.PartitionBoundSpec) bool {
	if n == nil {
		return true
	}
	for _, list := range []*ast.NodeList{n.ListDatums, n.LowDatums, n.HighDatums} {
		for _, item := range listed(list) {
			if !w.runsNothing(item) {
				return false
			}
		}
	}
	return true
}

// touchesIndexed is touches for CREATE INDEX. Expressions and conditions are run for every row.
func (w *walker) touchesIndexed(t *Touch, n *ast.IndexStmt) bool {
	if n.ExcludeOpNames != nil || n.IndexParams == nil || !w.touchesThere(t, n.Relation) || !isNil(n.WhereClause) && !w.runsNothing(n.WhereClause) {
		return false
	}
	if n.Idxname != "" {
		t.add(n.Idxname)
	}
	w.makesUp(t, n.Relation.RelName)
	for _, item := range n.IndexParams.Items {
		if e, ok := item.(*ast.IndexElem); !ok || !isNil(e.Expr) && !w.runsNothing(e.Expr) {
			return false
		}
	}
	return true
}

// touchesDropped is touches for DROP of relations, and of what belongs to one.
func (w *walker) touchesDropped(t *Touch, n *ast.DropStmt) bool {
	switch n.RemoveType {
	case ast.OBJECT_TABLE, ast.OBJECT_VIEW, ast.OBJECT_MATVIEW, ast.OBJECT_INDEX, ast.OBJECT_SEQUENCE:
	case ast.OBJECT_TRIGGER, ast.OBJECT_POLICY, ast.OBJECT_RULE:
		parts := names(n.Objects) // its own name is the last
		if len(parts) < 2 {
			return false
		}
		table := rangeVar(parts[:len(parts)-1])
		return table != nil && w.touchesThere(t, table)
	case ast.OBJECT_FUNCTION, ast.OBJECT_PROCEDURE, ast.OBJECT_ROUTINE, ast.OBJECT_AGGREGATE, ast.OBJECT_TYPE, ast.OBJECT_DOMAIN, ast.OBJECT_SCHEMA:
		return w.touchesDroppedCode(t, n)
	default:
		return false
	}
	for _, item := range listed(n.Objects) {
		list, ok := item.(*ast.NodeList)
		if !ok {
			return false
		}
		table := rangeVar(names(list))
		if !isPlain(table) {
			return false
		}
		t.add(table.RelName)
	}
	return n.Objects != nil
}

// rangeVar returns a name, with its schema or without, as that of a relation; nil for another.
func rangeVar(parts []string) *ast.RangeVar {
	switch len(parts) {
	case 1:
		return &ast.RangeVar{RelName: parts[0]}
	case 2:
		return &ast.RangeVar{SchemaName: parts[0], RelName: parts[1]}
	}
	return nil
}

// touchesGranted is touches for GRANT and REVOKE on tables, sequences and functions.
func (w *walker) touchesGranted(t *Touch, n *ast.GrantStmt) bool {
	if n.Targtype != ast.ACL_TARGET_OBJECT || n.Objects == nil {
		return false
	}
	for _, item := range n.Objects.Items {
		switch item := item.(type) {
		case *ast.RangeVar:
			if n.Objtype == ast.OBJECT_SEQUENCE && isPlain(item) {
				t.add(item.RelName)
			} else if n.Objtype != ast.OBJECT_TABLE || !w.touchesThere(t, item) {
				return false
			}
		case *ast.ObjectWithArgs:
			if !w.touchesFunction(t, names(item.Objname), n) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// touchesRenamed is touches for RENAME.
func (w *walker) touchesRenamed(t *Touch, n *ast.RenameStmt) bool {
	switch n.RenameType {
	case ast.OBJECT_TRIGGER, ast.OBJECT_POLICY, ast.OBJECT_RULE, ast.OBJECT_COLUMN:
	case ast.OBJECT_TABLE, ast.OBJECT_VIEW, ast.OBJECT_MATVIEW, ast.OBJECT_INDEX, ast.OBJECT_SEQUENCE:
		if !isPlain(n.Relation) {
			return false
		}
		t.add(n.Relation.RelName)
		t.add(n.Newname)
		if n.RenameType == ast.OBJECT_INDEX || n.RenameType == ast.OBJECT_SEQUENCE {
			return true
		}
	case ast.OBJECT_FUNCTION, ast.OBJECT_PROCEDURE, ast.OBJECT_ROUTINE, ast.OBJECT_AGGREGATE:
		f, ok := n.Object.(*ast.ObjectWithArgs)
		return ok && w.touchesFunction(t, names(f.Objname), n) && w.touchesFunction(t, append(names(f.Objname)[:len(names(f.Objname))-1], n.Newname), n)
	case ast.OBJECT_TABCONSTRAINT: // with its index
		t.add(n.Subname)
		t.add(n.Newname)
	default:
		return false
	}
	return w.touchesThere(t, n.Relation)
}

// eachNode calls do for every node of a statement.
func eachNode(n ast.Node, do func(node any)) {
	eachValue(reflect.ValueOf(n), 0, func(v reflect.Value) {
		if v.Kind() == reflect.Pointer && !v.IsNil() && v.CanInterface() {
			do(v.Interface())
		}
	})
}
