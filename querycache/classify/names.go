package classify

import (
	"strings"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file judges the names in a tree: relations, columns, functions, operators and types.

// relation judges a relation that is read.
func (w *walker) relation(n *ast.RangeVar) {
	if w.inScope(n) {
		return
	}
	if w.catalog == nil {
		w.everything = true // it may be a view that calls anything
		return
	}
	r := w.catalog.lookup(n.SchemaName, n.RelName)
	switch {
	case n.CatalogName != "":
		w.refuse(Uncacheable, "relation %q is named with its database", n.RelName)
		return
	case r == nil:
		// Most likely a temporary table, or the server will complain.
		w.refuse(Uncacheable, "relation %q is not known", n.RelName)
		return
	}
	if r.codeOnRead() {
		w.everything = true
	}
	for _, r := range r.family() {
		w.readable(r)
		w.reads[r] = true
	}
}

// readable refuses relations whose rows change without a write that can be seen, or differ between readers.
func (w *walker) readable(r *relation) {
	switch {
	case r.schema == "pg_catalog" || r.schema == "information_schema" || strings.HasPrefix(r.schema, "pg_toast"):
		w.refuse(Uncacheable, "relation %q is a system catalog", r.name)
	case r.kind == 'v':
		w.refuse(Uncacheable, "relation %q is a view", r.name)
	case r.kind == 'm':
		w.refuse(Uncacheable, "relation %q is a materialized view", r.name)
	case r.kind == 'f':
		w.refuse(Uncacheable, "relation %q is a foreign table", r.name)
	case r.kind == 'S':
		w.refuse(Uncacheable, "relation %q is a sequence", r.name)
	case r.kind != 'r' && r.kind != 'p':
		w.refuse(Uncacheable, "relation %q is of a kind not known to be safe", r.name)
	case r.temporary:
		w.refuse(Uncacheable, "relation %q is temporary", r.name)
	case r.rowSecurity:
		w.refuse(Uncacheable, "relation %q has row level security", r.name)
	case r.unstable:
		w.refuse(Uncacheable, "relation %q has a column whose type is not known to be safe", r.name)
	}
}

// write notes a relation that is written. spread tells that rows may be changed or deleted, which foreign keys carry on.
func (w *walker) write(n *ast.RangeVar, spread bool) {
	var r *relation
	if w.catalog != nil && n != nil && n.CatalogName == "" {
		r = w.catalog.lookup(n.SchemaName, n.RelName)
	}
	if r == nil {
		w.everything = true
		return
	}
	if r.schema == "pg_catalog" {
		w.everything, w.ddl = true, true
		return
	}
	for _, r := range r.touched(spread) {
		if r.opaque || r.kind != 'r' && r.kind != 'p' {
			w.everything = true
		}
		w.writes[r] = true
	}
}

// systemColumns change without a write: VACUUM FULL moves rows, freezing rewrites xmin.
var systemColumns = map[string]bool{"ctid": true, "xmin": true, "xmax": true, "cmin": true, "cmax": true, "tableoid": true}

// column judges a column reference, which may be a call of a function in disguise: t.f means f(t) where t has no f. t is
// a row, unless it is a function in FROM; what stands behind a subscript is selected from any value.
func (w *walker) column(n *ast.ColumnRef) {
	fields := names(n.Fields)
	if len(fields) == 0 {
		return
	}
	last := fields[len(fields)-1]
	if systemColumns[last] {
		w.refuse(Uncacheable, "%q is a system column", last)
	}
	row := true
	for _, item := range n.Fields.Items[1:] {
		switch item := item.(type) {
		case *ast.A_Indices:
			row = false
		case *ast.String:
			w.notation(item.SVal, row)
			if row {
				w.selected = append(w.selected, item.SVal)
			}
		}
	}
}

// notation judges a name behind a point, which may be the call of a function, or a cast, in disguise. row tells that
// what stands before the point is a row.
func (w *walker) notation(name string, row bool) {
	if w.catalog == nil {
		w.everything = true
		return
	}
	n, ok := w.catalog.notation[name]
	if ok = ok && (n.row || !row); ok || !row && w.catalog.types[name] {
		w.refuse(Uncacheable, "%q behind a point may be a call of the function of that name", name)
	}
	w.everything = w.everything || ok && n.writes || runsText(name)
}

// settleNotation judges the names behind the points of column references again if a function stands in FROM: what it
// returns may be no row.
func (w *walker) settleNotation() {
	if !w.fromFunction {
		return
	}
	for _, name := range w.selected {
		w.notation(name, false)
	}
}

// runsText reports whether a function of the name takes SQL as text, or names of relations, and runs it.
func runsText(function string) bool {
	switch function {
	case "ts_stat", "ts_rewrite", "connectby", "xpath_table":
		return true
	}
	for _, prefix := range []string{"dblink", "crosstab"} {
		if strings.HasPrefix(function, prefix) {
			return true
		}
	}
	for _, suffix := range []string{"_to_xml", "_to_xmlschema", "_to_xml_and_xmlschema"} {
		if strings.HasSuffix(function, suffix) {
			return true
		}
	}
	return false
}

// function judges a call by name and number of arguments: which of the functions of that name is meant could only be
// told from the types of the arguments.
func (w *walker) function(name []string, args int) {
	if w.catalog == nil || len(name) == 0 || len(name) > 2 {
		w.refuse(Uncacheable, "function %q is not known", strings.Join(name, "."))
		w.everything = true
		return
	}
	base := name[len(name)-1]
	if w.catalog.types[base] && args == 1 {
		w.refuseCast(name) // date(x) is a cast of x if there is no such function
	}
	if runsText(base) {
		w.refuse(Uncacheable, "function %q runs a text as SQL", base)
		w.everything = true
	}
	found := false
	for _, f := range w.catalog.functions[base] {
		if len(name) == 2 && f.schema != name[0] || len(name) == 1 && !f.visible {
			continue
		}
		if !f.takes(args) {
			continue
		}
		found = true
		switch {
		case !f.builtin:
			status := Uncacheable
			if f.volatility == 'v' {
				status = Volatile
			}
			w.everything = w.everything || mayWrite(f.volatility)
			w.refuse(status, "function %q is user-defined and %s", base, volatilityWord(f.volatility))
		case f.volatility != 'i':
			w.refuse(Volatile, "function %q is %s", base, volatilityWord(f.volatility))
		}
	}
	if !found {
		w.refuse(Uncacheable, "function %q is not known", strings.Join(name, "."))
		w.everything = true
	}
}

// arguments returns the number of arguments of a call, or -1 where the call's notation leaves it open.
func arguments(n *ast.FuncCall) int {
	if n.AggWithinGroup || n.FuncVariadic {
		return -1
	}
	if n.Args == nil {
		return 0
	}
	for _, arg := range n.Args.Items {
		if _, named := arg.(*ast.NamedArgExpr); named {
			return -1
		}
	}
	return len(n.Args.Items)
}

func volatilityWord(v byte) string {
	switch v {
	case 'i':
		return "immutable"
	case 's':
		return "stable"
	case 'w':
		return "may write"
	default:
		return "volatile"
	}
}

// expression judges the operators of an expression. Some forms name others than they use.
func (w *walker) expression(n *ast.A_Expr) {
	name := names(n.Name)
	if len(name) > 0 && strings.Contains(strings.ToUpper(name[len(name)-1]), "BETWEEN") {
		w.operator([]string{">="})
		w.operator([]string{"<="})
		w.operator([]string{"<"})
		w.operator([]string{">"})
		return
	}
	w.operator(name)
}

// operator judges an operator by name. Those of PostgreSQL itself are harmless given the settings in the key.
func (w *walker) operator(name []string) {
	if w.catalog == nil {
		w.everything = true
		return
	}
	if len(name) == 0 || len(name) == 2 && name[0] == "pg_catalog" {
		return
	}
	base := name[len(name)-1]
	if volatility, ok := w.catalog.operators[base]; ok {
		w.refuse(Uncacheable, "operator %s has a user-defined variant", base)
		w.everything = w.everything || mayWrite(volatility)
	}
}

// cast judges a cast to a date type: text that is not known here may hold a word for the present.
func (w *walker) cast(n *ast.TypeCast) {
	if w.catalog == nil || n.TypeName == nil {
		return
	}
	name := names(n.TypeName.Names)
	if len(name) == 0 || !w.catalog.types[name[len(name)-1]] {
		return
	}
	switch arg := unwrap(n.Arg).(type) {
	case *ast.A_Const, *ast.ParamRef: // flagged in the text, or by the caller in the parameter
	case *ast.ColumnRef:
		if fields := names(arg.Fields); len(fields) == len(arg.Fields.Items) {
			w.recast = append(w.recast, fields[len(fields)-1])
			return
		}
		w.refuseCast(name)
	default:
		w.refuseCast(name)
	}
}

func (w *walker) refuseCast(name []string) {
	w.refuse(Uncacheable, "the cast to %s may read a word such as today", name[len(name)-1])
}

// settleCasts refuses casts of columns to a date type unless the column is certainly of one itself.
func (w *walker) settleCasts() {
	for _, column := range w.recast {
		certain := false
		for r := range w.reads {
			date, known := r.dates[column]
			if known && !date {
				certain = false
				break
			}
			certain = certain || date
		}
		if !certain || w.renamed[column] {
			w.refuse(Uncacheable, "the cast of %q to a date type may read a word such as today", column)
		}
	}
}

func unwrap(n ast.Node) ast.Node {
	for {
		p, ok := n.(*ast.ParenExpr)
		if !ok {
			return n
		}
		n = p.Expr
	}
}

// typeName judges a type that a value is cast to.
func (w *walker) typeName(n *ast.TypeName) {
	name := names(n.Names)
	if w.catalog == nil || len(name) == 0 {
		w.refuse(Uncacheable, "the type of a cast is not known")
		w.everything = w.everything || w.catalog == nil
		return
	}
	base := name[len(name)-1]
	w.everything = w.everything || w.catalog.writing[base]
	_, known := w.catalog.types[base]
	if !known || len(name) > 2 || len(name) == 2 && name[0] != "pg_catalog" || n.PctType || n.Setof {
		w.refuse(Uncacheable, "type %q is not known to be safe", strings.Join(name, "."))
	}
}
