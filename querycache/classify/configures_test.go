package classify

import (
	"fmt"
	"testing"

	"overdrive/querycache/verdict"
)

// Whether a database has code that may set parameters is told by the words of its functions.
func TestCatalog_KnowsWhetherFunctionsMaySetParameters(t *testing.T) {
	conn := connect(t, startPostgres(t))
	execSQL(t, conn, "create table t (a int)")
	for body, want := range map[string]bool{
		"begin perform 1; end": false,
		"begin update t set a = 1; insert into t values (1) on conflict do nothing; end":           false,
		"begin update t as x set a = 1; end":                                                       false,
		"begin execute 'insert into t values ($1)' using 1; end":                                   false,
		"begin execute format('create table %I ()', 'x'); end":                                     false,
		"begin EXECUTE\n FORMAT ( '\n delete from %I', 't'); end":                                  false,
		"begin perform set_config('search_path', 'x', false); end":                                 true,
		"begin PERFORM pg_catalog.Set_Config('search_path', 'x', false); end":                      true,
		"begin set search_path = x; end":                                                           true,
		"begin if true then set role x; end if; end":                                               true,
		"begin perform 1; reset role; end":                                                         true,
		"begin execute 'set role x'; end":                                                          true,
		"declare w text := 'set role x'; begin execute w; end":                                     true,
		"begin execute 'select set_config(''role'', ''x'', false)'; end":                           true,
		"begin execute (select a from t); end":                                                     true,
		"begin update pg_settings set setting = 'x' where name = 'role'; end":                      true,
		"begin /* */ set/**/role = 'x'; end":                                                       true,
		"begin -- now\n set role = 'x'; end":                                                       true,
		"begin set\"role\" = 'x'; end":                                                             true,
		`begin perform pg_catalog.U&"set\005fconfig"('role', 'x', false); end`:                     true,
		"begin execute 'select set_con'||'fig(''role'', ''x'', false)'; end":                       true,
		"begin execute 'select set_con'\n'fig(''role'', ''x'', false)'; end":                       true,
		"begin execute format('select %s', a) from t; end":                                         true,
		"begin execute format('select %I(''role'', ''x'', false)', 'set_con'||'fig'); end":         true,
		"begin execute format('select 1', 1) || a; end":                                            true,
		"begin perform query_to_xml('select set_con'||'fig(1)', true, true, ''); end":              true,
		"begin perform ts_stat('select set_con'||'fig(1)'); end":                                   true,
		"begin execute format('insert into %I (a) values (%L)', 't', 1); end":                      false,
		"begin create temp table x (a int); end":                                                   true,
		"begin create/**/temporary view x as select 1; end":                                        true,
		"begin create table pg_temp.x (a int); end":                                                true,
		"begin execute 'create temp table x (a int)'; end":                                         true,
		"begin execute format('create %I table x (a int)', 'temp'); end":                           true,
		"begin perform pg_try_advisory_lock(1); end":                                               true,
		"begin perform pg_advisory_xact_lock(1); end":                                              false,
		"begin listen x; end":                                                                      true,
		"declare x record; begin for x in execute 'select a from t' loop perform 1; end loop; end": false,
	} {
		execSQL(t, conn, fmt.Sprintf("create function f() returns void language plpgsql as $f$%s$f$", body))
		c := New(nil)
		c.SetCatalog(loadCatalog(t, conn), c.Generation())
		for _, text := range []string{"select f()", "call p()"} {
			if got := c.Judge([]byte(text)).Session.Has(Configures); got != want {
				t.Errorf("%s: %s: got %v, want %v", body, text, got, want)
			}
		}
		if c.Judge([]byte("update t set a = 1")).Session.Has(Configures) {
			t.Errorf("%s: an UPDATE of a plain table is said to run code", body)
		}
		execSQL(t, conn, "drop function f()")
	}
}

