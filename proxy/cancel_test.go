package proxy_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy"
	"overdrive/proxy/proxytest"
)

// asking runs sql in the background.
func asking(t *testing.T, c *pgconn.PgConn, sql string) (answer <-chan error) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := try(t.Context(), c, sql)
		done <- err
	}()
	return done
}

// Ctrl-C: the query ends with 57014, and the session, its transaction too, goes on as it does at PostgreSQL.
func TestCancel_StopsTheQueryAndNotTheSession(t *testing.T) {
	t.Parallel()
	pg := newDatabase(t, "cancel_stops", "create table t(a int)")
	in := start(t, setup{upstream: pg.Addr(), database: "cancel_stops", size: 2})
	c := in.connect(t, "cancel_stops")
	for round, before := range []string{"select 1", "begin; insert into t values (1)"} {
		ask(t, c, before)
		text := fmt.Sprintf("select pg_sleep(600), %d", round)
		answer := asking(t, c, text)
		awaitQuery(t, pg, text)
		if err := c.CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantState(t, <-answer, "57014")
	}
	_, err := try(t.Context(), c, "select 1")
	wantState(t, err, "25P02")
	ask(t, c, "rollback")
	if got := ask(t, c, "select count(*) from t"); got != "0" {
		t.Errorf("got %s rows, want none", got)
	}
}

// A client that waits for a server is answered at once, and keeps nobody behind it waiting.
func TestCancel_EndsTheWaitInTheQueue(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := start(t, setup{upstream: pg.Addr(), database: "postgres", size: 1})
	holder, waiter, next := in.connect(t, "postgres"), in.connect(t, "postgres"), in.connect(t, "postgres")
	ask(t, holder, "begin")
	run := map[string]func(context.Context) error{
		"simple": func(ctx context.Context) error {
			_, err := try(ctx, waiter, "select 1")
			return err
		},
		"extended": func(ctx context.Context) error {
			_, err := askExtended(ctx, waiter, 0, "select $1::int", "1")
			return err
		},
	}
	for name, f := range run {
		answer := make(chan error, 1)
		go func() { answer <- f(t.Context()) }()
		var err error
		for waiting := true; waiting; { // the first requests may come before the query
			if err := waiter.CancelRequest(t.Context()); err != nil {
				t.Fatal(err)
			}
			select {
			case err = <-answer:
				waiting = false
			default:
			}
		}
		if state(err) != "57014" {
			t.Errorf("%s: got %v, want 57014", name, err)
		}
	}
	answer := asking(t, next, "select 1")
	ask(t, holder, "commit")
	if err := <-answer; err != nil {
		t.Errorf("the next in the queue: %v", err)
	}
	for name, f := range run {
		if err := f(t.Context()); err != nil {
			t.Errorf("%s after the cancelled wait: %v", name, err)
		}
	}
}

// The proxy may put off a message until it knows what became of those before it. That must not make it deaf.
func TestCancel_ReachesAQueryThatTheNextMessageWaitsFor(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := start(t, setup{upstream: pg.Addr(), database: "postgres", size: 1})
	w := in.dial(t, fenceLogin)
	text := "select pg_sleep(600), 'stalled'"
	if _, err := w.Ask(proxytest.Parse("twice", "select 1"), proxytest.Sync()); err != nil {
		t.Fatal(err)
	}
	if err := w.Send(proxytest.Query(text), proxytest.Parse("twice", "select 2"), proxytest.Sync()); err != nil {
		t.Fatal(err)
	}
	awaitQuery(t, pg, "select pg_sleep(600), ''stalled")
	sendCancel(t, in, keyOf(w.Startup))
	for _, want := range []string{"57014", "42P05"} {
		got, err := w.ReceiveReady(1)
		if err != nil {
			t.Fatal(err)
		}
		code := ""
		for _, m := range got {
			if m.Type == 'E' {
				code = fields(m)['C']
			}
		}
		if code != want {
			t.Errorf("got %v, want an error %s", got, want)
		}
	}
}

// keyOf finds the cancel key in a login.
func keyOf(login []proxytest.Message) []byte {
	for _, m := range login {
		if m.Type == 'K' {
			return m.Body
		}
	}
	return nil
}

// sendCancel sends a CancelRequest and waits until the proxy has hung up.
func sendCancel(tb testing.TB, in *instance, key []byte) {
	tb.Helper()
	nc := in.raw(tb)
	if _, err := nc.Write(opener(cancelRequest, key...)); err != nil {
		tb.Fatal(err)
	}
	if got, err := io.ReadAll(nc); len(got) > 0 || err != nil && !isReset(err) {
		tb.Fatalf("got %q, %v in answer to a cancel request, want the end", got, err)
	}
}

func TestCancel_NeedsTheRightSecret(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := start(t, setup{upstream: pg.Addr(), database: "postgres", size: 1})
	w := in.dial(t, fenceLogin)
	key := keyOf(w.Startup)
	if len(key) != 8 {
		t.Fatalf("the key has %d bytes, want 8 as protocol 3.0 says", len(key))
	}
	text := "select pg_sleep(600), 'secret'"
	if err := w.Send(proxytest.Query(text)); err != nil {
		t.Fatal(err)
	}
	awaitQuery(t, pg, "select pg_sleep(600), ''secret")
	for i := range 8 { // each a key that differs in one bit
		wrong := append([]byte(nil), key...)
		wrong[i] ^= 1
		sendCancel(t, in, wrong)
	}
	sendCancel(t, in, key[:7])
	sendCancel(t, in, append(key[:8:8], 0))
	awaitQuery(t, pg, "select pg_sleep(600), ''secret") // still
	sendCancel(t, in, key)
	got, err := w.ReceiveReady(1)
	if err != nil || got[len(got)-2].Type != 'E' || fields(got[len(got)-2])['C'] != "57014" {
		t.Errorf("got %v, %v, want 57014", got, err)
	}
}

