package classify

import (
	"slices"
	"strings"

	"overdrive/querycache/verdict"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file judges what depends on whether a value is a date already: a cast to a date type, which may read a word such as
// today from a text, and AT TIME ZONE, which for a time of day asks for today's rules. Types are not worked out; only a
// column that can be no other than one of a table counts as certain.

// wanted is a column that must be a date for the answer to be kept.
type wanted struct {
	column string
	orTime bool // a time of day will do
}

// want notes that a column must be a date, in the order of the statement, for the first reason is told.
func (w *walker) want(one wanted) {
	if !w.noted[one] {
		w.noted[one] = true
		w.wanted = append(w.wanted, one)
	}
}

// otherwise is the reason to refuse.
func (w wanted) otherwise() string {
	if w.orTime {
		return `the cast of "` + w.column + `" to a date type may read a word such as today`
	}
	return `"` + w.column + `" may be no date but a time of day or a text, which are read by the present day`
}

// dateTypes are those that hold a date, with a time or not.
var dateTypes = []string{"date", "timestamp", "timestamptz"}

// cast judges a cast to a date type: text that is not known here may hold a word for the present.
func (w *walker) cast(n *ast.TypeCast) {
	name := names(typeNames(n))
	if w.catalog == nil || len(name) == 0 {
		return
	}
	base, column := name[len(name)-1], w.innermost(n)
	if !slices.Contains(dateTypes, base) { // the server names the result by the column, or else by the type
		if column == "" {
			w.implied[base] = true
		} else if w.selects > 1 { // else nobody can ask for it by that name
			w.implied[column] = true
		}
	}
	if date, _ := w.catalog.castable(base); !date {
		return
	}
	switch unwrap(n.Arg).(type) {
	case *ast.A_Const, *ast.ParamRef: // flagged in the text, or by the caller in the parameter
		return
	}
	column = plainColumn(n.Arg)
	if column == "" {
		if !w.dated(n.Arg) {
			w.refuseCast(name)
		}
		return
	}
	w.want(wanted{column, true})
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
	return w.dated(n.Args.Items[1])
}

// dated reports whether n is a date, with a time or not, an interval or a number, but neither a time of day nor a text.
func (w *walker) dated(n ast.Node) bool {
	switch n := unwrap(n).(type) {
	case *ast.ColumnRef:
		column := plainColumn(n)
		if column != "" {
			w.want(wanted{column, false})
		}
		return column != ""
	case *ast.TypeCast:
		name := names(typeNames(n))
		return len(name) > 0 && slices.Contains(dateTypes, name[len(name)-1])
	case *ast.A_Expr: // a date and anything; what is then no date is no time of day either
		name := names(n.Name)
		return len(name) == 1 && (name[0] == "+" || name[0] == "-") && w.dated(n.Lexpr)
	case *ast.FuncCall:
		name := names(n.Funcname)
		if len(name) == 0 || n.Args == nil {
			return false
		}
		switch name[len(name)-1] {
		case "date_trunc", "make_timestamp", "make_timestamptz", "to_timestamp", "to_date":
			return true
		case "timezone": // which itself is judged
			return true
		case "min", "max":
			return len(n.Args.Items) == 1 && w.dated(n.Args.Items[0])
		}
	}
	return false
}

// settleDates refuses the wanted columns unless they are certainly what they must be: each relation with a column of the
// name has a date there, and nothing else in the statement can have given the name to something else.
func (w *walker) settleDates() {
	if !w.spend(len(w.wanted) * len(w.named)) {
		return
	}
	for _, want := range w.wanted {
		if w.status != verdict.Cacheable { // a reason there is already is the one that is told
			return
		}
		certain := false
		for r := range w.named {
			kind := r.dates[want.column]
			if kind == 'f' || kind == 't' && !want.orTime {
				certain = false
				break
			}
			certain = certain || kind != 0
		}
		if !certain || w.mayRename(want.column) {
			w.refuse(verdict.Uncacheable, "%s", want.otherwise())
		}
	}
}

// mayRename reports whether a column of the name may be none of a relation's: the statement gives the name, the server
// does (to the result of a function, a cast, a CASE, the columns of VALUES), or a
// function in FROM, or a composite value, has such a column.
func (w *walker) mayRename(column string) bool {
	return w.fromFunction || w.expanded || w.renamed[column] || w.implied[column] || strings.HasPrefix(column, "column") ||
		slices.Contains([]string{"?column?", "case", "coalesce", "greatest", "least", "nullif", "array", "row", "exists", "grouping"}, column)
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
