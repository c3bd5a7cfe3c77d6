package classify

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// maxNesting bounds expressions and sub-queries.
const maxNesting = 4

func newGenerator(seed uint64) *generator { return &generator{rand: rand.New(rand.NewPCG(seed, 1))} }

// statement returns the next statement.
func (g *generator) statement() string {
	g.scope, g.depth, g.names = nil, 0, 0
	g.traps = pick(g, []int{0, 0, 0, 1, 1, 1, 1, 3}) // mostly one, which nothing else hides
	switch {
	case g.one(40):
		return "VALUES (" + g.expr("int") + ", " + g.expr("text") + "), (1, 'x')"
	case g.one(40):
		return "TABLE " + g.relation().name
	case g.one(12):
		return g.with()
	}
	return g.query(0)
}

// one is true once in n.
func (g *generator) one(n int) bool { return g.rand.IntN(n) == 0 }

func pick[T any](g *generator, from []T) T { return from[g.rand.IntN(len(from))] }

func (g *generator) trap() bool {
	if g.traps == 0 || !g.one(4) {
		return false
	}
	g.traps--
	return true
}

func (g *generator) alias() string {
	g.names++
	return fmt.Sprintf("x%d", g.names)
}

func (g *generator) relation() source {
	if g.trap() {
		return pick(g, trapSources)
	}
	return pick(g, harmlessSources)
}

// with returns a statement with WITH queries, at times recursive, that write, or of the name of a table.
func (g *generator) with() string {
	name := pick(g, []string{"w", "plain", "other"})
	body := g.subquery("int")
	rest := fmt.Sprintf(" SELECT %s.v, count(*) FROM %s GROUP BY 1", name, name)
	switch {
	case g.trap():
		return fmt.Sprintf("WITH %s(v) AS (%s) SELECT * FROM %s JOIN plain ON true", name,
			pick(g, []string{"INSERT INTO other VALUES (1) RETURNING 1", "DELETE FROM other RETURNING id", "UPDATE other SET id = 1 RETURNING id"}), name)
	case g.one(4):
		return fmt.Sprintf("WITH RECURSIVE %s(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM %s WHERE v < 5)%s", name, name, rest)
	case g.one(3):
		return fmt.Sprintf("WITH %s(v) AS MATERIALIZED %s, z AS (SELECT * FROM %s)%s", name, body, name, rest)
	}
	return fmt.Sprintf("WITH %s(v) AS %s%s", name, body, rest)
}

// query returns a SELECT with columns of its own choice, or with n columns of type int.
func (g *generator) query(n int) string {
	if g.depth++; g.depth > maxNesting {
		g.depth--
		return "SELECT 1 LIMIT 1"
	}
	outer := len(g.scope)
	defer func() { g.depth--; g.scope = g.scope[:outer] }()
	from := g.from()
	where := ""
	if g.one(2) {
		where = " WHERE " + g.expr("bool")
	}
	var query string
	switch {
	case n == 0 && g.one(5):
		query = g.grouped(from, where)
	case n == 0 && g.one(8):
		query = g.windowed(from, where)
	default:
		query = "SELECT " + g.list(n) + from + where
		if g.one(5) && n == 0 {
			query += " ORDER BY " + g.expr(pick(g, []string{"int", "text"})) + pick(g, []string{"", " DESC", " NULLS LAST"})
		}
		if g.one(8) {
			query += pick(g, []string{" LIMIT 5", " LIMIT 3 OFFSET 1", " OFFSET $1"})
		}
	}
	if n == 0 && g.trap() {
		query += pick(g, []string{" FOR UPDATE", " FOR SHARE", " FOR KEY SHARE SKIP LOCKED"})
	}
	if n == 0 && g.one(12) && !strings.Contains(query, " FOR ") {
		one, two := g.query(1), g.query(1)
		return "(" + one + ") " + pick(g, []string{"UNION", "UNION ALL", "INTERSECT", "EXCEPT"}) + " (" + two + ")"
	}
	return query
}

// list returns what is selected.
func (g *generator) list(n int) string {
	if n > 0 {
		return strings.TrimSuffix(strings.Repeat(g.expr("int")+", ", n), ", ")
	}
	if g.one(5) && len(g.scope) > 0 {
		return "*"
	}
	var items []string
	for range 1 + g.rand.IntN(3) {
		item := g.expr(pick(g, []string{"int", "text", "ts", "date", "num", "bool"}))
		if g.one(3) {
			item += " AS " + pick(g, []string{"a", `"now"`, "at", "total"})
		}
		items = append(items, item)
	}
	if g.trap() && len(g.scope) > 0 {
		name := pick(g, g.scope).name
		items = append(items, name+pick(g, []string{".cost", ".row_to_json", ".ctid", ".tableoid", ".xmin", ".volf", ".name", ".*"}))
	}
	if g.one(10) {
		items[0] = "DISTINCT " + items[0]
	}
	return strings.Join(items, ", ")
}

