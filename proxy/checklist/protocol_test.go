package checklist_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

func TestChecklist_P1_AHitIsTheSameBytes(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p1", `create type mood as enum ('sad', 'glad'); create domain positive as int check (value > 0);
		create table t(gone int, a int, b varchar(10), c numeric(5,2), d timestamptz(3), e char(4), f mood, g positive, h int[], i bit varying(7), j jsonb, k interval hour to second(0), l bytea, m text);
		alter table t drop column gone; insert into t values (1, 'one', 1.5, '2024-01-01 00:00:00.123456+00', 'x', 'glad', 7, '{1,2,null}', b'101', '{"a": [1, null]}', '1:02:03', '\x00ff', null), (null, '', 'NaN', 'infinity', '', 'sad', null, '{}', b'', 'null', null, '', '')`)
	w := b.Wires(t)
	for _, sql := range []string{"select * from t", "select t.*, a + 1, b || 'x', count(*) over () from t", "table t", "values (1, 'a'), (2, null)", "select b as \"a name\", c::float4 from t where a = 1", "select from t"} {
		for _, formats := range [][]int{{0}, {1}} {
			for _, describe := range [][]byte{nil, proxytest.Describe('P', "")} {
				messages := slices.DeleteFunc([][]byte{proxytest.Parse("", sql), proxytest.Bind("", "", nil, nil, formats), describe, proxytest.Execute("", 0), proxytest.Sync()},
					func(m []byte) bool { return m == nil })
				w.Hits(t, messages...)
				w.HitsAtOnce(t, messages...)
			}
		}
		w.Hits(t, proxytest.Query(sql))
		// In a transaction the end of the answer says so, whatever is kept.
		w.Same(t, proxytest.Query("begin"))
		if got := w.Same(t, proxytest.Query(sql)); string(got[len(got)-1].Body) != "T" {
			t.Errorf("in a transaction %s ends with %v", sql, got[len(got)-1])
		}
		w.Same(t, rig.QueryUnit(sql), proxytest.Sync())
		w.Same(t, proxytest.Query("commit"))
		w.HitsAtOnce(t, proxytest.Query(sql))
	}
}

// startKept is a table whose kept answer is out of date, since it was changed around the proxy: a hit in the midst of a batch
// shows by its value.
func startKept(t *testing.T, name string) (*rig.PairBench, *rig.WirePair) {
	t.Helper()
	b := rig.StartPairs(t, name, "create table t as select 1 as a; create table kept as select 'kept' as k; create table other as select 2 as o; create table log(n int)")
	w := b.Wires(t)
	w.Hits(t, rig.QueryUnit("select k from kept"), proxytest.Sync())
	w.Hits(t, proxytest.Query("select k from kept"))
	return b, w
}

// outOfDate changes what is kept around the proxy.
func outOfDate(t *testing.T, b *rig.PairBench) {
	t.Helper()
	rig.Ask(t, rig.Direct(t, b.Pg, b.Database), "update kept set k = 'true'")
}

// wantAsKept fails the test unless the proxy's client gets what got before said at the server, where the kept row is now
// another.
func wantAsKept(t *testing.T, what string, before []proxytest.Message, c *proxytest.Wire, messages ...[]byte) {
	t.Helper()
	got, err := c.Ask(messages...)
	if string(rig.BytesOf(got)) != string(rig.BytesOf(before)) || err != nil {
		t.Errorf("%s: got\n\t%v, %v\nwant\n\t%v", what, got, err, before)
	}
}

func TestChecklist_P2_AHitInTheMiddleOfAPipelineKeepsItsPlace(t *testing.T) {
	t.Parallel()
	b, w := startKept(t, "checklist_p2")
	kept := rig.QueryUnit("select k from kept")
	pipelines := map[string][][]byte{
		"behind a miss": {rig.QueryUnit("select a, 'x1' from t"), kept, proxytest.Sync()},
		"among misses":  {rig.QueryUnit("select a, 'x2' from t"), kept, rig.QueryUnit("select o, 'x3' from other"), proxytest.Sync()},
		"before a miss": {kept, rig.QueryUnit("select o, 'x4' from other"), proxytest.Sync()},
		"twice":         {kept, rig.QueryUnit("select o, 'x5' from other"), kept, proxytest.Sync()},
		"under three names": {proxytest.Parse("p1", "select a, 'x6' from t"), proxytest.Parse("p2", "select k from kept"), proxytest.Bind("", "p1", nil, nil, nil), proxytest.Execute("", 0),
			proxytest.Bind("", "p2", nil, nil, nil), proxytest.Execute("", 0), proxytest.Bind("", "p1", nil, nil, nil), proxytest.Execute("", 0), proxytest.CloseName('S', "p1"), proxytest.CloseName('S', "p2"), proxytest.Sync()},
	}
	before := map[string][]proxytest.Message{}
	for name, messages := range pipelines {
		before[name] = w.Same(t, messages...)
		for range 2 {
			w.Same(t, messages...)
		}
	}
	w.Same(t, proxytest.Query("select a, 'x7' from t"), proxytest.Query("select k from kept"), proxytest.Query("select o, 'x8' from other"), kept, proxytest.Sync())
	// Behind what changes by itself, or writes, an answer keeps its place too, wherever it comes from.
	for range 3 {
		w.Same(t, rig.QueryUnit("select a, now() > '2000-01-01' from t"), kept, rig.QueryUnit("select o, random() < 2 from other"), kept, proxytest.Sync())
		w.Same(t, rig.QueryUnit("insert into log values (1)"), kept, proxytest.Sync(), kept, proxytest.Sync())
		w.Same(t, proxytest.Query("select pg_sleep(0.02)"), proxytest.Query("select k from kept"), kept, proxytest.Sync())
	}
	for name := range pipelines {
		w.Same(t, pipelines[name]...)
		w.Same(t, pipelines[name]...)
	}
	outOfDate(t, b)
	for name, messages := range pipelines {
		if !strings.Contains(name, "names") { // whose form need not have been kept
			wantAsKept(t, name, before[name], w.Through, messages...)
		}
	}
	// Many batches in flight, each with its own end, are answered in order.
	rig.Ask(t, rig.Direct(t, b.Pg, b.Database), "update kept set k = 'kept'")
	var flood [][]byte
	for i := range 50 {
		flood = append(flood, rig.QueryUnit(fmt.Sprintf("select a, %d from t", i%7)), kept, proxytest.Sync(), proxytest.Query("select k from kept"))
	}
	w.Same(t, flood...)
	w.Same(t, flood...)
}

func TestChecklist_P3_BehindAnErrorNothingIsAnsweredUntilSync(t *testing.T) {
	t.Parallel()
	b, w := startKept(t, "checklist_p3")
	outOfDate(t, b)
	kept := rig.QueryUnit("select k from kept")
	for name, fails := range map[string][]byte{
		"Parse": proxytest.Parse("", "select nonsense("), "Bind": proxytest.Bind("", "nosuch", nil, nil, nil), "Describe": proxytest.Describe('S', "nosuch"), "Execute": proxytest.Execute("nosuch", 0),
		"an error at execution": rig.QueryUnit("select 1 / (a - 1) from t"), "a second Parse of one name": slices.Concat(proxytest.Parse("n", "select 1"), proxytest.Parse("n", "select 2")),
		"an error in a write": rig.QueryUnit("insert into log values (1 / 0)"), "a cached query that cannot be bound": slices.Concat(proxytest.Parse("", "select k from kept"), proxytest.Bind("", "", [][]byte{nil}, nil, nil)),
	} {
		got := w.Same(t, fails, kept, kept, proxytest.Sync())
		if types := rig.TypesOf(got); strings.Count(types, "E") != 1 || !strings.HasSuffix(types, "EZ") {
			t.Errorf("%s: got %s, want one error and then the end", name, types)
		}
		// The batch after it is answered, and one in flight behind it too.
		if err := w.Through.Send(fails, kept, proxytest.Sync(), kept, proxytest.Sync()); err != nil {
			t.Fatal(err)
		}
		got, err := w.Through.ReceiveReady(2)
		if types := rig.TypesOf(got); !strings.HasSuffix(types, "EZ12TDCZ") || err != nil {
			t.Errorf("%s: got %s, %v, want an error, an end and an answer", name, types, err)
		}
		w.Same(t, proxytest.CloseName('S', "n"), proxytest.Sync())
	}
}

func TestChecklist_P4_PartsOfAnAnswerAreNotTakenForIt(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p4", "create table t as select i as a from generate_series(1, 10) i")
	w := b.Wires(t)
	for i, sql := range []string{"select a, 'x1' from t", "select a, 'x2' from t where a > 0"} {
		parse, bind, all := proxytest.Parse("", sql), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0)
		for range 3 {
			got := w.Same(t, parse, bind, proxytest.Execute("", 4), proxytest.Sync())
			if types := rig.TypesOf(got); types != "12DDDDsZ" {
				t.Errorf("got %s", types)
			}
			w.Same(t, parse, bind, proxytest.Execute("", 4), proxytest.Execute("", 4), proxytest.Execute("", 4), proxytest.Sync())
			w.Same(t, parse, bind, proxytest.Execute("", 10), proxytest.Sync())
			w.Same(t, parse, bind, proxytest.Execute("", 3), all, proxytest.Sync())
			w.Same(t, parse, bind, proxytest.Describe('P', ""), proxytest.Execute("", 1), proxytest.Sync())
			if i == 0 {
				w.Hits(t, parse, bind, all, proxytest.Sync()) // what is kept by now is the whole
				w.HitsAtOnce(t, parse, bind, all, proxytest.Sync())
			}
		}
		// The portal is suspended, in a transaction, and goes on.
		w.Same(t, proxytest.Query("begin"))
		w.Same(t, proxytest.Parse("s", sql), proxytest.Bind("c", "s", nil, nil, nil), proxytest.Execute("c", 3), proxytest.Sync())
		w.Same(t, proxytest.Execute("c", 3), proxytest.Sync())
		w.Same(t, proxytest.Execute("c", 0), proxytest.Execute("c", 0), proxytest.Sync())
		w.Same(t, proxytest.Query("commit"), proxytest.CloseName('S', "s"), proxytest.Sync())
	}
}

func TestChecklist_P5_APortalThatIsAtItsEndHasNoMoreRows(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p5", "create table t as select i as a from generate_series(1, 3) i")
	w := b.Wires(t)
	const sql = "select a from t order by a"
	parse, bind, all := proxytest.Parse("", sql), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0)
	for range 3 {
		w.Hits(t, parse, bind, all, proxytest.Sync())
		if got := w.Same(t, parse, bind, all, all, proxytest.Sync()); rig.TypesOf(got) != "12DDDCCZ" {
			t.Errorf("got %s, want the rows once", rig.TypesOf(got))
		}
		w.Same(t, parse, bind, all, proxytest.Describe('P', ""), all, proxytest.Sync())
		w.Same(t, parse, bind, all, proxytest.Execute("", 1), proxytest.CloseName('P', ""), proxytest.Sync())
		w.SameUntil(t, "12DDDC", parse, bind, all, proxytest.Flush())
		w.SameUntil(t, "C", all, proxytest.Flush())
		w.Same(t, proxytest.Sync())
		w.Same(t, all, proxytest.Sync()) // the portal ended with the Sync
	}
}

// writes has each write seen by a client who has the rows from the cache.
func writes(t *testing.T, b *rig.PairBench, w *rig.WirePair, sql string, write ...[]byte) {
	t.Helper()
	reader := b.Pair(t)
	reader.Hits(t, sql)
	got, err := w.Through.Ask(write...)
	if err != nil || strings.Contains(rig.TypesOf(got), "E") {
		t.Fatalf("the write is answered with %v, %v", got, err)
	}
	reader.Right(t, sql)
}

func TestChecklist_P6_AWriteThatIsExecutedInPartIsAWrite(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p6", "create table t as select i as a from generate_series(1, 5) i")
	w := b.Wires(t)
	const sql = "select a from t order by a"
	for _, write := range []string{"update t set a = a + 1 returning a", "insert into t values (100), (200) returning a", "delete from t where a > 50 returning a", "with w as (update t set a = a + 1 returning a) select a from w"} {
		writes(t, b, w, sql, proxytest.Parse("", write), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 1), proxytest.Sync())
		writes(t, b, w, sql, proxytest.Parse("", write), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 1), proxytest.Execute("", 1), proxytest.CloseName('P', ""), proxytest.Sync())
	}
	writes(t, b, w, sql, proxytest.Parse("", "update t set a = a + 1"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 1), proxytest.Sync())
}

func TestChecklist_P7_AWriteThatIsOnlyBoundAgainIsAWrite(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p7", "create table t as select 1 as a")
	w := b.Wires(t)
	const sql = "select a from t order by a"
	if _, err := w.Through.Ask(proxytest.Parse("ins", "insert into t values ($1::int)"), proxytest.Parse("", "insert into t values ($1::int + 1000)"), proxytest.Parse("begin", "begin"), proxytest.Parse("commit", "commit"), proxytest.Sync()); err != nil {
		t.Fatal(err)
	}
	run := func(name, value string) []byte {
		var params [][]byte
		if value != "" {
			params = [][]byte{[]byte(value)}
		}
		return slices.Concat(proxytest.Bind("", name, params, nil, nil), proxytest.Execute("", 0))
	}
	for i := range 3 {
		value := fmt.Sprint(10 + i)
		writes(t, b, w, sql, run("ins", value), proxytest.Sync())
		writes(t, b, w, sql, run("", value), proxytest.Sync())
		writes(t, b, w, sql, run("begin", ""), run("ins", value), run("commit", ""), proxytest.Sync())
		writes(t, b, w, sql, proxytest.Bind("portal", "ins", [][]byte{[]byte(value)}, nil, nil), proxytest.Execute("portal", 0), proxytest.CloseName('P', "portal"), proxytest.Sync())
	}
	// In a transaction it counts when that is committed.
	reader := b.Pair(t)
	reader.Hits(t, sql)
	for _, step := range [][]byte{run("begin", ""), run("ins", "50"), run("ins", "51"), run("commit", "")} {
		if _, err := w.Through.Ask(step, proxytest.Sync()); err != nil {
			t.Fatal(err)
		}
		reader.Right(t, sql)
	}
}

func TestChecklist_P8_DescriptionsAreGivenWhereTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p8", "create table t as select 1 as a, 'b'::varchar(3) as b")
	w := b.Wires(t)
	parse, bind, execute, sync := proxytest.Parse("", "select b from t where a = $1"), proxytest.Bind("", "", [][]byte{[]byte("1")}, nil, []int{1}), proxytest.Execute("", 0), proxytest.Sync()
	statement, portal := proxytest.Describe('S', ""), proxytest.Describe('P', "")
	sameAnswers(t, w, [][][]byte{{parse, bind, execute, sync}, {parse, statement, bind, execute, sync}, {parse, bind, portal, execute, sync}, {parse, statement, bind, portal, execute, sync}})
	// Less usual places are served by somebody, and right.
	for range 3 {
		w.Same(t, parse, bind, statement, execute, sync)
		w.Same(t, parse, statement, statement, bind, portal, portal, execute, sync)
		w.Same(t, parse, bind, execute, portal, sync)
		w.Same(t, parse, bind, execute, statement, sync)
		w.Same(t, parse, statement, sync)
		w.Same(t, proxytest.Parse("n", "select a from t"), proxytest.Describe('S', "n"), sync)
		w.Same(t, proxytest.Describe('S', "n"), proxytest.Bind("", "n", nil, nil, nil), portal, execute, sync)
		w.Same(t, proxytest.Bind("", "n", nil, nil, nil), execute, proxytest.CloseName('S', "n"), sync)
	}
	// A statement that was described long ago is bound, as drivers do.
	w.Same(t, proxytest.Parse("n", "select a, b from t"), proxytest.Describe('S', "n"), sync)
	w.Hits(t, proxytest.Bind("", "n", nil, nil, []int{1, 0}), execute, sync)
	w.HitsAtOnce(t, proxytest.Bind("", "n", nil, nil, []int{1, 0}), execute, sync)
}

func TestChecklist_P9_FlushGetsWhatIsThereBeforeSync(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p9", "create table t as select 1 as a")
	w := b.Wires(t)
	parse, bind, execute, flush := proxytest.Parse("", "select a from t"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Flush()
	w.Hits(t, parse, bind, execute, proxytest.Sync())
	for range 3 {
		w.SameUntil(t, "1", parse, flush)
		w.SameUntil(t, "2", bind, flush)
		w.SameUntil(t, "DC", execute, flush)
		w.Same(t, proxytest.Sync())
		w.SameUntil(t, "1tT", parse, proxytest.Describe('S', ""), flush)
		w.Same(t, bind, execute, proxytest.Sync())
		w.SameUntil(t, "12TDC", parse, bind, proxytest.Describe('P', ""), execute, flush)
		w.SameUntil(t, "12DC", parse, bind, execute, flush)
		w.Same(t, proxytest.Sync())
		w.Same(t, flush, flush, parse, bind, execute, proxytest.Sync())
	}
	// Parse and Describe with a Flush, and then the rest, is what some drivers always do. That is to be a hit.
	rig.Await(t, "a hit behind a Flush", func() bool {
		w.SameUntil(t, "1tT", parse, proxytest.Describe('S', ""), flush)
		w.Same(t, bind, execute, proxytest.Sync())
		word := w.Status(t)
		if !slices.Contains(rig.OnTheWay, word) {
			t.Fatalf("behind a Flush the status is %s", word)
		}
		return word == "hit"
	})
}

func TestChecklist_P10_WhatIsClosedIsGone(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p10", "create table t as select 1 as a; create table u as select 2 as a")
	w := b.Wires(t)
	parse, bind, execute, sync := proxytest.Parse("n", "select a from t"), proxytest.Bind("", "n", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()
	for range 3 {
		w.Same(t, parse, sync)
		w.Hits(t, bind, execute, sync)
		w.Same(t, proxytest.Parse("n", "select a from u"), sync) // the name is taken
		w.Same(t, bind, execute, sync)                           // may come while the proxy tidies up behind the error, and be passed on
		w.HitsAtOnce(t, bind, execute, sync)
		w.Same(t, bind, execute, proxytest.CloseName('P', ""), sync)
		w.Same(t, bind, proxytest.CloseName('P', ""), execute, sync)
		w.Same(t, bind, execute, proxytest.CloseName('S', "n"), sync)
		w.Same(t, bind, execute, sync) // is an error now
		w.Same(t, proxytest.Parse("n", "select a from u"), sync)
		w.Hits(t, bind, execute, sync) // is of another table
		w.Same(t, proxytest.CloseName('S', "n"), proxytest.CloseName('S', "nosuch"), proxytest.CloseName('P', "nosuch"), sync)
		// A statement that was parsed in a batch that needed no server can be closed, used and refused like any other.
		w.Hits(t, rig.QueryUnit("select a from t"), sync)
		w.Same(t, parse, bind, execute, sync)
		w.Same(t, parse, bind, execute, sync)
		w.Same(t, proxytest.CloseName('S', "n"), parse, bind, execute, proxytest.CloseName('S', "n"), sync)
		w.Same(t, parse, bind, execute, proxytest.CloseName('S', "n"), sync)
		w.Same(t, rig.QueryUnit("select a from t"), proxytest.CloseName('S', ""), sync)
		w.Same(t, proxytest.Bind("", "", nil, nil, nil), sync)
		w.Same(t, rig.QueryUnit("select a from t"), sync)
		w.Same(t, proxytest.Bind("", "", nil, nil, nil), proxytest.Describe('P', ""), execute, sync)
		w.Same(t, proxytest.Query("select a from t"))
		w.Same(t, proxytest.Bind("", "", nil, nil, nil), execute, sync) // the Query was the end of it
	}
}

func TestChecklist_P11_APreparedStatementFollowsTheSearchPath(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p11", pathTables)
	w := b.Wires(t)
	execute, sync := proxytest.Execute("", 0), proxytest.Sync()
	w.Same(t, proxytest.Parse("first", "set search_path to first"), proxytest.Parse("second", "set search_path to second"), proxytest.Parse("public", "set search_path to public"),
		proxytest.Parse("rows", "select a from ev"), proxytest.Parse("", "select a from ev"), sync)
	run := func(name string) [][]byte { return [][]byte{proxytest.Bind("", name, nil, nil, nil), execute, sync} }
	for range 3 {
		for _, path := range []string{"public", "first", "second", "first"} {
			w.Same(t, run(path)...)
			for range 2 {
				w.Same(t, run("")...)
				w.Same(t, run("rows")...)
			}
			w.Same(t, slices.Concat(run("second")[:2], run("")[:2], run("rows")[:2], run("first")[:2], run("")[:2], run("rows"))...)
		}
	}
	for _, path := range []string{"public", "first", "second"} {
		w.Same(t, run(path)...)
		w.Hits(t, run("rows")...)
	}
}

func TestChecklist_P12_ErrorsAreNeverKept(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	rig.MakeRoles(t, pg, "checklist_p12a")
	b := rig.StartPairs(t, "checklist_p12", "create table t as select 0 as a; create table secret as select 1 as s; create table locked as select 1 as l", ownServers)
	real, user := rig.Direct(t, b.Pg, b.Database), rig.As("checklist_p12a", "")
	for name, c := range map[string]struct {
		sql, code   string
		edit        []func(*pgconn.Config)
		wrong, good string // what makes it an error, and no more; around the proxy
	}{
		"division by zero":  {"select 1 / a from t", "22012", nil, "update t set a = 0", "update t set a = 1"},
		"permission denied": {"select s from secret", "42501", []func(*pgconn.Config){user}, "revoke select on secret from checklist_p12a", "grant select on secret to checklist_p12a"},
		"missing table":     {"select 1 from missing", "42P01", nil, "drop table if exists missing", "create table missing()"},
		"timeout":           {"select l from locked", "57014", []func(*pgconn.Config){rig.With("statement_timeout", "50ms")}, "begin; lock table locked", "rollback"},
		"lock not granted":  {"select l + 1 from locked", "55P03", []func(*pgconn.Config){rig.With("lock_timeout", "50ms")}, "begin; lock table locked", "rollback"},
	} {
		p := b.Pair(t, c.edit...)
		for range 2 {
			rig.Ask(t, real, c.wrong)
			for form, do := range rig.Askers {
				if _, err := do(t, p.Through, c.sql+" /* "+form+" */"); rig.State(err) != c.code {
					t.Errorf("%s (%s): got %v, want %s", name, form, err, c.code)
				}
			}
			rig.Ask(t, real, c.good)
			for form := range rig.Askers {
				p.As(t, form, c.sql+" /* "+form+" */")
			}
			rig.Ask(t, b.Connect(t, b.Database), "update t set a = a; update secret set s = s; update locked set l = l") // so that nothing good is kept
		}
	}
	cancelled(t, b, "select l + 2 from locked")
	unserializable(t, b)
}

// cancelled fails the test unless a query that was cancelled is asked again.
func cancelled(t *testing.T, b *rig.PairBench, sql string) {
	t.Helper()
	holder, p := rig.Direct(t, b.Pg, b.Database), b.Pair(t)
	rig.Ask(t, holder, "begin; lock table locked")
	answer := rig.Asking(t, p.Through, sql)
	rig.AwaitQuery(t, b.Pg, sql)
	if err := p.Through.CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	rig.WantState(t, <-answer, "57014")
	rig.Ask(t, holder, "rollback")
	p.Right(t, sql)
	p.Hits(t, sql)
}

// unserializable fails the test unless a query that could not be serialized is no answer to those who need not be.
func unserializable(t *testing.T, b *rig.PairBench) {
	t.Helper()
	p, other := b.Pair(t), b.Connect(t, b.Database)
	const sql = "select a from t"
	rig.Ask(t, p.Through, "begin isolation level repeatable read; select a from t")
	rig.Ask(t, other, "update t set a = 5")
	if _, err := rig.Try(t.Context(), p.Through, "select a from t for update"); rig.State(err) != "40001" {
		t.Errorf("got %v, want 40001", err)
	}
	if _, err := rig.Try(t.Context(), p.Through, sql); rig.State(err) != "25P02" {
		t.Errorf("got %v, want 25P02", err)
	}
	rig.Ask(t, p.Through, "rollback")
	p.Right(t, sql)
	p.Hits(t, sql)
}
