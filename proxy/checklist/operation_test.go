package checklist_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
	"overdrive/querycache"
)

// said fails the test unless c's statement, in the forms given, has the status, and a reason if it is passed by.
func (b *steppedBench) said(t *testing.T, c *pgconn.PgConn, sql, word string, forms ...string) {
	t.Helper()
	for _, form := range forms {
		_, _ = rig.Askers[form](t, c, sql) // some are errors
		got := rig.Status(t, c)
		if got != word {
			t.Errorf("%.80s (%s) is %s, want %s", sql, form, got, word)
		}
		asked := slices.Contains([]string{"hit", "miss", "stale", "coalesced"}, word)
		if why := rig.ReasonOf(t, c); (why == "") != asked {
			t.Errorf("%.80s (%s) is %s because of %q", sql, form, got, why)
		}
	}
}

// The statuses coalesced (R13) and stale (R3) need more than one client or a clock, and have tests of their own.
func TestChecklist_O1_EveryDecisionIsShownWithItsReason(t *testing.T) {
	t.Parallel()
	b := startStepped(t, "checklist_o1", "create table t as select 'a' as a; create table u as select 'a' as a", func(o *rig.Options) {
		o.Databases[0].Cache.MaxResult = 10 << 10
	})
	c, other := b.connect(t), b.connect(t)
	all := []string{"simple", "text", "binary"}
	b.said(t, c, "select a from t", "miss", all...)
	b.said(t, c, "select a from t", "hit", all...)
	for sql, word := range map[string]string{
		"select a, now() from t": "volatile", "select a, random() from t": "volatile", "select a from t for update": "uncacheable",
		"update t set a = 'a'": "notaquery", "explain select a from t": "notaquery", "create table if not exists t(a text)": "notaquery",
		"select a from t where a <> '" + strings.Repeat("x", 70<<10) + "'": "oversizedquery", "select nonsense(": "parseerror",
		"select repeat(a, 20000) from t": "oversizedresult", "/* overdrive: no-cache */ select a from t": "hint",
	} {
		b.prime(t, b.fencer, "select 1") // the catalog may have changed
		b.said(t, b.connect(t), sql, word, all...)
	}
	b.said(t, c, "select a from t; select 1", "multiplestatements", "simple")
	for _, step := range []struct{ before, word, after string }{
		{"begin", "transaction", "rollback"}, {"set overdrive.cache = off", "disabled", "set overdrive.cache = on"},
		{"select pg_advisory_lock(1)", "session-state", "discard all"}, {"create temp table mine()", "session-state", "discard all"},
	} {
		rig.Ask(t, c, step.before)
		b.prime(t, b.fencer, "select 1") // the catalog may have changed
		b.said(t, c, "select a from t", step.word, all...)
		rig.Ask(t, c, step.after)
	}
	rig.Ask(t, other, "begin; update u set a = 'b'")
	b.said(t, c, "select a from u", "unsettled", all...)
	rig.Ask(t, other, "rollback")
	// What is counted is what was shown.
	b.prime(t, c, "select a from t")
	before := b.kept().Stats()
	for range 5 {
		b.said(t, c, "select a from t", "hit", all...)
		b.said(t, c, "select a, now() from t", "volatile", all...)
	}
	b.kept().Purge()
	b.said(t, c, "select a from t", "miss", all...)
	if s := b.kept().Stats(); s.Hits-before.Hits != 15 || s.Misses-before.Misses != 3 {
		t.Errorf("15 hits and 3 misses were counted as %d and %d", s.Hits-before.Hits, s.Misses-before.Misses)
	}
}

