package classify

import (
	"bytes"
	"reflect"
	"slices"
	"strconv"

	"overdrive/querycache/sqlscan"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file finds the constants and parameters that can become no date, whatever they say: a string such as 'now' matters only where a date
// type reads it. The server gives a string the type of what it stands beside. Where that is not plain here, the string may be a date.

// words is what is known of the constants and parameters of a statement.
type words struct {
	plain   []plainWord
	isSide  map[*ast.SelectStmt]bool // of a UNION
	dooming int                      // casts to a date that are open
	doomedW places                   // constants that are read as a date
	doomedP places                   // parameters likewise
	uses    [maxPlaces]int           // of each parameter
	plainly [maxPlaces]int           // those uses of it where it becomes no date
}

// plainWord is a constant or a parameter that becomes no date if the columns are of no date type.
type plainWord struct {
	node  ast.Node
	wants []wanted
}

// places is a set of constants, or parameters, by their number from 0. The last one stands for all that are beyond, and is never in
// the set.
type places uint64

const maxPlaces = 63

// has reports whether number n is in the set.
func (p places) has(n int) bool { return n >= 0 && n < maxPlaces && p&(1<<n) != 0 }

// with returns the set with n, if that can be in it.
func (p places) with(n int) places {
	if n >= 0 && n < maxPlaces {
		p |= 1 << n
	}
	return p
}

// numbered returns a shape in which each string is its own number, from 0.
func numbered(shape []byte) []byte {
	if !bytes.Contains(shape, []byte("'s'")) {
		return shape
	}
	out := make([]byte, 0, len(shape)+len(shape)/8)
	n, from := 0, 0
	for scan := sqlscan.Scan(shape); scan.Next() != sqlscan.End; {
		t := scan.Token
		switch t.Kind {
		case sqlscan.String, sqlscan.EString, sqlscan.Dollar, sqlscan.UString:
			if t.Kind == sqlscan.String {
				out = append(out, shape[from:t.Start+1]...)
				out = strconv.AppendInt(out, int64(n), 10)
				from = t.End - 1
			}
			n++
		}
	}
	return append(out, shape[from:]...)
}

// number returns that of a string in a numbered shape, or -1.
func number(n *ast.A_Const) int {
	s, ok := n.Val.(*ast.String)
	if !ok {
		return -1
	}
	i, err := strconv.Atoi(s.SVal)
	if err != nil {
		return -1
	}
	return i
}

// isLiteral reports whether n is a constant or a parameter.
func isLiteral(n ast.Node) bool {
	switch unwrap(n).(type) {
	case *ast.A_Const, *ast.ParamRef:
		return true
	}
	return false
}

// isConstant reports whether n is a literal, or a list or an array of such.
func isConstant(n ast.Node) bool {
	switch n := unwrap(n).(type) {
	case *ast.NodeList:
		return !slices.ContainsFunc(n.Items, func(n ast.Node) bool { return !isLiteral(n) })
	case *ast.A_ArrayExpr:
		return !slices.ContainsFunc(listed(n.Elements), func(n ast.Node) bool { return !isLiteral(n) })
	}
	return isLiteral(n)
}

// untyped reports whether n is a string, a NULL or a parameter, which take the type of what they stand beside.
func untyped(n ast.Node) bool {
	switch n := unwrap(n).(type) {
	case *ast.A_Const:
		_, text := n.Val.(*ast.String)
		return text || n.Isnull
	case *ast.ParamRef:
		return true
	}
	return false
}

func listed(l *ast.NodeList) []ast.Node {
	if l == nil {
		return nil
	}
	return l.Items
}

// results returns what a CASE may give.
func results(n *ast.CaseExpr) []ast.Node {
	var all []ast.Node
	for _, item := range listed(n.Args) {
		if when, ok := item.(*ast.CaseWhen); ok {
			all = append(all, when.Result)
		}
	}
	if !isNil(n.Defresult) {
		all = append(all, n.Defresult)
	}
	return all
}

// constant and parameter note what stands where.
func (w *walker) constant(n *ast.A_Const) {
	if w.dooming > 0 {
		w.doomedW = w.doomedW.with(number(n))
	}
}

func (w *walker) parameter(n *ast.ParamRef) {
	if i := n.Number - 1; i >= 0 && i < maxPlaces {
		w.uses[i]++
		if w.dooming > 0 {
			w.doomedP = w.doomedP.with(i)
		}
	}
}

// doomed has all constants and parameters that are visited next count as dates, until leave is called.
func (w *walker) doomed() (leave func()) {
	w.dooming++
	return func() { w.dooming-- }
}

// doom has all constants and parameters below v count as dates.
func (w *walker) doom(v reflect.Value) {
	if !w.spend(1) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		switch n := v.Interface().(type) {
		case *ast.A_Const:
			w.doomedW = w.doomedW.with(number(n))
		case *ast.ParamRef:
			w.doomedP = w.doomedP.with(n.Number - 1)
		}
		w.doom(v.Elem())
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			w.doom(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				w.doom(v.Field(i))
			}
		}
	}
}

