package checklist_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestChecklist_W1_RowLocksAreTakenEachTime(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_w1", `create table t(id int primary key, a int); insert into t values (1, 1), (2, 2); create table u(id int);
		insert into u values (1);
		create view locked as select a from t where id = 1 for update; create view over_locked as select a from locked`)
	for _, strength := range []string{"update", "no key update", "share", "key share"} {
		f.never(t, "uncacheable", "select a from t for "+strength, "select a from t where id = 1 for "+strength+" nowait",
			"select a from t for "+strength+" skip locked", "select t.a from t join u using (id) for "+strength+" of t",
			"select a from (select a from t for "+strength+") x", "select (select a from t where id = 1 for "+strength+")",
			"with w as (select a from t for "+strength+") select a from w",
			"select id from u where exists (select from t for "+strength+")",
			"select id from u where id in (select id from t for "+strength+" skip locked)",
			"select a from t /* for */ FOR\n"+strings.ToUpper(strength))
	}
	f.never(t, "uncacheable", "select a from locked", "select a from over_locked")
	// An open transaction holds the locks although the same answers were there for the taking.
	f.hits(t, "select a from t order by id")
	for _, sql := range []string{"select a from t for update", "select a from t order by id for update",
		"select a from (select a from t for update) x"} {
		rig.Ask(t, f.writer, "begin")
		rig.Ask(t, f.writer, sql)
		if got := rig.Ask(t, f.real, "select a from t for update skip locked"); got != "" {
			t.Errorf("%s in a transaction did not lock, others lock %s", sql, got)
		}
		rig.Ask(t, f.writer, "commit")
	}
}

func TestChecklist_W2_SelectIntoMakesItsTable(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_w2", "create table t(a int); insert into t values (1)")
	for i, sql := range []string{"select a into n from t", "with w as (select a + 1 as a from t) select a into n from w",
		"select a into table n from t", "select a into unlogged n from t union all select 2", "create table n as select a from t",
		"create table n as table t"} {
		f.seen(t, seenWrite{query: "select a from n", write: sql, before: "drop table if exists n", loose: true, simple: i > 0})
		if _, err := rig.Try(t.Context(), f.writer, sql); rig.State(err) != "42P07" {
			t.Errorf("%s, once more: %v, want 42P07", sql, err)
		}
		if got := rig.Status(t, f.writer); i < 4 && got != "uncacheable" && got != "notaquery" && got != "unsettled" {
			t.Errorf("%s is %s", sql, got)
		}
		f.hits(t, "select a from n order by a")
	}
	// The new table may hide one whose answers are there.
	rig.Ask(t, f.writer, "create schema postgres")
	f.seen(t, seenWrite{query: "select a from n order by a", write: "select a + 7 as a into postgres.n from t", before: "drop table if exists postgres.n"})
	rig.Ask(t, f.writer, "drop schema postgres cascade")
	// A temporary table belongs to its session.
	rig.Ask(t, f.writer, "select 9 as a into temp n")
	if got := rig.Ask(t, f.writer, "select a from n"); got != "9" {
		t.Errorf("its own temporary table: got %s (%s)", got, rig.Status(t, f.writer))
	}
	primeAll(t, f.reader, "select a from n order by a")
}

func TestChecklist_W3_WithThatWritesIsAWrite(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_w3", "create table t(id serial primary key, a int); insert into t(a) values (1), (2); create table log(n int)")
	const rows, log = "select id, a from t order by id", "select n from log order by n"
	f.seen(t,
		seenWrite{query: rows, write: "with w as (insert into t(a) values (5) returning id) select id from w"},
		seenWrite{query: rows, write: "with w as (update t set a = a + 1 returning a) select sum(a) from w"},
		seenWrite{query: rows, write: "with w as (delete from t where id = (select max(id) from t) returning id) select 1 from w",
			before: "insert into t(a) values (7)"},
		seenWrite{query: rows, write: "with w as (insert into t(a) values (5)) select 1"},
		seenWrite{query: rows, write: "with r as (select 1 as n), w as (insert into t(a) select n from r returning id) select n from r"},
		seenWrite{query: rows,
			write: `with recursive r(n) as (select 1 union all select n + 1 from r where n < 3),
				w as (insert into t(a) select n from r) select count(*) from r`},
		seenWrite{query: log, write: "with w as (update t set a = a + 1 returning a) insert into log select a from w"},
		seenWrite{query: rows, write: "with w as (update t set a = a + 1 returning a) insert into log select a from w"},
		seenWrite{query: rows, write: "with w as (insert into log values (1)) update t set a = a + 1"},
		seenWrite{query: log, write: "with w as (insert into log values (1)) update t set a = a + 1"},
		seenWrite{query: log, write: "with t as (insert into log values (1) returning n) select n from t"},
		seenWrite{query: log,
			write: `with w as (insert into log values (1) returning n),
				x as (delete from t where false returning id) select n from w union all select id from x`},
		seenWrite{query: rows,
			write: "with w as (insert into t(id, a) values (1, 0) on conflict (id) do update set a = t.a + 1 returning a) select a from w"})
	for _, sql := range []string{"with w as (insert into log values (1) returning n) select n from w",
		"with w as (update t set a = 1 returning a) select 1"} {
		f.never(t, "uncacheable", sql)
	}
	f.since(t, 170000, "MERGE in WITH", func(t *testing.T) {
		f.seen(t, seenWrite{query: rows,
			write: `with w as (merge into t using (values (1)) x(i) on t.id = x.i when matched then update set a = t.a + 1 returning t.a) select
				a from w`})
	})
}

func TestChecklist_W4_ExplainIsNeverCachedAndWritesIfItAnalyzes(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_w4", `create table t(a int); insert into t values (1);
		create function wr() returns int language sql as 'update t set a = a + 1 returning a'`)
	const rows = "select sum(a) from t"
	f.never(t, "notaquery", "explain select a from t", "explain (format json) select a from t", "explain analyze select a from t",
		"explain (costs off) table t")
	f.seen(t, seenWrite{query: rows, write: "explain analyze insert into t values (1)"},
		seenWrite{query: rows, write: "explain (analyze) update t set a = a + 1"},
		seenWrite{query: rows, write: "explain (analyze on, timing off) insert into t values (1)"},
		seenWrite{query: rows, write: "explain (analyze true, costs off) insert into t values (1)"},
		seenWrite{query: rows, write: "explain (analyze 1) insert into t values (1)"},
		seenWrite{query: rows, write: "explain (costs off, analyze) with w as (insert into t values (1)) select 1"},
		seenWrite{query: rows, write: "EXPLAIN ANALYZE VERBOSE select wr()"},
		seenWrite{query: rows, write: "explain (verbose, analyze 'on') delete from t", before: "insert into t values (1)"},
		seenWrite{query: rows, write: "explain (analyze off, analyze on) insert into t values (1)"},
		seenWrite{query: rows, write: "prepare p as insert into t values (1);;explain analyze execute p;;deallocate p", before: "discard all",
			simple: true},
		seenWrite{query: "select a from n", write: "explain analyze create table n as select a from t", before: "drop table if exists n",
			loose: true},
		seenWrite{query: "select a from n", write: "explain analyze select a into n from t", before: "drop table if exists n", loose: true})
	rig.Ask(t, f.writer, "discard all")
	f.stays(t, rows, "explain insert into t values (1)", "explain (analyze false) delete from t",
		"explain analyze select a from t")
}

func TestChecklist_W5_CopyOutIsNeverCachedAndCopyMayWrite(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_w5", "create table t(a int); insert into t values (1)")
	out := func(c *pgconn.PgConn, sql string) string {
		var b bytes.Buffer
		if _, err := c.CopyTo(t.Context(), &b, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return b.String()
	}
	const rows = "select sum(a) from t"
	for _, sql := range []string{"copy t to stdout", "copy (select a from t) to stdout", "copy (table t) to stdout with (format csv)"} {
		for i := range 3 {
			if i > 0 {
				rig.Ask(t, f.writer, "update t set a = a + 1")
			}
			if got, want := out(f.reader, sql), out(f.real, sql); got != want {
				t.Errorf("%s: got %q (%s), want %q", sql, got, rig.Status(t, f.reader), want)
			}
			if got := rig.Status(t, f.reader); got != "notaquery" {
				t.Errorf("%s is %s", sql, got)
			}
		}
	}
	f.seen(t, seenWrite{query: rows, write: "copy t from program 'echo 5'"},
		seenWrite{query: rows, write: "copy t(a) from program 'printf ''1\\n2\\n''' where a > 1"})
	for _, sql := range []string{"copy (with w as (insert into t values (1) returning a) select a from w) to stdout",
		"copy (insert into t values (1) returning a) to stdout", "copy (delete from t where a = (select max(a) from t) returning a) to stdout"} {
		rig.Prime(t, f.reader, rows)
		rig.Prime(t, f.writer, rows)
		out(f.writer, sql)
		rig.WantFresh(t, sql, rows, f.real, f.writer, f.reader)
	}
	// A copy that only reads leaves the answers.
	rig.Prime(t, f.reader, rows)
	out(f.writer, "copy t to stdout")
	f.wantHits(t, "COPY TO", rows)
}

func TestChecklist_W6_ProceduresAndCursorsAreAlwaysAsked(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_w6", `create table t(a int); insert into t values (1); create procedure p() language sql as 'select a from t';
		create procedure tells(inout a bigint) language plpgsql as 'begin select sum(t.a) into a from t; end'`)
	const words = "notaquery transaction session-state"
	f.never(t, words, "call p()", "call tells(1)", "do 'begin perform 1; end'")
	held := f.Connect(t, f.database)
	for _, sql := range []string{"prepare q as select a from t", "execute q", "declare c scroll cursor with hold for select a from t",
		"fetch first from c", "move first in c", "fetch all from c", "close c"} {
		rig.Ask(t, held, sql)
		if got := rig.Status(t, held); !strings.Contains(words, got) {
			t.Errorf("%s is %s", sql, got)
		}
	}
	for i := range 3 {
		rig.Ask(t, f.writer, "update t set a = a + 1")
		want := fmt.Sprint(i + 2)
		if got := rig.Ask(t, held, "execute q"); got != want {
			t.Errorf("EXECUTE gives %s, want %s", got, want)
		}
		if got := rig.Ask(t, f.reader, "call tells(0)"); got != want {
			t.Errorf("CALL gives %s, want %s", got, want)
		}
		rig.Ask(t, held, "begin")
		rig.Ask(t, held, "declare d cursor for select a from t")
		if got := rig.Ask(t, held, "fetch 1 from d"); got != want {
			t.Errorf("FETCH gives %s, want %s", got, want)
		}
		if got := rig.Ask(t, held, "fetch 1 from d"); got != "" {
			t.Errorf("the second FETCH gives %s, want nothing", got)
		}
		rig.Ask(t, held, "commit")
	}
}

func TestChecklist_W7_ValuesAndTableAreQueries(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_w7", "create table t(a int); insert into t values (1), (2)")
	f.hits(t, "values (1)", "values (1, 'a'), (2, 'b')", "values (1), (2) order by 1 desc limit 1", "(values (1))", "table t", "(table t)",
		"table t order by a limit 1", "table only t",
		"select 1 union values (2)", "with w as (table t) table w", "select * from (values (1), (2)) x(y)",
		"select a from t where a in (values (1), (3))")
	f.seen(t, seenWrite{query: "table t", write: "insert into t values (3)"},
		seenWrite{query: "values ((select max(a) from t))", write: "update t set a = a + 1"},
		seenWrite{query: "with w as (table t) table w", write: "insert into t values (3)"})
}

func TestChecklist_W8_FunctionsThatWriteAreExecutedAndInvalidate(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_w8", `create table t(a int); insert into t values (1); create table u as select 1 as a;
		create function wr() returns int language plpgsql as 'begin update t set a = a + 1; return 1; end';
		create function wr1(i int) returns int language sql as 'update t set a = a + 1; select i';
		create function wr2(i int, j int) returns int language sql as 'update t set a = a + 1; select i';
		create function wrs() returns setof int language sql as 'update t set a = a + 1 returning a';
		create function steady() returns int language plpgsql stable as 'begin return wr(); end';
		create function fixed(i int) returns int language plpgsql immutable as 'begin return wr1(i); end';
		create function hides() returns int language plpgsql as 'begin execute ''upd'' || ''ate t set a = a + 1''; return 1; end';
		create function dflt(i int default wr()) returns int language sql as 'select i';
		create view v as select wr() as n; create view over_v as select n from v; create view stable_v as select steady() as n;
		create operator ### (leftarg = int, rightarg = int, function = wr2);
		create aggregate agg(int) (sfunc = wr2, stype = int, initcond = '0'); create domain dom as int check (wr1(value) > 0);
		create function tells(r u) returns int language sql as 'update t set a = a + 1; select 1'`)
	for _, sql := range []string{
		"select wr()", "select a, wr() from u", "select a from u where wr() > 0", "select a from u order by wr1(a)", "select * from wrs()",
		"select x from u, lateral wr1(u.a) x", "select (select wr())", "values (wr())",
		"select coalesce(wr(), 1)", "select case when a = 1 then wr() end from u", "select agg(a) from u", "select sum(wr1(a)) over () from u",
		"select steady()", "select fixed(a) from u", "select hides()", "select dflt()",
		"select n from v", "select n from over_v", "table over_v", "select n from stable_v", "select 1 ### 2", "select 1::dom",
		"select u.tells from u", "with w as materialized (select wr() as n) select n from w", "select public.wr()",
		"explain analyze select wr()",
	} {
		f.seen(t, seenWrite{query: "select sum(a) from t", write: sql})
	}
}

func TestChecklist_W9_OtherStatementsAreNoQueriesAndWriteWhatTheyWrite(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_w9", `create table t(id serial primary key, a int); insert into t(a) values (1), (2); create table u(id int, a int);
		insert into u values (1, 5), (2, 6);
		create materialized view m as select count(*) as n, sum(a) as s from t; create unique index on m (n)`)
	const rows = "select id, a from t order by id"
	const refilled = "truncate t, u;;insert into t values (1, 1), (2, 2);;insert into u values (1, 5), (2, 6)"
	f.seen(t, seenWrite{query: rows, write: "truncate t", before: refilled},
		seenWrite{query: rows, write: "truncate table only t restart identity", before: refilled},
		seenWrite{query: rows, write: "truncate u, t", before: refilled},
		seenWrite{query: rows,
			write:  "merge into t using u on t.id = u.id when matched then update set a = t.a + u.a when not matched then insert (a) values (u.a)",
			before: refilled},
		seenWrite{query: rows, write: "merge into t using (values (1)) x(i) on t.id = x.i when matched then delete", before: refilled},
		seenWrite{query: rows, write: "insert into t(id, a) values (1, 9) on conflict (id) do update set a = t.a + excluded.a", before: refilled},
		seenWrite{query: rows, write: "insert into t(id, a) values (1, 9), (77, 9) on conflict do nothing", before: refilled},
		seenWrite{query: rows, write: "insert into t(id, a) select id + 50, a from u on conflict (id) do nothing", before: refilled},
		seenWrite{query: rows, write: "insert into t default values", before: "truncate t restart identity"},
		seenWrite{query: rows, write: "insert into t table u", before: refilled + ";;truncate t"},
		seenWrite{query: rows, write: "update t set a = t.a + u.a from u where u.id = 1", before: refilled},
		seenWrite{query: rows, write: "update t set (id, a) = (select id + 10, t.a)", before: refilled},
		seenWrite{query: rows, write: "delete from t using u where t.id = u.id", before: refilled},
		seenWrite{query: rows, write: "delete from t as x where x.a > 1", before: refilled},
		seenWrite{query: "select n, s from m", write: "refresh materialized view m", before: "insert into t(a) values (3)", loose: true},
		seenWrite{query: "select n, s from m", write: "refresh materialized view concurrently m", before: "insert into t(a) values (3)",
			loose: true},
		seenWrite{query: "select n from m", write: "refresh materialized view m with no data", before: "refresh materialized view m",
			loose: true})
	for _, sql := range []string{
		"cluster t using t_pkey", "comment on table t is 'text'", "analyze t", "reindex table t", "vacuum t", "insert into t(a) values (1)",
		"truncate t", "checkpoint", "notify news", "refresh materialized view m",
		"merge into t using u on false when not matched then do nothing",
	} {
		rig.Ask(t, f.writer, sql)
		if got := rig.Status(t, f.writer); got != "notaquery" {
			t.Errorf("%s is %s", sql, got)
		}
		rig.WantFresh(t, sql, rows, f.real, f.writer, f.reader)
	}
	rig.Ask(t, f.writer, "begin")
	rig.Ask(t, f.writer, "lock table t in share mode")
	if got := rig.Status(t, f.writer); got != "notaquery" && got != "transaction" {
		t.Errorf("LOCK is %s", got)
	}
	if got := rig.Ask(t, f.real, "select count(*) from pg_locks where relation = 't'::regclass and mode = 'ShareLock' and granted"); got != "1" {
		t.Errorf("%s locks are held, want 1", got)
	}
	rig.Ask(t, f.writer, "commit")
	f.hits(t, rows)
	f.stays(t, rows, "begin;;lock table t in share mode;;commit")
}
