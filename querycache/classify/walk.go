package classify

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"overdrive/querycache/verdict"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// maxDepth bounds the recursion into a tree, which a hostile text could make as deep as it is long.
const maxDepth = 2000

// walker goes through the tree of one statement and notes what it reads, what it may write and the first thing in it
// that is not known to be safe to cache.
type walker struct {
	catalog *Catalog // nil: nothing is known
	depth   int
	selects int            // open, one within the other
	ctes    map[string]int // how many WITH queries of the name are in scope
	spent   int            // steps taken so far that the length of the text does not bound

	status verdict.Status // of the first refusal; Cacheable: none so far
	reason string
	clock  string // what reads the clock, and does so once in a statement; empty: nothing

	named      map[*relation]bool // by the statement itself, and read
	reads      map[*relation]bool // with rows of their own
	views      map[*relation]bool // that are read through
	needs      map[string]bool    // parameters that policies and views read
	writes     map[*relation]bool
	written    map[writeKey]bool // what was noted in writes already
	requests   []spreadItem      // what is written, where that is to be followed later
	called     []*function       // functions that a body calls, where they are to be followed later
	followed   map[*function]bool
	procedure  *ast.FuncCall // that a CALL names
	runs       bool          // functions of the user's are run, that are known
	fires      bool          // triggers are run
	draws      bool          // code that runs may call nextval
	keepsUp    bool          // it runs what belongs to tables: indexes, statistics
	ownSets    []string      // parameters of the user's own that code sets which runs, for the session
	planning   bool          // what is visited is not run: it writes no relation
	everything bool          // may write anything
	ddl        bool
	byPath     bool     // it is no DDL as names are by the search_path
	commits    bool     // it commits by itself, though it does not write everything
	shared     bool     // code is called that may change what databases share
	temporary  bool     // a temporary table is made
	unsettled  bool     // the catalog of now is not known as a whole
	alters     *Touch   // what DDL touches that is well understood; nil: it is not, or no DDL
	unknown    []string // names of relations that are not known

	implied map[string]bool // names the server gives to columns that the statement gives none
	wanted  []wanted        // columns that must be dates, to be settled at the end
	noted   map[wanted]bool // the same
	mention mention
	doubts  []*Touch           // what has changed since the catalog was loaded
	relied  map[*relation]bool // of which DDL must know what is run for their rows
	columns
	words
	touched

	inner       ast.Node // what the cast visited last casts; if that is a cast,
	innerColumn string   // the column that both do, see innermost

	expanded     bool     // (x).* stands somewhere
	fromFunction bool     // a function stands in FROM
	selected     []string // names behind a point in column references, to be settled at the end
}

func newWalker(c *Catalog) *walker {
	return &walker{
		catalog: c, status: verdict.Cacheable,
		named: map[*relation]bool{}, reads: map[*relation]bool{}, views: map[*relation]bool{}, writes: map[*relation]bool{},
		needs: map[string]bool{}, implied: map[string]bool{},
		followed: map[*function]bool{}, ctes: map[string]int{}, written: map[writeKey]bool{}, noted: map[wanted]bool{}, columns: newColumns(),
		words: words{isSide: map[*ast.SelectStmt]bool{}}, touched: newTouched(), mention: newMention(), relied: map[*relation]bool{},
	}
}

// refuse notes why the answer may not be kept. Only the first reason is told, but Volatile outranks: it is what to
// change in the statement.
func (w *walker) refuse(s verdict.Status, format string, args ...any) {
	if w.status == verdict.Cacheable || w.status == verdict.Uncacheable && s == verdict.Volatile {
		w.status, w.reason = s, fmt.Sprintf(format, args...)
	}
}

// tick notes that the statement reads the clock, for the reason that is given. All that does so in it must see the same moment.
func (w *walker) tick(reason string) {
	if w.clock == "" {
		w.clock = reason
	}
}

