package classify

import (
	"maps"
	"slices"
	"strings"

	"overdrive/querycache/verdict"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file judges the relations that a tree names.

// relation judges a relation that is read.
func (w *walker) relation(n *ast.RangeVar) {
	if w.inScope(n) {
		return
	}
	if w.catalog == nil {
		w.everything = true // it may be a view that calls anything
		return
	}
	if w.catalog.anywhere {
		w.anyRelation(n)
		return
	}
	r := w.catalog.lookup(n.SchemaName, n.RelName)
	switch {
	case n.CatalogName != "":
		w.refuse(verdict.Uncacheable, "relation %q is named with its database", n.RelName)
		return
	case r == nil:
		// Most likely a temporary table, or the server will complain.
		w.unknown = append(w.unknown, n.RelName)
		w.refuse(verdict.Uncacheable, "relation %q is not known", n.RelName)
		return
	}
	w.touchTable(r, n)
	if w.named[r] {
		return
	}
	rd := w.catalog.reading(r, w.catalog.polices(r))
	w.everything = w.everything || rd.writes || r.codeOnRead()
	w.mention.deep = w.mention.deep || rd.deep
	if rd.clock != "" {
		w.tick(rd.clock)
	}
	if rd.status != verdict.Cacheable {
		w.refuse(rd.status, "%s", rd.reason)
	}
	if r.coded {
		w.refuse(verdict.Uncacheable, "relation %q has a column of a type that a function checks", n.RelName)
		w.everything = true
	}
	w.named[r] = true
	if !w.spend(len(rd.reads) + len(rd.views)) {
		return
	}
	maps.Copy(w.reads, rd.reads)
	maps.Copy(w.views, rd.views)
	maps.Copy(w.needs, rd.needs)
}

// anyRelation judges a relation that is read by code that may run as anybody: it may write, or not.
func (w *walker) anyRelation(n *ast.RangeVar) {
	found := w.catalog.lookups(n.SchemaName, n.RelName)
	w.everything = w.everything || len(found) == 0 || n.CatalogName != ""
	for _, r := range found {
		w.everything = w.everything || w.catalog.writesWhenRead(r)
		w.spend(w.mention.read(w.catalog.Inventory, r))
	}
}

// isSystem reports whether r belongs to the server itself.
func (r *relation) isSystem() bool {
	return r.schema == "pg_catalog" || r.schema == "information_schema" || strings.HasPrefix(r.schema, "pg_toast")
}

// tables returns the names of all relations in the sets.
func tables(sets ...map[*relation]bool) []string {
	var all []string
	for _, set := range sets {
		for r := range set {
			all = append(all, r.schema+"."+r.name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// writeKey is a way in which a relation is written.
type writeKey struct {
	spreadKey
	planning bool
}

// write notes a relation that is written, and where the change is carried on to.
func (w *walker) write(n *ast.RangeVar, c change) {
	var found []*relation
	if w.catalog != nil && n != nil && n.CatalogName == "" {
		found = w.catalog.lookups(n.SchemaName, n.RelName)
	}
	if len(found) == 0 {
		w.everything = true
		if n != nil {
			w.unknown = append(w.unknown, n.RelName)
		}
		return
	}
	for _, r := range found {
		w.writeOne(r, c)
	}
}

func (w *walker) writeOne(r *relation, c change) {
	if r.schema == "pg_catalog" {
		w.everything, w.ddl = true, true
		return
	}
	if w.catalog.anywhere {
		w.requests = append(w.requests, spreadItem{r, c})
		return
	}
	key := writeKey{spreadKey{r, c.ops, c.columnKey()}, w.planning}
	if w.written[key] {
		return
	}
	w.written[key] = true
	maps.Copy(w.needs, w.catalog.reading(r, w.catalog.polices(r)).needs)
	w.spread(r, c)
}
