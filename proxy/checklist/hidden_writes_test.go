package checklist_test

import (
	"strconv"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/proxytest"
)

// Writes that no table in the statement tells of.

const functionsThatWrite = `create table u(a int); insert into u values (1);
	create function put() returns bool language plpgsql volatile as 'begin insert into public.u values (100); return true; end';
	create function imm() returns bool language plpgsql immutable as 'begin return public.put(); end';
	create function imm(int) returns bool language plpgsql immutable as 'begin return public.put(); end';
	create domain d as int check (imm(value)); `

// wantNoLonger primes query for the reader, writes, proves that the real answer changed, and fails if the reader is still given the
// old one.
func wantNoLonger(t *testing.T, f *writerBench, query string, write func()) {
	t.Helper()
	if !staleNoMore(t, f, query, write) {
		t.Fatal("the write changed nothing: nothing proven")
	}
}

// staleNoMore is wantNoLonger for a write that may change nothing. It reports whether it did.
func staleNoMore(t *testing.T, f *writerBench, query string, write func()) (changed bool) {
	t.Helper()
	if !primeAll(t, f.reader, query) {
		t.Fatal("not cacheable: nothing proven")
	}
	old, _ := rig.Try(t.Context(), f.real, query)
	write()
	now, nowErr := rig.Try(t.Context(), f.real, query)
	got, err := rig.Try(t.Context(), f.reader, query)
	if got != now || rig.State(err) != rig.State(nowErr) {
		t.Errorf("STALE: %s gives %q, %v (%s); PostgreSQL says %q, %v", query, got, err, rig.Status(t, f.reader), now, nowErr)
	}
	return old != now || nowErr != nil
}

func postgresWire(t *testing.T, f *writerBench) *proxytest.Wire {
	t.Helper()
	return f.Dial(t, proxytest.Login{User: "postgres", Database: f.database})
}

// A portal that the protocol made, run by SQL's FETCH.
func TestWrites_FetchRunsAPortalThatBindMade(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_b", "create table u(a int); insert into u values (1)")
	w := postgresWire(t, f)
	wantNoLonger(t, f, "select sum(a) from u", func() {
		rig.WantNoError(t, rig.Converse(t, w, proxytest.Query("begin")))
		rig.WantNoError(t, rig.Converse(t, w, proxytest.Parse("", "insert into u values (100) returning a"), proxytest.Bind("p", "", nil, nil, nil), proxytest.Sync()))
		rig.WantNoError(t, rig.Converse(t, w, proxytest.Query("fetch all from p")))
		rig.WantNoError(t, rig.Converse(t, w, proxytest.Query("commit")))
	})
}

func TestWrites_MoveRunsAPortalThatBindMade(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_b2", "create table u(a int); insert into u values (1)")
	w := postgresWire(t, f)
	wantNoLonger(t, f, "select sum(a) from u", func() {
		rig.WantNoError(t, rig.Converse(t, w, proxytest.Query("begin"), proxytest.Parse("", "with x as (delete from u returning a) select a from x"), proxytest.Bind("p", "", nil, nil, nil),
			proxytest.Sync(), proxytest.Query("move all in p"), proxytest.Query("commit")))
	})
}

// A temporary view hides a table, and writes go through it to another.
func TestWrites_ATemporaryViewHidesATable(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_c", "create table u(a int); insert into u values (1); create table t(a int)")
	rig.Ask(t, f.writer, "create temp view t as select * from u")
	wantNoLonger(t, f, "select sum(a) from u", func() { rig.Ask(t, f.writer, "insert into t values (100)") })
}