// mark notes that n, or each of a list or an array, becomes no date if the columns are none.
func (w *walker) mark(n ast.Node, wants []wanted) {
	if isNil(n) || !w.spend(1) {
		return
	}
	switch n := unwrap(n).(type) {
	case *ast.NodeList:
		for _, item := range n.Items {
			w.mark(item, wants)
		}
	case *ast.A_ArrayExpr:
		for _, item := range listed(n.Elements) {
			w.mark(item, wants)
		}
	case *ast.A_Const, *ast.ParamRef:
		w.plain = append(w.plain, plainWord{n, wants})
	}
}

// alike marks expressions that have one type, if one of them is certainly no date; or if all are untyped, for then they are texts.
func (w *walker) alike(all ...ast.Node) {
	if w.catalog == nil || !slices.ContainsFunc(all, untyped) {
		return
	}
	var wants []wanted
	if slices.ContainsFunc(all, func(n ast.Node) bool { return !untyped(n) }) {
		ok := false
		for _, n := range all {
			if wants, ok = w.dateless(n, nil); ok {
				break
			}
		}
		if !ok {
			return
		}
	}
	for _, n := range all {
		if untyped(n) {
			w.mark(n, wants)
		}
	}
}

// textual are operators that no date is ever beside of.
var textual = []string{"~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*", "->", "->>", "#>", "#>>", "?", "?|", "?&", "@?", "@@"}

// expressionWords marks the literals beside an operator.
func (w *walker) expressionWords(n *ast.A_Expr) {
	if w.catalog == nil {
		return
	}
	name := names(n.Name)
	if len(name) == 1 && slices.Contains(textual, name[0]) || n.Kind == ast.AEXPR_SIMILAR {
		w.mark(n.Lexpr, nil)
		w.mark(n.Rexpr, nil)
		return
	}
	if isNil(n.Lexpr) || isNil(n.Rexpr) {
		return
	}
	for _, pair := range [][2]ast.Node{{n.Lexpr, n.Rexpr}, {n.Rexpr, n.Lexpr}} {
		if !isConstant(pair[0]) {
			continue
		}
		if wants, ok := w.dateless(pair[1], nil); ok {
			w.mark(pair[0], wants)
		}
	}
}

// castWords marks what is cast to a type that is no date.
func (w *walker) castWords(n *ast.TypeCast, name []string) {
	if t, found := w.catalog.typeOf(schemaOf(name), name[len(name)-1]); found && t.safe && !t.date {
		w.mark(n.Arg, nil)
	}
}

// caseWords marks the literals of a CASE.
func (w *walker) caseWords(n *ast.CaseExpr) {
	w.alike(results(n)...)
	if isNil(n.Arg) {
		return
	}
	compared := []ast.Node{n.Arg}
	for _, item := range listed(n.Args) {
		if when, ok := item.(*ast.CaseWhen); ok {
			compared = append(compared, when.Expr)
		}
	}
	w.alike(compared...)
}

