// Package hostile makes SQL texts of any length that are meant to cost whoever reads them more than their length. Tests of all
// packages that read texts of clients share it.
package hostile

import (
	"strconv"
	"strings"
)

// A Text is one way to be hostile.
type Text struct {
	Name string
	// Make returns a text of about n bytes, never more.
	Make func(n int) string
}

// Texts returns all of them.
func Texts() []Text {
	var all []Text
	for _, p := range patterns {
		all = append(all, Text{p.name, p.text})
	}
	return append(all,
		Text{"many names", func(n int) string { return numbered(n, "select ", "x#", ",", "") }},
		Text{"many relations", func(n int) string { return numbered(n, "select 1 from ", "x#", ",", "") }},
		Text{"many WITH queries", func(n int) string { return numbered(n, "with ", "x# as (table t)", ",", " select 1") }},
		Text{"WITH queries that name each other", chained},
		Text{"many SETs", func(n int) string { return numbered(n, "", "set a.x# = 1", ";", "") }},
		Text{"many casts to dates", func(n int) string { return numbered(n, "select ", "x#::date", ",", " from t") }},
		Text{"spaces", func(n int) string { return "select 1" + strings.Repeat(" ", max(n-8, 0)) }},
		Text{"one name", func(n int) string { return "select " + strings.Repeat("a", max(n-7, 1)) }},
		Text{"one string", func(n int) string { return "select '" + strings.Repeat("today", max(n-9, 0)/5) + "'" }},
		Text{"one comment", func(n int) string { return "select 1 /*" + strings.Repeat(" ", max(n-13, 0)) + "*/" }},
		Text{"one tag of a dollar quote", func(n int) string {
			tag := "$" + strings.Repeat("a", max(n-10, 2)/2-1) + "$"
			return "select " + tag + tag
		}},
	)
}

// pattern is a text with three parts that are repeated: head, open as often as close, tail. One of them may be empty.
type pattern struct{ name, head, open, middle, closing, tail string }

func (p pattern) text(n int) string {
	times := max(1, (n-len(p.head)-len(p.middle)-len(p.tail))/(len(p.open)+len(p.closing)))
	return p.head + strings.Repeat(p.open, times) + p.middle + strings.Repeat(p.closing, times) + p.tail
}

// numbered returns first, then item as often as fits with # replaced by a number, with sep between, and last.
func numbered(n int, first, item, sep, last string) string {
	var b strings.Builder
	b.WriteString(first)
	for i := 0; ; i++ {
		next := strings.ReplaceAll(item, "#", strconv.FormatInt(int64(i), 36))
		if i > 0 {
			next = sep + next
		}
		if i > 0 && b.Len()+len(next)+len(last) > n {
			b.WriteString(last)
			return b.String()
		}
		b.WriteString(next)
	}
}

func chained(n int) string {
	var b strings.Builder
	b.WriteString("with x0 as (select 1)")
	for i := 1; ; i++ {
		next := ",x" + strconv.Itoa(i) + " as (table x0)"
		if b.Len()+len(next)+len(" table x0") > n {
			b.WriteString(" table x0")
			return b.String()
		}
		b.WriteString(next)
	}
}