func TestCancel_AfterTheQueryHasEndedHitsNobody(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := start(t, setup{upstream: pg.Addr(), database: "postgres", size: 1})
	late, other := in.connect(t, "postgres"), in.connect(t, "postgres")
	for range 30 {
		ask(t, late, "select 1")
		answer := asking(t, other, "select pg_sleep(0.005)")
		if err := late.CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-answer; err != nil {
			t.Fatalf("somebody else's query: %v", err)
		}
		ask(t, late, "select 1")
	}
}

// A full house does not keep a client from cancelling.
func TestCancel_WorksWhenNoMoreClientsAreLetIn(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := start(t, setup{upstream: pg.Addr(), database: "postgres", size: 1, options: func(o *proxy.Options) { o.MaxClients = 1 }})
	c := in.connect(t, "postgres")
	answer := asking(t, c, "select pg_sleep(600), 'full'")
	awaitQuery(t, pg, "select pg_sleep(600), ''full")
	if err := c.CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantState(t, <-answer, "57014")
}

// lateCancels starts a way to the server on which every cancel request is a few milliseconds late.
func lateCancels(t *testing.T, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go forward(l, address, func(head []byte) {
		if binary.BigEndian.Uint32(head[4:]) == cancelRequest {
			<-time.After(time.Duration(rand.IntN(4000)) * time.Microsecond)
		}
	})
	return l.Addr().String()
}

// The race that poolers are known for: a cancel request reaches the server a moment late and hits whoever has it by then.
// Twenty clients share two servers; half of them cancel at random moments. A query that its own client did not cancel is
// never cancelled, and every answer is the asker's own.
func TestCancel_StormNeverHitsAnotherClient(t *testing.T) {
	t.Parallel()
	const clients, lasts = 20, 3 * time.Second
	pg := proxytest.SharedPostgres(t)
	in := start(t, setup{upstream: lateCancels(t, pg.Addr()), database: "postgres", size: 2})
	over := time.Now().Add(lasts)
	var hits, asked atomic.Int64
	var all sync.WaitGroup
	for i := range clients {
		c := in.connect(t, "postgres")
		random := rand.New(rand.NewPCG(1, uint64(i)))
		all.Go(func() {
			for round := 0; time.Now().Before(over) && !t.Failed(); round++ {
				mine := fmt.Sprintf("client %d round %d", i, round)
				requests := make(chan error, 1)
				cancels := i%2 == 0 && random.IntN(2) == 0
				if cancels {
					timer := time.AfterFunc(time.Duration(random.IntN(20000))*time.Microsecond, func() {
						requests <- c.CancelRequest(t.Context())
					})
					defer timer.Stop()
				}
				got, err := storm(t.Context(), c, round, mine, float64(random.IntN(3))/1000)
				asked.Add(1)
				switch {
				case state(err) == "57014" && cancels:
					hits.Add(1)
				case err != nil:
					t.Errorf("%s (cancels: %v): %v", mine, cancels, err)
				case got != mine:
					t.Errorf("%s got %q", mine, got)
				}
				if !cancels {
					continue
				}
				if err := <-requests; err != nil { // so that it belongs to this round
					t.Errorf("%s: cancel request: %v", mine, err)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d queries, %d cancelled", asked.Load(), hits.Load())
	if hits.Load() == 0 {
		t.Error("no query was cancelled, so this proves nothing")
	}
}

// storm asks one of three kinds of question whose answer is mine.
func storm(ctx context.Context, c *pgconn.PgConn, round int, mine string, sleep float64) (string, error) {
	switch round % 3 {
	case 0:
		return askExtended(ctx, c, 0, fmt.Sprintf("select $1::text from (select pg_sleep(%g)) s", sleep), mine)
	case 1:
		got, err := try(ctx, c, fmt.Sprintf("begin; select '%s' from (select pg_sleep(%g)) s", mine, sleep))
		if _, end := try(ctx, c, "rollback"); end != nil && state(err) != "57014" && state(end) != "57014" {
			err = end
		} else if state(end) == "57014" {
			return "", end
		}
		return got, err
	}
	return try(ctx, c, fmt.Sprintf("select '%s' from (select pg_sleep(%g)) s", mine, sleep))
}

// A client may not learn the key of a server connection, which serves others next.
func TestCancel_KeysOfServersAreNotGivenAway(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := start(t, setup{upstream: pg.Addr(), database: "postgres", size: 1})
	seen := make(map[string]bool)
	for range 20 {
		w := in.dial(t, fenceLogin)
		key := keyOf(w.Startup)
		got, err := w.Ask(proxytest.Query("select pg_backend_pid()"))
		if err != nil {
			t.Fatal(err)
		}
		pid := string(got[1].Body[6:])
		if pid == fmt.Sprint(binary.BigEndian.Uint32(key)) || seen[string(key[4:])] {
			t.Errorf("key %x tells of server process %s, or was given out before", key, pid)
		}
		seen[string(key[4:])] = true
	}
}
