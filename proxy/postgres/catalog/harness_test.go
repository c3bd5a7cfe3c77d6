package catalog

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"overdrive/pool"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/settings"
	"overdrive/proxy/postgres/upstream"
	"overdrive/proxy/proxytest"
	"overdrive/querycache"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

func TestMain(m *testing.M) { os.Exit(proxytest.Main(m)) }

// kept is a keeper that no goroutine calls, with what it is given.
type kept struct {
	*Keeper
	company
	pool   *pool.Pool[*upstream.Conn] // of one connection
	dialer *upstream.Dialer
}

// company is as many sessions as the test says.
type company struct {
	present atomic.Int64
	arrived atomic.Uint64
}

func (c *company) Present() int64  { return c.present.Load() }
func (c *company) Arrived() uint64 { return c.arrived.Load() }

// keep returns the keeper of a database of its own, whose catalog is known.
func keep(t *testing.T, pg *proxytest.Postgres, database string) *kept {
	t.Helper()
	pg.Exec("create database " + database)
	t.Cleanup(func() { pg.Exec("drop database " + database + " with (force)") })
	pg.ExecIn(database, "create table t (a int)")
	k := keepAs(t, pg, database, "postgres", new(Shelf))
	attend(t, k)
	return k
}

// keepAs returns another keeper of a database. It has not looked yet.
func keepAs(t *testing.T, pg *proxytest.Postgres, database, user string, shelf *Shelf) *kept {
	t.Helper()
	k := &kept{dialer: &upstream.Dialer{
		Target: upstream.Target{Host: "127.0.0.1", Port: pg.Port(), Database: database, User: user, SSLMode: upstream.SSLDisable},
	}}
	login := func(ctx context.Context) (*upstream.Conn, error) {
		return k.dialer.Connect(ctx, pgauth.NewCredential(user, pgauth.Secret{}))
	}
	k.pool = pool.New(pool.Options[*upstream.Conn]{
		Limits: pool.Limits{Size: 1},
		Dial:   func(ctx context.Context, _ int) (*upstream.Conn, error) { return login(ctx) },
		Opened: func(*pool.Lease[*upstream.Conn]) {},
		Close:  func(c *upstream.Conn, _ pool.CloseReason) { c.NC.Close() },
	})
	identity := new(session.Identity)
	k.Keeper = New(Options{
		Identity: identity, Company: &k.company, Shelf: shelf, Pool: PoolOf(k.pool),
		Connect: func(ctx context.Context, settings string) (*upstream.Conn, error) {
			c, err := login(ctx)
			if err != nil {
				return nil, err
			}
			if _, err = c.Query(settings); err != nil {
				c.NC.Close()
				return nil, err
			}
			return c, nil
		},
	})
	identity.Begin(session.IdentityOptions{
		Database: database, User: user, Interner: new(settings.Interner), Tallies: verdict.NewTallies(), Watch: watch{k.Keeper},
		Cache: querycache.New(querycache.Options{}).Database(database, querycache.Policy{Enabled: true}),
	})
	t.Cleanup(func() {
		k.close()
		k.pool.Close(nil)
	})
	return k
}

// watch tells a keeper of what its identity has seen.
type watch struct{ *Keeper }

func (w watch) Follow()      {}
func (w watch) Changed(bool) { w.Forget() }

func (w watch) Touched(by []*classify.Touch) { w.Doubt(by) }

func attend(t *testing.T, k *kept) {
	t.Helper()
	if err := k.attend(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// leave has the keeper believe that nobody was there for long.
func leave(t *testing.T, k *kept) {
	t.Helper()
	k.busy = time.Now().Add(-restAfter)
	attend(t, k)
	for _, l := range k.identity.EveryLens() {
		if l.Classifier.Catalog() != nil {
			t.Error("a catalog is trusted that nobody looks after")
		}
	}
	if k.conn != nil {
		t.Error("a keeper that rests has a connection")
	}
}

// arrive has a client come and go at once.
func arrive(t *testing.T, k *kept) *classify.Catalog {
	t.Helper()
	k.arrived.Add(1)
	attend(t, k)
	c := k.identity.Usual.Classifier.Catalog()
	if c == nil || k.conn == nil {
		t.Fatalf("after a client came: catalog %v, connection %v", c != nil, k.conn != nil)
	}
	return c
}
