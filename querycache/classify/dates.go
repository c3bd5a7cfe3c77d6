package classify

import (
	"slices"

	"overdrive/querycache/verdict"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file judges what depends on whether a value is a date already: a cast to a date type, which may read a word such as
// today from a text, and AT TIME ZONE, which for a time of day asks for today's rules.
//
// A text that a table holds is read as it is: that somebody has stored a word such as today, and reads it as a date, is an exception that
// docs/caching.md tells of. What the statement itself says, or puts together, is no such text.

// want notes columns that must be of some kind, in the order of the statement, for the first reason is told.
func (w *walker) want(some []wanted) {
	for _, one := range some {
		if !w.noted[one] {
			w.noted[one] = true
			w.wanted = append(w.wanted, one)
		}
	}
}

// otherwise is the reason to refuse.
func (w wanted) otherwise() string {
	if w.kind == isReadable {
		return `the cast of "` + w.column + `" to a date type may read a word such as today`
	}
	return `"` + w.column + `" may be no date but a time of day or a text, which are read by the present day`
}

// dateTypes are those that hold a date, with a time or not.
var dateTypes = []string{"date", "timestamp", "timestamptz"}

// isDateType reports whether a name means one of them, and not another type of such a name.
func (c *Catalog) isDateType(name []string) bool {
	if len(name) == 0 || !slices.Contains(dateTypes, name[len(name)-1]) {
		return false
	}
	t, found := c.typeOf(schemaOf(name), name[len(name)-1])
	return found && t.schema == systemSchema
}

// cast judges a cast, and reports whether it is to a date type: text that is not known here may hold a word for the present.
func (w *walker) cast(n *ast.TypeCast) (date bool) {
	name := names(typeNames(n))
	if w.catalog == nil || len(name) == 0 {
		return false
	}
	base, column := name[len(name)-1], w.innermost(n)
	if !slices.Contains(dateTypes, base) { // the server names the result by the column, or else by the type
		if column == "" {
			w.implied[base] = true
		} else if w.selects > 1 { // else nobody can ask for it by that name
			w.implied[column] = true
		}
	}
	if date, _ = w.catalog.castable(schemaOf(name), base); date {
		if column == "" {
			column = base
		}
		w.given[column] = append(w.given[column], n)
		w.readAs(name, n.Arg, n.TypeName.ArrayBounds != nil)
		return true
	}
	w.castWords(n, name)
	return false
}

// readAs judges what becomes of a value that is read as a date type, or as an array of one.
func (w *walker) readAs(name []string, n ast.Node, array bool) {
	if _, list := unwrap(n).(*ast.A_ArrayExpr); isLiteral(n) || list && isConstant(n) { // flagged in the text, or by the caller in the parameter
		return
	}
	t, _ := w.catalog.typeOf(schemaOf(name), name[len(name)-1])
	wants, ok := w.readable(n, nil)
	if !ok || array || t.schema != systemSchema || !slices.Contains(dateTypes, name[len(name)-1]) && name[len(name)-1] != "time" {
		w.refuseCast(name)
		return
	}
	w.want(wants)
}

// innermost returns the name of the column that cast n casts, maybe several times, or "". The casts within one are visited
// next, each in the one before it, and are not gone through again for each.
func (w *walker) innermost(n *ast.TypeCast) string {
	if w.inner != ast.Node(n) {
		w.innerColumn = columnWithin(n)
	}
	w.inner = unwrap(n.Arg)
	return w.innerColumn
}

func columnWithin(n ast.Node) string {
	for {
		inner, ok := unwrap(n).(*ast.TypeCast)
		if !ok {
			return plainColumn(n)
		}
		n = inner.Arg
	}
}

func typeNames(n *ast.TypeCast) *ast.NodeList {
	if n.TypeName == nil {
		return nil
	}
	return n.TypeName.Names
}

func (w *walker) refuseCast(name []string) {
	w.refuse(verdict.Uncacheable, "the cast to %s may read a word such as today", name[len(name)-1])
}

// plainColumn returns the name of the column that n is, or "".
func plainColumn(n ast.Node) string {
	ref, ok := unwrap(n).(*ast.ColumnRef)
	if !ok || ref.Fields == nil {
		return ""
	}
	fields := names(ref.Fields)
	if len(fields) == 0 || len(fields) != len(ref.Fields.Items) {
		return ""
	}
	return fields[len(fields)-1]
}

// zoned reports whether a call of timezone(zone, value), which is value AT TIME ZONE zone, is not given a time of day. That a
// column is none is settled at the end.
func (w *walker) zoned(n *ast.FuncCall) bool {
	if len(names(n.Funcname)) == 0 || n.Args == nil || len(n.Args.Items) != 2 {
		return false
	}
	wants, ok := w.dated(n.Args.Items[1], nil)
	w.want(wants)
	return ok
}

// dated reports whether n is a date, with a time or not, an interval or a number, but neither a time of day nor a text, if the columns are
// that it adds to wants.
func (w *walker) dated(n ast.Node, wants []wanted) (all []wanted, ok bool) {
	if !w.spend(1) {
		return wants, false
	}
	switch n := unwrap(n).(type) {
	case *ast.ColumnRef:
		one, ok := reference(w, n, isDate)
		return append(wants, one), ok
	case *ast.TypeCast:
		return wants, w.catalog.isDateType(names(typeNames(n))) && n.TypeName.ArrayBounds == nil
	case *ast.A_Expr: // a date and anything; what is then no date is no time of day either
		if name := names(n.Name); len(name) != 1 || name[0] != "+" && name[0] != "-" {
			return wants, false
		}
		return w.dated(n.Lexpr, wants)
	case *ast.CoalesceExpr:
		return each(listed(n.Args), wants, w.dated)
	case *ast.MinMaxExpr:
		return each(listed(n.Args), wants, w.dated)
	case *ast.FuncCall:
		name := names(n.Funcname)
		if len(name) == 0 || n.Args == nil {
			return wants, false
		}
		switch name[len(name)-1] {
		case "date_trunc", "make_timestamp", "make_timestamptz", "to_timestamp", "to_date", "make_date":
			return wants, true
		case "timezone": // which itself is judged
			return wants, true
		case "date":
			return wants, len(n.Args.Items) == 1
		case "min", "max", "lag", "lead", "first_value", "last_value":
			return w.dated(n.Args.Items[0], wants)
		}
	}
	return wants, false
}

// readable reports whether n is a date or a text as tables hold it, or a constant beside such, if the columns are what it adds to wants.
func (w *walker) readable(n ast.Node, wants []wanted) (all []wanted, ok bool) {
	switch n := unwrap(n).(type) {
	case *ast.CoalesceExpr:
		return each(listed(n.Args), wants, w.readable)
	case *ast.MinMaxExpr:
		return each(listed(n.Args), wants, w.readable)
	case *ast.CaseExpr:
		return each(results(n), wants, w.readable)
	}
	return w.stored(n, wants)
}

// stored reports whether n is a date, or a text as tables hold it or a part of one. No constant is: a part of it, or what its escapes stand for, may
// be a word that the constant as a whole does not show.
func (w *walker) stored(n ast.Node, wants []wanted) (all []wanted, ok bool) {
	if !w.spend(1) {
		return wants, false
	}
	switch n := unwrap(n).(type) {
	case *ast.ColumnRef:
		one, ok := reference(w, n, isReadable)
		return append(wants, one), ok
	case *ast.TypeCast:
		name := names(typeNames(n))
		if len(name) > 0 && n.TypeName.ArrayBounds == nil && slices.Contains([]string{"text", "varchar", "bpchar", "json", "jsonb", "time"}, name[len(name)-1]) {
			return w.stored(n.Arg, wants)
		}
	case *ast.A_Expr:
		name := names(n.Name)
		if n.Kind == ast.AEXPR_NULLIF || len(name) == 1 && slices.Contains([]string{"->", "->>", "#>", "#>>"}, name[0]) && isLiteral(n.Rexpr) {
			return w.stored(n.Lexpr, wants)
		}
	case *ast.CoalesceExpr:
		return every(listed(n.Args), wants, w.stored)
	case *ast.MinMaxExpr:
		return every(listed(n.Args), wants, w.stored)
	case *ast.CaseExpr:
		return every(results(n), wants, w.stored)
	case *ast.FuncCall:
		name := names(n.Funcname)
		if len(name) > 0 && n.Args != nil && len(n.Args.Items) > 0 && slices.Contains(excerpts, name[len(name)-1]) &&
			!slices.ContainsFunc(n.Args.Items[1:], func(n ast.Node) bool { return !isLiteral(n) }) {
			return w.stored(n.Args.Items[0], wants)
		}
	}
	return w.dated(n, wants)
}

// every has f judge all of some expressions.
func every(all []ast.Node, wants []wanted, f func(ast.Node, []wanted) ([]wanted, bool)) ([]wanted, bool) {
	for _, n := range all {
		ok := false
		if wants, ok = f(n, wants); !ok {
			return wants, false
		}
	}
	return wants, len(all) > 0
}

// excerpts are functions that give a text from their first argument as it stands, or a part of it.
var excerpts = []string{"left", "right", "substr", "substring", "split_part", "btrim", "ltrim", "rtrim", "lower", "upper", "min", "max",
	"jsonb_extract_path", "jsonb_extract_path_text", "json_extract_path", "json_extract_path_text"}

// each has f judge all of some expressions, one of which at least must be no constant.
func each(all []ast.Node, wants []wanted, f func(ast.Node, []wanted) ([]wanted, bool)) ([]wanted, bool) {
	other := false
	for _, n := range all {
		if isLiteral(n) {
			continue
		}
		ok := false
		if wants, ok = f(n, wants); !ok {
			return wants, false
		}
		other = true
	}
	return wants, other
}

// settleDates refuses the wanted columns unless they are certainly what they must be.
func (w *walker) settleDates() {
	for _, want := range w.wanted {
		if w.status != verdict.Cacheable { // a reason there is already is the one that is told
			return
		}
		if !w.settled(want) {
			w.refuse(verdict.Uncacheable, "%s", want.otherwise())
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
