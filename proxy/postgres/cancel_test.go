package postgres_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// Ctrl-C: the query ends with 57014, and the session, its transaction too, goes on as it does at PostgreSQL.
func TestCancel_StopsTheQueryAndNotTheSession(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "cancel_stops", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "cancel_stops", Size: 2})
	c := in.Connect(t, "cancel_stops")
	for round, before := range []string{"select 1", "begin; insert into t values (1)"} {
		rig.Ask(t, c, before)
		text := fmt.Sprintf("select pg_sleep(600), %d", round)
		answer := rig.Asking(t, c, text)
		rig.AwaitQuery(t, pg, text)
		if err := c.CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
		rig.WantState(t, <-answer, "57014")
	}
	_, err := rig.Try(t.Context(), c, "select 1")
	rig.WantState(t, err, "25P02")
	rig.Ask(t, c, "rollback")
	if got := rig.Ask(t, c, "select count(*) from t"); got != "0" {
		t.Errorf("got %s rows, want none", got)
	}
}

// A client that waits for a server is answered at once, and keeps nobody behind it waiting.
func TestCancel_EndsTheWaitInTheQueue(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 1})
	holder, waiter, next := in.Connect(t, "postgres"), in.Connect(t, "postgres"), in.Connect(t, "postgres")
	rig.Ask(t, holder, "begin")
	run := map[string]func(context.Context) error{
		"simple": func(ctx context.Context) error {
			_, err := rig.Try(ctx, waiter, "select 1")
			return err
		},
		"extended": func(ctx context.Context) error {
			_, err := rig.AskExtended(ctx, waiter, 0, "select $1::int", "1")
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
		if rig.State(err) != "57014" {
			t.Errorf("%s: got %v, want 57014", name, err)
		}
	}
	answer := rig.Asking(t, next, "select 1")
	rig.Ask(t, holder, "commit")
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
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 1})
	w := in.Dial(t, fenceLogin)
	text := "select pg_sleep(600), 'stalled'"
	if _, err := w.Ask(proxytest.Parse("twice", "select 1"), proxytest.Sync()); err != nil {
		t.Fatal(err)
	}
	if err := w.Send(proxytest.Query(text), proxytest.Parse("twice", "select 2"), proxytest.Sync()); err != nil {
		t.Fatal(err)
	}
	rig.AwaitQuery(t, pg, "select pg_sleep(600), ''stalled")
	rig.SendCancel(t, in, rig.KeyOf(w.Startup))
	for _, want := range []string{"57014", "42P05"} {
		got, err := w.ReceiveReady(1)
		if err != nil {
			t.Fatal(err)
		}
		code := ""
		for _, m := range got {
			if m.Type == 'E' {
				code = rig.Fields(m)['C']
			}
		}
		if code != want {
			t.Errorf("got %v, want an error %s", got, want)
		}
	}
}

func TestCancel_NeedsTheRightSecret(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 1})
	w := in.Dial(t, fenceLogin)
	key := rig.KeyOf(w.Startup)
	if len(key) != 8 {
		t.Fatalf("the key has %d bytes, want 8 as protocol 3.0 says", len(key))
	}
	text := "select pg_sleep(600), 'secret'"
	if err := w.Send(proxytest.Query(text)); err != nil {
		t.Fatal(err)
	}
	rig.AwaitQuery(t, pg, "select pg_sleep(600), ''secret")
	for i := range 8 { // each a key that differs in one bit
		wrong := append([]byte(nil), key...)
		wrong[i] ^= 1
		rig.SendCancel(t, in, wrong)
	}
	rig.SendCancel(t, in, key[:7])
	rig.SendCancel(t, in, append(key[:8:8], 0))
	rig.AwaitQuery(t, pg, "select pg_sleep(600), ''secret") // still
	rig.SendCancel(t, in, key)
	got, err := w.ReceiveReady(1)
	if err != nil || got[len(got)-2].Type != 'E' || rig.Fields(got[len(got)-2])['C'] != "57014" {
		t.Errorf("got %v, %v, want 57014", got, err)
	}
}

func TestCancel_AfterTheQueryHasEndedHitsNobody(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 1})
	late, other := in.Connect(t, "postgres"), in.Connect(t, "postgres")
	for range 30 {
		rig.Ask(t, late, "select 1")
		answer := rig.Asking(t, other, "select pg_sleep(0.005)")
		if err := late.CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-answer; err != nil {
			t.Fatalf("somebody else's query: %v", err)
		}
		rig.Ask(t, late, "select 1")
	}
}

// A full house does not keep a client from cancelling.
func TestCancel_WorksWhenNoMoreClientsAreLetIn(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 1, Options: func(o *rig.Options) { o.MaxClients = 1 }})
	c := in.Connect(t, "postgres")
	answer := rig.Asking(t, c, "select pg_sleep(600), 'full'")
	rig.AwaitQuery(t, pg, "select pg_sleep(600), ''full")
	if err := c.CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	rig.WantState(t, <-answer, "57014")
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
		if binary.BigEndian.Uint32(head[4:]) == rig.CancelRequest {
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
	in := rig.Start(t, rig.Setup{Upstream: lateCancels(t, pg.Addr()), Database: "postgres", Size: 2})
	over := time.Now().Add(lasts)
	var hits, asked atomic.Int64
	var all sync.WaitGroup
	for i := range clients {
		c := in.Connect(t, "postgres")
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
				case rig.State(err) == "57014" && cancels:
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
		return rig.AskExtended(ctx, c, 0, fmt.Sprintf("select $1::text from (select pg_sleep(%g)) s", sleep), mine)
	case 1:
		got, err := rig.Try(ctx, c, fmt.Sprintf("begin; select '%s' from (select pg_sleep(%g)) s", mine, sleep))
		if _, end := rig.Try(ctx, c, "rollback"); end != nil && rig.State(err) != "57014" && rig.State(end) != "57014" {
			err = end
		} else if rig.State(end) == "57014" {
			return "", end
		}
		return got, err
	}
	return rig.Try(ctx, c, fmt.Sprintf("select '%s' from (select pg_sleep(%g)) s", mine, sleep))
}

// A client may not learn the key of a server connection, which serves others next.
func TestCancel_KeysOfServersAreNotGivenAway(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 1})
	seen := make(map[string]bool)
	for range 20 {
		w := in.Dial(t, fenceLogin)
		key := rig.KeyOf(w.Startup)
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