// visit looks at n and all below it.
func (w *walker) visit(n ast.Node) {
	if isNil(n) {
		return
	}
	if w.depth++; w.depth > maxDepth {
		w.refuse(verdict.Uncacheable, "the statement is nested more than %d levels deep", maxDepth)
		w.everything = true
		w.depth--
		return
	}
	defer func() { w.depth-- }()

	switch n := n.(type) {
	case *ast.SelectStmt:
		w.selectStmt(n)
		return
	case *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt, *ast.MergeStmt:
		w.refuse(verdict.Uncacheable, "the statement writes")
		w.dataStmt(n)
		return
	case *ast.RangeVar:
		w.noteSource(n)
		w.relation(n)
	case *ast.FuncCall:
		if w.function(n) {
			defer w.doomed()()
		}
		w.callWords(n)
	case *ast.A_Expr:
		w.expression(n)
		w.expressionWords(n)
	case *ast.TypeCast:
		if w.cast(n) {
			defer w.doomed()()
		}
	case *ast.A_Const:
		w.constant(n)
	case *ast.ParamRef:
		w.parameter(n)
	case *ast.CoalesceExpr:
		w.alike(listed(n.Args)...)
	case *ast.MinMaxExpr:
		w.alike(listed(n.Args)...)
	case *ast.A_ArrayExpr:
		w.alike(listed(n.Elements)...)
	case *ast.TypeName:
		w.typeName(n)
	case *ast.ColumnRef:
		w.column(n)
	case *ast.A_Indirection:
		for _, field := range names(n.Indirection) {
			w.notation(field, false)
			w.implied[field] = true
			w.refuseSystemColumn(field)
		}
		w.expanded = w.expanded || hasStar(n.Indirection)
	case *ast.SQLValueFunction:
		if n.Op <= ast.SVFOP_LOCALTIMESTAMP_N {
			w.tick("a keyword such as CURRENT_DATE depends on the clock")
		} else {
			w.refuse(verdict.Volatile, "a keyword such as CURRENT_USER depends on the session")
		}
	case *ast.SortBy:
		if n.UseOp != nil {
			w.operator(names(n.UseOp))
		}
	case *ast.SubLink:
		if n.OperName != nil {
			w.operator(names(n.OperName))
		}
		w.operator([]string{"="}) // x IN (SELECT …) names none
	case *ast.CaseExpr:
		if n.Arg != nil {
			w.operator([]string{"="})
		}
		w.caseWords(n)
	case *ast.JoinExpr:
		w.noteSource(n)
		w.touch(names(n.UsingClause)...)
		w.everyColumn = w.everyColumn || n.IsNatural
		if n.IsNatural || n.UsingClause != nil {
			w.operator([]string{"="})
		}
	case *ast.ResTarget:
		if n.Name != "" && !isNil(n.Val) {
			w.given[n.Name] = append(w.given[n.Name], n.Val)
		}
	case *ast.Alias:
		w.rename(n.ColNames)
	case *ast.RangeSubselect:
		w.noteSource(n)
	case *ast.LockingClause:
		w.refuse(verdict.Uncacheable, "the statement locks rows")
		return
	case *ast.RangeFunction:
		w.fromFunction = true
		w.noteSource(n)
	case *ast.RangeTableSample:
		w.refuse(verdict.Uncacheable, "TABLESAMPLE picks rows at random")
	case *ast.IntoClause:
		w.refuse(verdict.Uncacheable, "the statement creates a table")
		w.everything, w.ddl = true, true
		return

	// Harmless by themselves.
	case *ast.NodeList, *ast.A_Star, *ast.A_Indices, *ast.ArrayExpr, *ast.ParenExpr, *ast.BoolExpr, *ast.NullTest, *ast.BooleanTest, *ast.CaseWhen, *ast.RowExpr, *ast.CollateClause, *ast.NamedArgExpr, *ast.GroupingFunc, *ast.GroupingSet,
		*ast.WindowDef, *ast.ColumnDef,
		*ast.String, *ast.Integer, *ast.Float, *ast.Boolean, *ast.BitString, *ast.Null:

	default:
		w.refuse(verdict.Uncacheable, "syntax not known to be safe: %s", strings.TrimPrefix(reflect.TypeOf(n).String(), "*ast."))
	}
	w.children(n)
}

// children visits every node that n holds. It goes by reflection, so that no field can be forgotten.
func (w *walker) children(n ast.Node) {
	if v := reflect.Indirect(reflect.ValueOf(n)); v.Kind() == reflect.Struct {
		w.fields(v)
	}
}

func (w *walker) fields(v reflect.Value) {
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() {
			w.value(v.Field(i))
		}
	}
}

