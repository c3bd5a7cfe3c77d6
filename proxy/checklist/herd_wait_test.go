package checklist_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
)

// answeredWithin fails the test unless w is answered up to a ReadyForQuery within d.
func answeredWithin(t *testing.T, who string, w *proxytest.Wire, d time.Duration) {
	t.Helper()
	done := make(chan error, 1)
	go func() { _, err := w.ReceiveReady(1); done <- err }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%s: %v", who, err)
		}
	case <-time.After(d):
		t.Errorf("%s has no answer after %v", who, d)
	}
}

// One who asks for an answer in the extended protocol and never sends its Sync must not keep all others who ask the same waiting.
func TestHerd_ALeaderWithoutSyncHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	b := startStepped(t, "herd_nosync", rowTable)
	login := proxytest.Login{User: "postgres", Database: b.database}
	bad, good := b.Dial(t, login), b.Dial(t, login)
	unit := [][]byte{proxytest.Parse("", "select a from t where k = 'herd'"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0)}
	// A second Bind is what matchEnd wants to see; the Sync never comes.
	if err := bad.Send(append(unit, proxytest.Bind("", "", nil, nil, nil), proxytest.Flush())...); err != nil {
		t.Fatal(err)
	}
	for { // its answer, so that the server has nothing more to say
		m, err := bad.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if m.Type == pgwire.CommandComplete {
			break
		}
	}
	if err := good.Send(append(unit, proxytest.Sync())...); err != nil {
		t.Fatal(err)
	}
	answeredWithin(t, "who asks the same", good, 8*time.Second)
}

// One who asks for a large answer and does not read it must not keep all others who ask the same waiting.
func TestHerd_ALeaderThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	for _, mb := range []int{1, 64} {
		t.Run(fmt.Sprint(mb), func(t *testing.T) {
			name := fmt.Sprintf("herd_slow%d", mb)
			b := startStepped(t, name, "create table t(k int, a text); insert into t select i, repeat('x', 1000) from generate_series(1, 1000) i")
			login := proxytest.Login{User: "postgres", Database: b.database}
			bad, good := b.Dial(t, login), b.Dial(t, login)
			_ = bad.Conn().(*net.TCPConn).SetReadBuffer(4096)
			large := proxytest.Query(fmt.Sprintf("select repeat(a, %d) from t", mb))
			if err := bad.Send(large); err != nil {
				t.Fatal(err)
			}
			if mb > 1 { // more than fits into the buffers on the way, of which the kernel may make one as large as 32 MB
				rig.Await(t, "the server to be held up", func() bool {
					return rig.Ask(t, b.real, "select count(*) from pg_stat_activity where wait_event = 'ClientWrite' and datname = current_database()") == "1"
				})
			}
			if err := good.Send(large); err != nil {
				t.Fatal(err)
			}
			answeredWithin(t, "who asks the same", good, 8*time.Second)
		})
	}
}

// Refreshes that hang do not take the servers of those who would be quick.
func TestRefresh_ThoseThatHangLeaveServersToClients(t *testing.T) {
	b := startStepped(t, "herd_refresh", "create table t(k int, a text); insert into t values (1, 'x'); create table u(a int)", func(o *rig.Options) {
		o.Databases[0].Cache.MaxAge, o.Databases[0].Cache.StaleWhileRevalidate = time.Minute, time.Hour
	})
	c := b.connect(t)
	const keys = 8
	for i := range keys {
		b.prime(t, c, fmt.Sprintf("select a from t where k = %d", i))
	}
	rig.Ask(t, b.real, "begin; lock table t in access exclusive mode")
	b.advance(2 * time.Minute)
	for i := range keys {
		rig.Ask(t, c, fmt.Sprintf("select a from t where k = %d", i))
		if word := rig.Status(t, c); word != "stale" {
			t.Fatalf("got %s", word)
		}
	}
	rig.Await(t, "refreshes to hang", func() bool {
		return rig.Ask(t, b.real, "select count(*) from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())") == "2"
	})
	w := b.Dial(t, proxytest.Login{User: "postgres", Database: b.database})
	if err := w.Send(proxytest.Query("select clock_timestamp()")); err != nil {
		t.Fatal(err)
	}
	answeredWithin(t, "who asks for something else", w, 6*time.Second)
	rig.Ask(t, b.real, "rollback")
}

// A refresh under way does not hold up a graceful stop.
func TestRefresh_OneThatHangsIsCancelledByAStop(t *testing.T) {
	t.Parallel()
	b := startStepped(t, "herd_stop", "create table t(k int, a text); insert into t values (1, 'x')", func(o *rig.Options) {
		o.Databases[0].Cache.MaxAge, o.Databases[0].Cache.StaleWhileRevalidate = time.Minute, time.Hour
	})
	c := b.connect(t)
	b.prime(t, c, "select a from t")
	rig.Ask(t, b.real, "begin; lock table t in access exclusive mode")
	b.advance(2 * time.Minute)
	rig.Ask(t, c, "select a from t")
	b.awaitLocked(t, 1)
	start := time.Now()
	if err := b.Server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 4*time.Second { // of five that are given to connections which do not end
		t.Errorf("the stop of a proxy whose only client is at rest took %v", took)
	}
}
