package classify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"overdrive/querycache/verdict"
)

func TestDoubt_OnlyStatementsThatMayMeanSomethingElseWait(t *testing.T) {
	c := settled(t)
	ddl := c.Judge([]byte("create table u (a int)"))
	if ddl.Touch == nil || ddl.Effect != verdict.EffectRelations || !slices.Equal(ddl.Writes, []verdict.RelationID{2}) || !ddl.DDL {
		t.Fatalf("got %+v", ddl)
	}
	changesT, changesU := c.Judge([]byte("insert into t values (1)")), c.Judge([]byte("insert into u values (1)"))
	c.Doubt(ddl.Touch)
	for sql, want := range map[string]verdict.Status{
		"select a from t": verdict.Cacheable, "select a from u": verdict.Unsettled, "select a from v": verdict.Cacheable,
		"select a from t, u": verdict.Unsettled, "select a from other.t": verdict.Cacheable, "select a from u_new": verdict.Unsettled,
		"select a from nowhere": verdict.Uncacheable,
	} {
		if v := c.Judge([]byte(sql)); v.Status != want {
			t.Errorf("%s: got %s, want %s", sql, v.Status, want)
		}
	}
	if v := c.Judge([]byte("delete from u")); v.Effect != verdict.EffectEverything {
		t.Errorf("a write to what is doubted: got %+v", v)
	}
	if v := c.Judge([]byte("insert into t values (1)")); v.Effect != verdict.EffectRelations {
		t.Errorf("a write to what is not doubted: got %+v", v)
	}
	if changesU.Meaning.Held(nil) || !changesT.Meaning.Held(nil) {
		t.Error("it is not told which relations were touched")
	}
	c.Stale()
	if changesT.Meaning.Held(nil) {
		t.Error("after a change that is not understood something is spared")
	}
}

func TestTouch_WhatIsNotUnderstoodMayChangeEverything(t *testing.T) {
	c := settled(t)
	for _, sql := range []string{
		"create table x (a int, exclude using gist (f() with =))", "create table x partition of with_foreign for values in (1)", "create table x (a int) partition by list (f(a))",
		"create table x partition of parent for values in (f())", "create table x of t",
		"alter table triggered add column b int default 7", "alter table t add column b int default f()", "alter table t add column b some_domain", "alter table t add column b int check (quiet() > 0)",
		"alter table t alter column a type text using f()", "alter table t alter column a type mood", "alter table t drop column a cascade", "drop function f() cascade", "drop type mood cascade", "drop schema other cascade", "drop materialized view spied cascade", "alter table t add check (f() > 0)",
		"alter table nowhere add column b int",
		"alter table parent attach partition triggered default", "alter table parent detach partition child concurrently", "alter table t add exclude using gist (a with =)",
		"create index on t (f())", "create index on t (a) where f() > 0", "drop function csafe()", "create trigger x before insert on nowhere for each row execute function f()",
		"create rule r as on select to t do instead select 1", "create policy p on nowhere using (true)", "drop policy p on nowhere", "create view v as select 1; select 1",
		"create function csafe() returns int language sql as 'select 1'", "create function x() returns int language c as 'x'", "create function lower(t) returns int language sql as 'select 1'",
		"create function pg_catalog.x() returns int language sql as 'select 1'", "create function x(int) returns int language sql support y as 'select 1'",
		"alter function lower(text) volatile", "alter type mood rename value 'a' to 'b'", "create type r as range (subtype = int)", "create schema x create table y (a int)",
		"create extension x", "create event trigger e on ddl_command_end execute function f()", "create operator + (leftarg = t, rightarg = t, function = f)",
		"create cast (t as int) with function f(t)", "create role x", "grant select on all tables in schema public to x", "grant usage on schema public to x",
		"grant usage on schema public to x", "create temp view x as select 1", "create table pg_catalog.x (a int)", "alter table pg_class add column b int",
	} {
		if v := c.Judge([]byte(sql)); v.Touch != nil || v.Effect != verdict.EffectEverything || !v.DDL {
			t.Errorf("%s: got %+v", sql, v)
		}
	}
}

