package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/pool"
	"overdrive/proxy/loop"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/settings"
	"overdrive/proxy/postgres/upstream"
	"overdrive/proxy/proxytest"
	"overdrive/querycache"
)

// A nomad moves between two loops, and counts without any lock what is brought to it: the race detector finds whatever is
// brought to the wrong place.
type nomad struct {
	t       *testing.T
	address address
	conn    *loop.Conn
	workers [2]*worker
	at      int
	heard   []bool
	faults  int
}

func (n *nomad) OnData([]byte)     {}
func (n *nomad) OnEOF()            {}
func (n *nomad) OnDrained()        {}
func (n *nomad) OnError(err error) { n.t.Errorf("OnError: %v", err) }
func (n *nomad) faulty(error)      { n.faults++ }

// move goes to the other loop, for good as soon as over is closed.
func (n *nomad) move(over <-chan struct{}, done chan<- struct{}) {
	select {
	case <-over:
		close(done)
		return
	default:
	}
	moved := n.address.move(n.conn, n.workers[1-n.at], func() {
		n.at = 1 - n.at
		n.address.post(func() { n.move(over, done) })
	})
	if !moved {
		n.t.Error("did not move")
	}
}

// newTestOrigin returns an origin without a pool or a server.
func newTestOrigin(s *Server) *origin {
	o := &origin{server: s, kick: make(chan struct{}, 1), back: make(chan struct{}, 1), follow: func() {}}
	o.Begin(session.IdentityOptions{ID: 1, Database: "test", User: "tester", Interner: &settings.Interner{}, Watch: o})
	return o
}