// A temporary table hides a table, and has a default that writes. Nothing is said of DDL, for the table is temporary.
func TestWrites_ATemporaryTableWithADefaultHidesATable(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_c2", `create table u(a int); insert into u values (1); create table t(a int);
		create function put() returns int language sql as 'insert into u values (100) returning a'`)
	rig.Ask(t, f.writer, "create temp table t(a int default put())")
	wantNoLonger(t, f, "select sum(a) from u", func() { rig.Ask(t, f.writer, "insert into t values (default)") })
}

// ROLLBACK, then a write whose portal is suspended: no CommandComplete takes the rollback back.
func TestWrites_ASuspendedPortalBehindARollback(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_d", "create table u(a int); insert into u values (1)")
	w := postgresWire(t, f)
	wantNoLonger(t, f, "select sum(a) from u", func() {
		rig.WantNoError(t, rig.Converse(t, w,
			proxytest.Parse("", "rollback"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0),
			proxytest.Parse("", "insert into u values (100), (200) returning a"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 1), proxytest.Sync()))
	})
}

// A failing batch, then one with a suspended write, sent together.
func TestWrites_ASuspendedPortalBehindAFailedBatch(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_d2", "create table u(a int primary key); insert into u values (1)")
	w := postgresWire(t, f)
	wantNoLonger(t, f, "select sum(a) from u", func() {
		rig.Converse(t, w,
			proxytest.Parse("", "insert into u values (1)"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync(),
			proxytest.Parse("", "insert into u values (100), (200) returning a"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 1), proxytest.Sync())
	})
}

func TestWrites_ExplainRunsAFunctionThatIsCalledImmutable(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_i", functionsThatWrite)
	wantNoLonger(t, f, "select sum(a) from u", func() { rig.Ask(t, f.writer, "explain select imm()") })
}

func TestWrites_PrepareReadsALiteralOfADomain(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_i2", functionsThatWrite)
	wantNoLonger(t, f, "select sum(a) from u", func() { rig.Ask(t, f.writer, "prepare p as select '{5}'::d[]") })
}

func TestWrites_BindRunsAFunctionThatIsCalledImmutable(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_i3", functionsThatWrite)
	w := postgresWire(t, f)
	wantNoLonger(t, f, "select sum(a) from u", func() {
		rig.WantNoError(t, rig.Converse(t, w, proxytest.Parse("", "select imm()"), proxytest.Bind("", "", nil, nil, nil), proxytest.Describe('P', ""), proxytest.Sync()))
	})
}

func TestWrites_CopyToRunsPolicies(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_j", functionsThatWrite+`create table t(a int); insert into t values (1); alter table t enable row level security;
		create policy p on t using (put()); grant all on t, u to pg_monitor`)
	w := postgresWire(t, f)
	rig.WantNoError(t, rig.Converse(t, w, proxytest.Query("set role pg_monitor")))
	rig.Converse(t, w, proxytest.Query("select 1"))
	wantNoLonger(t, f, "select sum(a) from u", func() { rig.WantNoError(t, rig.Converse(t, w, proxytest.Query("copy t to stdout"))) })
}

func TestWrites_AParameterOfADomain(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_k", functionsThatWrite)
	oid, _ := strconv.Atoi(rig.Ask(t, f.real, "select 'd'::regtype::oid"))
	w := postgresWire(t, f)
	wantNoLonger(t, f, "select sum(a) from u", func() {
		rig.WantNoError(t, rig.Converse(t, w, proxytest.Parse("", "select $1 is null", uint32(oid)), proxytest.Bind("", "", [][]byte{[]byte("5")}, nil, nil), proxytest.Execute("", 0), proxytest.Sync()))
	})
}

func TestWrites_StringsThatTheSameBatchReadsOtherwise(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_l", functionsThatWrite+"create table a1(x int); insert into a1 values (1)")
	w := postgresWire(t, f)
	text := "with z as (select '\\' as x -- '), y as (insert into u values (100) returning 1) select 1 /*\n) select z.x from a1, z -- */"
	wantNoLonger(t, f, "select sum(a) from u", func() {
		rig.WantNoError(t, rig.Converse(t, w, proxytest.Parse("", "set standard_conforming_strings = off"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0),
			proxytest.Parse("", text), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()))
	})
}

func TestWrites_ALiteralOfADomain(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_o2", functionsThatWrite+"create table t(arr d[])")
	wantNoLonger(t, f, "select sum(a) from u", func() { rig.Ask(t, f.writer, "select count(*) from t where arr = '{5}'") })
}

func TestWrites_AnalyzeRunsTheExpressionsOfIndexes(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_p", functionsThatWrite+`create table t(x int); insert into t values (1), (2);
		create function imm2(int) returns bool language plpgsql immutable as 'begin return public.put(); end'; create index on t (imm2(x))`)
	wantNoLonger(t, f, "select sum(a) from u", func() { rig.Ask(t, f.writer, "analyze t") })
}

func TestWrites_VacuumFullRunsThePredicatesOfIndexes(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_p2", functionsThatWrite+`create table t(x int); insert into t values (1), (2);
		create index on t (x) where public.imm(x)`)
	wantNoLonger(t, f, "select sum(a) from u", func() { rig.Ask(t, f.writer, "vacuum full t") })
}

func TestDeallocate_InAFailedTransactionIsRefused(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "seen_q", "")
	w := b.Wires(t)
	w.Same(t, proxytest.Parse("s", "select 1"), proxytest.Sync())
	w.Same(t, proxytest.Query("begin"))
	w.Same(t, proxytest.Query("select 1/0"))
	w.Same(t, proxytest.Query("deallocate s"))
}

func TestDeallocate_AllIsNoName(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "seen_q2", "")
	w := b.Wires(t)
	w.Same(t, proxytest.Parse("all", "select 1"), proxytest.Parse("s", "select 2"), proxytest.Sync())
	w.Same(t, proxytest.Query("deallocate all"))
	w.Same(t, proxytest.Bind("", "s", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync())
}

// The body of a trigger is another one for a session that lets a backslash escape a quote. Its server connection keeps what it compiled.
func TestWrites_ATriggerWhoseStringsMayEndElsewhere(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_s", `create table u(a int); insert into u values (1); create table t(a int);
		create function hidden() returns trigger language plpgsql as $$ declare x text; y text; z text;
			begin x := 'a\'; y := '; insert into u values (100); z := '; -- ';
			return new; end $$;
		create trigger hidden after insert on t for each row execute function hidden()`, func(s *rig.Setup) { s.Size = 1 })
	const insert = "insert into t values (1); select pg_backend_pid()"
	for range 10 {
		var compiledBy, ranBy string
		rig.Ask(t, f.writer, "set standard_conforming_strings = off")
		wantNoLonger(t, f, "select sum(a) from u", func() { compiledBy = rig.Ask(t, f.writer, insert) })
		rig.Ask(t, f.writer, "set standard_conforming_strings = on")
		if staleNoMore(t, f, "select sum(a) from u", func() { ranBy = rig.Ask(t, f.writer, insert) }) {
			return
		}
		if compiledBy == ranBy {
			t.Fatal("the server has compiled the function anew: nothing proven")
		}
		// Another connection has taken the place of the one that had compiled it, since the keeper's look had needed that. What it has compiled
		// now is of no use for another try.
		if err := f.Reconnect(""); err != nil {
			t.Fatal(err)
		}
	}
	t.Error("no connection ran the trigger twice: nothing proven")
}