func TestTouch_WhatIsUnderstoodTouchesWhatItNames(t *testing.T) {
	c := settled(t)
	for sql, want := range map[string]string{ // relations | names of functions and types
		"create table x partition of parent for values in (1)": "6 7", "create table x () inherits (t)": "1", "create table x () inherits (triggered)": "11", "alter table triggered add column b int4": "11", "alter table t add foreign key (a) references triggered": "1 11", "alter table t inherit triggered": "1 11", "create table x (a int) partition by list (a)": "",
		"alter table parent attach partition u for values in (1)": "2 6 7", "alter table parent detach partition child": "6 7", "alter table t inherit u": "1 2",
		"alter table t add foreign key (a) references u": "1 2", "alter table t add check (a > 0)": "1", "alter table t add column b int4 not null default 7": "1",
		"alter table t add column b int references u check (b > 0)": "1 2", "alter table t add column b serial": "1", "alter table t alter column a type text": "1",
		"alter table triggered enable row level security": "11", "alter table triggered disable trigger x": "11", "alter table t drop constraint c": "1", "alter table t owner to x": "1",
		"create trigger x before insert on triggered for each row execute function f()": "11", "drop trigger x on triggered": "11", "alter trigger x on t rename to y": "1",
		"create policy p on t to app using (f() > 0)": "1", "create policy p on t to public using (f() > 0)": "1", "alter policy p on t using (true)": "1", "drop policy if exists p on public.t": "1",
		"create rule r as on insert to t do also select 1": "1", "drop rule r on t": "1", "create index on t (lower(a)) where a > 'x'": "1",
		"create function more() returns int language sql as 'select 1'": "|more", "create or replace function f() returns int language plpgsql as 'begin end'": "|f",
		"create function other.lower(text) returns int language sql as 'select 1'": "|lower", "create procedure more() language sql as 'select 1'": "|more", "drop function if exists f(), g()": "|f g",
		"alter function f() stable": "|f", "alter function f() rename to h": "|f h", "create aggregate more(int) (sfunc = f, stype = int)": "|more", "grant execute on function f() to app": "|f",
		"create type mood as enum ('a')": "|__mood _mood mood", "alter type mood add value 'b'": "|__mood _mood mood", "create domain date as int check (f() > 0)": "|__date _date date",
		"create type pair as (a int)": "|__pair _pair pair", "drop type mood": "|__mood _mood mood", "drop domain if exists x": "|__x _x x", "create sequence n": "", "alter sequence n restart": "",
		"create schema x": "", "drop schema x": "", "alter default privileges grant select on tables to public": "", "create table date (a int)": "|__date _date date",
		"create table lower (a int)": "|__lower _lower lower",
	} {
		v := c.Judge([]byte(sql))
		if v.Touch == nil || v.Effect != verdict.EffectRelations || !v.DDL {
			t.Errorf("%s: got %+v", sql, v)
			continue
		}
		got := strings.Trim(fmt.Sprint(v.Writes), "[]")
		if code := slices.Sorted(maps.Keys(v.Touch.code)); len(code) > 0 {
			got += "|" + strings.Join(code, " ")
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", sql, got, want)
		}
	}
}

func TestDoubt_WhatNamesAFunctionOrTypeThatIsInDoubtWaits(t *testing.T) {
	for ddl, sqls := range map[string]map[string]bool{ // whether the answer may be kept still
		"create function other.lower(text) returns text language sql as 'select $1'": {
			"select lower(a) from t": false, "select a from t where lower(a) = 'x'": false, "select a from t": true, "select pg_catalog.lower(a) from t": true, "select count(a) from t": true,
			"select t.lower from t": false,
		},
		"create type text as enum ('a')":   {"select a::text from t": false, "select text 'x'": false, "select '{}'::text[]": false, "select a::int4 from t": true, "select a from t": true},
		"create domain other.date as text": {"select date '2020-01-01'": false, "select date(a) from t": false, "select a from t": true},
		"create table date (a int)":        {"select date '2020-01-01'": false, "select a from t": true},
		"create schema fresh":              {"select lower(a) from t": true, "select a from t": true},
		"alter type mood add value 'b'":    {"select lower(a) from t": true, "select a from t": true},
	} {
		c := settled(t)
		c.Doubt(c.Judge([]byte(ddl)).Touch)
		for sql, want := range sqls {
			if v := c.Judge([]byte(sql)); (v.Status != verdict.Unsettled) != want {
				t.Errorf("%s; %s: got %s (%s)", ddl, sql, v.Status, v.Reason)
			}
		}
	}
}