// newNomad starts two loops and settles a nomad on the first.
func newNomad(t *testing.T) *nomad {
	n := &nomad{t: t}
	n.address.owner = n
	for i := range n.workers {
		l, err := loop.New(loop.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- l.Run() }()
		t.Cleanup(func() {
			l.Close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		n.workers[i] = &worker{index: i, loop: l, post: l.Post}
	}
	ours, theirs := tcpPair(t)
	t.Cleanup(func() { theirs.Close() })
	settled := make(chan error, 1)
	n.workers[0].post(func() {
		var err error
		n.conn, err = n.workers[0].loop.Adopt(ours, n)
		n.address.arrive(n.workers[0])
		settled <- err
	})
	if err := <-settled; err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAddress_APanicOnArrivalEndsTheOwner(t *testing.T) {
	n := newNomad(t)
	faults := make(chan int, 1)
	n.workers[0].post(func() {
		n.address.move(n.conn, n.workers[1], func() { panic("on arrival") })
		n.address.post(func() { faults <- n.faults })
	})
	if got := <-faults; got != 1 {
		t.Errorf("the owner heard of %d faults, want 1", got)
	}
}

// The pool that wants it may be closed while a connection is on its way to a loop that is busy.
func TestOrigin_AConnectionThatMovesInTooLateIsClosed(t *testing.T) {
	w := newNomad(t).workers[0]
	ours, theirs := tcpPair(t)
	defer theirs.Close()
	ctx, stop := context.WithCancel(t.Context())
	busy := make(chan struct{})
	w.post(func() { <-busy })
	stop()
	if _, err := newTestOrigin(nil).moveIn(ctx, &upstream.Conn{NC: ours}, w); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(busy)
	_ = theirs.SetDeadline(time.Now().Add(5 * time.Second))
	if b, err := io.ReadAll(theirs); err != nil || string(b) != "X\x00\x00\x00\x04" {
		t.Errorf("got %q, %v, want Terminate and the end", b, err)
	}
}

// A connection that leaves the pool says goodbye, on the loop where it lives.
func TestOrigin_AConnectionThatLeavesThePoolSaysGoodbye(t *testing.T) {
	w := newNomad(t).workers[0]
	ours, theirs := tcpPair(t)
	defer theirs.Close()
	c, err := newTestOrigin(nil).moveIn(t.Context(), &upstream.Conn{NC: ours}, w)
	if err != nil {
		t.Fatal(err)
	}
	closeServer(c, pool.CloseIdle)
	_ = theirs.SetDeadline(time.Now().Add(5 * time.Second))
	if b, err := io.ReadAll(theirs); err != nil || string(b) != "X\x00\x00\x00\x04" {
		t.Errorf("got %q, %v, want Terminate and the end", b, err)
	}
}

func tcpPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestAddress_BringsEverythingOnceToWhereItsOwnerLives(t *testing.T) {
	t.Parallel()
	const posters, each = 4, 5000
	n := newNomad(t)
	n.heard = make([]bool, posters*each)
	over, done := make(chan struct{}), make(chan struct{})
	n.address.post(func() { n.move(over, done) })
	var all, heard sync.WaitGroup
	for p := range posters {
		all.Go(func() {
			for i := range each {
				what := p*each + i
				heard.Add(1)
				n.address.post(func() {
					if n.heard[what] {
						t.Errorf("%d was brought twice", what)
					}
					n.heard[what] = true
					heard.Done()
				})
			}
		})
	}
	all.Wait()
	heard.Wait()
	close(over)
	<-done
}

func TestAddress_EndsWhoeverAPostedFunctionPanicsFor(t *testing.T) {
	t.Parallel()
	n := newNomad(t)
	n.address.post(func() { panic("a fault of ours") })
	faults := make(chan int)
	n.address.post(func() { faults <- n.faults })
	if got := <-faults; got != 1 {
		t.Errorf("the owner was told %d times, want once", got)
	}
}

// startMoving runs a server with a few loops between which all sessions at rest move all the time.
func startMoving(t *testing.T, pg *proxytest.Postgres, database string) (s *Server, cache *querycache.Cache, address string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(pg.Addr())
	number, _ := strconv.Atoi(port)
	cache = querycache.New(querycache.Options{})
	s, err := New(Options{
		Logger: slog.New(slog.DiscardHandler), Loops: 3, AuthMethod: pgauth.MethodTrust, Cache: cache,
		Users: func(string) (pgauth.Secret, bool) { return pgauth.Secret{}, true },
		Databases: []Database{{
			Name:   database,
			Target: upstream.Target{Host: host, Port: number, Database: database, User: "postgres", SSLMode: upstream.SSLDisable, ConnectTimeout: 5 * time.Second},
			Pool:   pool.Limits{Size: 2, WaitTimeout: 20 * time.Second},
			Cache:  &querycache.Policy{Enabled: true, MaxAge: time.Hour, MaxResult: 1 << 20},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	ctx, stop := context.WithCancel(context.Background())
	var mover sync.WaitGroup
	mover.Go(func() { s.moveAll(ctx) })
	t.Cleanup(func() {
		stop()
		mover.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return s, cache, l.Addr().String()
}

// moveAll moves every session at rest to the next loop, again and again.
func (s *Server) moveAll(ctx context.Context) {
	for ctx.Err() == nil {
		var all sync.WaitGroup
		for i, w := range s.workers {
			all.Add(1)
			posted := w.loop.Post(func() {
				defer all.Done()
				for c := w.sessions.first; c != nil; {
					next := c.next
					if c.Movable() {
						s.move(c, s.workers[(i+1)%len(s.workers)])
					}
					c = next
				}
			})
			if !posted {
				all.Done()
			}
		}
		all.Wait()
	}
}

// Sessions move between loops while they are cancelled, woken by the answers of others, granted servers, and killed.
// Everybody reads answers of their own, nothing is left, and the race detector is silent.
func TestServer_SessionsMoveWhileEverythingElseHappensToThem(t *testing.T) {
	t.Parallel()
	const clients, lasts = 12, 2 * time.Second
	pg := proxytest.SharedPostgres(t)
	pg.Exec("drop database if exists moving with (force)")
	pg.Exec("create database moving")
	pg.ExecIn("moving", "create table t(id int primary key, v int); insert into t select g, 0 from generate_series(1, 300) g")
	s, cache, address := startMoving(t, pg, "moving")
	over := time.Now().Add(lasts)
	var asked, cancelled, killed atomic.Int64
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			r := rand.New(rand.NewPCG(3, uint64(i)))
			for time.Now().Before(over) && !t.Failed() {
				c, err := pgconn.Connect(t.Context(), fmt.Sprintf("postgres://postgres@%s/moving?sslmode=disable", address))
				if err != nil {
					t.Error(err)
					return
				}
				for range 1 + r.IntN(200) {
					if !time.Now().Before(over) {
						break
					}
					asked.Add(1)
					switch err := roam(t, c, r); {
					case stateOf(err) == "57014":
						cancelled.Add(1)
					case err != nil:
						t.Error(err)
					}
				}
				if r.IntN(2) == 0 {
					killed.Add(1)
					c.Exec(t.Context(), "update t set v = v + 1 where id = 7") // and is gone before it is answered
					c.Conn().Close()
				}
				c.Close(t.Context())
			}
		})
	}
	all.Wait()
	t.Logf("%d asked, %d cancelled, %d killed", asked.Load(), cancelled.Load(), killed.Load())
	if cancelled.Load() == 0 || killed.Load() == 0 {
		t.Error("nobody was cancelled, or nobody was killed, so this proves little")
	}
	s.eachSession(func(c *client) { c.Stop() }) // whoever has not noticed yet that its client is gone
	for end := time.Now().Add(time.Minute); cache.Stats().Writing > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d writes are still marked", cache.Stats().Writing)
		}
	}
}

// roam does one random thing, perhaps cancelled meanwhile.
func roam(t *testing.T, c *pgconn.PgConn, r *rand.Rand) error {
	ctx, requests := t.Context(), make(chan error, 1)
	if r.IntN(4) == 0 {
		timer := time.AfterFunc(time.Duration(r.IntN(3000))*time.Microsecond, func() { requests <- c.CancelRequest(ctx) })
		defer func() {
			if !timer.Stop() {
				<-requests
			}
		}()
	}
	mine := fmt.Sprint(r.Uint64())
	text, want := fmt.Sprintf("select '%s' from t where id = 1", mine), mine
	switch r.IntN(4) {
	case 0: // as others ask it too, and not quick
		text, want = fmt.Sprintf("select count(*) from t a, t b where a.id %% %d = 0 and b.v >= 0", 1+r.IntN(3)), ""
	case 1:
		text, want = "update t set v = v + 1 where id = 3", ""
	}
	got, err := c.Exec(ctx, text).ReadAll()
	if err != nil {
		return err
	}
	if want != "" && (len(got) != 1 || len(got[0].Rows) != 1 || string(got[0].Rows[0][0]) != want) {
		return fmt.Errorf("%s: got another answer", text)
	}
	return nil
}

func stateOf(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
