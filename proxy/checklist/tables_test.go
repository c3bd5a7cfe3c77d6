package checklist_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"
)

func TestChecklist_I7_PartitionsAreOneTableAndMany(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i7", `create table root(a int, b int) partition by list (a); create table p1 partition of root for values in (1);
		create table p2 partition of root for values in (2); create table p3 partition of root for values in (3, 4) partition by range (b);
		create table p3a partition of p3 for values from (0) to (100); create table p3b partition of p3 for values from (100) to (200);
		create table rest partition of root default; create table other(a int, b int); insert into other values (7, 7);
		insert into root values (1, 1), (3, 1)`)
	const root = "select a, b from root order by a, b"
	insert := func(into string, a, b int) string { return fmt.Sprintf("insert into %s values (%d, %d)", into, a, b) }
	f.seen(t, seenWrite{query: root, write: insert("p1", 1, 5)}, seenWrite{query: root, write: insert("p3a", 3, 5)},
		seenWrite{query: root, write: insert("p3", 4, 5)}, seenWrite{query: root, write: insert("rest", 9, 5)},
		seenWrite{query: "select a, b from p1 order by b", write: insert("root", 1, 6)},
		seenWrite{query: "select a, b from p3 order by a, b", write: insert("root", 3, 6)},
		seenWrite{query: "select a, b from p3b", write: insert("root", 3, 106)},
		seenWrite{query: "select a, b from p3b", write: insert("p3", 3, 106)},
		seenWrite{query: "select a, b from rest", write: insert("root", 8, 8)},
		seenWrite{query: "select count(*) from p1", write: "update root set a = 2 where a = 1", before: insert("root", 1, 1)},
		seenWrite{query: "select count(*) from p2", write: "update root set a = 2 where a = 1", before: insert("root", 1, 1)},
		seenWrite{query: "select count(*) from p3b", write: "update p3 set b = 150 where b < 100", before: insert("root", 3, 7)},
		seenWrite{query: "select count(*) from p3a", write: "update root set b = 150 where a = 3 and b < 100", before: insert("root", 3, 7)},
		seenWrite{query: "select sum(a) from root", write: "update root set a = 1 - a where a in (1, 2)",
			before: "truncate p1, p2;;" + insert("p2", 2, 1)}, seenWrite{query: root, write: "truncate p1", before: insert("p1", 1, 1)},
		seenWrite{query: "select count(*) from p1", write: "truncate root", before: insert("p1", 1, 1)},
		seenWrite{query: "select count(*) from p2",
			write:  "merge into root using (values (1)) x(a) on root.a = x.a when matched then update set a = 2",
			before: "truncate root;;" + insert("p1", 1, 1)}, seenWrite{query: "select count(*) from p1",
			write: "copy root from program 'echo \"1\t1\"'"},
		seenWrite{query: root, write: "alter table root attach partition other for values in (7)", before: "delete from rest", simple: true},
		seenWrite{query: root, write: insert("other", 7, 9)}, seenWrite{query: "select a, b from other order by b",
			write: insert("root", 7, 1)},
		seenWrite{query: root, write: "alter table root detach partition other", before: insert("other", 7, 7), simple: true},
		seenWrite{query: root, write: "drop table p2", before: insert("p2", 2, 2), simple: true},
		seenWrite{query: root, write: "begin;;alter table root detach partition p1;;truncate p1;;commit", before: insert("p1", 1, 1),
			simple: true}, seenWrite{query: "select a, b from p3b",
			write: `alter table p3 detach partition p3a;;alter table p3a rename to old;;alter table p3b rename to p3a;;
				alter table old rename to p3b`, before: "truncate p3;;" + insert("p3a", 3, 7), simple: true})
	f.hits(t, root, "select a, b from p1")
	f.stays(t, "select a, b from p1", "insert into rest values (99, 1)", "insert into p3 values (3, 150)", "insert into other values (7, 1)")
	f.stays(t, root, "insert into other values (7, 1)", "insert into p1 values (1, 1)") // a table of its own again, and so is p1
}

func TestChecklist_I8_HeirsOfTheSameNameAreSeen(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i8", `create table t(a int); insert into t values (1); create schema other;
		create table other.t() inherits (public.t); insert into other.t values (2); create schema third;
		create table third.t(c int) inherits (other.t); insert into third.t values (3);
		create schema apart; create table apart.t(a int); insert into apart.t values (9)`)
	const all = "select a from t order by a"
	for _, query := range []string{all, "select a from public.t order by a", "select a from other.t order by a",
		"select a from third.t order by a"} {
		f.seen(t, seenWrite{query: query, write: "insert into third.t(a) values (4)"}, seenWrite{query: query, write: "update t set a = a + 1"},
			seenWrite{query: query, write: "update other.t set a = a + 1"},
			seenWrite{query: query, write: "delete from t where a = 77", before: "insert into third.t(a) values (77)"})
	}
	f.seen(t, seenWrite{query: all, write: "insert into other.t values (5)"},
		seenWrite{query: "select a from other.t order by a", write: "insert into third.t(a) values (5)"},
		seenWrite{query: "select count(*) from third.t", write: "truncate t", before: "insert into third.t(a) values (1)"},
		seenWrite{query: all, write: "alter table apart.t inherit t", simple: true},
		seenWrite{query: all, write: "insert into apart.t values (7)"},
		seenWrite{query: "select a from apart.t order by a", write: "update t set a = a + 1"},
		seenWrite{query: all, write: "alter table apart.t no inherit t", simple: true},
		seenWrite{query: all, write: "create table apart.t2() inherits (t);;insert into apart.t2 values (8)", simple: true},
		seenWrite{query: "select a from only t", write: "update only t set a = a + 1", before: "insert into t values (1)"})
	f.stays(t, all, "insert into apart.t values (6)")
	f.stays(t, "select a from apart.t order by a", "insert into t values (6)", "update other.t set a = 1")
}

func TestChecklist_I9_MaterializedViewsChangeWhenRefreshed(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i9", `create table t(a int); insert into t values (1); create materialized view m as select count(*) as n from t;
		create unique index on m (n); create materialized view over_m as select n + 1 as n from m; create view v as select n from m`)
	f.seen(t, seenWrite{query: "select n from m", write: "refresh materialized view m", before: "insert into t values (2)"},
		seenWrite{query: "select n from m", write: "refresh materialized view concurrently m", before: "insert into t values (2)"})
	for _, query := range []string{"select n from m", "select n from v", "select m.n from m, t limit 1"} {
		for _, write := range []string{
			"refresh materialized view m", "begin;;refresh materialized view m;;commit", "do 'begin refresh materialized view m; end'",
		} {
			f.seen(t, seenWrite{query: query, write: write, before: "insert into t values (2)", simple: true})
		}
	}
	f.seen(t, seenWrite{query: "select n from over_m", write: "refresh materialized view over_m",
		before: "insert into t values (2);;refresh materialized view m", simple: true},
		seenWrite{query: "select n from m", write: "refresh materialized view m with no data", simple: true})
	rig.Ask(t, f.writer, "refresh materialized view m")
	// What it is made of does not change it.
	f.stays(t, "select n from m", "insert into t values (3)", "truncate t")
	f.stays(t, "select n from v", "insert into t values (3)")
}

func TestChecklist_I10_UnloggedTablesFollowTheWritesOfTheProxy(t *testing.T) {
	t.Parallel()
	const age = time.Second
	f := startWriter(t, "checklist_i10", "create unlogged table t(a int); insert into t values (1); create unlogged table u(a int)",
		withMaxAge(time.Minute))
	f.seen(t, seenWrite{query: "select sum(a) from t", write: "insert into t values (1)"},
		seenWrite{query: "select sum(a) from t", write: "update t set a = a + 1"},
		seenWrite{query: "select count(*) from t", write: "truncate t", before: "insert into t values (1)"},
		seenWrite{query: "select sum(a) from t", write: "alter table t set logged;;insert into t values (1);;alter table t set unlogged",
			simple: true})
	f.stays(t, "select sum(a) from t", "insert into u values (1)")
	// Around the proxy nobody promises more than max_age, for this table as for others.
	short := startWriter(t, "checklist_i10_short", "create unlogged table t(a int); insert into t values (1)", withMaxAge(age))
	for range 3 {
		_ = rig.Ask(t, short.reader, "select sum(a) from t")
	}
	rig.Ask(t, short.real, "insert into t values (1)")
	short.within(t, "INSERT", "select sum(a) from t", time.Now(), age)
}

func TestChecklist_I11_TemporaryTablesHideTablesFromTheirSessionOnly(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i11", "create table t(a int); insert into t values (1); create table u(a int)")
	const sql = "select a from t"
	for _, temporary := range []string{
		"create temp table t as select 2 as a", "select 2 as a into temp t", "create temporary view t as select 2 as a",
		"create table pg_temp.t as select 2 as a", "create local temp table t(a) as values (2)",
		"do 'begin create temp table t as select 2 as a; end'",
		"begin;;create temp table t on commit preserve rows as select 2 as a;;commit",
		"set search_path = pg_temp, public;;create table t as select 2 as a",
		`create temp table other as select 2 as a;;alter table other rename to t;;alter table pg_temp.t rename column a to a2;;
			alter table pg_temp.t rename column a2 to a`,
	} {
		c := f.Connect(t, f.database)
		f.hits(t, sql)
		if !primeAll(t, c, sql) {
			return
		}
		for _, step := range stepsOf(temporary) {
			rig.Ask(t, c, step)
		}
		for form := range rig.Askers {
			got, word, err := askSettled(t, c, form, sql)
			if want, _ := rig.Askers[form](t, f.real, "select 2"); got != want || err != nil || word != "session-state" && word != "uncacheable" {
				t.Errorf("after %s its session, %s, gets %q, %v (%s), want its own table", temporary, form, got, err, word)
			}
		}
		f.hits(t, sql) // whoever else asks is not concerned, on whichever connection
		rig.Ask(t, c, "discard all")
		if !primeAll(t, c, sql) {
			t.Errorf("after %s and DISCARD ALL", temporary)
		}
		rig.WantFresh(t, temporary+" and DISCARD ALL", sql, f.real, c)
		rig.CloseConn(c)
	}
}

func TestChecklist_I12_ForeignTablesAreNeverCached(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i12",
		"create table t(a int); insert into t values (1); create table u(a int); create table root(a int) partition by list (a)")
	f.extension(t, "postgres_fdw")
	for _, sql := range []string{
		fmt.Sprintf("create server loop foreign data wrapper postgres_fdw options (host '127.0.0.1', port '%d', dbname '%s')", f.pg.Port(),
			f.database), "create user mapping for postgres server loop options (user 'postgres', password_required 'false')",
		"create foreign table ft(a int) server loop options (table_name 't')", "create view v as select a from ft",
		"create view over_v as select max(a) as a from v",
		"create foreign table fp partition of root for values in (1) server loop options (table_name 't')",
		"create table parent(a int)", "create foreign table heir() inherits (parent) server loop options (table_name 't')",
	} {
		rig.Ask(t, f.writer, sql)
	}
	queries := []string{"select a from ft", "select a from v", "select a from over_v", "select a from root", "select a from fp",
		"select a from parent", "table ft", "select u.a from u join ft using (a)", "select 1 where exists (select from ft)",
		"with w as (select a from ft) select a from w"}
	f.never(t, neverKept, queries...)
	for _, query := range queries[:7] {
		f.seen(t, seenWrite{query: query, write: "update t set a = a + 1", loose: true})
	}
	// And who writes through one may write any table.
	f.seen(t, seenWrite{query: "select count(*), sum(a) from t", write: "insert into ft values (1)"},
		seenWrite{query: "select count(*), sum(a) from t", write: "update ft set a = a + 1"},
		seenWrite{query: "select count(*), sum(a) from t", write: "insert into root values (1)"},
		seenWrite{query: "select count(*), sum(a) from t", write: "update parent set a = a + 1"},
		seenWrite{query: "select count(*), sum(a) from t", write: "insert into v values (1)"},
		seenWrite{query: "select count(*), sum(a) from t", write: "truncate ft", before: "insert into t values (1)"})
	if strings.Contains(rig.Status(t, f.reader), "disabled") {
		t.Error("the cache is off, so this proves nothing")
	}
}
