package classify

import (
	"strings"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file tells of which statements about schemas and their upkeep it is known that they change no rows, or those of one materialized
// view, and nothing in the catalog that a verdict depends on. Whatever else is true of it, DDL runs the event triggers.

// upkeep notes a statement that runs the functions of indexes and statistics, and may commit by itself.
func (w *walker) upkeep(eventTriggers bool) {
	if c := w.catalog; c == nil || w.unsettled || c.indexCode || c.opclass != "" || eventTriggers && c.codeOnDDL {
		w.everything, w.ddl = true, true
		return
	}
	w.commits, w.keepsUp = true, true
}

// quietly notes a statement that changes nothing and runs no code but event triggers.
func (w *walker) quietly() {
	if w.catalog == nil || w.catalog.codeOnDDL || w.unsettled {
		w.everything, w.ddl = true, true
	}
}

// createTable notes the making of a table. Nothing is made where one of the name is there already and that is no error.
func (w *walker) createTable(n *ast.CreateStmt) {
	temporary := w.createsTemporary(n.Relation)
	switch {
	case n.InhRelations != nil || n.PartBound != nil: // it is read with its parents
		w.everything, w.ddl = true, true
	case temporary:
	case n.IfNotExists && w.catalog != nil && w.catalog.wouldBeThere(n.Relation):
		w.byPath = true
		w.quietly()
	default:
		w.everything, w.ddl = true, true
	}
}

// wouldBeThere reports whether there is a relation where one of the name would be made.
func (c *Catalog) wouldBeThere(n *ast.RangeVar) bool {
	if n == nil || n.CatalogName != "" || n.RelPersistence == ast.RELPERSISTENCE_TEMP {
		return false
	}
	schema := n.SchemaName
	for _, first := range c.path {
		if schema == "" && first != systemSchema {
			schema = first
		}
	}
	return c.byName[qualified{schema, n.RelName}] != nil
}

// refresh notes that a materialized view is filled anew, for which its query is run.
func (w *walker) refresh(n *ast.RefreshMatViewStmt) {
	c := w.catalog
	if c == nil || c.codeOnDDL || c.indexCode || c.castWrites || c.opclass != "" || n.Relation == nil || n.Relation.CatalogName != "" {
		w.everything, w.ddl = true, true
		return
	}
	r := c.lookup(n.Relation.SchemaName, n.Relation.RelName)
	if r == nil || r.kind != 'm' || r.opaque {
		w.everything, w.ddl = true, true
		return
	}
	w.writes[r], w.keepsUp = true, true
}

// createIndex notes the making of an index. One of columns runs nothing but the functions of operator classes. Its name may hide a table
// from those who have its schema first on their search_path.
func (w *walker) createIndex(n *ast.IndexStmt) {
	w.commits = w.commits || n.Concurrent
	plain := w.catalog != nil && w.catalog.opclass == "" && n.WhereClause == nil && n.IndexParams != nil && n.Options == nil && n.ExcludeOpNames == nil
	if plain {
		for _, item := range n.IndexParams.Items {
			column, ok := item.(*ast.IndexElem)
			plain = plain && ok && isNil(column.Expr) && column.Opclass == nil
		}
	}
	if !plain || n.Idxname != "" && w.catalog.hasName(n.Idxname) || w.hasIndexName() { // the server chooses those of partitions
		w.everything, w.ddl = true, true
		return
	}
	w.keepsUp = true
	w.quietly()
}

// hasIndexName reports whether a relation has a name that the server may choose for an index.
func (w *walker) hasIndexName() bool {
	if !w.spend(len(w.catalog.sameName)) {
		return true
	}
	for name := range w.catalog.sameName {
		if strings.HasSuffix(strings.TrimRight(name, "0123456789"), "_idx") && w.catalog.hasName(name) {
			return true
		}
	}
	return false
}

// drop notes the end of objects. Where no relation is known by the name it is a temporary one, or an index, or there is none such. With an
// index goes what it calls, and of that it is enough to know when the catalog is looked at next: until then more is feared than need be.
func (w *walker) drop(n *ast.DropStmt) {
	if n.Concurrent {
		w.commits = true
	}
	switch n.RemoveType {
	case ast.OBJECT_TABLE, ast.OBJECT_VIEW, ast.OBJECT_MATVIEW, ast.OBJECT_SEQUENCE, ast.OBJECT_INDEX:
	default:
		w.everything, w.ddl = true, true
		return
	}
	if w.catalog == nil || n.Behavior == ast.DropCascade || n.Objects == nil {
		w.everything, w.ddl = true, true
		return
	}
	for _, item := range n.Objects.Items {
		name := ""
		switch item := item.(type) {
		case *ast.NodeList:
			if parts := names(item); len(parts) > 0 && len(parts) == len(item.Items) {
				name = parts[len(parts)-1]
			}
		case *ast.RangeVar:
			name = item.RelName
		}
		if name == "" || w.catalog.hasName(name) {
			w.everything, w.ddl = true, true
			return
		}
	}
	w.quietly()
}

// hasName reports whether there is a relation of the name, in any schema but those of temporary objects.
func (c *Inventory) hasName(name string) bool {
	for _, r := range c.named(name) {
		if !r.temporary || !strings.HasPrefix(r.schema, "pg_temp") || len(r.parents) > 0 || len(r.children) > 0 {
			return true
		}
	}
	return false
}
