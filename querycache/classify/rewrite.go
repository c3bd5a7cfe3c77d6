package classify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"overdrive/querycache/sqlscan"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file writes statements of a shape otherwise, for advice to operators. It goes by tokens, and guesses what a token means to the
// grammar, so a caller has each result judged before it is shown, or sent to a server.

// A Rewrite is a shape in which something has become a parameter.
type Rewrite struct {
	Text       string
	Parameters int // the highest number of a parameter
}

// rewriter collects the tokens of a Rewrite.
type rewriter struct {
	from  statement
	out   []string
	count int // of parameters so far
}

func newRewriter(shape string) (*rewriter, bool) {
	all := statements([]byte(shape))
	if len(all) != 1 {
		return nil, false
	}
	r := &rewriter{from: all[0]}
	for _, t := range r.from {
		if n, err := strconv.Atoi(strings.TrimPrefix(t.text, "$")); err == nil && t.kind == sqlscan.Param {
			r.count = max(r.count, n)
		}
	}
	return r, true
}

func (r *rewriter) result() Rewrite { return Rewrite{strings.Join(r.out, " "), r.count} }

// parameter returns the next one.
func (r *rewriter) parameter() string {
	r.count++
	return fmt.Sprintf("$%d", r.count)
}

// maxParameters bounds those of a statement, as the server's protocol does, and what is worth to be looked at.
const maxParameters = 1000

// Generic returns a shape with parameters for its constants, as a driver that sends them apart would write it: so a server can be asked
// for the plan that holds for all values. Constants that can be nothing else stay. It returns false for what is no single statement or
// has too many.
func Generic(shape string) (Rewrite, bool) {
	r, ok := newRewriter(shape)
	if !ok {
		return Rewrite{}, false
	}
	ordering, depth := -1, 0 // the depth at which ORDER BY or GROUP BY is open
	for i, t := range r.from {
		switch {
		case t.text == "(" || t.text == "[":
			depth++
		case t.text == ")" || t.text == "]":
			if depth--; depth < ordering {
				ordering = -1
			}
		case t.is("by"):
			ordering = depth
		case t.is("limit", "offset", "having", "fetch", "for", "rows", "range", "groups", "union", "intersect", "except"):
			ordering = -1
		}
		switch {
		case t.kind == sqlscan.String && r.from.at(i-1).is(constantTypes...):
			r.out[len(r.out)-1] = r.parameter() + " :: " + r.from.at(i-1).text
		case t.kind == sqlscan.String:
			r.out = append(r.out, r.parameter())
		case t.kind == sqlscan.Number && !r.from.fixed(i, ordering == depth):
			if r.from.signed(i) {
				r.out = r.out[:len(r.out)-1]
			}
			r.out = append(r.out, r.parameter())
		default:
			r.out = append(r.out, t.text)
		}
	}
	return r.result(), r.count <= maxParameters
}

// constantTypes are types that are written in front of a constant, and as well behind it.
var constantTypes = []string{"date", "time", "timetz", "timestamp", "timestamptz", "interval", "numeric", "uuid", "text"}

// fixed reports whether the number at i can be no parameter: it is the length of a type, or a column of the result by its place.
func (s statement) fixed(i int, ordering bool) bool {
	if ordering && (s.at(i-1).is("by") || s.at(i-1).text == ",") {
		return true
	}
	for j := i - 1; j > 0 && i-j < 4; j-- { // numeric ( 1 , 1 )
		if s[j].text == "(" {
			return s[j-1].is("varchar", "char", "character", "bpchar", "varying", "numeric", "decimal", "dec", "float", "bit", "time",
				"timestamp", "timestamptz", "timetz", "interval", "current_timestamp", "localtimestamp")
		}
	}
	return false
}

// signed reports whether a sign stands before i that is part of a number.
func (s statement) signed(i int) bool {
	if sign := s.at(i - 1).text; sign != "-" && sign != "+" {
		return false
	}
	before := s.at(i - 2)
	switch before.kind {
	case sqlscan.Operator:
		return true
	case sqlscan.Punct:
		return before.text != ")" && before.text != "]"
	case sqlscan.Word:
		return before.is("and", "or", "in", "between", "select", "then", "else", "when", "limit", "where", "on", "not", "any")
	}
	return false
}

// Clockless returns a shape with parameters for what reads the clock, or false where nothing does by a name that is known here.
func Clockless(shape string) (Rewrite, bool) {
	r, ok := newRewriter(shape)
	if !ok {
		return Rewrite{}, false
	}
	given := make(map[string]string) // by type
	for i := 0; i < len(r.from); i++ {
		t := r.from[i]
		kind, called := clocks[t.text], r.from.at(i+1).text == "(" && r.from.at(i+2).text == ")"
		bare := !strings.HasPrefix(kind, "()")
		kind = strings.TrimPrefix(kind, "()")
		if t.kind != sqlscan.Word || kind == "" || !bare && !called || r.from.at(i-1).text == "." || r.from.at(i-1).is("as") {
			r.out = append(r.out, t.text)
			continue
		}
		if !bare {
			i += 2
		}
		if given[kind] == "" {
			given[kind] = r.parameter() + " :: " + kind
		}
		r.out = append(r.out, given[kind])
	}
	return r.result(), len(given) > 0
}

