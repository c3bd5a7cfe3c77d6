package session

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
	"overdrive/proxy/traffic"
	"overdrive/querycache"
	"overdrive/querycache/verdict"
)

// counted returns those of a list that are not zero.
func counted(list []traffic.Count) map[string]uint64 {
	m := make(map[string]uint64)
	for _, of := range list {
		if of.N > 0 {
			m[of.Word] = of.N
		}
	}
	return m
}

func wantCounted(t *testing.T, what string, list []traffic.Count, want map[string]uint64) {
	t.Helper()
	if got := counted(list); !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// oneOf fails unless d holds just the given time.
func oneOf(t *testing.T, what string, d traffic.Distribution, took time.Duration) {
	t.Helper()
	if d.Count() != 1 || d.Sum != took {
		t.Errorf("%s: %d took %v, want one to take %v", what, d.Count(), d.Sum, took)
	}
}

// modelStage is a stage with servers that answer.
func modelStage(t *testing.T, o setup) *stage {
	st := newStage(t, o)
	st.db = map[string]int{}
	return st
}

func TestTraffic_CountsAStatementOnItsWay(t *testing.T) {
	st := modelStage(t, setup{cache: true})
	c := st.connect("client")
	question := proxytest.Query("select a from t")
	before := st.identity.Meter.Counts()
	c.peer.send(question)
	st.settleUpTo(0)
	st.clock += 5 * time.Millisecond // the server thinks
	st.settle()
	after := st.identity.Meter.Counts()
	oneOf(t, "upstream", after.Upstream, 5*time.Millisecond)
	oneOf(t, "answers of the server", after.Answers[traffic.ByServer], 5*time.Millisecond)
	wantCounted(t, "statements", after.Statements, map[string]uint64{"miss": 1})
	if after.Transactions != 1 || after.TransactionTime != 5*time.Millisecond {
		t.Errorf("%d transactions took %v", after.Transactions, after.TransactionTime)
	}
	if got := after.FromClients - before.FromClients; got != uint64(len(question)) {
		t.Errorf("%d bytes came from the client, want %d", got, len(question))
	}
	if got := after.ToClients - before.ToClients; got != uint64(len(c.peer.got)) {
		t.Errorf("%d bytes went to the client, want %d", got, len(c.peer.got))
	}
	if after.ToServers != uint64(len(question)) || after.FromServers != after.ToClients-before.ToClients {
		t.Errorf("%d bytes to the server, %d from it", after.ToServers, after.FromServers)
	}
	c.sends(question)
	hit := st.identity.Meter.Counts()
	wantCounted(t, "statements", hit.Statements, map[string]uint64{"miss": 1, "hit": 1})
	if hit.Answers[traffic.ByCache].Count() != 1 || hit.Upstream.Count() != 1 || hit.Transactions != 2 || hit.ToServers != after.ToServers {
		t.Errorf("the hit was counted as %+v", hit)
	}
	if hit.ToClients-after.ToClients != after.ToClients-before.ToClients {
		t.Errorf("the hit had %d bytes, the miss %d", hit.ToClients-after.ToClients, after.ToClients-before.ToClients)
	}
}

func TestTraffic_ATransactionIsCountedWhenItEnds(t *testing.T) {
	st := modelStage(t, setup{})
	c := st.connect("client")
	for _, sql := range []string{"begin", "select a from t", "commit"} {
		c.sends(proxytest.Query(sql))
		st.clock += time.Second // the client thinks, and the server waits
	}
	got := st.identity.Meter.Counts()
	if got.Transactions != 1 || got.TransactionTime != 2*time.Second || got.Upstream.Count() != 3 || got.Upstream.Sum != 0 {
		t.Errorf("%d transactions took %v, %d batches %v", got.Transactions, got.TransactionTime, got.Upstream.Count(), got.Upstream.Sum)
	}
	wantCounted(t, "statements", got.Statements, map[string]uint64{"disabled": 3})
}

func TestTraffic_EachBatchOfAPipelineIsCounted(t *testing.T) {
	st := modelStage(t, setup{})
	c := st.connect("client")
	unit := says(proxytest.Parse("", "select a from t"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync())
	c.sends(unit, unit, unit, proxytest.Query("select a from t"))
	got := st.identity.Meter.Counts()
	if got.Transactions != 4 || got.Upstream.Count() != 4 || got.Answers[traffic.ByServer].Count() != 4 || got.Queries() != 4 {
		t.Errorf("%d transactions, %d batches, %d answers, %d statements, want 4 of each",
			got.Transactions, got.Upstream.Count(), got.Answers[traffic.ByServer].Count(), got.Queries())
	}
}

func TestTraffic_AWaitForAServerIsTimed(t *testing.T) {
	st := modelStage(t, setup{})
	holder, c, gives := st.connect("holder"), st.connect("client"), st.connect("gives up")
	holder.sends(proxytest.Query("begin"))
	c.sends(proxytest.Query("select a from t"))
	gives.sends(proxytest.Query("select a from t"))
	st.clock += 3 * time.Second
	gives.session.end(ReasonClientLost, nil)
	holder.sends(proxytest.Query("commit"))
	got := st.identity.Meter.Counts()
	if got.Waits.Count() != 2 || got.Waits.Sum != 6*time.Second {
		t.Errorf("%d waits took %v, want 2 that took 6 s together", got.Waits.Count(), got.Waits.Sum)
	}
}

func TestTraffic_ErrorsAreCountedByWhoRaisedThem(t *testing.T) {
	st := modelStage(t, setup{})
	c := st.connect("client")
	c.sends(proxytest.Query("select 1/0"))
	c.sends(proxytest.Query("show overdrive.nonsense"))
	got := st.identity.Meter.Counts()
	if counted(got.ServerErrors)["22"] != 1 || counted(got.ProxyErrors)["42"] != 1 {
		t.Errorf("the server's: %v, the proxy's: %v", counted(got.ServerErrors), counted(got.ProxyErrors))
	}
}

func TestTraffic_WhatTheProxyAnswersOfItselfHasNoStatus(t *testing.T) {
	st := newStage(t, setup{cache: true})
	c := st.connect("client")
	c.sends(proxytest.Query("show overdrive.status"))
	c.sends(proxytest.Parse("", "show overdrive.status"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync())
	got := st.identity.Meter.Counts()
	wantCounted(t, "statements", got.Statements, map[string]uint64{wordless: 2})
	if got.Answers[traffic.ByProxy].Count() != 2 || got.Upstream.Count() != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestTraffic_APinIsCountedOnceForAsLongAsItLasts(t *testing.T) {
	st := modelStage(t, setup{})
	c := st.connect("client")
	c.sends(proxytest.Query("set temp_buffers to 200"))
	c.sends(proxytest.Query("set temp_buffers to 200"))
	wantCounted(t, "pins", st.identity.Meter.Counts().Pins, map[string]uint64{"SET of a parameter that cannot follow": 1})
}

func TestTraffic_ARefreshIsNoTrafficOfAClient(t *testing.T) {
	st := newStage(t, setup{cache: true})
	c := st.connect("client")
	before := st.identity.Meter.Counts()
	r := &Session{standing: standing{state: ready, timing: timing{since: unattended}}, surroundings: surroundings{
		client: noClient{}, driver: c.driver, space: st.space, identity: st.identity,
	}}
	r.turnBegins()
	r.toClient([]byte("answer"))
	r.turnEnds(pgwire.TxIdle, true, false)
	if after := st.identity.Meter.Counts(); !reflect.DeepEqual(after, before) {
		t.Errorf("got %+v, want %+v", after, before)
	}
}

func TestTraffic_TimesDoNotOutliveTheClockTheyAreOf(t *testing.T) {
	st := newStage(t, setup{})
	c := st.connect("client")
	c.sends(proxytest.Sync()[:2]) // the clock runs
	if c.session.since == 0 {
		t.Fatal("the clock does not run")
	}
	c.session.MoveTo(st.space)
	if c.session.since != 0 {
		t.Error("the session still counts by the clock of its old loop")
	}
}

func TestStatuses_AreAllCountedButTheOneThatIsKnownLate(t *testing.T) {
	for _, status := range []querycache.Status{
		querycache.Hit, querycache.Stale, querycache.Miss, querycache.Disabled, querycache.Hinted, statusTransaction, statusSession,
		statusCoalesced, verdict.Uncacheable, verdict.Volatile, verdict.MultipleStatements, verdict.NotAQuery, verdict.OversizedQuery,
		verdict.ParseError, verdict.Unsettled, statusOversized,
	} {
		if at := indexOf(status); at == 0 || statuses[at] != status {
			t.Errorf("%s is not among the statuses", status)
		}
	}
	if indexOf("nonsense") != 0 || len(Vocabulary().Statuses) != len(statuses)-1 || statuses[len(statuses)-1] != statusOversized {
		t.Error("the words do not fit")
	}
	if slices.Contains(Vocabulary().Ends, "unknown") {
		t.Error("a reason has no word")
	}
}
