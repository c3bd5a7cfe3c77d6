package proxy_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy"
	"overdrive/proxy/pgauth"
	"overdrive/proxy/proxytest"
)

// stop shuts the instance down in the background. The result comes when nothing of it runs any more.
func (in *instance) stop(limit time.Duration) <-chan error {
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		done <- in.Shutdown(ctx)
	}()
	return done
}

// farewell waits for the last words to a client that asks nothing.
func farewell(tb testing.TB, c *pgconn.PgConn) error {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.WaitForNotification(ctx)
}

func TestShutdown_TransactionsFinishWhileOthersLeave(t *testing.T) {
	t.Parallel()
	pg := newDatabase(t, "shutdown_finish", "create table t(a int)")
	in := start(t, setup{upstream: pg.Addr(), database: "shutdown_finish", size: 3, options: new(captured).capture})
	idle, open, running := in.connect(t, "shutdown_finish"), in.connect(t, "shutdown_finish"), in.connect(t, "shutdown_finish")
	ask(t, idle, "select 1")
	ask(t, open, "begin; insert into t values (1)")
	answer := asking(t, running, "insert into t select 2 from (select pg_sleep(0.3)) s")
	awaitQuery(t, pg, "insert into t select 2")
	done := in.stop(patience)

	wantState(t, farewell(t, idle), "57P01")
	if _, err := net.Dial("tcp", in.address); err == nil {
		t.Error("a new client was let in")
	}
	if err := <-answer; err != nil {
		t.Errorf("a query that was running: %v", err)
	}
	wantState(t, farewell(t, running), "57P01")
	select {
	case err := <-done:
		t.Fatalf("shutdown did not wait for the open transaction: %v", err)
	default:
	}
	ask(t, open, "insert into t values (3)")
	ask(t, open, "commit")
	wantState(t, farewell(t, open), "57P01")
	if err := <-done; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	d := direct(t, pg, "shutdown_finish")
	if got := ask(t, d, "select count(*), sum(a) from t"); got != "3,6" {
		t.Errorf("got %s, want all three rows", got)
	}
	await(t, "all server connections to be closed", func() bool {
		return ask(t, d, "select count(*) from pg_stat_activity where datname = 'shutdown_finish'") == "1"
	})
}

// Whoever is on the way in when the server stops is sent away, and does not hold it up.
func TestShutdown_DoesNotWaitForThoseAtTheDoor(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := start(t, setup{upstream: pg.Addr(), database: "postgres", size: 1, options: func(o *proxy.Options) {
		new(captured).capture(o)
		o.AuthMethod = pgauth.MethodPassword
	}})
	silent, asked := in.raw(t), in.raw(t)
	if _, err := asked.Write(proxytest.StartupMessage(proxytest.Login{User: "postgres"})); err != nil {
		t.Fatal(err)
	}
	var request [9]byte
	if _, err := asked.Read(request[:]); err != nil || request[0] != 'R' {
		t.Fatalf("got %q, %v, want a request for the password", request, err)
	}
	began := time.Now()
	if err := <-in.stop(patience); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if took := time.Since(began); took > patience/2 {
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
	in := start(t, setup{upstream: pg.Addr(), database: "postgres", size: 1, options: new(captured).capture})
	holder, waiter := in.connect(t, "postgres"), in.dial(t, fenceLogin)
	ask(t, holder, "begin")
	if err := waiter.Send(proxytest.Query("select 'served'")); err != nil {
		t.Fatal(err)
	}
	sendCancel(t, in, append(keyOf(waiter.Startup)[:7:7], 0xff)) // the proxy has taken up something since
	done := in.stop(patience)
	ask(t, holder, "commit")
	got, err := waiter.ReceiveReady(1)
	if err != nil && (len(got) == 0 || fields(got[len(got)-1])['C'] != "57P01") {
		t.Errorf("got %v, %v, want an answer or 57P01", got, err)
	}
	if err := <-done; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

func TestShutdown_LimitCutsOff(t *testing.T) {
	t.Parallel()
	pg := newDatabase(t, "shutdown_limit", "create table t(a int)")
	in := start(t, setup{upstream: pg.Addr(), database: "shutdown_limit", size: 2, options: new(captured).capture})
	open, running := in.connect(t, "shutdown_limit"), in.connect(t, "shutdown_limit")
	ask(t, open, "begin; insert into t values (1)")
	answer := asking(t, running, "insert into t select 1 from (select pg_sleep(600)) s")
	awaitQuery(t, pg, "insert into t select 1")
	began := time.Now()
	if err := <-in.stop(200 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the limit's error", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("shutdown took %v, want little more than the limit", took)
	}
	wantState(t, farewell(t, open), "57P01")
	wantState(t, <-answer, "57P01")
	d := direct(t, pg, "shutdown_limit")
	await(t, "all server connections to be closed", func() bool {
		return ask(t, d, "select count(*) from pg_stat_activity where datname = 'shutdown_limit'") == "1"
	})
	if got := ask(t, d, "select count(*) from t"); got != "0" {
		t.Errorf("%s rows were committed", got)
	}
}

// Shutdown may be called more than once, and without there ever having been a client.
func TestShutdown_TwiceIsOnce(t *testing.T) {
	t.Parallel()
	in := start(t, setup{upstream: "127.0.0.1:1", database: "postgres", size: 1})
	for range 2 {
		if err := <-in.stop(patience); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	}
}
