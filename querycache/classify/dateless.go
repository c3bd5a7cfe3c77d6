package classify

import (
	"slices"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file tells which expressions are of a type that holds no date.

// OIDs of types that have been the same in every version of PostgreSQL.
const (
	oidAny           = 2276
	oidRegclass      = 2205
	oidRegconfig     = 3734
	oidRegdictionary = 3769
)

// holdsNoDate reports whether a type is one of which no value is, or holds, a date. A string that is given to a function as of any type is a
// text.
func (c *Inventory) holdsNoDate(oid uint32) bool {
	switch oid {
	case oidAny, oidRegclass, oidRegconfig, oidRegdictionary:
		return true
	}
	date, known := c.coercions[oid]
	return known && !date
}

// dateless reports whether n is of a type that holds no date, if the columns are that it adds to wants.
func (w *walker) dateless(n ast.Node, wants []wanted) (all []wanted, ok bool) {
	if isNil(n) || !w.spend(1) {
		return wants, false
	}
	switch n := unwrap(n).(type) {
	case *ast.ColumnRef:
		one, ok := reference(w, n, isNoDate)
		return append(wants, one), ok
	case *ast.A_Const:
		return wants, !untyped(n)
	case *ast.BoolExpr, *ast.NullTest, *ast.BooleanTest:
		return wants, true
	case *ast.TypeCast:
		name := names(typeNames(n))
		if len(name) == 0 {
			return wants, false
		}
		t, found := w.catalog.typeOf(schemaOf(name), name[len(name)-1])
		return wants, found && t.safe && !t.date
	case *ast.A_Expr:
		return w.datelessExpression(n, wants)
	case *ast.CoalesceExpr:
		return w.anyDateless(listed(n.Args), wants)
	case *ast.MinMaxExpr:
		return w.anyDateless(listed(n.Args), wants)
	case *ast.CaseExpr:
		return w.anyDateless(results(n), wants)
	case *ast.A_ArrayExpr:
		return w.anyDateless(listed(n.Elements), wants)
	case *ast.FuncCall:
		return wants, w.givesNoDate(n)
	}
	return wants, false
}

// datelessExpression is dateless for what an operator gives.
func (w *walker) datelessExpression(n *ast.A_Expr, wants []wanted) ([]wanted, bool) {
	name := names(n.Name)
	switch {
	case len(name) != 1:
		return wants, false
	case n.Kind != ast.AEXPR_OP && n.Kind != ast.AEXPR_NULLIF:
		return wants, true
	case slices.Contains(textual, name[0]), slices.Contains([]string{"=", "<>", "<", "<=", ">", ">="}, name[0]) && n.Kind == ast.AEXPR_OP:
		return wants, true
	case n.Kind == ast.AEXPR_NULLIF:
		return w.dateless(n.Lexpr, wants)
	case name[0] == "||":
		return w.anyDateless([]ast.Node{n.Lexpr, n.Rexpr}, wants)
	}
	return wants, false
}

// anyDateless is dateless for expressions of one type: one that is certain is enough.
func (w *walker) anyDateless(all []ast.Node, wants []wanted) ([]wanted, bool) {
	for _, n := range all {
		if more, ok := w.dateless(n, wants); ok {
			return more, true
		}
	}
	return wants, false
}

// givesNoDate reports whether no function that a call may mean gives a date.
func (w *walker) givesNoDate(n *ast.FuncCall) bool {
	name := names(n.Funcname)
	if len(name) == 0 || len(name) > 2 {
		return false
	}
	args, found := arguments(n), false
	all := w.catalog.functionsOf(schemaOf(name), name[len(name)-1])
	if !w.spend(len(all)) {
		return false
	}
	for _, f := range all {
		if f.takes(args) {
			if found = true; !w.catalog.holdsNoDate(f.result) || f.result == oidAny {
				return false
			}
		}
	}
	return found
}