// clocks are the words that read the clock, with the type of what they say; those with () are functions.
var clocks = map[string]string{
	"now": "()timestamptz", "transaction_timestamp": "()timestamptz", "statement_timestamp": "()timestamptz",
	"clock_timestamp": "()timestamptz", "current_timestamp": "timestamptz", "localtimestamp": "timestamp", "current_date": "date",
}

// Batched returns a shape that asks for one row by one value, written for several, with the column that is compared: the one = of its
// WHERE becomes = ANY. It returns false where there is no such or more than one, and where rows of several values would not be
// those of each: what calls a function in its list of columns may count or add up.
func Batched(shape string) (r Rewrite, column string, ok bool) {
	w, ok := newRewriter(shape)
	if !ok || !w.from.at(0).is("select") {
		return Rewrite{}, "", false
	}
	from, where, found := false, false, 0
	for i := 0; i < len(w.from); i++ {
		t := w.from[i]
		from, where = from || t.is("from"), where || t.is("where")
		if t.is("limit", "offset", "or", "not", "group", "having", "window", "union", "intersect", "except", "select", "for", "fetch") && i > 0 ||
			!from && t.text == "(" {
			return Rewrite{}, "", false
		}
		if !where || !t.isValue() || w.from.at(i-1).text != "=" || w.from.at(i-2).name == "" {
			w.out = append(w.out, t.text)
			continue
		}
		cast, whole := w.from.condition(i)
		if !whole {
			return Rewrite{}, "", false
		}
		found++
		parameter := t.text
		if t.kind != sqlscan.Param {
			parameter = w.parameter()
		}
		column = w.from[i-2].text
		if cast != "" {
			parameter += " :: " + cast + " []"
			i += 2
		}
		w.out = append(w.out, "any ( "+parameter+" )")
	}
	return w.result(), column, found == 1
}

func (t token) isValue() bool {
	return t.kind == sqlscan.Param || t.kind == sqlscan.Number || t.kind == sqlscan.String
}

// condition reports whether column = value, with the value at i, is one of the conditions that AND joins, and no part of one. The value
// may be cast, to a type of one word.
func (s statement) condition(i int) (cast string, whole bool) {
	begin := i - 2
	for s.at(begin-1).text == "." {
		begin -= 2
	}
	end := i + 1
	if s.at(end).text == "::" && s.at(end+1).name != "" {
		cast, end = s.at(end+1).text, end+2
	}
	return cast, s.at(begin-1).is("where", "and") && (end >= len(s) || s.at(end).is("and", "order"))
}

// Alone returns the statements of a shape with several.
func Alone(shape string) []string {
	var list []string
	for _, s := range statements([]byte(shape)) {
		words := make([]string, len(s))
		for i, t := range s {
			words[i] = t.text
		}
		list = append(list, strings.Join(words, " "))
	}
	return list
}

// Equalities returns the columns that a condition, as EXPLAIN writes it, compares by = with what is the same for every row. What stands
// behind OR or NOT is not looked at. A column with AsText is compared as a text.
func Equalities(filter string) []Equality {
	stmts, err := parse("SELECT 1 WHERE " + filter)
	if err != nil || len(stmts) != 1 {
		return nil
	}
	s, ok := stmts[0].(*ast.SelectStmt)
	if !ok {
		return nil
	}
	var list []Equality
	addEqualities(&list, s.WhereClause)
	return list
}

// Equality is a column that is compared.
type Equality struct {
	Column string
	AsText bool
}

func addEqualities(list *[]Equality, n ast.Node) {
	switch n := unwrap(n).(type) {
	case *ast.BoolExpr:
		if n.Boolop == ast.AND_EXPR && n.Args != nil {
			for _, arg := range n.Args.Items {
				addEqualities(list, arg)
			}
		}
	case *ast.A_Expr:
		if op := names(n.Name); len(op) != 1 || op[0] != "=" || n.Kind != ast.AEXPR_OP && n.Kind != ast.AEXPR_OP_ANY {
			return
		}
		for _, sides := range [2][2]ast.Node{{n.Lexpr, n.Rexpr}, {n.Rexpr, n.Lexpr}} {
			e, ok := comparedColumn(sides[0])
			if ok && constant(sides[1]) && !slices.Contains(*list, e) {
				*list = append(*list, e)
				return
			}
			if n.Kind == ast.AEXPR_OP_ANY {
				return
			}
		}
	}
}

// comparedColumn reads a column, maybe cast to text.
func comparedColumn(n ast.Node) (Equality, bool) {
	var e Equality
	if c, ok := unwrap(n).(*ast.TypeCast); ok {
		if name := names(typeNames(c)); len(name) == 0 || name[len(name)-1] != "text" {
			return e, false
		}
		n, e.AsText = c.Arg, true
	}
	e.Column = plainColumn(n)
	return e, e.Column != ""
}

// constant reports whether n is a constant or a parameter, maybe cast.
func constant(n ast.Node) bool {
	switch n := unwrap(n).(type) {
	case *ast.A_Const, *ast.ParamRef:
		return true
	case *ast.TypeCast:
		return constant(n.Arg)
	}
	return false
}

// FirstWord returns the word, in lower case, that a shape begins with, or "".
func FirstWord(shape string) string {
	scan := sqlscan.Scan([]byte(shape))
	if scan.Next() != sqlscan.Word {
		return ""
	}
	return sqlscan.Fold(shape[scan.Start:scan.End])
}
