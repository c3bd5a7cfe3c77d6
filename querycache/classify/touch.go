package classify

import (
	"reflect"
	"strings"

	"github.com/multigres/multigres/go/common/parser/ast"

	"overdrive/querycache/verdict"
)

// This file is about DDL that is understood well enough to say what it may change the meaning of. All other DDL may change everything.

// A Touch is what DDL may have changed: while the catalog of now is not known, statements are judged by the one of before, unless they
// touch one of these relations. It never changes.
type Touch struct {
	relations map[verdict.RelationID]bool
	names     map[string]bool // of relations in any schema, which may be hidden now, or hide others
	prefixes  []string        // of names that the server makes up, for indexes and sequences
}

// TouchOf returns what a change of the relations touches.
func TouchOf(relations []verdict.RelationID) *Touch {
	t := &Touch{relations: map[verdict.RelationID]bool{}}
	for _, id := range relations {
		t.relations[id] = true
	}
	return t
}

// hits reports whether t touches r.
func (t *Touch) hits(r *relation) bool {
	if t.relations[r.id] || t.names[r.name] {
		return true
	}
	for _, prefix := range t.prefixes {
		if strings.HasPrefix(r.name, prefix) {
			return true
		}
	}
	return false
}

// maxStem is how much of a table's name is left at least in a name that the server makes up: it shortens that, and the column's,
// to 63 bytes together.
const maxStem = 24

// add notes a name that comes or goes.
func (t *Touch) add(name string) {
	t.names[name] = true
	t.makesUp(name)
}

// makesUp notes that the server may give names that it makes up of this one.
func (t *Touch) makesUp(name string) {
	if stem := name + "_"; len(stem) <= maxStem {
		t.prefixes = append(t.prefixes, stem)
	} else {
		t.prefixes = append(t.prefixes, name[:maxStem])
	}
}

