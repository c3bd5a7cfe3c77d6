package postgres_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/proxytest"
)

func TestShutdown_TransactionsFinishWhileOthersLeave(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "shutdown_finish", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "shutdown_finish", Size: 3, Options: new(rig.Captured).Capture})
	idle, open, running := in.Connect(t, "shutdown_finish"), in.Connect(t, "shutdown_finish"), in.Connect(t, "shutdown_finish")
	rig.Ask(t, idle, "select 1")
	rig.Ask(t, open, "begin; insert into t values (1)")
	answer := rig.Asking(t, running, "insert into t select 2 from (select pg_sleep(0.3)) s")
	rig.AwaitQuery(t, pg, "insert into t select 2")
	done := in.Stop(rig.Patience)

	rig.WantState(t, rig.Farewell(t, idle), "57P01")
	if _, err := net.Dial("tcp", in.Address); err == nil {
		t.Error("a new client was let in")
	}
	if err := <-answer; err != nil {
		t.Errorf("a query that was running: %v", err)
	}
	rig.WantState(t, rig.Farewell(t, running), "57P01")
	select {
	case err := <-done:
		t.Fatalf("shutdown did not wait for the open transaction: %v", err)
	default:
	}
	rig.Ask(t, open, "insert into t values (3)")
	rig.Ask(t, open, "commit")
	rig.WantState(t, rig.Farewell(t, open), "57P01")
	if err := <-done; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	d := rig.Direct(t, pg, "shutdown_finish")
	if got := rig.Ask(t, d, "select count(*), sum(a) from t"); got != "3,6" {
		t.Errorf("got %s, want all three rows", got)
	}
	rig.Await(t, "all server connections to be closed", func() bool {
		return rig.Ask(t, d, "select count(*) from pg_stat_activity where datname = 'shutdown_finish'") == "1"
	})
}

// Whoever is on the way in when the server stops is sent away, and does not hold it up.
func TestShutdown_DoesNotWaitForThoseAtTheDoor(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 1, Options: func(o *rig.Options) {
		new(rig.Captured).Capture(o)
		o.AuthMethod = pgauth.MethodPassword
	}})
	silent, asked := in.Raw(t), in.Raw(t)
	if _, err := asked.Write(proxytest.StartupMessage(proxytest.Login{User: "postgres"})); err != nil {
		t.Fatal(err)
	}
	var request [9]byte
	if _, err := asked.Read(request[:]); err != nil || request[0] != 'R' {
		t.Fatalf("got %q, %v, want a request for the password", request, err)
	}
	began := time.Now()
	if err := <-in.Stop(rig.Patience); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if took := time.Since(began); took > rig.Patience/2 {
		t.Errorf("shutdown took %v", took)
	}
	for _, nc := range []net.Conn{silent, asked} {
		if types, _ := untilReady(nc); types != "" && types != "E" {
			t.Errorf("got messages %s, want an error or nothing", types)
		}
	}
}

// A client that waits for a server when the proxy stops still gets its turn, if there is time.
func TestShutdown_ServesTheQueueFirst(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 1, Options: new(rig.Captured).Capture})
	holder, waiter := in.Connect(t, "postgres"), in.Dial(t, fenceLogin)
	rig.Ask(t, holder, "begin")
	if err := waiter.Send(proxytest.Query("select 'served'")); err != nil {
		t.Fatal(err)
	}
	rig.SendCancel(t, in, append(rig.KeyOf(waiter.Startup)[:7:7], 0xff)) // the proxy has taken up something since
	done := in.Stop(rig.Patience)
	rig.Ask(t, holder, "commit")
	got, err := waiter.ReceiveReady(1)
	if err != nil && (len(got) == 0 || rig.Fields(got[len(got)-1])['C'] != "57P01") {
		t.Errorf("got %v, %v, want an answer or 57P01", got, err)
	}
	if err := <-done; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

func TestShutdown_LimitCutsOff(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "shutdown_limit", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "shutdown_limit", Size: 2, Options: new(rig.Captured).Capture})
	open, running := in.Connect(t, "shutdown_limit"), in.Connect(t, "shutdown_limit")
	rig.Ask(t, open, "begin; insert into t values (1)")
	answer := rig.Asking(t, running, "insert into t select 1 from (select pg_sleep(600)) s")
	rig.AwaitQuery(t, pg, "insert into t select 1")
	began := time.Now()
	if err := <-in.Stop(200 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the limit's error", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("shutdown took %v, want little more than the limit", took)
	}
	rig.WantState(t, rig.Farewell(t, open), "57P01")
	rig.WantState(t, <-answer, "57P01")
	d := rig.Direct(t, pg, "shutdown_limit")
	rig.Await(t, "all server connections to be closed", func() bool {
		return rig.Ask(t, d, "select count(*) from pg_stat_activity where datname = 'shutdown_limit'") == "1"
	})
	if got := rig.Ask(t, d, "select count(*) from t"); got != "0" {
		t.Errorf("%s rows were committed", got)
	}
}

// Shutdown may be called more than once, and without there ever having been a client.
func TestShutdown_TwiceIsOnce(t *testing.T) {
	t.Parallel()
	in := rig.Start(t, rig.Setup{Upstream: "127.0.0.1:1", Database: "postgres", Size: 1})
	for range 2 {
		if err := <-in.Stop(rig.Patience); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	}
}