// A hint changes how long an answer is kept and not which one it is: it belongs to no key.
func TestChecklist_O4_HintsAndSettingsOfTheSessionAreHonoured(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	var log rig.Captured
	b := startStepped(t, "checklist_o4", "create table t as select 'old' as a", log.Capture)
	c, other := b.connect(t), b.connect(t)
	b.prime(t, c, sql)
	rig.Ask(t, b.real, "update t set a = 'new'")
	b.wantValue(t, "without a hint", c, sql, "old", "hit")
	b.wantValue(t, "with a hint", c, "/* overdrive: max_age=50m, swr=1s */ "+sql, "old", "hit")
	b.wantValue(t, "no-cache", c, "/* overdrive: no-cache */ "+sql, "new", "hint")
	b.wantValue(t, "after no-cache", c, sql, "old", "hit")
	b.wantValue(t, "refresh", c, "/* overdrive: refresh */ "+sql, "new", "miss hint")
	b.wantValue(t, "after refresh", other, sql, "new", "hit")
	// Age: the hint outranks the session, the session the policy.
	b.advance(31 * time.Second)
	b.wantValue(t, "half a minute old", c, "/* overdrive: max_age=40s */ "+sql, "new", "hit")
	rig.Ask(t, c, "set overdrive.max_age = '30s'")
	if got := rig.Ask(t, c, "show overdrive.max_age"); got != "30s" {
		t.Errorf("SHOW says %s, want 30s", got)
	}
	b.wantValue(t, "older than the session allows, but not the hint", c, "/* overdrive: max_age=40s */ "+sql, "new", "hit")
	rig.Ask(t, b.real, "update t set a = 'newer'")
	b.wantValue(t, "others", other, sql, "new", "hit")
	b.wantValue(t, "older than the session allows", c, sql, "newer", "miss")
	b.advance(31 * time.Second)
	rig.Ask(t, c, "reset overdrive.max_age")
	b.wantValue(t, "after RESET", c, sql, "newer", "hit")
	for _, value := range []string{"'nonsense'", "'-1s'", "on"} {
		_, err := rig.Try(t.Context(), c, "set overdrive.max_age = "+value)
		rig.WantState(t, err, "22023")
	}
	b.wantValue(t, "after values that are none", c, sql, "newer", "hit")
	rig.Ask(t, c, "set overdrive.cache = off")
	b.want(t, "switched off", c, sql, "disabled")
	b.want(t, "elsewhere", other, sql, "hit")
	b.want(t, "switched off at login", b.connect(t, rig.With("options", "-c overdrive.cache=off")), sql, "disabled")
	rig.Ask(t, c, "set overdrive.cache = on")
	b.want(t, "switched on", c, sql, "hit")
	// What is not understood is ignored, and said to be.
	b.wantValue(t, "an unknown hint", c, "/* overdrive: colour=red */ "+sql, "newer", "hit")
	log.Await(t, "WARN", "colour")
}

