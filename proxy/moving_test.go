package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/postgres"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/upstream"
	"overdrive/proxy/proxytest"
	"overdrive/querycache"
)

// startMoving runs a server with a few loops between which all sessions at rest move all the time.
func startMoving(t *testing.T, pg *proxytest.Postgres, database string) (s *proxy.Server, cache *querycache.Cache, address string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(pg.Addr())
	number, _ := strconv.Atoi(port)
	cache = querycache.New(querycache.Options{})
	s, err := proxy.New(proxy.Options{Loops: 3})
	if err != nil {
		t.Fatal(err)
	}
	p := postgres.New(s, postgres.Options{
		AuthMethod: pgauth.MethodTrust, Cache: cache,
		Users: func(string) (pgauth.Secret, bool) { return pgauth.Secret{}, true },
		Databases: []postgres.Database{{
			Name:   database,
			Target: upstream.Target{Host: host, Port: number, Database: database, User: "postgres", SSLMode: upstream.SSLDisable, ConnectTimeout: 5 * time.Second},
			Pool:   pool.Limits{Size: 2, WaitTimeout: 20 * time.Second},
			Cache:  &querycache.Policy{Enabled: true, MaxAge: time.Hour, MaxResult: 1 << 20},
		}},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l, p) }()
	ctx, stop := context.WithCancel(context.Background())
	var mover sync.WaitGroup
	mover.Go(func() { s.MoveAll(ctx) })
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
	s.EndAll() // whoever has not noticed yet that its client is gone
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
