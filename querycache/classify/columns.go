package classify

import (
	"reflect"
	"slices"
	"strings"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file tells of what kind a column must be, as far as the statement and the catalog leave no doubt. Types are not worked out: a name
// is a column of a table, or what the statement gives the name to, or unknown.

// columnKind is what a column must be for something to be harmless.
type columnKind uint8

const (
	isDate     columnKind = iota // a date, with a time or not, and neither a time of day nor a text
	isReadable                   // the same or a time of day, or a text that is stored in a table
	isNoDate                     // of a type that holds no date, be it in an array, a range or a row
)

// wanted is a column that must be of a kind.
type wanted struct {
	column string
	stored bool // it is a column of a table, since the name of a table stands before it
	kind   columnKind
}

// sourceKind is what a name in FROM means.
type sourceKind uint8

const (
	fromTable sourceKind = 1 << iota
	fromElse             // a subselect, a WITH query, a function, a join
)

// columns is what a statement says of the names of columns.
type columns struct {
	sources  map[string]sourceKind      // names in FROM
	prefixes map[string][]string        // what stands before a column's name and a point
	given    map[string][]ast.Node      // what the statement gives a name to
	produced map[string][]*ast.FuncCall // what a function in FROM gives a name to
	listed   map[string]int             // how often a name is given in a list of columns
	judged   map[wanted]bool            // settled, or under way
	strange  bool                       // a function in FROM may give any names
}

func newColumns() columns {
	return columns{
		sources: map[string]sourceKind{}, prefixes: map[string][]string{}, given: map[string][]ast.Node{}, produced: map[string][]*ast.FuncCall{},
		listed: map[string]int{}, judged: map[wanted]bool{},
	}
}

// noteSource notes what a name in FROM means. The statement may use one name for several things.
func (w *walker) noteSource(n ast.Node) {
	note := func(alias *ast.Alias, name string, what sourceKind) {
		if alias != nil {
			name = alias.AliasName
			if alias.ColNames != nil {
				what |= fromElse
			}
		}
		if name != "" {
			w.sources[name] |= what
		}
	}
	switch n := n.(type) {
	case *ast.RangeVar:
		if w.inScope(n) {
			note(n.Alias, n.RelName, fromElse)
		} else {
			note(n.Alias, n.RelName, fromTable)
		}
	case *ast.RangeSubselect:
		note(n.Alias, "", fromElse)
	case *ast.RangeFunction:
		note(n.Alias, "", fromElse)
		w.noteFunctions(n)
	case *ast.JoinExpr:
		note(n.Alias, "", fromElse)
		note(n.JoinUsingAlias, "", fromElse)
	}
}

// noteFunctions notes which name a function in FROM gives to its only column: FROM generate_series(…) day.
func (w *walker) noteFunctions(n *ast.RangeFunction) {
	call, ok := onlyNode[*ast.FuncCall](n.Functions)
	if !ok || n.Alias == nil || len(n.Functions.Items) != 1 || n.IsRowsFrom || n.Ordinality || n.ColDefList != nil || len(names(call.Funcname)) == 0 {
		w.strange = true
		return
	}
	column, name := n.Alias.AliasName, names(call.Funcname)
	switch name[len(name)-1] {
	case "generate_series", "unnest":
	case "jsonb_array_elements", "jsonb_array_elements_text", "json_array_elements", "json_array_elements_text":
		column = "value"
	default:
		w.strange = true
		return
	}
	if renamed := names(n.Alias.ColNames); len(renamed) > 0 {
		w.strange = w.strange || len(renamed) > 1
		column = renamed[0]
		w.listed[column]--
	}
	w.produced[column] = append(w.produced[column], call)
}

// onlyNode returns the first node of a type in a list of lists, where it is the first of each.
func onlyNode[N ast.Node](l *ast.NodeList) (found N, ok bool) {
	for l != nil && len(l.Items) > 0 {
		if found, ok = l.Items[0].(N); ok {
			return found, true
		}
		if l, ok = l.Items[0].(*ast.NodeList); !ok {
			return found, false
		}
	}
	return found, false
}

// reference returns the column that n names and what it must be.
func reference(w *walker, n ast.Node, kind columnKind) (wanted, bool) {
	column := plainColumn(n)
	if column == "" {
		return wanted{}, false
	}
	return wanted{column: column, kind: kind, stored: w.qualified(n)}, true
}

// qualified reports whether a column stands behind the name of something, to be settled when all of FROM is known.
func (w *walker) qualified(n ast.Node) bool {
	fields := names(unwrap(n).(*ast.ColumnRef).Fields)
	if len(fields) < 2 {
		return false
	}
	w.prefixes[fields[len(fields)-1]] = append(w.prefixes[fields[len(fields)-1]], fields[len(fields)-2])
	return true
}

// settled reports whether a column is certainly what it must be: each relation of the statement that has a column of the name has it of that
// kind, and whatever else the statement gives the name to is of that kind, too.
func (w *walker) settled(want wanted) bool {
	if verdict, known := w.judged[want]; known {
		return verdict // of one under way: nothing is known against it
	}
	w.judged[want] = true
	ok := w.settle(want)
	w.judged[want] = ok
	return ok
}

func (w *walker) settle(want wanted) bool {
	if !w.spend(1 + len(w.named)) {
		return false
	}
	column, tables := want.column, want.stored && w.onlyTables(want.column)
	if !tables && !w.settleGiven(want) {
		return false
	}
	has := false
	for r := range w.named {
		kind := r.dates[column]
		has = has || kind == 'd' || kind == 't'
		switch {
		case kind == 0, kind == 'd' && want.kind != isNoDate, kind == 't' && want.kind == isReadable, kind == 'f' && want.kind != isDate:
		default:
			return false
		}
	}
	return want.kind != isDate || has || len(w.given[column])+len(w.produced[column]) > 0
}

// onlyTables reports whether all the names that stand before a column of the name are those of tables.
func (w *walker) onlyTables(column string) bool {
	for _, prefix := range w.prefixes[column] {
		if w.sources[prefix] != fromTable {
			return false
		}
	}
	return true
}

// settleGiven judges what the statement itself may give a column's name to.
func (w *walker) settleGiven(want wanted) bool {
	column := want.column
	made := w.produced[column]
	if w.expanded || w.strange || w.implied[column] || w.listed[column] > 0 || strings.HasPrefix(column, "column") ||
		slices.Contains([]string{"?column?", "case", "coalesce", "greatest", "least", "nullif", "array", "row", "exists", "grouping"}, column) {
		return false
	}
	for _, n := range w.given[column] {
		if !w.certainly(n, want.kind) {
			return false
		}
	}
	for _, call := range made {
		if call.Args == nil || len(call.Args.Items) == 0 {
			return false
		}
		of := call.Args.Items[0]
		switch name := names(call.Funcname); name[len(name)-1] {
		case "generate_series":
			if !w.certainly(of, want.kind) {
				return false
			}
		case "unnest":
			if want.kind == isDate || plainColumn(of) == "" || !w.certainly(of, want.kind) {
				return false
			}
		default:
			if want.kind == isDate || want.kind == isReadable && !w.certainly(of, isReadable) {
				return false
			}
		}
	}
	return true
}

// certainly reports whether an expression is of a kind, once all of the statement is known.
func (w *walker) certainly(n ast.Node, kind columnKind) bool {
	var wants []wanted
	ok := false
	switch kind {
	case isDate:
		wants, ok = w.dated(n, nil)
	case isReadable:
		wants, ok = w.stored(n, nil)
		w.doom(reflect.ValueOf(n))
	case isNoDate:
		wants, ok = w.dateless(n, nil)
	}
	for _, want := range wants {
		ok = ok && w.settled(want)
	}
	return ok
}
