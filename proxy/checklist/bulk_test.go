package checklist_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
)

func TestChecklist_I17_TablesWithoutReplicaIdentityAreWritten(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i17",
		`create table t(a int); insert into t values (1); create table u(a int primary key); insert into u values (1);
			alter table u replica identity nothing; create table w(a int); insert into w values (1); alter table w replica identity full`)
	for _, table := range []string{"t", "u", "w"} {
		query := "select sum(a) from " + table
		f.seen(t, seenWrite{query: query, write: "update " + table + " set a = a + 1"},
			seenWrite{query: query, write: "delete from " + table, before: "insert into " + table + " values (50)"},
			seenWrite{query: query, write: "insert into " + table + " select coalesce(max(a), 0) + 1 from " + table},
			seenWrite{query: query, write: "truncate " + table, before: "insert into " + table + " values (50)"})
	}
}

func TestChecklist_I18_ViewsOfViewsFollowTheirTables(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i18", `create table t(a int); insert into t values (1); create table u(b int); insert into u values (1);
		create table unrelated(a int); create view one as select a from t; create view two as select a, b from one, u;
		create view three as select sum(a) as a, sum(b) as b from two;
		create view four as with w as (select a from three) select a from w; create schema s; create view s.one as select b as a from u;
		create table base(a int); create table heir() inherits (base); create view family as select a from base;
		create view over_family as select sum(a) as a from family`)
	for _, query := range []string{"select a, b from three", "select a from four", "select x.a from four x, unrelated right join t using (a)"} {
		f.seen(t, seenWrite{query: "select a, b from three", write: "update u set b = b + 1"},
			seenWrite{query: query, write: "update t set a = a + 1", loose: strings.Contains(query, "right")})
	}
	f.seen(t, seenWrite{query: "select a from over_family", write: "insert into heir values (1)"},
		seenWrite{query: "select a from over_family", write: "insert into base values (1)"},
		seenWrite{query: "select a from s.one", write: "update u set b = b + 1"},
		seenWrite{query: "select a from four", write: "create or replace view one as select a + 1 as a from t",
			before: "create or replace view one as select a from t", simple: true},
		seenWrite{query: "select a from over_family", write: "create table late() inherits (base);;insert into late values (5)",
			simple: true}, seenWrite{query: "select a from over_family", write: "insert into late values (5)"})
	f.stays(t, "select a, b from three", "insert into unrelated values (1)", "insert into base values (1)")
	f.stays(t, "select a from four", "insert into heir values (1)")
}

func TestChecklist_I19_NamesOfWithQueriesAreNoTables(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i19", "create table t(a int); insert into t values (1); create table other(a int); insert into other values (1)")
	for _, query := range []string{"with t as (select 1 as a) select a from t",
		"with recursive t(a) as (select 1 union all select a + 1 from t where a < 3) select a from t",
		"with t as (select a from other) select a from t", "select t.a from other t", "select t.a from (select 5 as a) t",
		"with x as (with t as (select 1 as a) select a from t) select a from x"} {
		f.stays(t, query, "insert into t values (2)", "update t set a = a + 1", "truncate t", "insert into t values (1)")
	}
	for _, query := range []string{
		"with t as (select a from t) select a from t", "with x as (with t as (select 1 as a) select a from t) select t.a from t, x",
		"with t as (select 1 as a) select a from public.t", "with x as (select a from t), t as (select 5 as a) select x.a from x, t",
		"select (with t as (select 5 as a) select a from t), a from t",
		"with t as (select a from t), u as (select a from t) select a from u", "with w as (select 1) select a from t, w",
		"select x.a from t x, other t", "with other as (table t) table other",
	} {
		f.seen(t, seenWrite{query: query, write: "update t set a = a + 1"})
	}
	f.seen(t, seenWrite{query: "select sum(a) from t", write: "with t as (select 7 as a) insert into t select a from t"},
		seenWrite{query: "select sum(a) from t", write: "with other as (insert into t values (1) returning a) select a from other"},
		seenWrite{query: "select sum(a) from t", write: "with t as (select 1 as a) update t set a = a + 1"})
}

func TestChecklist_I20_RolledBackSubtransactionsHideNothing(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i20", "create table t(a int); insert into t values (1); create table u(a int); insert into u values (1)")
	const rows, other = "select sum(a) from t", "select sum(a) from u"
	for _, write := range []string{
		"begin;;savepoint s;;insert into t values (5);;rollback to s;;insert into t values (6);;commit",
		"begin;;savepoint s;;insert into t values (5);;release s;;commit",
		"begin;;insert into t values (5);;savepoint s;;insert into u values (5);;rollback to s;;commit",
		"begin;;savepoint s;;insert into t values (5);;savepoint z;;delete from t;;rollback to z;;release s;;commit",
		"begin;;savepoint s;;savepoint z;;insert into t values (5);;release z;;savepoint y;;delete from u;;rollback to y;;commit",
		"begin;;savepoint s;;insert into u values (5);;rollback to s;;update t set a = a + 1;;release s;;commit",
		"do $$ begin begin insert into t values (5); perform 1 / 0; exception when others then insert into t values (7); end; end $$",
		"do $$ begin insert into t values (5); begin delete from t; perform 1 / 0; exception when others then null; end; end $$",
	} {
		f.seen(t, seenWrite{query: rows, write: write})
		f.right(t, other)
	}
	// What was rolled back altogether changes nothing, for anybody, at any time.
	for _, write := range []string{"begin;;savepoint s;;insert into t values (5);;rollback to s;;commit",
		"begin;;insert into t values (5);;rollback", "begin;;savepoint s;;delete from t;;rollback to s;;release s;;commit",
		"begin;;savepoint s;;insert into t values (5);;release s;;rollback",
		"begin;;insert into t values (5);;prepare q as select 1;;rollback;;deallocate q;;discard all"} {
		f.hits(t, rows)
		for _, step := range stepsOf(write) {
			rig.Ask(t, f.writer, step)
			rig.WantFresh(t, step+" of "+write, rows, f.real, f.reader)
		}
		rig.WantFresh(t, write, rows, f.real, f.reader, f.writer)
	}
	// An error that a savepoint heals.
	for _, step := range []string{"begin", "savepoint s", "insert into t values (8)", "select 1 / 0", "rollback to s", "insert into t values (9)",
		"commit"} {
		if _, err := rig.Try(t.Context(), f.writer, step); (rig.State(err) == "22012") != (step == "select 1 / 0") {
			t.Fatal(step, err)
		}
	}
	rig.WantFresh(t, "an error and ROLLBACK TO", rows, f.real, f.reader, f.writer)
}

func TestChecklist_I21_ReplicasRestoresAndBulkLoadsAreSeen(t *testing.T) {
	t.Parallel()
	t.Run("the role of a replica", checkReplicaRole)
	t.Run("restore and bulk load", checkLoads)
	t.Run("subscription", checkSubscription)
}

// checkReplicaRole is about what writes while the ordinary triggers and foreign keys are off.
func checkReplicaRole(t *testing.T) {
	f := startWriter(t, "checklist_i21", `create table t(a int); insert into t values (1); create table log(n int);
		create function logs() returns trigger language plpgsql as 'begin insert into log values (1); return new; end';
		create trigger always after insert on t for each row execute function logs(); alter table t enable always trigger always;
		create table r(a int); create trigger rep after insert on r for each row execute function logs();
		alter table r enable replica trigger rep; create table parent(id int primary key);
		create table child(id int references parent on delete cascade)`)
	for query, write := range map[string]string{
		"select count(*) from t": "insert into t values (1)", "select sum(n) from log": "insert into t values (2)",
		"select count(n) from log": "insert into r values (1)", "select count(*) from child": "delete from parent;;truncate child",
	} {
		f.seen(t, seenWrite{query: query, write: "set session_replication_role = replica;;" + write + ";;discard all",
			before: "truncate parent, child;;insert into parent values (1);;insert into child values (1)", simple: true})
	}
}

func checkLoads(t *testing.T) {
	f := startWriter(t, "checklist_i21_loads", "create table t(a int); insert into t values (1); create table bulk(a int)")
	const count = "select count(*) from bulk"
	f.hits(t, count)
	before := f.Cache.Stats().Invalidations
	rows := strings.NewReader(strings.Repeat("1\n", 1_000_000))
	if tag, err := f.writer.CopyFrom(t.Context(), rows, "copy bulk from stdin"); err != nil || tag.RowsAffected() != 1_000_000 {
		t.Fatal(tag, err)
	}
	rig.WantFresh(t, "COPY", count, f.real, f.writer, f.reader)
	if n := f.Cache.Stats().Invalidations - before; n == 0 || n > 10 {
		t.Errorf("a million rows were %d invalidations, want one, and a few entries", n)
	}
	f.restores(t)
}

// restores has pg_restore load through the proxy what pg_dump took.
func (f *writerBench) restores(t *testing.T) {
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
	for _, how := range [][]string{{"--data-only", "--table=t"}, {"--clean", "--if-exists"}, {"--data-only", "--table=t", "--single-transaction"},
		{"--data-only", "--table=t", "--disable-triggers"}} {
		f.hits(t, query)
		before := rig.Ask(t, f.real, query)
		run(restore, append(how, "--dbname=postgres://postgres@"+f.Address+"/"+f.database+"?sslmode=disable", file)...)
		if after := rig.Ask(t, f.real, query); after == before {
			t.Errorf("pg_restore %s changed nothing, so this proves nothing", how)
		}
		rig.WantFresh(t, "pg_restore "+strings.Join(how, " "), query, f.real, f.writer, f.reader)
	}
}

// checkSubscription is about the worker of a subscription, which writes around the proxy.
func checkSubscription(t *testing.T) {
	const age = time.Second
	pg := proxytest.StartPostgres(t, proxytest.WithSetting("wal_level", "logical"))
	pg.Exec("create database source")
	pg.Exec("create database target")
	pg.ExecIn("source", "create table t(a int primary key)")
	pg.ExecIn("source", "create publication p for table t")
	pg.ExecIn("source", "select pg_create_logical_replication_slot('checklist', 'pgoutput')")
	pg.ExecIn("target", "create table t(a int primary key)")
	pg.ExecIn("target",
		fmt.Sprintf(`create subscription s connection 'host=127.0.0.1 port=%d dbname=source user=postgres' publication p with (create_slot =
			false, slot_name = 'checklist', copy_data = false)`, pg.Port()))
	s := rig.Setup{Upstream: pg.Addr(), Database: "target", Size: 2, Caching: true}
	withMaxAge(age)(&s)
	f := &writerBench{Instance: rig.Start(t, s), pg: pg, database: "target", real: rig.Direct(t, pg, "target")}
	f.writer, f.reader = f.Connect(t, "target"), f.Connect(t, "target")
	const query = "select count(*), sum(a) from t"
	for i, write := range []string{"insert into t values (1), (2)", "update t set a = a + 10", "truncate t"} {
		for range 3 {
			rig.WantFresh(t, "nothing", query, f.real, f.reader)
		}
		old := rig.Ask(t, f.real, query)
		pg.ExecIn("source", write)
		rig.Await(t, "the subscription", func() bool { return rig.Ask(t, f.real, query) != old })
		f.within(t, fmt.Sprintf("%d: %s", i, write), query, time.Now(), age)
	}
}

func TestChecklist_I22_LargeTransactionsHoldNobodyUp(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i22", "create table big(a int); insert into big values (1); create table small(a int); insert into small values (1)")
	const big, small = "select count(*) from big", "select sum(a) from small"
	other := f.Connect(t, f.database)
	f.hits(t, big, small)
	// served tells that everybody else goes on, while a large write is under way.
	served := func(during string) {
		ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
		defer cancel()
		for range 3 {
			if got, err := rig.Try(ctx, f.reader, big); got != rig.Ask(t, f.real, big) || err != nil {
				t.Errorf("during %s: got %s, %v (%s)", during, got, err, rig.Status(t, f.reader))
			}
			if _, err := rig.Try(ctx, other, "update small set a = a + 1"); err != nil {
				t.Errorf("during %s: %v", during, err)
			}
			rig.WantFresh(t, "a small write during "+during, small, f.real, f.reader, other)
			if primeAll(t, f.reader, small) {
				rig.WantFresh(t, "priming during "+during, small, f.real, f.reader)
			}
		}
	}
	rig.Ask(t, f.writer, "begin")
	rig.Ask(t, f.writer, "insert into big select i from generate_series(1, 200000) i")
	served("INSERT")
	rig.Ask(t, f.writer, "update big set a = a + 1")
	served("UPDATE")
	rig.Ask(t, f.writer, "commit")
	rig.WantFresh(t, "COMMIT", big, f.real, f.writer, f.reader)
	f.hits(t, big)
	copyRows(t, f.Dial(t, proxytest.Login{User: "postgres", Database: f.database}), proxytest.Query("copy big from stdin"),
		func() { served("COPY") })
	rig.WantFresh(t, "COPY", big, f.real, f.writer, f.reader)
	// A statement that is being executed, rather than a transaction that waits.
	rig.Ask(t, f.real, "select pg_advisory_lock(22)")
	running := f.Dial(t, proxytest.Login{User: "postgres", Database: f.database})
	if err := running.Send(proxytest.Query("insert into big select 1 from pg_advisory_xact_lock(22)")); err != nil {
		t.Fatal(err)
	}
	rig.AwaitQuery(t, f.pg, "insert into big select 1 from pg_advisory")
	served("a statement")
	rig.Ask(t, f.real, "select pg_advisory_unlock(22)")
	if got, err := running.ReceiveReady(1); err != nil || got[0].Type != pgwire.CommandComplete {
		t.Fatal(got, err)
	}
	rig.WantFresh(t, "a statement", big, f.real, f.writer, f.reader)
}