func TestJudge_WithoutACatalogAnyFunctionMaySetParameters(t *testing.T) {
	c := New(nil)
	for text, want := range map[string]bool{"select f()": true, "call p()": true, "set datestyle to iso": false, "begin": false} {
		if got := c.Judge([]byte(text)).Session.Has(Configures); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestJudge_DoBlocksMaySetParametersByTextsOfTheirOwn(t *testing.T) {
	c := settled(t)
	for text, want := range map[string]bool{
		"do $$ begin execute 'insert into t values (1)'; end $$":               false,
		"do $$ begin execute format('truncate %I', 't'); end $$":               false,
		"do $$ declare w text := '...'; begin execute w; end $$":               true,
		"do $$ begin execute format(w, 't'); execute 'select 1'; end $$":       true,
		"do $$ begin execute 'select set_con' || 'fig(1)'; end $$":             true,
		"do $$ begin execute 'select set_con'\n'fig(1)'; end $$":               true,
		"do $$ begin execute format('select %I(1)', 'x'); end $$":              true,
		"do $$ begin execute format('select %s', 'x'); end $$":                 true,
		"do $$ begin execute format('insert into %I values (1)', 'x'); end $$": false,
		"do $$ begin perform u&\"set\\005fconfig\"('a', 'b', false); end $$":   true,
		"do $$ begin /* x */ set/**/a = 1; end $$":                             true,
		"do $$ begin execute 'select 1'; execute chr(115) || 'et x'; end $$":   true,
	} {
		if got := c.Judge([]byte(text)).Session.Has(Configures); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

// What a stored tree calls is not among the dependencies of its object, for PostgreSQL's own functions are pinned.
func TestCatalog_FindsCallsOfSetConfigInTrees(t *testing.T) {
	conn := connect(t, startPostgres(t))
	const call = "set_config('app.t', 'x', false)"
	for _, p := range []struct{ create, run, drop string }{
		{"create view v as select " + call, "select * from v", "drop view v"},
		{"create view v as select " + call + "; create view vv as select * from v", "copy (select * from vv) to stdout", "drop view v cascade"},
		{"create view v as select * from query_to_xml('select 1', true, true, '')", "select * from v", "drop view v"},
		{"create view v as select * from ts_stat('select null::tsvector')", "select * from v", "drop view v"},
		{"create view v as select * from pg_settings", "update v set setting = 'x'", "drop view v"},
		{"create table p (a text default " + call + ")", "insert into p default values", "drop table p"},
		{"create table p (a int, check (" + call + " is not null))", "insert into p values (1)", "drop table p"},
		{"create table p (a int); alter table p enable row level security; create policy q on p using (" + call + " is not null)", "select * from p", "drop table p"},
		{"create table p (a int); alter table p enable row level security; create policy q on p with check (" + call + " is not null)",
			"insert into p values (1)", "drop table p"},
		{"create table p (a int); create rule r as on update to p do instead select " + call, "update p set a = 1", "drop table p"},
		{"create domain d as int check (" + call + " is not null)", "select 1::d", "drop domain d"},
		{"create domain d as int check (" + call + " is not null)", "select '{1}'::d[]", "drop domain d"},
		{"create domain d as text default " + call + "; create table p (a int, b d)", "insert into p (a) values (1)", "drop domain d cascade; drop table p"},
		{"create aggregate g(text, bool) (sfunc = set_config, stype = text, initcond = 'app.t')", "select g('x', false)", "drop aggregate g(text, bool)"},
		{"create aggregate g(text, bool) (sfunc = set_config, stype = text, initcond = 'app.t'); create view v as select g('x', false)",
			"select * from v", "drop aggregate g(text, bool) cascade"},
		{"create function f(text default " + call + ") returns int language internal immutable as 'textlen'", "select f()", "drop function f"},
		{"create operator ### (leftarg = tsquery, rightarg = text, procedure = ts_rewrite)", "select 'a'::tsquery ### 'select 1'", "drop operator ### (tsquery, text)"},
	} {
		execSQL(t, conn, p.create)
		c := New(nil)
		c.SetCatalog(loadCatalog(t, conn), c.Generation())
		if v := c.Judge([]byte(p.run)); v.Effect != verdict.EffectEverything || !v.Session.Has(Configures) {
			t.Errorf("%s: %s: effect %v, session %b", p.create, p.run, v.Effect, v.Session)
		}
		execSQL(t, conn, p.drop)
	}
	execSQL(t, conn, "create sequence s; create table plain (a int default nextval('s'), b timestamptz default now(), check (a > 0))")
	c := New(nil)
	c.SetCatalog(loadCatalog(t, conn), c.Generation())
	if v := c.Judge([]byte("insert into plain default values")); v.Effect != verdict.EffectRelations || v.Session.Has(Configures) {
		t.Errorf("a plain table: effect %v, session %b", v.Effect, v.Session)
	}
}

// The parameter of a tenant is set often: it must neither clear the cache nor count as code.
func TestJudge_SettingAParameterOfTheUsersOwnWritesNothing(t *testing.T) {
	c := settled(t)
	for _, text := range []string{"set app.t = 'x'", "set a.b to 1", "SET LOCAL App.Tenant = 7", "reset app.t"} {
		if v := c.Judge([]byte(text)); v.Effect != verdict.EffectNone {
			t.Errorf("%s: effect %v", text, v.Effect)
		}
	}
}

func TestCatalog_NamesOfFunctionsThatSetParametersAreToldWithoutARegularExpression(t *testing.T) {
	conn := connect(t, startPostgres(t))
	const own = "SELECT p.proname FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND "
	rows := execSQL(t, conn, own+hasStealthyName+" EXCEPT "+own+"p.proname ~ '^("+stealthyNames+")$' UNION ALL "+
		own+"p.proname ~ '^("+stealthyNames+")$' EXCEPT "+own+hasStealthyName)[0].Rows
	for _, row := range rows {
		t.Errorf("%s: the two ways do not agree on it", row[0])
	}
	if n := len(execSQL(t, conn, own+hasStealthyName)[0].Rows); n < 15 {
		t.Errorf("%d functions are found", n)
	}
}