var patterns = []pattern{
	// What nests.
	{"parentheses", "select ", "(", "1", ")", ""},
	{"parentheses that stay open", "select ", "(", "", "", ""},
	{"parentheses that close nothing", "select 1", ")", "", "", ""},
	{"brackets", "select array", "[", "1", "]", ""},
	{"brackets that stay open", "select array", "[", "", "", ""},
	{"subscripts", "select a", "[1]", "", "", " from t"},
	{"subscripts that nest", "select ", "a[", "1", "]", " from t"},
	{"NOT", "select ", "not ", "true", "", ""},
	{"minus", "select ", "- ", "1", "", ""},
	{"tilde", "select ", "~ ", "1", "", ""},
	{"subselects", "select ", "(select ", "1", ")", ""},
	{"subselects in FROM", "select 1 from ", "(select 1 from ", "t", ") a", ""},
	{"subselects in IN", "select 1 where ", "1 in (select 1 where ", "true", ")", ""},
	{"EXISTS", "select ", "exists(select ", "1", ")", ""},
	{"LATERAL", "select 1 from t", ", lateral (select 1 from t", "", ") a", ""},
	{"WITH in WITH", "", "with a as (", "select 1", ") select 1", ""},
	{"UNION to the right", "select 1", " union (select 1", "", ")", ""},
	{"CASE in CASE", "select ", "case when true then ", "1", " end", ""},
	{"CASE in ELSE", "select ", "case when true then 1 else ", "1", " end", ""},
	{"calls", "select ", "abs(", "1", ")", " from t"},
	{"calls of unknown functions", "select ", "f(", "1", ")", ""},
	{"CAST", "select ", "cast(", "1", " as int)", ""},
	{"COALESCE", "select ", "coalesce(", "1", ",1)", ""},
	{"ROW", "select ", "row(", "1", ")", ""},
	{"BETWEEN that nests", "select ", "1 between (", "1", ") and 1", ""},
	{"BETWEEN SYMMETRIC", "select ", "(", "1", " between symmetric 1 and 1)", ""},
	{"OVERLAPS", "select ", "(", "true", ",1) overlaps (1,1)", ""},
	{"JOIN in parentheses", "select 1 from ", "(", "t", " cross join t)", ""},
	{"comments that nest", "select 1 ", "/*", "", "*/", ""},
	{"comments that stay open", "select 1 ", "/*", "", "", ""},
	{"types of arrays", "select 1::int", "[]", "", "", ""},
	{"EXPLAIN of EXPLAIN", "", "explain ", "select 1", "", ""},
	{"PREPARE of PREPARE", "", "prepare a as ", "select 1", "", ""},
	{"CREATE SCHEMA of tables", "create schema a", " create table a(a int)", "", "", ""},

	// What repeats.
	{"an IN list", "select 1 where 1 in (1", ",1", "", "", ")"},
	{"VALUES", "values (1)", ",(1)", "", "", ""},
	{"a list of strings", "select ''", ",''", "", "", ""},
	{"plus", "select 1", "+1", "", "", ""},
	{"AND", "select true", " and true", "", "", ""},
	{"AND and OR", "select true", " and true or true", "", "", ""},
	{"powers", "select 1", "^1", "", "", ""},
	{"comparisons", "select 1", "=1", "", "", ""},
	{"IS NULL", "select 1", " is null", "", "", ""},
	{"COLLATE", "select a", " collate c", "", "", " from t"},
	{"AT TIME ZONE", "select day", " at time zone 'a'", "", "", " from t"},
	{"AT TIME ZONE and a cast", "select ((day", "+1", ")", "", "::date) from t"},
	{"casts", "select 1", "::int", "", "", ""},
	{"casts to a date", "select day", "::date", "", "", " from t"},
	{"concatenations", "select ''", "||''", "", "", ""},
	{"strings", "select ", "''", "", "", ""},
	{"strings in pieces", "select ''", "\n''", "", "", ""},
	{"strings with comments between", "select ''", "--\n''", "", "", ""},
	{"strings with escapes", "select e'", `\n`, "", "", "'"},
	{"strings that hide dates", "select ", `'\t' `, "", "", ""},
	{"strings of dollars", "select ", "$$ $$ ", "", "", ""},
	{"tags that open", "select ", "$a", "", "", ""},
	{"tags that do not match", "select $b$", "$a$ ", "", "", ""},
	{"dollars", "select ", "$", "", "", ""},
	{"parameters", "select $1", ",$1", "", "", ""},
	{"strings of Unicode", "select ", "u&'' ", "", "", ""},
	{"names of Unicode", "select ", `u&"a" `, "", "", ""},
	{"quoted names", "select ", `"a",`, "1", "", ""},
	{"quotes", `select "`, `""`, "", "", ""},
	{"comments", "select 1 ", "/**/", "", "", ""},
	{"comments of a line", "select 1 ", "--\n", "", "", ""},
	{"comments with hints", "select 1 ", "/* overdrive:*/", "", "", ""},
	{"words of a hint", "select 1 /* overdrive:", " a", "", "", "*/"},
	{"tags of a hint", "select 1 /* overdrive:", " tag=a", "", "", "*/"},
	{"signs", "select 1 ", "+", "1", "", ""},
	{"signs of both kinds", "select 1 ", "+-", "1", "", ""},
	{"operators", "select 1 ", "*", "1", "", ""},
	{"operators with signs", "select 1 *", "+", "1", "", ""},
	{"unusual operators", "select 1 ", "@-", "1", "", ""},
	{"points", "select a", ".a", "", "", " from t"},
	{"stars", "select ", "a.*,", "1", "", " from t"},
	{"numbers with points", "select 1", ".1", "", "", ""},
	{"digits", "select ", "1", "", "", ""},
	{"digits with underscores", "select 1", "_1", "", "", ""},
	{"control characters", "select ", "\x01", "", "", ""},
	{"letters beyond ASCII", "select ", "é", "", "", ""},
	{"broken UTF-8", "select ", "\xff", "", "", ""},
	{"columns", "select a", ",a", "", "", " from t"},
	{"aliases", "select 1 as a", ",1 as a", "", "", ""},
	{"relations", "select 1 from t", ",t", "", "", ""},
	{"relations that are views", "select 1 from v", ",v", "", "", ""},
	{"UNION", "select 1", " union select 1", "", "", ""},
	{"JOIN", "select 1 from t", " cross join t", "", "", ""},
	{"JOIN ON", "select 1 from ", "t join ", "t", " on true", ""},
	{"JOIN USING", "select 1 from t", " join t using(a)", "", "", ""},
	{"ORDER BY", "select 1 order by 1", ",1", "", "", ""},
	{"GROUP BY", "select 1 group by 1", ",1", "", "", ""},
	{"GROUPING SETS", "select 1 group by grouping sets (a", ",(a)", "", "", ")"},
	{"WINDOW", "select 1 window a as ()", ",a as ()", "", "", ""},
	{"WHEN", "select case", " when true then 1", "", "", " end"},
	{"arguments", "select f(1", ",1", "", "", ")"},
	{"json_object", "select json_object(1:1", ",1:1", "", "", ")"},
	{"INSERT rows", "insert into t values (1)", ",(1)", "", "", ""},
	{"UPDATE columns", "update t set a=1", ",a=1", "", "", ""},
	{"CREATE TABLE columns", "create table a (a int", ",a int", "", "", ")"},
	{"CREATE ROLE", "create role a", " b", "", "", ""},
	{"DROP ROLE", "drop role a", ",public", "", "", ""},
	{"ISNULL", "select 1", " isnull", "", "", ""},
	{"UNIQUE", "select 1", ",unique(select 1)", "", "", ""},
	{"LIMIT with two numbers", "select 1", ",(select 1 limit 1,1)", "", "", ""},
	{"window frames", "select 1", ",f()over(rows unbounded following)", "", "", ""},
	{"GRANT", "grant select on t to a", ",a", "", "", ""},

	// Whole statements, and calls that are looked for.
	{"semicolons", "", ";", "", "", ""},
	{"statements", "", "select 1;", "", "", ""},
	{"statements that write", "", "delete from t;", "", "", ""},
	{"statements that are explained", "", "explain delete from t;", "", "", ""},
	{"statements that cannot be parsed", "", "a;", "", "", ""},
	{"LISTEN", "", "listen a;", "", "", ""},
	{"SET of one name", "set a", ".a", "", "", "=1"},
	{"SETs of one name", "", "set a=1;", "", "", ""},
	{"RESETs", "", "reset a;", "", "", ""},
	{"SET search_path", "", "set search_path=a;", "", "", ""},
	{"set_config", "select ", "set_config(", "", "", ""},
	{"set_config that closes", "select ", "set_config(", "1", ")", ""},
	{"set_config for the transaction", "select ", "set_config('a','b',true),", "1", "", ""},
	{"set_config with a list", "select set_config(1", ",set_config(", "", "", ""},
	{"set_config in statements", "", "select set_config('a','b',true);", "", "", ""},
	{"pg_settings", "select 1 from pg_settings", ",pg_settings", "", "", ""},
	{"UPDATE of pg_settings", "update a set b=1 from pg_settings", ",pg_settings", "", "", ""},
	{"temp", "select ", "temp ", "", "", ""},
	{"DO", "do '", "execute ", "", "", "'"},
	{"DO with format", "do '", "execute format ", "", "", "'"},
	{"DO with one EXECUTE", "do 'execute ", "format ", "", "", "'"},
	{"DO with SET", "do '", "set ", "", "", "'"},
	{"DOs", "", "do 'a';", "", "", ""},
	{"DECLARE", "declare ", "with ", "", "", ""},
	{"CREATE FUNCTION with a body", "create function a() begin atomic ", "select 1;", "", "", " end"},
}
