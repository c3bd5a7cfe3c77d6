package proxy_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy"
	"overdrive/proxy/pgwire"
	"overdrive/proxy/proxytest"
)

func TestChecklist_I13_NamesThatMeanAnotherTableAreFollowed(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i13", `create table t(a int); insert into t values (1); create table t_new(a int); insert into t_new values (2); create schema s; create table s.t(a int); insert into s.t values (10); create schema s_new; create table s_new.t(a int); insert into s_new.t values (20);
		create view v as select 1 as a; create view v_new as select 2 as a; create table two(a int, b int); insert into two values (1, 2)`)
	const rows, swap = "select a from t", "alter table t rename to t_old;;alter table t_new rename to t;;alter table t_old rename to t_new"
	f.seen(t, chkFWrite{query: rows, write: "drop table t;;create table t as select 7 as a", simple: true}, chkFWrite{query: rows, write: "begin;;drop table t;;create table t as select 8 as a;;commit", simple: true}, chkFWrite{query: rows, write: "drop table t; create table t as select 9 as a", simple: true},
		chkFWrite{query: rows, write: swap, simple: true}, chkFWrite{query: rows, write: "begin;;" + swap + ";;commit", simple: true}, chkFWrite{query: "select a from public.t", write: swap, simple: true}, chkFWrite{query: rows, write: "insert into t values (100)"},
		chkFWrite{query: "select a from s.t", write: "alter schema s rename to s_old;;alter schema s_new rename to s;;alter schema s_old rename to s_new", simple: true}, chkFWrite{query: "select a from s.t", write: "begin;;alter schema s rename to s_old;;alter schema s_new rename to s;;alter schema s_old rename to s_new;;commit", simple: true},
		chkFWrite{query: "select a from s.t", write: "insert into s.t values (11)"}, chkFWrite{query: rows, write: "alter table t set schema s_new;;alter table t_new rename to t", before: "drop table s_new.t", simple: true}, chkFWrite{query: rows, write: "drop table t", simple: true},
		chkFWrite{query: rows, write: "create table t as select 5 as a", simple: true, loose: true}, chkFWrite{query: rows, write: "alter table t rename to gone;;create view t as select a + 1 as a from gone", simple: true}, chkFWrite{query: rows, write: "update gone set a = a + 1", loose: true},
		chkFWrite{query: "select a from v", write: "alter view v rename to v_old;;alter view v_new rename to v;;alter view v_old rename to v_new", simple: true, loose: true}, chkFWrite{query: "select a from v", write: "drop view v;;create table v as select 3 as a", simple: true, loose: true}, chkFWrite{query: "select a from v", write: "insert into v values (4)"},
		chkFWrite{query: "select a from two", write: "begin;;alter table two rename a to c;;alter table two rename b to a;;commit", simple: true}, chkFWrite{query: "select a from s.t", write: "drop schema s cascade", simple: true},
		chkFWrite{query: "select count(*) from fresh", write: "create table fresh(a int)", simple: true, loose: true}, chkFWrite{query: "select count(*) from fresh", write: "insert into fresh values (1)"})
}

func TestChecklist_I14_DefinitionsThatChangeAreFollowed(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i14", `create type mood as enum ('sad', 'happy'); create domain dom as int; create type pair as (x int, y int);
		create table t(id serial, a int, b text, m mood default 'sad', d dom default 1, p pair default '(1,2)'); insert into t(a, b) values (1, 'a'), (2, 'B'); create view v as select a from t; create view over_v as select max(a) as a from v;
		create function f() returns int language sql immutable as 'select 1'; create view called as select f() as n; create text search configuration cfg (copy = english); create materialized view mat as select a from t`)
	const all = "select * from t order by id"
	for _, ddl := range []string{
		"alter table t add column c int default 5", "alter table t alter column c set default 6;;insert into t(a) values (3)", "alter table t alter column c type text using 'c' || c", "alter table t drop column c",
		"alter table t alter column id type bigint using id + 100", "alter type mood rename value 'sad' to 'blue'", "alter type mood add value 'new' before 'blue';;update t set m = 'new'", "alter domain dom set default 7;;alter table t alter column d drop default;;insert into t(a) values (4)",
		"alter type pair rename attribute x to z;;update t set p.z = 9", "begin;;alter table t add column z int default 1;;savepoint s;;alter table t drop column a cascade;;rollback to s;;commit", "alter table t alter column z set data type text using 'z' || z",
		"alter table t alter column a set expression as (id)",
	} {
		if strings.Contains(ddl, "set expression") && f.version(t) < 170000 {
			continue
		}
		f.seen(t, chkFWrite{query: all, write: ddl, simple: true})
	}
	f.seen(t, chkFWrite{query: "select b from t", write: "alter table t rename column b to bb", simple: true}, chkFWrite{query: "select bb from t", write: "alter table t rename column bb to b", simple: true},
		chkFWrite{query: "select m from t order by m, id", write: "alter type mood rename value 'happy' to 'glad';;update t set m = 'glad' where id = 101", simple: true},
		chkFWrite{query: "select (p).z from t", write: "alter type pair rename attribute z to w", simple: true}, chkFWrite{query: "select t from t order by id", write: "alter table t add column q int default 3", simple: true})
	if ask(t, f.real, "select 1 from pg_collation where collname = 'und-x-icu'") == "1" {
		ask(t, f.writer, `alter table t alter column b type text collate "C"`)
		f.seen(t, chkFWrite{query: "select b from t where b is not null order by b", write: `alter table t alter column b type text collate "und-x-icu"`, simple: true})
	}
	// These need not be cached, if only they are right.
	for _, c := range [][]string{
		{"select * from v order by 1", "create or replace view v as select a, id as extra from t", "create or replace view v as select a + 1 as a, id as extra from t", "alter view v rename column extra to more;;alter view v rename column a to aa;;alter view v rename column more to a;;alter view v rename column aa to more;;create or replace view v as select a as more, id + 1 as a from t;;alter view v rename column a to x;;alter view v rename column more to a;;alter view v rename column x to more"},
		{"select a from over_v", "create or replace view v as select a + 10 as a, id as more from t", "update t set a = a + 1"},
		{"select n from called", "create or replace function f() returns int language sql immutable as 'select 3'"},
		{"select f()", "create or replace function f() returns int language sql immutable as 'select 2'", "drop function f() cascade", "create function f() returns int language sql stable as 'select max(a)::int from v'", "update t set a = a + 1"},
		{"select 5::dom", "alter domain dom add constraint small check (value < 5) not valid", "alter domain dom drop constraint small"},
		{"select to_tsvector('cfg', 'running')", "alter text search configuration cfg alter mapping for asciiword with simple"},
		{"select enum_range(null::mood)", "alter type mood add value 'last'"},
		{"select * from mat", "drop materialized view mat;;create materialized view mat as select 5 as n", "drop materialized view mat"},
		{"select count(*) from t where b = 'a' or d = 9", "insert into t(b) values ('a')", "alter table t rename to tt;;create table t as select 'a' as b, 9 as d from generate_series(1, 99)"},
	} {
		for _, ddl := range c[1:] {
			f.seen(t, chkFWrite{query: c[0], write: ddl, simple: true, loose: true})
		}
	}
}

// The second half of I14 is about who may see what.
func TestChecklist_I14_PoliciesAndOwnersThatChangeAreFollowed(t *testing.T) {
	t.Parallel()
	t.Cleanup(func() { proxytest.SharedPostgres(t).Exec("drop role if exists chkf_i14, chkf_i14_group") })
	f := chkFStart(t, "chkf_i14_rows", `create role chkf_i14 login; create role chkf_i14_group; create table t(a int, who text); insert into t values (1, 'chkf_i14'), (2, 'other'), (3, null); grant select on t to chkf_i14;
		create table allowed(a int); insert into allowed values (2); grant select on allowed to chkf_i14; create view v as select a from t; grant select on v to chkf_i14; grant create on schema public to chkf_i14`,
		func(s *setup) { s.options = func(o *proxy.Options) { o.Databases[0].Target.User = "" } })
	user := &chkFBench{instance: f.instance, pg: f.pg, database: f.database, writer: f.writer, reader: f.connect(t, f.database, as("chkf_i14", ""))}
	var err error
	if user.real, err = pgconn.Connect(t.Context(), strings.Replace(f.pg.DSN(f.database), "postgres@", "chkf_i14@", 1)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConn(user.real) })
	for _, change := range []string{
		"alter table t enable row level security", "create policy mine on t using (who = current_user)", "alter policy mine on t using (a > 1)", "create policy more on t using (who is not null)", "drop policy more on t", "alter policy mine on t using (a in (select a from allowed))",
		"insert into allowed values (3)", "update allowed set a = 1", "alter policy mine on t to chkf_i14_group", "grant chkf_i14_group to chkf_i14", "revoke chkf_i14_group from chkf_i14", "alter table t disable row level security", "alter table t enable row level security;;alter policy mine on t to public",
		"alter table t owner to chkf_i14", "alter table t force row level security", "alter table t no force row level security", "alter table t owner to postgres;;grant select on t to chkf_i14", "create policy no on t as restrictive using (a > 1)", "alter role chkf_i14 bypassrls", "alter role chkf_i14 nobypassrls", "revoke select on t from chkf_i14",
		"grant select (a) on t to chkf_i14", "revoke all on t from chkf_i14", "grant chkf_i14_group to chkf_i14;;grant select on t to chkf_i14_group", "revoke usage on schema public from public", "grant usage on schema public to public", "drop table t cascade",
	} {
		const sql = "select a from t order by a"
		for range 3 {
			wantFresh(t, "nothing", sql, user.real, user.reader)
		}
		old, oldErr := try(t.Context(), user.real, sql)
		for _, step := range chkFSteps(change) {
			ask(t, f.writer, step)
		}
		if now, err := try(t.Context(), user.real, sql); now == old && state(err) == state(oldErr) {
			t.Errorf("%s changes nothing, so this proves nothing", change)
		}
		wantFresh(t, change, sql, user.real, user.reader)
	}
}

func TestChecklist_I15_NewThingsThatHideOthersAreFollowed(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i15", `create table t(a int); insert into t values (1); create table b(b varchar, c "char"); insert into b values ('bb', 'c'); create view v as select a from t; create schema postgres`)
	f.seen(t, chkFWrite{query: "select a from t", write: "create table postgres.t as select 2 as a", simple: true}, chkFWrite{query: "select a from t", write: "insert into postgres.t values (3)"}, chkFWrite{query: "select a from t", write: "drop table postgres.t", simple: true},
		chkFWrite{query: "select a from t", write: "create view postgres.t as select 4 as a", simple: true}, chkFWrite{query: "select a from t", write: "drop view postgres.t", simple: true, loose: true}, chkFWrite{query: "select a from t", write: "create materialized view postgres.t as select 5 as a", simple: true},
		chkFWrite{query: "select a from t", write: "alter materialized view postgres.t rename to other", simple: true, loose: true}, chkFWrite{query: "select a from t", write: "alter materialized view postgres.other rename to t", simple: true},
		chkFWrite{query: "select a from t", write: "drop schema postgres cascade", simple: true, loose: true}, chkFWrite{query: "select a from t", write: "create schema postgres create table t(a int)", simple: true}, chkFWrite{query: "select a from t", write: "drop schema postgres cascade", simple: true},
		chkFWrite{query: "select a from t", write: "begin;;create schema postgres;;create table postgres.t as select 6 as a;;commit", simple: true}, chkFWrite{query: "select a from t", write: "do 'begin drop schema postgres cascade; end'", simple: true},
		chkFWrite{query: "select length(b) from b", write: "create function length(varchar) returns int language sql immutable as 'select -1'", simple: true}, chkFWrite{query: "select upper(b) from b", write: "create function upper(varchar) returns text language sql immutable as 'select ''mine'''", simple: true},
		chkFWrite{query: "select b || b from b", write: "create function cat(varchar, varchar) returns text language sql immutable as 'select ''cat''';;create operator || (leftarg = varchar, rightarg = varchar, function = cat)", simple: true},
		chkFWrite{query: "select b from b where b = 'x'::varchar", write: "create function eq(varchar, varchar) returns bool language sql immutable as 'select true';;create operator = (leftarg = varchar, rightarg = varchar, function = eq)", simple: true},
		chkFWrite{query: "select max(b) from b", write: "create aggregate max(varchar) (sfunc = cat, stype = text)", simple: true})
	// A view means what it meant when it was made.
	f.seen(t, chkFWrite{query: "select a from v", write: "update t set a = a + 1", loose: true})
}

func TestChecklist_I16_OnlyTheTablesOfAQueryInvalidateIt(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i16", `create table one(id int, a int); create table two(id int, b int); create table three(id int, c int); insert into one values (1, 1); insert into two values (1, 1); insert into three values (1, 1); create table four(id serial primary key, d int); create schema s; create table s.one(id int, a int)`)
	for _, query := range []string{
		"select a, b, c from one join two using (id) join three using (id)", "select a, b, c from one, two, three where one.id = two.id and two.id = three.id", "select a, (select max(b) from two), (select c from three where three.id = one.id) from one",
		"with x as (select b from two), y as (select c from three) select a, b, c from one, x, y", "select a from one union all select b from two union all select c from three", "select a, exists (select from two where b > 1), 3 < any(select c + 1 from three) from one", "select sum(a), sum(b), sum(c) from one full join two using (id) full join lateral (select * from three) x using (id)",
	} {
		for _, write := range []string{"update one set a = a * 2 + 1", "update two set b = b * 2 + 1", "update three set c = c * 2 + 1"} {
			f.seen(t, chkFWrite{query: query, write: write, before: "update one set a = 1;;update two set b = 1;;update three set c = 1"})
		}
		f.stays(t, query, "insert into four(d) values (1)", "update four set d = d + 1", "delete from four", "truncate four", "begin;;insert into four(d) values (2);;commit", "with w as (insert into four(d) values (3) returning d) select d from w", "insert into s.one values (1, 1)",
			"merge into four using (values (1)) x(i) on false when not matched then insert (d) values (x.i)", "insert into four(d) select a from one", "select a from one for update")
	}
}

func TestChecklist_I17_TablesWithoutReplicaIdentityAreWritten(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i17", "create table t(a int); insert into t values (1); create table u(a int primary key); insert into u values (1); alter table u replica identity nothing; create table w(a int); insert into w values (1); alter table w replica identity full")
	for _, table := range []string{"t", "u", "w"} {
		query := "select sum(a) from " + table
		f.seen(t, chkFWrite{query: query, write: "update " + table + " set a = a + 1"}, chkFWrite{query: query, write: "delete from " + table, before: "insert into " + table + " values (50)"}, chkFWrite{query: query, write: "insert into " + table + " select coalesce(max(a), 0) + 1 from " + table},
			chkFWrite{query: query, write: "truncate " + table, before: "insert into " + table + " values (50)"})
	}
}

func TestChecklist_I18_ViewsOfViewsFollowTheirTables(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i18", `create table t(a int); insert into t values (1); create table u(b int); insert into u values (1); create table unrelated(a int); create view one as select a from t; create view two as select a, b from one, u; create view three as select sum(a) as a, sum(b) as b from two;
		create view four as with w as (select a from three) select a from w; create schema s; create view s.one as select b as a from u; create table base(a int); create table heir() inherits (base); create view family as select a from base; create view over_family as select sum(a) as a from family`)
	for _, query := range []string{"select a, b from three", "select a from four", "select x.a from four x, unrelated right join t using (a)"} {
		f.seen(t, chkFWrite{query: "select a, b from three", write: "update u set b = b + 1"}, chkFWrite{query: query, write: "update t set a = a + 1", loose: strings.Contains(query, "right")})
	}
	f.seen(t, chkFWrite{query: "select a from over_family", write: "insert into heir values (1)"}, chkFWrite{query: "select a from over_family", write: "insert into base values (1)"}, chkFWrite{query: "select a from s.one", write: "update u set b = b + 1"},
		chkFWrite{query: "select a from four", write: "create or replace view one as select a + 1 as a from t", before: "create or replace view one as select a from t", simple: true}, chkFWrite{query: "select a from over_family", write: "create table late() inherits (base);;insert into late values (5)", simple: true}, chkFWrite{query: "select a from over_family", write: "insert into late values (5)"})
	f.stays(t, "select a, b from three", "insert into unrelated values (1)", "insert into base values (1)")
	f.stays(t, "select a from four", "insert into heir values (1)")
}

func TestChecklist_I19_NamesOfWithQueriesAreNoTables(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i19", "create table t(a int); insert into t values (1); create table other(a int); insert into other values (1)")
	for _, query := range []string{"with t as (select 1 as a) select a from t", "with recursive t(a) as (select 1 union all select a + 1 from t where a < 3) select a from t", "with t as (select a from other) select a from t", "select t.a from other t", "select t.a from (select 5 as a) t", "with x as (with t as (select 1 as a) select a from t) select a from x"} {
		f.stays(t, query, "insert into t values (2)", "update t set a = a + 1", "truncate t", "insert into t values (1)")
	}
	for _, query := range []string{
		"with t as (select a from t) select a from t", "with x as (with t as (select 1 as a) select a from t) select t.a from t, x", "with t as (select 1 as a) select a from public.t", "with x as (select a from t), t as (select 5 as a) select x.a from x, t", "select (with t as (select 5 as a) select a from t), a from t",
		"with t as (select a from t), u as (select a from t) select a from u", "with w as (select 1) select a from t, w", "select x.a from t x, other t", "with other as (table t) table other",
	} {
		f.seen(t, chkFWrite{query: query, write: "update t set a = a + 1"})
	}
	f.seen(t, chkFWrite{query: "select sum(a) from t", write: "with t as (select 7 as a) insert into t select a from t"}, chkFWrite{query: "select sum(a) from t", write: "with other as (insert into t values (1) returning a) select a from other"}, chkFWrite{query: "select sum(a) from t", write: "with t as (select 1 as a) update t set a = a + 1"})
}

func TestChecklist_I20_RolledBackSubtransactionsHideNothing(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i20", "create table t(a int); insert into t values (1); create table u(a int); insert into u values (1)")
	const rows, other = "select sum(a) from t", "select sum(a) from u"
	for _, write := range []string{
		"begin;;savepoint s;;insert into t values (5);;rollback to s;;insert into t values (6);;commit", "begin;;savepoint s;;insert into t values (5);;release s;;commit", "begin;;insert into t values (5);;savepoint s;;insert into u values (5);;rollback to s;;commit",
		"begin;;savepoint s;;insert into t values (5);;savepoint z;;delete from t;;rollback to z;;release s;;commit", "begin;;savepoint s;;savepoint z;;insert into t values (5);;release z;;savepoint y;;delete from u;;rollback to y;;commit", "begin;;savepoint s;;insert into u values (5);;rollback to s;;update t set a = a + 1;;release s;;commit",
		"do $$ begin begin insert into t values (5); perform 1 / 0; exception when others then insert into t values (7); end; end $$", "do $$ begin insert into t values (5); begin delete from t; perform 1 / 0; exception when others then null; end; end $$",
	} {
		f.seen(t, chkFWrite{query: rows, write: write})
		f.right(t, other)
	}
	// What was rolled back altogether changes nothing, for anybody, at any time.
	for _, write := range []string{"begin;;savepoint s;;insert into t values (5);;rollback to s;;commit", "begin;;insert into t values (5);;rollback", "begin;;savepoint s;;delete from t;;rollback to s;;release s;;commit", "begin;;savepoint s;;insert into t values (5);;release s;;rollback", "begin;;insert into t values (5);;prepare q as select 1;;rollback;;deallocate q;;discard all"} {
		f.hits(t, rows)
		for _, step := range chkFSteps(write) {
			ask(t, f.writer, step)
			wantFresh(t, step+" of "+write, rows, f.real, f.reader)
		}
		wantFresh(t, write, rows, f.real, f.reader, f.writer)
	}
	// An error that a savepoint heals.
	for _, step := range []string{"begin", "savepoint s", "insert into t values (8)", "select 1 / 0", "rollback to s", "insert into t values (9)", "commit"} {
		if _, err := try(t.Context(), f.writer, step); (state(err) == "22012") != (step == "select 1 / 0") {
			t.Fatal(step, err)
		}
	}
	wantFresh(t, "an error and ROLLBACK TO", rows, f.real, f.reader, f.writer)
}

func TestChecklist_I21_ReplicasRestoresAndBulkLoads(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i21", `create table t(a int); insert into t values (1); create table log(n int); create function logs() returns trigger language plpgsql as 'begin insert into public.log values (1); return new; end';
		create trigger always after insert on t for each row execute function logs(); alter table t enable always trigger always; create table r(a int); create trigger rep after insert on r for each row execute function logs(); alter table r enable replica trigger rep; create table bulk(a int); create table parent(id int primary key); create table child(id int references parent on delete cascade)`)
	const replica = "set session_replication_role = replica;;"
	for query, write := range map[string]string{"select count(*) from t": "insert into t values (1)", "select sum(n) from log": "insert into t values (2)", "select count(n) from log": "insert into r values (1)", "select count(*) from child": "delete from parent;;truncate child"} {
		f.seen(t, chkFWrite{query: query, write: replica + write + ";;discard all", before: "truncate parent, child;;insert into parent values (1);;insert into child values (1)", simple: true})
	}
	t.Run("pg_restore", func(t *testing.T) { f.restores(t) })
	// A million rows are one write.
	prime(t, f.reader, "select count(*) from bulk")
	prime(t, f.writer, "select count(*) from bulk")
	before := f.cache.Stats().Invalidations
	if tag, err := f.writer.CopyFrom(t.Context(), strings.NewReader(strings.Repeat("1\n", 1_000_000)), "copy bulk from stdin"); err != nil || tag.RowsAffected() != 1_000_000 {
		t.Fatal(tag, err)
	}
	wantFresh(t, "COPY", "select count(*) from bulk", f.real, f.writer, f.reader)
	if n := f.cache.Stats().Invalidations - before; n == 0 || n > 10 {
		t.Errorf("a million rows were %d invalidations, want one, and a few entries", n)
	}
}

// restores has pg_restore load through the proxy what pg_dump took.
func (f *chkFBench) restores(t *testing.T) {
	dump, restore := filepath.Join(f.pg.BinDir(), "pg_dump"), filepath.Join(f.pg.BinDir(), "pg_restore")
	for _, program := range []string{dump, restore} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("this PostgreSQL came without pg_dump and pg_restore")
		}
	}
	file := filepath.Join(t.TempDir(), "dump")
	run := func(program string, args ...string) {
		if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", program, err, out)
		}
	}
	const query = "select count(*), sum(a) from t"
	run(dump, "--format=custom", "--file="+file, f.pg.DSN(f.database))
	for _, how := range [][]string{{"--data-only", "--table=t"}, {"--clean", "--if-exists"}, {"--data-only", "--table=t", "--single-transaction"}, {"--data-only", "--table=t", "--disable-triggers"}} {
		f.hits(t, query)
		before := ask(t, f.real, query)
		run(restore, append(how, "--dbname=postgres://postgres@"+f.address+"/"+f.database+"?sslmode=disable", file)...)
		if after := ask(t, f.real, query); after == before {
			t.Errorf("pg_restore %s changed nothing, so this proves nothing", how)
		}
		wantFresh(t, "pg_restore "+strings.Join(how, " "), query, f.real, f.writer, f.reader)
	}
}

// The worker of a subscription writes around the proxy.
func TestChecklist_I21_SubscriptionsAreSeenAfterMaxAge(t *testing.T) {
	t.Parallel()
	const age = time.Second
	pg := proxytest.StartPostgres(t, proxytest.WithSetting("wal_level", "logical"))
	pg.Exec("create database source")
	pg.Exec("create database target")
	pg.ExecIn("source", "create table t(a int primary key)")
	pg.ExecIn("source", "create publication p for table t")
	pg.ExecIn("source", "select pg_create_logical_replication_slot('chkf', 'pgoutput')")
	pg.ExecIn("target", "create table t(a int primary key)")
	pg.ExecIn("target", fmt.Sprintf("create subscription s connection 'host=127.0.0.1 port=%d dbname=source user=postgres' publication p with (create_slot = false, slot_name = 'chkf', copy_data = false)", pg.Port()))
	s := setup{upstream: pg.Addr(), database: "target", size: 2, caching: true}
	chkFMaxAge(age)(&s)
	f := &chkFBench{instance: start(t, s), pg: pg, database: "target", real: direct(t, pg, "target")}
	f.writer, f.reader = f.connect(t, "target"), f.connect(t, "target")
	const query = "select count(*), sum(a) from t"
	for i, write := range []string{"insert into t values (1), (2)", "update t set a = a + 10", "truncate t"} {
		for range 3 {
			wantFresh(t, "nothing", query, f.real, f.reader)
		}
		old := ask(t, f.real, query)
		pg.ExecIn("source", write)
		await(t, "the subscription", func() bool { return ask(t, f.real, query) != old })
		f.within(t, fmt.Sprintf("%d: %s", i, write), query, time.Now(), age)
	}
}

func TestChecklist_I22_LargeTransactionsHoldNobodyUp(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i22", "create table big(a int); insert into big values (1); create table small(a int); insert into small values (1)")
	const big, small = "select count(*) from big", "select sum(a) from small"
	other := f.connect(t, f.database)
	f.hits(t, big, small)
	// served tells that everybody else goes on, while a large write is under way.
	served := func(during string) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for range 3 {
			if got, err := try(ctx, f.reader, big); got != ask(t, f.real, big) || err != nil {
				t.Errorf("during %s: got %s, %v (%s)", during, got, err, status(t, f.reader))
			}
			if _, err := try(ctx, other, "update small set a = a + 1"); err != nil {
				t.Errorf("during %s: %v", during, err)
			}
			wantFresh(t, "a small write during "+during, small, f.real, f.reader, other)
			if chkFPrime(t, f.reader, small) {
				wantFresh(t, "priming during "+during, small, f.real, f.reader)
			}
		}
	}
	ask(t, f.writer, "begin")
	ask(t, f.writer, "insert into big select i from generate_series(1, 200000) i")
	served("INSERT")
	ask(t, f.writer, "update big set a = a + 1")
	served("UPDATE")
	ask(t, f.writer, "commit")
	wantFresh(t, "COMMIT", big, f.real, f.writer, f.reader)
	f.hits(t, big)
	chkFCopy(t, f.dial(t, proxytest.Login{User: "postgres", Database: f.database}), proxytest.Query("copy big from stdin"), func() { served("COPY") })
	wantFresh(t, "COPY", big, f.real, f.writer, f.reader)
	// A statement that is being executed, rather than a transaction that waits.
	ask(t, f.real, "select pg_advisory_lock(22)")
	running := f.dial(t, proxytest.Login{User: "postgres", Database: f.database})
	if err := running.Send(proxytest.Query("insert into big select 1 from pg_advisory_xact_lock(22)")); err != nil {
		t.Fatal(err)
	}
	awaitQuery(t, f.pg, "insert into big select 1 from pg_advisory")
	served("a statement")
	ask(t, f.real, "select pg_advisory_unlock(22)")
	if got, err := running.ReceiveReady(1); err != nil || got[0].Type != pgwire.CommandComplete {
		t.Fatal(got, err)
	}
	wantFresh(t, "a statement", big, f.real, f.writer, f.reader)
}
