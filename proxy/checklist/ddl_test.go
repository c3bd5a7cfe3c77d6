package checklist_test

import (
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

func TestChecklist_I13_NamesThatMeanAnotherTableAreFollowed(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i13", `create table t(a int); insert into t values (1); create table t_new(a int); insert into t_new values (2);
		create schema s; create table s.t(a int); insert into s.t values (10); create schema s_new; create table s_new.t(a int);
		insert into s_new.t values (20);
		create view v as select 1 as a; create view v_new as select 2 as a; create table two(a int, b int); insert into two values (1, 2)`)
	const rows, swap = "select a from t", "alter table t rename to t_old;;alter table t_new rename to t;;alter table t_old rename to t_new"
	f.seen(t, seenWrite{query: rows, write: "drop table t;;create table t as select 7 as a", simple: true},
		seenWrite{query: rows, write: "begin;;drop table t;;create table t as select 8 as a;;commit", simple: true},
		seenWrite{query: rows, write: "drop table t; create table t as select 9 as a", simple: true},
		seenWrite{query: rows, write: swap, simple: true}, seenWrite{query: rows, write: "begin;;" + swap + ";;commit", simple: true},
		seenWrite{query: "select a from public.t", write: swap, simple: true}, seenWrite{query: rows, write: "insert into t values (100)"},
		seenWrite{query: "select a from s.t",
			write: "alter schema s rename to s_old;;alter schema s_new rename to s;;alter schema s_old rename to s_new", simple: true},
		seenWrite{query: "select a from s.t",
			write:  "begin;;alter schema s rename to s_old;;alter schema s_new rename to s;;alter schema s_old rename to s_new;;commit",
			simple: true},
		seenWrite{query: "select a from s.t", write: "insert into s.t values (11)"},
		seenWrite{query: rows, write: "alter table t set schema s_new;;alter table t_new rename to t", before: "drop table s_new.t",
			simple: true}, seenWrite{query: rows, write: "drop table t", simple: true},
		seenWrite{query: rows, write: "create table t as select 5 as a", simple: true, loose: true},
		seenWrite{query: rows, write: "alter table t rename to gone;;create view t as select a + 1 as a from gone", simple: true},
		seenWrite{query: rows, write: "update gone set a = a + 1", loose: true},
		seenWrite{query: "select a from v", write: "alter view v rename to v_old;;alter view v_new rename to v;;alter view v_old rename to v_new",
			simple: true, loose: true}, seenWrite{query: "select a from v", write: "drop view v;;create table v as select 3 as a", simple: true,
			loose: true}, seenWrite{query: "select a from v", write: "insert into v values (4)"},
		seenWrite{query: "select a from two", write: "begin;;alter table two rename a to c;;alter table two rename b to a;;commit", simple: true},
		seenWrite{query: "select a from s.t", write: "drop schema s cascade", simple: true},
		seenWrite{query: "select count(*) from fresh", write: "create table fresh(a int)", simple: true, loose: true},
		seenWrite{query: "select count(*) from fresh", write: "insert into fresh values (1)"})
}

func TestChecklist_I14_DefinitionsAndRightsThatChangeAreFollowed(t *testing.T) {
	t.Parallel()
	t.Run("definitions", checkDefinitions)
	t.Run("rights", checkRights)
}

func checkDefinitions(t *testing.T) {
	f := startWriter(t, "checklist_i14", `create type mood as enum ('sad', 'happy'); create domain dom as int; create type pair as (x int, y int);
		create table t(id serial, a int, b text, m mood default 'sad', d dom default 1, p pair default '(1,2)');
		insert into t(a, b) values (1, 'a'), (2, 'B'); create view v as select a from t; create view over_v as select max(a) as a from v;
		create function f() returns int language sql immutable as 'select 1'; create view called as select f() as n;
		create text search configuration cfg (copy = english); create materialized view mat as select a from t`)
	const all = "select * from t order by id"
	for _, ddl := range []string{
		"alter table t add column c int default 5", "alter table t alter column c set default 6;;insert into t(a) values (3)",
		"alter table t alter column c type text using 'c' || c", "alter table t drop column c",
		"alter table t alter column id type bigint using id + 100", "alter type mood rename value 'sad' to 'blue'",
		"alter type mood add value 'new' before 'blue';;update t set m = 'new'",
		"alter domain dom set default 7;;alter table t alter column d drop default;;insert into t(a) values (4)",
		"alter type pair rename attribute x to z;;update t set p.z = 9",
		"begin;;alter table t add column z int default 1;;savepoint s;;alter table t drop column a cascade;;rollback to s;;commit",
		"alter table t alter column z set data type text using 'z' || z",
		"alter table t alter column a set expression as (id)",
	} {
		if strings.Contains(ddl, "set expression") && f.version(t) < 170000 {
			continue
		}
		f.seen(t, seenWrite{query: all, write: ddl, simple: true})
	}
	f.seen(t, seenWrite{query: "select b from t", write: "alter table t rename column b to bb", simple: true},
		seenWrite{query: "select bb from t", write: "alter table t rename column bb to b", simple: true},
		seenWrite{query: "select m from t order by m, id",
			write: "alter type mood rename value 'happy' to 'glad';;update t set m = 'glad' where id = 101", simple: true},
		seenWrite{query: "select (p).z from t", write: "alter type pair rename attribute z to w", simple: true},
		seenWrite{query: "select t from t order by id", write: "alter table t add column q int default 3", simple: true})
	if rig.Ask(t, f.real, "select 1 from pg_collation where collname = 'und-x-icu'") == "1" {
		rig.Ask(t, f.writer, `alter table t alter column b type text collate "C"`)
		f.seen(t, seenWrite{query: "select b from t where b is not null order by b",
			write: `alter table t alter column b type text collate "und-x-icu"`, simple: true})
	}
	// These need not be cached, if only they are right.
	for _, c := range [][]string{
		{"select * from v order by 1", "create or replace view v as select a, id as extra from t",
			"create or replace view v as select a + 1 as a, id as extra from t",
			"alter view v rename column extra to more;;create or replace view v as select a + 2 as a, id as more from t"},
		{"select a from over_v", "create or replace view v as select a + 10 as a, id as more from t", "update t set a = a + 1"},
		{"select n from called", "create or replace function f() returns int language sql immutable as 'select 3'"},
		{"select f()", "create or replace function f() returns int language sql immutable as 'select 2'", "drop function f() cascade",
			"create function f() returns int language sql stable as 'select max(a)::int from v'", "update t set a = a + 1"},
		{"select 5::dom", "alter domain dom add constraint small check (value < 5) not valid", "alter domain dom drop constraint small"},
		{"select to_tsvector('cfg', 'running')", "alter text search configuration cfg alter mapping for asciiword with simple"},
		{"select enum_range(null::mood)", "alter type mood add value 'last'"},
		{"select * from mat", "drop materialized view mat;;create materialized view mat as select 5 as n", "drop materialized view mat"},
		{"select count(*) from t where b = 'a' or d = 9", "insert into t(b) values ('a')",
			"alter table t rename to tt;;create table t as select 'a' as b, 9 as d from generate_series(1, 99)"},
	} {
		for _, ddl := range c[1:] {
			f.seen(t, seenWrite{query: c[0], write: ddl, simple: true, loose: true})
		}
	}
}

// checkRights is about who may see what: policies, owners, grants and roles.
func checkRights(t *testing.T) {
	proxytest.ChangesCluster(t)
	t.Cleanup(func() { proxytest.SharedPostgres(t).Exec("drop role if exists checklist_i14, checklist_i14_group") })
	f := startWriter(t, "checklist_i14_rows", `create role checklist_i14 login; create role checklist_i14_group; create table t(a int, who text);
		insert into t values (1, 'checklist_i14'), (2, 'other'), (3, null); grant select on t to checklist_i14;
		create table allowed(a int); insert into allowed values (2); grant select on allowed to checklist_i14; create view v as select a from t;
		grant select on v to checklist_i14; grant create on schema public to checklist_i14`,
		func(s *rig.Setup) { s.Options = func(o *rig.Options) { o.Databases[0].Target.User = "" } })
	user := &writerBench{Instance: f.Instance, pg: f.pg, database: f.database, writer: f.writer,
		reader: f.Connect(t, f.database, rig.As("checklist_i14", ""))}
	var err error
	if user.real, err = pgconn.Connect(t.Context(), strings.Replace(f.pg.DSN(f.database), "postgres@", "checklist_i14@", 1)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rig.CloseConn(user.real) })
	const sql = "select a from t order by a"
	primeAll(t, user.reader, sql) // so that there is a catalog, of before
	for _, change := range []string{
		"alter table t enable row level security", "create policy mine on t using (who = current_user)", "alter policy mine on t using (a > 1)",
		"create policy more on t using (who is not null)", "drop policy more on t",
		"alter policy mine on t using (a in (select a from allowed))",
		"insert into allowed values (3)", "update allowed set a = 1", "alter policy mine on t to checklist_i14_group",
		"grant checklist_i14_group to checklist_i14", "revoke checklist_i14_group from checklist_i14", "alter table t disable row level security",
		"alter table t enable row level security;;alter policy mine on t to public",
		"alter table t owner to checklist_i14", "alter table t force row level security", "alter table t no force row level security",
		"alter table t owner to postgres;;grant select on t to checklist_i14", "create policy no on t as restrictive using (a > 1)",
		"alter role checklist_i14 bypassrls", "alter role checklist_i14 nobypassrls", "revoke select on t from checklist_i14",
		"grant select (a) on t to checklist_i14", "revoke all on t from checklist_i14",
		"grant checklist_i14_group to checklist_i14;;grant select on t to checklist_i14_group", "revoke usage on schema public from public",
		"grant usage on schema public to public", "drop table t cascade",
	} {
		for range 3 {
			rig.WantFresh(t, "nothing", sql, user.real, user.reader)
		}
		old, oldErr := rig.Try(t.Context(), user.real, sql)
		for _, step := range stepsOf(change) {
			rig.Ask(t, f.writer, step)
		}
		if now, err := rig.Try(t.Context(), user.real, sql); now == old && rig.State(err) == rig.State(oldErr) {
			t.Errorf("%s changes nothing, so this proves nothing", change)
		}
		rig.WantFresh(t, change, sql, user.real, user.reader)
		for form := range rig.Askers {
			askSettled(t, user.reader, form, sql)
		}
		rig.WantFresh(t, change+", a while later,", sql, user.real, user.reader)
	}
}

func TestChecklist_I15_NewThingsThatHideOthersAreFollowed(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i15", `create table t(a int); insert into t values (1); create table b(b varchar, c "char");
		insert into b values ('bb', 'c'); create view v as select a from t; create schema postgres`)
	f.seen(t, seenWrite{query: "select a from t", write: "create table postgres.t as select 2 as a", simple: true},
		seenWrite{query: "select a from t", write: "insert into postgres.t values (3)"},
		seenWrite{query: "select a from t", write: "drop table postgres.t", simple: true},
		seenWrite{query: "select a from t", write: "create view postgres.t as select 4 as a", simple: true},
		seenWrite{query: "select a from t", write: "drop view postgres.t", simple: true, loose: true},
		seenWrite{query: "select a from t", write: "create materialized view postgres.t as select 5 as a", simple: true},
		seenWrite{query: "select a from t", write: "alter materialized view postgres.t rename to other", simple: true, loose: true},
		seenWrite{query: "select a from t", write: "alter materialized view postgres.other rename to t", simple: true},
		seenWrite{query: "select a from t", write: "drop schema postgres cascade", simple: true, loose: true},
		seenWrite{query: "select a from t", write: "create schema postgres create table t(a int)", simple: true},
		seenWrite{query: "select a from t", write: "drop schema postgres cascade", simple: true},
		seenWrite{query: "select a from t", write: "begin;;create schema postgres;;create table postgres.t as select 6 as a;;commit",
			simple: true}, seenWrite{query: "select a from t", write: "do 'begin drop schema postgres cascade; end'", simple: true},
		seenWrite{query: "select length(b) from b", write: "create function length(varchar) returns int language sql immutable as 'select -1'",
			simple: true}, seenWrite{query: "select upper(b) from b",
			write: "create function upper(varchar) returns text language sql immutable as 'select ''mine'''", simple: true},
		seenWrite{query: "select b || b from b",
			write: `create function cat(varchar, varchar) returns text language sql immutable as 'select ''cat''';;
				create operator || (leftarg = varchar, rightarg = varchar, function = cat)`, simple: true},
		seenWrite{query: "select b from b where b = 'x'::varchar",
			write: `create function eq(varchar, varchar) returns bool language sql immutable as 'select true';;
				create operator = (leftarg = varchar, rightarg = varchar, function = eq)`, simple: true},
		seenWrite{query: "select max(b) from b", write: "create aggregate max(varchar) (sfunc = cat, stype = text)", simple: true})
	// A view means what it meant when it was made.
	f.seen(t, seenWrite{query: "select a from v", write: "update t set a = a + 1", loose: true})
}

func TestChecklist_I16_OnlyTheTablesOfAQueryInvalidateIt(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i16", `create table one(id int, a int); create table two(id int, b int); create table three(id int, c int);
		insert into one values (1, 1); insert into two values (1, 1); insert into three values (1, 1);
		create table four(id serial primary key, d int); create schema s; create table s.one(id int, a int)`)
	unrelated := []string{
		"insert into four(d) values (1)", "update four set d = d + 1", "delete from four", "truncate four",
		"begin;;insert into four(d) values (2);;commit", "with w as (insert into four(d) values (3) returning d) select d from w",
		"insert into s.one values (1, 1)", "insert into four(d) select a from one", "select a from one for update",
		"merge into four using (values (1)) x(i) on false when not matched then insert (d) values (x.i)",
	}
	for i, query := range []string{
		"select a, b, c from one join two using (id) join three using (id)",
		"select a, b, c from one, two, three where one.id = two.id and two.id = three.id",
		"select a, (select max(b) from two), (select c from three where three.id = one.id) from one",
		"with x as (select b from two), y as (select c from three) select a, b, c from one, x, y",
		"select a from one union all select b from two union all select c from three",
		"select a, exists (select from two where b > 1), 3 < any(select c + 1 from three) from one",
		"select sum(a), sum(b), sum(c) from one full join two using (id) full join lateral (select * from three) x using (id)",
	} {
		for _, write := range []string{"update one set a = a * 2 + 1", "update two set b = b * 2 + 1", "update three set c = c * 2 + 1"} {
			f.seen(t, seenWrite{query: query, write: write, before: "update one set a = 1;;update two set b = 1;;update three set c = 1",
				simple: true})
		}
		if i > 0 {
			unrelated = unrelated[:2]
		}
		f.stays(t, query, unrelated...)
	}
}