// everySpeech are things to say that get every kind of reply.
var everySpeech = map[string][][]byte{
	"queries": {proxytest.Query("select a from t"), proxytest.Query("select a from t; select 1/0; select 2"), proxytest.Query(";"), proxytest.Query("")},
	"notices": {proxytest.Query("do $$ begin raise notice 'so'; end $$"), proxytest.Query("set datestyle = german"), proxytest.Query("rollback")},
	"errors":  {proxytest.Query("select nonsense("), proxytest.Query("select * from nowhere"), proxytest.Query("select a::int from t")},
	"pipeline": {proxytest.Parse("", "select a from t where a <> $1", 25), proxytest.Describe('S', ""), proxytest.Bind("", "", [][]byte{[]byte("x")}, nil, []int{1}),
		proxytest.Describe('P', ""), proxytest.Execute("", 1), proxytest.Execute("", 0), proxytest.Sync()},
	"twice": {proxytest.Parse("", "select a from t"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync(),
		proxytest.Bind("", "", nil, nil, []int{0}), proxytest.Describe('P', ""), proxytest.Execute("", 0), proxytest.Sync()},
	"failing pipeline": {proxytest.Parse("", "select 1/0"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0),
		proxytest.Parse("", "select a from t"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()},
	"copy":        {proxytest.Query("copy t to stdout")},
	"transaction": {proxytest.Query("begin"), proxytest.Query("select a from t"), proxytest.Query("rollback")},
}

// repliesTo says it all, and returns all that comes back.
func repliesTo(t *testing.T, w *proxytest.Wire, speech [][]byte) string {
	t.Helper()
	var said strings.Builder
	ready := 0
	for _, m := range speech {
		if m[0] == 'Q' || m[0] == 'S' {
			ready++
		}
	}
	if err := w.Send(speech...); err != nil {
		t.Fatal(err)
	}
	got, err := w.ReceiveReady(ready)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range got {
		said.WriteString(m.String() + "\n")
	}
	return said.String()
}

func TestChecklist_O5_ADisabledCacheChangesNotAByteAndKeepsNothing(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "checklist_o5", rowTable)
	off := startSteppedCold(t, pg, "checklist_o5", func(o *rig.Options) { o.Databases[0].Cache.Enabled = false })
	on := startSteppedAt(t, pg, "checklist_o5")
	login := proxytest.Login{User: "postgres", Database: "checklist_o5"}
	switched := on.Dial(t, login)
	if _, err := switched.Ask(proxytest.Query("set overdrive.cache = off")); err != nil {
		t.Fatal(err)
	}
	before := on.kept().Stats()
	for name, speech := range everySpeech {
		want := repliesTo(t, pg.Dial("checklist_o5"), speech)
		for range 3 {
			if got := repliesTo(t, off.Dial(t, login), speech); got != want {
				t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
			}
		}
		if name == "notices" {
			continue // it changes the session
		}
		for range 2 {
			if got := repliesTo(t, switched, speech); got != want {
				t.Errorf("%s, switched off by the session: got\n%s\nwant\n%s", name, got, want)
			}
		}
	}
	if got := off.Cache.Stats(); got != (querycache.Stats{}) || off.Cache.UsedBytes() != 0 {
		t.Errorf("the cache that is off did %+v", got)
	}
	if got := on.kept().Stats(); got.Hits != before.Hits || got.Entries != before.Entries {
		t.Errorf("the cache that was switched off did %+v after %+v", got, before)
	}
	asked := off.relay.Count("select a from t where k = ")
	for range 3 {
		rig.Ask(t, off.connect(t), rowQuery)
	}
	if got := off.relay.Count("select a from t where k = ") - asked; got != 3 {
		t.Errorf("of three questions %d reached the server", got)
	}
}

// Too little memory, an answer or a key that is too large, a catalog that may not be read: all of it costs speed alone.
func TestChecklist_O6_AFailingCacheFailsNobody(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	rig.MakeRoles(t, pg, "checklist_o6_low")
	pg = rig.NewDatabase(t, "checklist_o6", "create table t as select i::text as a from generate_series(1, 2000) i; grant select on t to checklist_o6_low")
	for _, budget := range []int64{1, 1 << 10, 16 << 10} {
		b := startSteppedCold(t, pg, "checklist_o6", func(o *rig.Options) {
			o.Cache = querycache.New(querycache.Options{MaxBytes: budget, Poison: true})
			o.Databases[0].Cache.MaxResult = 8 << 10
		})
		c := b.connect(t)
		for _, sql := range []string{"select a from t where a = '7'", "select a from t order by a", "select a from t where a <> '" + strings.Repeat("x", 30000) + "' limit 1"} {
			for range 3 {
				rig.WantFresh(t, fmt.Sprintf("with a budget of %d", budget), sql, b.real, c)
				if used := b.Cache.UsedBytes(); used > budget {
					t.Errorf("%d bytes are used of %d", used, budget)
				}
			}
		}
	}
	rig.Ask(t, rig.Direct(t, pg, "checklist_o6"), "revoke select on pg_proc, pg_class, pg_cast from public")
	var log rig.Captured
	b := startSteppedCold(t, pg, "checklist_o6", log.Capture, ownServers)
	low, real := b.connect(t, rig.As("checklist_o6_low", "")), directAs(t, pg, "checklist_o6", "checklist_o6_low")
	log.Await(t, "catalog could not be read", "checklist_o6_low")
	for range 3 {
		b.wantAs(t, "without a catalog", low, "select a from t where a = '7'", "unsettled", real)
	}
	rig.Ask(t, low, "begin; select 1; commit")
}

// What is asked for again and again outlives what is asked for once, however much that is. The budget is never exceeded.
func TestChecklist_O7_TheBudgetIsStrictAndAScanSweepsNothingAway(t *testing.T) {
	t.Parallel()
	const budget = 1 << 20
	b := startStepped(t, "checklist_o7", "create table t as select 'hot' as a", func(o *rig.Options) {
		o.Cache = querycache.New(querycache.Options{MaxBytes: budget, Poison: true})
	})
	c := b.connect(t)
	asked := 0
	scan := func(n int) { // nothing is ever asked twice
		for range n {
			asked++
			if got := rig.Ask(t, c, fmt.Sprintf("select repeat('x', 5000), %d from t", asked)); len(got) < 5000 {
				t.Fatalf("got %q", got)
			}
			if used := b.Cache.UsedBytes(); used > budget {
				t.Fatalf("%d bytes are used of %d", used, budget)
			}
		}
	}
	for range 3 { // before the cache is full, and then in the midst of a scan
		for range 5 {
			b.prime(t, c, "select a from t")
		}
		scan(80)
	}
	kept := false
	for range 3 { // another test's CREATE ROLE makes the cache forget everything
		for range 5 {
			b.prime(t, c, "select a from t")
		}
		scan(1250)
		if rig.Ask(t, c, "select a from t"); rig.Status(t, c) == "hit" {
			kept = true
			break
		}
	}
	if !kept {
		t.Error("a scan of six times the memory has swept away what is asked for all the time")
	}
	if s := b.kept().Stats(); s.Evictions == 0 || b.Cache.UsedBytes() < budget/2 {
		t.Errorf("%+v and %d bytes used: the cache was never full, so this proves nothing", s, b.Cache.UsedBytes())
	}
}

// Who asked before the end gets the answer, also who waits for another's, and who hits.
func TestChecklist_O8_WhoWaitsWhenTheProxyStopsIsAnsweredFirst(t *testing.T) {
	t.Parallel()
	b := startStepped(t, "checklist_o8", rowTable+"; create table u as select 'kept' as a", new(rig.Captured).Capture)
	h, c := b.herd(t, 20, rowQuery), b.connect(t)
	b.prime(t, c, "select a from u")
	held := b.relay.HoldAnswer(t, rowKey)
	h.ask(t, func() { <-held.Reached })
	rig.Ask(t, c, "begin")
	done := b.Stop(rig.Patience)
	rig.WantState(t, rig.Farewell(t, b.fencer), "57P01") // who has nothing to wait for goes at once
	b.want(t, "while the proxy stops", c, "select a from u", "transaction")
	held.Release()
	h.wantAnswers(t, "old", append(h.others, h.leader)...)
	rig.Ask(t, c, "commit")
	rig.WantState(t, rig.Farewell(t, c), "57P01")
	if err := <-done; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}