// value visits the nodes in a field.
func (w *walker) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		if n, ok := v.Interface().(ast.Node); ok {
			w.visit(n)
		} else {
			w.value(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			w.value(v.Index(i))
		}
	case reflect.Struct:
		if t := v.Type(); t == baseNode || t == baseExpr {
			return
		}
		if n, ok := v.Addr().Interface().(ast.Node); ok {
			w.visit(n)
		} else {
			w.fields(v)
		}
	case reflect.Map:
		w.refuse(verdict.Uncacheable, "syntax not known to be safe: a map in the tree")
	}
}

var (
	baseNode = reflect.TypeFor[ast.BaseNode]()
	baseExpr = reflect.TypeFor[ast.BaseExpr]()
)

// isNil reports whether n holds no node, be it as a nil interface or as a nil pointer in one.
func isNil(n ast.Node) bool {
	if n == nil {
		return true
	}
	v := reflect.ValueOf(n)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// selectStmt visits a SELECT, VALUES or TABLE, or one side of a UNION, with its WITH queries in scope.
func (w *walker) selectStmt(n *ast.SelectStmt) {
	w.selects++
	defer func() { w.selects-- }()
	defer w.with(n.WithClause)()
	w.targetWords(n)
	rest := *n
	rest.WithClause = nil
	w.children(&rest)
}

// dataStmt visits a statement that changes rows.
func (w *walker) dataStmt(n ast.Node) {
	switch stmt := n.(type) {
	case *ast.InsertStmt:
		defer w.with(stmt.WithClause)()
		rest := *stmt
		rest.WithClause, rest.Relation = nil, nil
		w.write(stmt.Relation, changesOf(n))
		w.children(&rest)
	case *ast.UpdateStmt:
		defer w.with(stmt.WithClause)()
		rest := *stmt
		rest.WithClause, rest.Relation = nil, nil
		w.write(stmt.Relation, changesOf(n))
		w.children(&rest)
	case *ast.DeleteStmt:
		defer w.with(stmt.WithClause)()
		rest := *stmt
		rest.WithClause, rest.Relation = nil, nil
		w.write(stmt.Relation, changesOf(n))
		w.children(&rest)
	case *ast.MergeStmt:
		defer w.with(stmt.WithClause)()
		rest := *stmt
		rest.WithClause, rest.Relation = nil, nil
		w.write(stmt.Relation, changesOf(n))
		w.children(&rest)
	}
}

// with visits the queries of a WITH clause and puts their names in scope; the function it returns takes them out. In
// WITH RECURSIVE each query sees all names, otherwise only those before its own.
func (w *walker) with(n *ast.WithClause) (leave func()) {
	var names []string
	enter := func(name string) {
		names = append(names, name)
		w.ctes[name]++
	}
	leave = func() {
		for _, name := range names {
			w.ctes[name]--
		}
	}
	if n == nil || n.Ctes == nil {
		return leave
	}
	var ctes []*ast.CommonTableExpr
	for _, item := range n.Ctes.Items {
		cte, ok := item.(*ast.CommonTableExpr)
		if !ok {
			w.refuse(verdict.Uncacheable, "syntax not known to be safe: %T in WITH", item)
			w.everything = true
			return leave
		}
		ctes = append(ctes, cte)
	}
	if n.Recursive {
		for _, cte := range ctes {
			enter(cte.Ctename)
		}
	}
	for _, cte := range ctes {
		w.rename(cte.Aliascolnames)
		if cte.SearchClause != nil || cte.CycleClause != nil {
			w.refuse(verdict.Uncacheable, "syntax not known to be safe: SEARCH or CYCLE of a WITH query")
		}
		w.visit(cte.Ctequery)
		if !n.Recursive {
			enter(cte.Ctename)
		}
	}
	return leave
}

// inScope reports whether an unqualified name means a WITH query.
func (w *walker) inScope(n *ast.RangeVar) bool {
	return n.SchemaName == "" && n.CatalogName == "" && w.ctes[n.RelName] > 0
}

func (w *walker) rename(columns *ast.NodeList) {
	for _, name := range names(columns) {
		w.listed[name]++
	}
}

func hasStar(l *ast.NodeList) bool {
	return l != nil && slices.ContainsFunc(l.Items, func(n ast.Node) bool { _, ok := n.(*ast.A_Star); return ok })
}

// names returns the strings in a list.
func names(l *ast.NodeList) []string {
	if l == nil {
		return nil
	}
	var out []string
	for _, item := range l.Items {
		if s, ok := item.(*ast.String); ok {
			out = append(out, s.SVal)
		}
	}
	return out
}
