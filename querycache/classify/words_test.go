package classify

import (
	"errors"
	"strings"
	"testing"

	"overdrive/querycache/sqlscan"
	"overdrive/querycache/verdict"

	"github.com/jackc/pgx/v5/pgconn"
)

// A string that is said to become no date is one that the server reads as no date: it takes any other in its place.
func TestWords_WhatIsSaidToBecomeNoDateTheServerReadsAsNone(t *testing.T) {
	dsn := startPostgres(t)
	conn := connect(t, dsn)
	execSQL(t, conn, schema+guardedSchema)
	c := New(nil)
	c.SetCatalog(loadCatalog(t, conn), c.Generation())
	g := newGenerator(11)
	checked, n := 0, 4000
	if testing.Short() {
		n /= 8
	}
	for range n {
		sql := g.statement()
		if v := c.Judge([]byte(sql)); v.Status == verdict.Cacheable && v.plainWords != 0 {
			checked += wantNoDates(t, conn, sql, v.plainWords)
		}
	}
	for _, sql := range []string{
		"select id from plain where note = 'x' or ts = 'x'", "select 'x' union select day::text from parted", "select 'x' union select day from parted",
		"select coalesce(note, 'x'), coalesce(at, 'x') from plain", "select case when true then 'x' else at end from plain", "select at + 'x' from plain",
		"select id + 'x' from plain", "select array['x']", "select at = any(array['x'::text::timestamptz]) from plain", "select * from (select 'x' as d) s where d = 'y'",
		"select greatest('x', at) from plain", "select at between 'x' and 'y' from plain", "select (at, note) = ('x', 'y') from plain",
		"select s.note = 'x' from (select note::date from plain) s", "select s.max = 'x' from (select max(at) from plain) s", "select date_trunc('day', 'x')",
		"select 'x' in (select at from plain)", "select date_part('year', 'x')", "select d = 'x' from (select at as d from plain) s", "select nullif(at, 'x') from plain",
		"with w(note) as (select at from plain) select note = 'x' from w", "select v = 'x' from (values (current_date)) s(v)", "select lag(at, 1, 'x') over () from plain",
		"select at is distinct from 'x' from plain", "select case at when 'x' then 1 end from plain", "select note || 'x' from plain", "select note like 'x' from plain",
		"select tstzrange(at, 'x') from plain", "select tstzrange(at, at) @> 'x' from plain", "select array[at] || 'x' from plain", "select age(at, 'x') from plain",
	} {
		if v := c.Judge([]byte(sql)); v.Status == verdict.Cacheable {
			checked += wantNoDates(t, conn, sql, v.plainWords)
		}
	}
	if t.Logf("%d strings", checked); checked < n/20 {
		t.Errorf("only %d strings were said to become no date", checked)
	}
}

// wantNoDates has the server parse a statement with what is an interval and no date in place of each of some strings, if it takes the statement at all.
func wantNoDates(t *testing.T, conn *pgconn.PgConn, sql string, words places) (checked int) {
	t.Helper()
	if _, err := conn.Prepare(t.Context(), "", sql, nil); err != nil {
		return 0
	}
	n, from := 0, 0
	var out strings.Builder
	for scan := sqlscan.Scan([]byte(sql)); scan.Next() != sqlscan.End; {
		switch tok := scan.Token; tok.Kind {
		case sqlscan.String, sqlscan.EString, sqlscan.Dollar, sqlscan.UString:
			if words.has(n) {
				out.WriteString(sql[from:tok.Start] + "'5 centuries'")
				from = tok.End
				checked++
			}
			n++
		}
	}
	out.WriteString(sql[from:])
	_, err := conn.Prepare(t.Context(), "", out.String(), nil)
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) && (strings.HasPrefix(refusal.Code, "22007") || strings.HasPrefix(refusal.Code, "22008")) {
		t.Errorf("%s: the server reads a string as a date that is said to become none: %v", out.String(), refusal.Message)
	}
	return checked
}

func TestWords_ASpecialWordCountsWhereItMayBecomeADate(t *testing.T) {
	c := settled(t)
	for sql, want := range map[string]verdict.Status{
		"select a from t where a = 'now'":                             verdict.Cacheable,
		"select a from t where day = 'now'":                           verdict.Volatile,
		"select a from t where a like '%now%' and day > '2020-01-01'": verdict.Cacheable,
		"select a from t where a like '%x%' and day > 'today'":        verdict.Volatile,
		"select 'now'":                                                           verdict.Cacheable,
		"select 'now' union select day from t":                                   verdict.Volatile,
		"select 'now' union select lower(a) from t":                              verdict.Cacheable,
		"select 'now'::date":                                                     verdict.Volatile,
		"select 'now'::text":                                                     verdict.Cacheable,
		"select 'now'::text::date from t":                                        verdict.Uncacheable,
		"select coalesce(a, 'now')::date from t":                                 verdict.Volatile,
		"select d::date from (select 'now' as d from t) s":                       verdict.Uncacheable,
		"select d::date from (select coalesce(a, 'now') as d from t) s":          verdict.Uncacheable,
		"select coalesce(a, 'now') from t":                                       verdict.Cacheable,
		"select coalesce(day, 'now') from t":                                     verdict.Volatile,
		"select ('to' || 'day')::date":                                           verdict.Uncacheable,
		"select ('to' || a)::date from t":                                        verdict.Uncacheable,
		"select d::date from (select 'to' || a as d from t) s":                   verdict.Uncacheable,
		`select ('{"d": "tod\u0061y"}'::jsonb ->> 'd')::date`:                    verdict.Uncacheable,
		"select left('todayxyz', 5)::date":                                       verdict.Uncacheable,
		"select left(coalesce(a, 'todayxyz'), 5)::date from t":                   verdict.Uncacheable,
		"select left(d, 5)::date from (select 'todayxyz' as d from t) s":         verdict.Uncacheable,
		"select ($1::jsonb ->> 'd')::date from t":                                verdict.Uncacheable,
		"select coalesce(a, '2020-01-01')::date from t":                          verdict.Cacheable,
		"select a::date from t":                                                  verdict.Cacheable,
		"select (a -> 'x')::date from t":                                         verdict.Cacheable,
		"select s.d = 'now' from (select day as d from t) s":                     verdict.Volatile,
		"select s.d = 'now' from (select a as d from t) s":                       verdict.Cacheable,
		"select s.a = 'now' from (select a::date from t) s":                      verdict.Volatile,
		"select '1' union select '2' union select 'now' union select day from t": verdict.Volatile,
	} {
		if v := c.Judge([]byte(sql)); v.Status != want {
			t.Errorf("%s is %s (%s), want %s", sql, v.Status, v.Reason, want)
		}
	}
}