func (g *generator) grouped(from, where string) string {
	by := g.expr(pick(g, []string{"int", "text"}))
	aggregate := pick(g, []string{"count(*)", "sum(%i)", "max(%t)", "min(%s)", "avg(%n)", "string_agg(%t, ',' ORDER BY %i)", "array_agg(%i)", "json_agg(%t)",
		"jsonb_object_agg(%t, %s)", "count(DISTINCT %i) FILTER (WHERE %b)", "bool_and(%b)", "percentile_cont(0.5) WITHIN GROUP (ORDER BY %n)", "jsonb_agg(%s)"})
	if g.trap() {
		aggregate = pick(g, []string{"gathers(%i)", "gathers_in_c(%i)", "max(random())"})
	}
	having := ""
	if g.one(3) {
		having = " HAVING count(*) > 1"
	}
	group := pick(g, []string{"1", "GROUPING SETS ((1), ())", "ROLLUP (1)", "CUBE (1)", by})
	if strings.ContainsAny(group, "GRC") && group != by {
		group = strings.Replace(group, "(1)", "("+by+")", 1)
	}
	return fmt.Sprintf("SELECT %s AS k, %s%s%s GROUP BY %s%s", by, g.fill(aggregate), from, where, group, having)
}

func (g *generator) windowed(from, where string) string {
	call := pick(g, []string{"row_number()", "rank()", "sum(%i)", "lag(%t)", "first_value(%i)", "count(*)", "ntile(4)"})
	frame := pick(g, []string{"", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW", " ROWS UNBOUNDED PRECEDING"})
	return fmt.Sprintf("SELECT %s OVER (PARTITION BY %s ORDER BY %s%s), %s%s%s", g.fill(call), g.expr("int"), g.expr("int"), frame, g.expr("text"), from, where)
}

// from returns a FROM clause and puts its items in scope.
func (g *generator) from() string {
	if g.one(15) {
		return ""
	}
	text := " FROM " + g.item()
	for range g.rand.IntN(3) {
		kind := pick(g, []string{"JOIN", "LEFT JOIN", "CROSS JOIN", ","})
		text += " " + kind + " " + g.item()
		text = strings.Replace(text, " , ", ", ", 1)
		if strings.HasSuffix(kind, "JOIN") && kind != "CROSS JOIN" {
			text += " ON " + g.expr("bool")
		}
	}
	return text
}

// item returns a FROM item and puts it in scope.
func (g *generator) item() string {
	alias := g.alias()
	add := func(columns map[string][]string) { g.scope = append(g.scope, source{alias, columns}) }
	switch {
	case g.one(8) && g.depth < maxNesting:
		query := g.subquery("int")
		add(cols("int a"))
		return query + " AS " + alias + "(a)"
	case g.one(15):
		inner := g.subquery("int")
		add(cols("int a"))
		return "LATERAL " + inner + " " + alias + "(a)"
	case g.one(15):
		add(cols("int n"))
		return pick(g, []string{"generate_series(1, 3) ", "unnest(ARRAY[1, 2]) "}) + alias + "(n)"
	case g.one(30):
		add(cols("text key,value"))
		return "jsonb_each_text('{\"a\": \"b\"}') " + alias
	case g.traps > 1 && g.trap():
		add(cols("int w"))
		return pick(g, []string{"writes() ", "volf(1) ", "json_to_record('{\"w\": 1}') AS "}) + alias + "(w" + ")"
	}
	r := g.relation()
	add(r.columns)
	if name, sample, ok := strings.Cut(r.name, " TABLESAMPLE"); ok {
		return name + " " + alias + " TABLESAMPLE" + sample
	}
	return r.name + " " + alias
}

// subquery returns a query of one column in parentheses. It may name columns of the outer ones.
func (g *generator) subquery(string) string { return "(" + g.query(1) + ")" }

// expr returns an expression of the type.
func (g *generator) expr(typ string) string {
	if g.depth++; g.depth > maxNesting || g.one(3) {
		g.depth--
		return g.leaf(typ)
	}
	defer func() { g.depth-- }()
	if g.trap() {
		return g.fill(pick(g, trapTerms[typ]))
	}
	return g.fill(pick(g, terms[typ]))
}

// leaf returns a column, a parameter or a constant.
func (g *generator) leaf(typ string) string {
	var columns []string
	for _, s := range g.scope {
		for _, column := range s.columns[typ] {
			columns = append(columns, s.name+"."+column)
		}
	}
	slices.Sort(columns)
	if len(columns) > 0 && !g.one(4) {
		return pick(g, columns)
	}
	switch typ {
	case "int":
		return pick(g, []string{"1", "42", "$1", "-7", "0"})
	case "text":
		return pick(g, []string{"'a'", "$2", "'it''s'", "E'b\\n'", "$q$now$q$"})
	case "ts":
		return pick(g, []string{"'2020-01-01'::timestamptz", "timestamptz '2021-05-05 10:00'"})
	case "date":
		return pick(g, []string{"DATE '2020-01-01'", "'2020-02-03'::date"})
	case "num":
		return pick(g, []string{"1.5", "2::numeric"})
	default:
		return pick(g, []string{"true", "false", "1 = 1"})
	}
}

var letters = map[byte]string{'i': "int", 't': "text", 's': "ts", 'd': "date", 'n': "num", 'b': "bool"}

// fill replaces the places in a term.
func (g *generator) fill(term string) string {
	var out strings.Builder
	for i := 0; i < len(term); i++ {
		switch {
		case term[i] != '%' || i+1 == len(term) || term[i+1] == ' ' || term[i+1] == '\'':
			out.WriteByte(term[i])
		case term[i+1] == '%':
			out.WriteByte('%')
			i++
		case term[i+1] == 'q':
			out.WriteString(g.subquery("int"))
			i++
		default:
			out.WriteString(g.expr(letters[term[i+1]]))
			i++
		}
	}
	return out.String()
}