// callWords marks the arguments of a call for which none of the functions that may be meant takes a date.
func (w *walker) callWords(n *ast.FuncCall) {
	name, args := names(n.Funcname), arguments(n)
	if w.catalog == nil || len(name) == 0 || len(name) > 2 || args < 1 || !slices.ContainsFunc(n.Args.Items, isConstant) {
		return
	}
	for i, arg := range n.Args.Items {
		if isConstant(arg) && w.takesNoDate(schemaOf(name), name[len(name)-1], args, i) {
			w.mark(arg, nil)
		}
	}
}

// takesNoDate reports whether no function that a name may mean takes a date as argument i.
func (w *walker) takesNoDate(schema, name string, args, i int) bool {
	all := w.catalog.functionsOf(schema, name)
	if !w.spend(len(all)) {
		return false
	}
	for _, f := range all {
		if !f.takes(args) {
			continue
		}
		types := bytes.Fields([]byte(f.arguments))
		if len(types) == 0 || i >= len(types) && f.most >= 0 {
			return false
		}
		oid, err := strconv.ParseUint(string(types[min(i, len(types)-1)]), 10, 32)
		if err != nil || !w.catalog.holdsNoDate(uint32(oid)) {
			return false
		}
	}
	return len(all) > 0
}

// targetWords marks the strings that a SELECT gives: where nothing is combined with it they are texts, and else what they are combined with
// decides.
func (w *walker) targetWords(n *ast.SelectStmt) {
	if w.catalog == nil || w.isSide[n] {
		return
	}
	if n.Larg == nil {
		for _, item := range listed(n.TargetList) {
			if target, ok := item.(*ast.ResTarget); ok && untyped(target.Val) {
				w.mark(target.Val, nil)
			}
		}
		return
	}
	var sides [][]ast.Node
	if !w.sides(n, &sides) {
		return
	}
	for i := range sides[0] {
		var column []ast.Node
		for _, side := range sides {
			if i < len(side) {
				column = append(column, side[i])
			}
		}
		w.alike(column...)
	}
}

// sides collects what the SELECTs of a UNION give. It returns false where that does not tell how many columns there are.
func (w *walker) sides(n *ast.SelectStmt, all *[][]ast.Node) bool {
	if !w.spend(1) {
		return false
	}
	if n.Larg != nil {
		w.isSide[n.Larg] = true
		if n.Rarg == nil {
			return false
		}
		w.isSide[n.Rarg] = true
		left, right := w.sides(n.Larg, all), w.sides(n.Rarg, all)
		return left && right
	}
	var side []ast.Node
	for _, item := range listed(n.TargetList) {
		target, ok := item.(*ast.ResTarget)
		if !ok {
			return false
		}
		if ref, is := unwrap(target.Val).(*ast.ColumnRef); is && hasStar(ref.Fields) {
			return false
		}
		side = append(side, target.Val)
	}
	*all = append(*all, side)
	return len(side) > 0
}

// settleWords returns the constants and parameters that become no date.
func (w *walker) settleWords() (constants, parameters places) {
	seen := map[ast.Node]bool{}
	for _, p := range w.plain {
		if seen[p.node] || slices.ContainsFunc(p.wants, func(want wanted) bool { return !w.settled(want) }) {
			continue
		}
		seen[p.node] = true
		switch n := p.node.(type) {
		case *ast.A_Const:
			constants = constants.with(number(n))
		case *ast.ParamRef:
			if i := n.Number - 1; i >= 0 && i < maxPlaces {
				w.plainly[i]++
			}
		}
	}
	for i := range w.uses {
		if w.uses[i] > 0 && w.plainly[i] >= w.uses[i] {
			parameters = parameters.with(i)
		}
	}
	return constants &^ w.doomedW, parameters &^ w.doomedP
}