// alteration returns what a statement touches, or nil where it may be anything: it is no DDL, or not of a kind that is well understood; code of the
// user's may run because of it; or a name in it may mean more than a relation.
func (w *walker) alteration(n ast.Stmt) *Touch {
	c := w.catalog
	if c == nil || c.codeOnDDL || c.opclass != "" || c.castWrites {
		return nil
	}
	t := &Touch{relations: map[verdict.RelationID]bool{}, names: map[string]bool{}}
	if !c.touches(t, n) || c.meansMore(t.names) {
		return nil
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

// reaches adds what is read through r, or with it. It returns false if that is not known.
func (c *Inventory) reaches(t *Touch, r *relation) bool {
	if c.rowUses[r.id] {
		return false
	}
	t.relations[r.id] = true
	if r.kind != 'v' {
		for _, child := range r.family() {
			t.relations[child.id] = true
		}
		return true
	}
	return c.addBeneath(t.relations, r)
}

// touches adds to t what the statement names. It returns false if it is not of a kind that is well understood.
func (c *Catalog) touches(t *Touch, n ast.Stmt) bool {
	switch n := n.(type) {
	case *ast.CommentStmt: // no answer that is kept depends on one
		return true
	case *ast.CreateStmt:
		return c.touchesNew(t, n)
	case *ast.IndexStmt:
		return c.touchesIndexed(t, n)
	case *ast.ViewStmt:
		if !isPlain(n.View) || n.View.RelPersistence == ast.RELPERSISTENCE_TEMP {
			return false
		}
		t.add(n.View.RelName)
		return true
	case *ast.DropStmt:
		return n.Behavior == ast.DropRestrict && touchesDropped(t, n)
	case *ast.GrantStmt:
		if n.Targtype != ast.ACL_TARGET_OBJECT || n.Objtype != ast.OBJECT_TABLE || n.Objects == nil {
			return false
		}
		for _, item := range n.Objects.Items {
			rv, ok := item.(*ast.RangeVar)
			if !ok || !c.touchesOld(t, rv) {
				return false
			}
		}
		return true
	case *ast.RenameStmt:
		if n.RenameType != ast.OBJECT_TABLE && n.RenameType != ast.OBJECT_VIEW && n.RenameType != ast.OBJECT_COLUMN || !c.touchesOld(t, n.Relation) {
			return false
		}
		if n.RenameType != ast.OBJECT_COLUMN {
			t.add(n.Relation.RelName)
			t.add(n.Newname)
		}
		return true
	case *ast.AlterTableStmt:
		return n.Objtype == ast.OBJECT_TABLE && n.Cmds != nil && c.touchesOld(t, n.Relation) && c.understands(n)
	}
	return false
}

// isPlain reports whether a name is that of a relation of this database, and not said to be of PostgreSQL's own or temporary.
func isPlain(n *ast.RangeVar) bool {
	return n != nil && n.CatalogName == "" && !strings.HasPrefix(n.SchemaName, "pg_")
}

// touchesNew is touches for CREATE TABLE. Nothing is run by it, but in partitions and their bounds.
func (c *Catalog) touchesNew(t *Touch, n *ast.CreateStmt) bool {
	if !isPlain(n.Relation) || n.Relation.RelPersistence == ast.RELPERSISTENCE_TEMP ||
		n.InhRelations != nil || n.PartBound != nil || n.PartSpec != nil || n.OfTypename != nil {
		return false
	}
	t.add(n.Relation.RelName)
	understood := true
	eachNode(reflect.ValueOf(n), 0, func(node any) {
		switch node := node.(type) {
		case *ast.RangeVar: // whose rows carry changes on to the new table
			if node != n.Relation {
				understood = understood && c.touchesOld(t, node)
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

// touchesIndexed is touches for CREATE INDEX. An expression is run for every row.
func (c *Catalog) touchesIndexed(t *Touch, n *ast.IndexStmt) bool {
	if n.WhereClause != nil || n.ExcludeOpNames != nil || n.IndexParams == nil || !c.touchesOld(t, n.Relation) {
		return false
	}
	if n.Idxname != "" {
		t.add(n.Idxname)
	} else {
		t.makesUp(n.Relation.RelName)
	}
	for _, item := range n.IndexParams.Items {
		if e, ok := item.(*ast.IndexElem); !ok || !isNil(e.Expr) {
			return false
		}
	}
	return true
}

// touchesDropped is touches for DROP of tables, views and indexes.
func touchesDropped(t *Touch, n *ast.DropStmt) bool {
	if n.RemoveType != ast.OBJECT_TABLE && n.RemoveType != ast.OBJECT_VIEW && n.RemoveType != ast.OBJECT_INDEX || n.Objects == nil {
		return false
	}
	for _, item := range n.Objects.Items {
		list, ok := item.(*ast.NodeList)
		if !ok {
			return false
		}
		parts := names(list)
		if len(parts) == 0 || len(parts) > 2 || strings.HasPrefix(parts[0], "pg_") {
			return false
		}
		t.add(parts[len(parts)-1])
	}
	return true
}

// touchesOld adds a table or view that is there, whose rows no code of the user's is run for.
func (c *Catalog) touchesOld(t *Touch, n *ast.RangeVar) bool {
	if !isPlain(n) {
		return false
	}
	r := c.lookup(n.SchemaName, n.RelName)
	if r == nil || r.isSystem() || strings.IndexByte("rpvm", r.kind) < 0 || c.rowUses[r.id] {
		return false
	}
	for _, r := range r.family() {
		if r.opaque || r.coded || r.kind == 'f' {
			return false
		}
	}
	t.relations[r.id] = true
	return true
}

// harmlessAlter are the kinds of ALTER TABLE that run nothing of the user's, whatever stands in them.
var harmlessAlter = map[ast.AlterTableType]bool{
	ast.AT_ColumnDefault: true, ast.AT_DropNotNull: true, ast.AT_SetStatistics: true, ast.AT_SetStorage: true, ast.AT_DropColumn: true,
	ast.AT_EnableTrig: true, ast.AT_DisableTrig: true, ast.AT_EnableTrigAll: true, ast.AT_DisableTrigAll: true, ast.AT_EnableTrigUser: true,
	ast.AT_DisableTrigUser: true, ast.AT_EnableRowSecurity: true, ast.AT_DisableRowSecurity: true, ast.AT_ForceRowSecurity: true,
	ast.AT_NoForceRowSecurity: true, ast.AT_ReplicaIdentity: true, ast.AT_SetRelOptions: true, ast.AT_ResetRelOptions: true, ast.AT_SetNotNull: true,
}

// understands reports whether nothing of the user's is run by an ALTER TABLE, and nothing else changes with the table.
func (c *Catalog) understands(n *ast.AlterTableStmt) bool {
	for _, item := range n.Cmds.Items {
		cmd, ok := item.(*ast.AlterTableCmd)
		if !ok || cmd.Behavior != ast.DropRestrict {
			return false
		}
		if cmd.Subtype == ast.AT_AddColumn {
			if column, ok := cmd.Def.(*ast.ColumnDef); !ok || !c.plain(column) {
				return false
			}
			continue
		}
		if !harmlessAlter[cmd.Subtype] {
			return false
		}
	}
	return true
}

// plain reports whether a new column is of a type of PostgreSQL's own, without a value.
func (c *Catalog) plain(n *ast.ColumnDef) bool {
	if n.Constraints != nil && len(n.Constraints.Items) > 0 || !isNil(n.RawDefault) || n.TypeName == nil || n.Identity != 0 || n.Generated != 0 {
		return false
	}
	all := names(n.TypeName.Names)
	if len(all) == 0 {
		return false
	}
	types := c.types[all[len(all)-1]]
	return len(types) == 1 && types[0].safe && types[0].oid < firstUser
}

// eachNode calls do for every node below v.
func eachNode(v reflect.Value, depth int, do func(node any)) {
	if depth++; depth > 4*maxDepth {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			do(v.Interface())
			eachNode(v.Elem(), depth, do)
		}
	case reflect.Interface:
		if !v.IsNil() {
			eachNode(v.Elem(), depth, do)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			eachNode(v.Index(i), depth, do)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				eachNode(v.Field(i), depth, do)
			}
		}
	}
}

// doubted reports whether the statement, or code that it runs, names, reads or writes something that was touched.
func (w *walker) doubted(doubts []*Touch) bool {
	for _, t := range doubts {
		for _, set := range []map[*relation]bool{w.named, w.reads, w.views, w.writes, w.behind} {
			for r := range set {
				if t.hits(r) {
					return true
				}
			}
		}
		for _, name := range w.unknown {
			if t.hits(&relation{name: name}) {
				return true
			}
		}
		for key := range w.written {
			if t.hits(key.relation) {
				return true
			}
		}
		if w.alters != nil && w.alters.meets(t) {
			return true
		}
	}
	return false
}

// meets reports whether two statements may touch the same.
func (t *Touch) meets(other *Touch) bool {
	for id := range t.relations {
		if other.relations[id] {
			return true
		}
	}
	for name := range t.names {
		if other.hits(&relation{name: name}) {
			return true
		}
	}
	for name := range other.names {
		if t.hits(&relation{name: name}) {
			return true
		}
	}
	return false
}