func TestJudge_AnAnswerGoesWithTheNamesThatItDependsOn(t *testing.T) {
	c := settled(t)
	id := verdict.NameID
	for sql, want := range map[string][]verdict.RelationID{
		"select a from t": nil, "select t.a from t": nil, "select lower(a) from t": {id("lower")}, "select pg_catalog.lower(a) from t": nil, "select a::text from t": {id("text")},
		"select count(*), lower(a) from t group by 2": {id("count"), id("lower")}, "insert into t values (lower('x'))": nil,
	} {
		slices.Sort(want)
		if v := c.Judge([]byte(sql)); !slices.Equal(v.Names, want) {
			t.Errorf("%s: got %v, want %v (%s)", sql, v.Names, want, v.Reason)
		}
	}
}

func TestTouch_CascadeTakesWhatIsKnownToGo(t *testing.T) {
	sets := handBuilt()
	sets[setRelations] = slices.DeleteFunc(sets[setRelations], func(row []string) bool { return row[3] == "m" || row[5] == "t" })
	sets[setViews] = append(sets[setViews], []string{"3", viewTree(3, 2, 702)}) // v is over u, and no longer over t
	catalog, err := seenByTest(sets)
	if err != nil {
		t.Fatal(err)
	}
	c := New(nil)
	c.SetCatalog(catalog, c.Generation())
	for sql, want := range map[string]string{
		"drop table u cascade": "[2 3]", "drop table if exists parent cascade": "[2 6 7]", "drop view v cascade": "[2 3]", "alter table u drop column a cascade": "[2 3]",
		"alter table u drop constraint c cascade": "[2 3]", "drop table t cascade": "[1 4 5 16]", "drop sequence n cascade": "[]", "drop index i cascade": "[]",
	} {
		v := c.Judge([]byte(sql))
		if got := fmt.Sprint(v.Writes); v.Touch == nil || got != want {
			t.Errorf("%s: got %s %+v, want %s", sql, got, v.Touch, want)
		}
	}
}

func TestDoubt_DDLOnWhatHasJustBeenMadeIsUnderstood(t *testing.T) {
	c := settled(t)
	var last *Verdict
	for _, sql := range []string{
		"create table fresh (id int) partition by list (id)", "create table part partition of fresh for values in (1)", "create index on fresh (id)", "create trigger x before insert on part for each row execute function f()",
		"alter table part add column b int4", "alter table part add foreign key (id) references t",
	} {
		v := c.Judge([]byte(sql))
		if v.Touch == nil {
			t.Fatalf("%s: got %+v", sql, v)
		}
		last = v
		c.Doubt(v.Touch)
	}
	if again := c.Judge([]byte("alter table part add foreign key (id) references t")); !again.Meaning.Held(nil) || last.Meaning.Held(nil) {
		t.Error("children may have come meanwhile of what was not known")
	}
	for sql, want := range map[string]verdict.Status{"select a from u": verdict.Cacheable, "select a from t": verdict.Unsettled, "select id from fresh": verdict.Unsettled, "select id from part": verdict.Unsettled} {
		if v := c.Judge([]byte(sql)); v.Status != want {
			t.Errorf("%s: got %s, want %s", sql, v.Status, want)
		}
	}
	for _, sql := range []string{
		"alter table part add column c int4 default 7", "alter table t alter column a type text", "alter table t validate constraint c", "alter table nowhere add column b int4", "drop table part cascade",
	} { // by what is not known of them
		if v := c.Judge([]byte(sql)); v.Touch != nil {
			t.Errorf("%s: got %+v", sql, v)
		}
	}
}
