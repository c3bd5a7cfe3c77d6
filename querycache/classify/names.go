package classify

import (
	"fmt"
	"strings"

	"overdrive/querycache/verdict"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file judges the names in a tree: relations, columns, functions, operators and types.

// systemColumns change without a write: VACUUM FULL moves rows, freezing rewrites xmin.
var systemColumns = map[string]bool{"ctid": true, "xmin": true, "xmax": true, "cmin": true, "cmax": true, "tableoid": true}

func (w *walker) refuseSystemColumn(name string) {
	if systemColumns[name] {
		w.refuse(verdict.Uncacheable, "%q is a system column", name)
	}
}

// column judges a column reference, which may be a call of a function in disguise: t.f means f(t) where t has no f. t is
// a row, unless it is a function in FROM; what stands behind a subscript is selected from any value.
func (w *walker) column(n *ast.ColumnRef) {
	fields := names(n.Fields)
	w.touch(fields...)
	w.touchStar(n.Fields, fields)
	if len(fields) == 0 {
		return
	}
	last := fields[len(fields)-1]
	w.refuseSystemColumn(last)
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
	w.mention.speak("", name, w.catalog.functions[name] != nil || w.catalog.types[name] != nil)
	n, ok := w.catalog.notation[name]
	date, safe := w.catalog.castable("", name)
	if ok = ok && (n.row || !row); ok || !row && (date || !safe && len(w.catalog.types[name]) > 0) {
		w.refuse(verdict.Uncacheable, "%q behind a point may be a call of the function of that name", name)
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
// told from the types of the arguments. date: it may be a cast to a date type.
func (w *walker) function(n *ast.FuncCall) (date bool) {
	name, args := names(n.Funcname), arguments(n)
	if n == w.procedure { // arguments that are but given back are not among those that the catalog counts
		args = -1
	}
	if w.catalog == nil || len(name) == 0 || len(name) > 2 {
		w.refuse(verdict.Uncacheable, "function %q is not known", strings.Join(name, "."))
		w.everything = true
		return false
	}
	base := name[len(name)-1]
	w.mention.speak(schemaOf(name), base, true)
	w.implied[base] = true
	if is, _ := w.catalog.castable(schemaOf(name), base); is && args == 1 {
		w.readAs(name, n.Args.Items[0], false) // date(x) is a cast of x if there is no such function
		date = true
	}
	if runsText(base) {
		w.refuse(verdict.Uncacheable, "function %q runs a text as SQL", base)
		w.everything = true
	}
	w.everything = w.everything || w.catalog.makesCoded(base)
	if !w.spend(len(w.catalog.functions[base])) {
		return date
	}
	found := false
	schema := ""
	if len(name) == 2 {
		schema = name[0]
	}
	for _, f := range w.catalog.functionsOf(schema, base) {
		if !f.takes(args) {
			continue
		}
		found = true
		w.candidate(n, f)
	}
	if !found {
		w.refuse(verdict.Uncacheable, "function %q is not known", strings.Join(name, "."))
		w.everything = true
	}
	return date
}

// candidate judges a function that a call may mean.
func (w *walker) candidate(n *ast.FuncCall, f *function) {
	switch {
	case f.isTrusted():
		tables, ok := w.catalog.behind(f)
		if !ok {
			w.refuse(verdict.Uncacheable, "%s", f.refuseTrusted())
		}
		if w.spend(len(tables)) {
			for _, r := range tables {
				w.reads[r] = true
			}
		}
		if w.catalog.castJSON && asJSON(f.name) {
			w.refuse(verdict.Uncacheable, "function %q may call a user-defined cast to JSON", f.name)
		}
	case !f.builtin:
		status := verdict.Uncacheable
		if f.volatility == 'v' || f.volatility == 'u' {
			status = verdict.Volatile
		}
		word := volatilityWord(f.volatility)
		if before := len(w.writes); !mayWrite(f.volatility) {
			w.shared = w.shared || f.shares
		} else if w.call(f) && f.volatility == 'w' && len(w.writes) == before {
			word = "not trusted"
		}
		w.refuse(status, "function %q is user-defined and %s", f.name, word)
	case f.name == "timezone" && f.zonesTime() && w.zoned(n): // it is another function that is meant
	case f.readsClock():
		w.tick(fmt.Sprintf("function %q is %s", f.name, volatilityWord(f.volatility)))
	case !f.harmless():
		w.refuse(verdict.Volatile, "function %q is %s", f.name, volatilityWord(f.volatility))
	case f.hidesCast:
		w.refuse(verdict.Uncacheable, "function %q may convert its argument by rules beyond the settings", f.name)
	case w.catalog.castJSON && asJSON(f.name):
		w.refuse(verdict.Uncacheable, "function %q may call a user-defined cast to JSON", f.name)
	}
}

// makesCoded reports whether a function of the name may make a value of a type whose values are checked by code that may
// write: it makes rows of any type from JSON, and there is such a type.
func (c *Inventory) makesCoded(function string) bool {
	return len(c.writing) > 0 && (strings.Contains(function, "_populate_record") || strings.Contains(function, "_to_record"))
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
		w.refuse(verdict.Uncacheable, "operator %s has a user-defined variant", base)
		w.everything = w.everything || mayWrite(volatility)
	}
}

// typeName judges a type that a value is cast to.
func (w *walker) typeName(n *ast.TypeName) {
	name := names(n.Names)
	if w.catalog == nil || len(name) == 0 {
		w.refuse(verdict.Uncacheable, "the type of a cast is not known")
		w.everything = w.everything || w.catalog == nil
		return
	}
	base := name[len(name)-1]
	w.mention.speak(schemaOf(name), base, true)
	w.everything = w.everything || w.catalog.writing[base]
	_, known := w.catalog.castable(schemaOf(name), base)
	if !known || len(name) > 2 || n.PctType || n.Setof {
		w.refuse(verdict.Uncacheable, "type %q is not known to be safe", strings.Join(name, "."))
	}
}

// schemaOf returns the schema of a name, or "".
func schemaOf(name []string) string {
	if len(name) < 2 {
		return ""
	}
	return name[len(name)-2]
}
