package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy"
	"overdrive/proxy/postgres"
	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// pausing has a database be paused, and returns where the outcome will be told.
func pausing(ctx context.Context, in *rig.Instance, database string) <-chan error {
	over := make(chan error, 1)
	go func() { over <- in.Pause(ctx, database) }()
	return over
}

func wantDone(t *testing.T, what string, over <-chan error) {
	t.Helper()
	select {
	case err := <-over:
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(rig.Patience):
		t.Fatalf("%s is not over", what)
	}
}

func wantOpen(t *testing.T, what string, over <-chan error) {
	t.Helper()
	select {
	case err := <-over:
		t.Fatalf("%s is over: %v", what, err)
	default:
	}
}

// backends returns a count of the connections that a database has.
func backends(t *testing.T, pg *proxytest.Postgres, database string) (count func() string) {
	t.Helper()
	real := rig.Direct(t, pg, "postgres")
	return func() string {
		return rig.Ask(t, real, "select count(*) from pg_stat_activity where backend_type = 'client backend' and datname = '"+database+"'")
	}
}

func TestPause_WaitsForTransactionsAndLeavesNoConnection(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "pause_waits", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "pause_waits", Size: 3, Caching: true, Wait: 300 * time.Millisecond})
	busy, free := in.Connect(t, "pause_waits"), in.Connect(t, "pause_waits")
	rig.Ask(t, free, "select a from t")
	rig.Ask(t, busy, "begin; insert into t values (1)")
	over := pausing(t.Context(), in, "pause_waits")
	rig.Await(t, "all but the transaction's connection being gone", func() bool { return in.Pools()[0].Open == 1 })
	waiting := rig.Asking(t, free, "select count(*) from t")
	rig.Await(t, "a client that waits", func() bool { return in.Pools()[0].Waiting == 1 })
	wantOpen(t, "the pause", over)
	rig.Ask(t, busy, "insert into t values (2)") // its transaction goes on
	rig.Ask(t, busy, "commit")
	wantDone(t, "the pause", over)
	if d := in.Databases()[0]; !d.Paused || d.Servers != 0 {
		t.Errorf("paused: got %+v", d)
	}
	count := backends(t, pg, "pause_waits")
	rig.Await(t, "the server having no connections", func() bool { return count() == "0" })
	wantControlError(t, "a refusal", in.Pause(t.Context(), "pause_waits"), "55000")
	rig.Await(t, "a wait that is longer than wait_timeout", func() bool { return in.Pools()[0].OldestWait > 400*time.Millisecond })
	wantOpen(t, "the wait", waiting)
	if err := in.Resume("pause_waits"); err != nil {
		t.Fatal(err)
	}
	wantDone(t, "the wait", waiting)
	if got := rig.Ask(t, busy, "select count(*) from t"); got != "2" {
		t.Errorf("%s rows, want 2", got)
	}
	wantControlError(t, "a refusal", in.Resume("pause_waits"), "55000")
	wantControlError(t, "a refusal", in.Pause(t.Context(), "nowhere"), "3D000")
}

// Under load nothing is lost, nothing is done twice, and nobody sees more of it than time.
func TestPause_UnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "pause_load", "create table t(client int, n int, primary key (client, n))")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "pause_load", Size: 4, Caching: true})
	var done atomic.Int64
	var stop atomic.Bool
	var clients sync.WaitGroup
	const crowd = 12
	counts := make([]int, crowd)
	for i := range crowd {
		c := in.Connect(t, "pause_load")
		clients.Go(func() {
			for n := 0; !stop.Load(); n++ {
				sql := fmt.Sprintf("begin; insert into t values (%d, %d); select count(*) from t where client = %d; commit", i, n, i)
				if n%3 == 0 {
					sql = fmt.Sprintf("insert into t values (%d, %d)", i, n)
				}
				if _, err := rig.Try(t.Context(), c, sql); err != nil {
					t.Errorf("client %d, statement %d: %v", i, n, err)
					return
				}
				counts[i] = n + 1
				done.Add(1)
			}
		})
	}
	for round := range 8 {
		before := done.Load()
		rig.Await(t, "the load going on", func() bool { return done.Load() > before+20 || t.Failed() })
		name := []string{"", "pause_load"}[round%2]
		wantDone(t, "the pause", pausing(t.Context(), in, name))
		at := done.Load()
		if p := in.Pools()[0]; p.Open+p.Reserved != 0 {
			t.Errorf("paused with %+v", p)
		}
		rig.Await(t, "everybody waiting", func() bool { return in.Pools()[0].Waiting >= crowd || t.Failed() })
		if after := done.Load(); after > at+crowd { // an answer may have been on its way to its client
			t.Errorf("%d statements were done while paused", after-at)
		}
		if err := in.Resume(name); err != nil {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	clients.Wait()
	real := rig.Direct(t, pg, "pause_load")
	for i, n := range counts {
		if got := rig.Ask(t, real, fmt.Sprintf("select count(*), coalesce(max(n), -1) from t where client = %d", i)); got != fmt.Sprintf("%d,%d", n, n-1) {
			t.Errorf("client %d has %s rows, and was told of %d", i, got, n)
		}
	}
}

func TestPause_IsTakenBackWhenItIsGivenUp(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "pause_back", "select")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "pause_back", Size: 2})
	busy, other := in.Connect(t, "pause_back"), in.Connect(t, "pause_back")
	rig.Ask(t, busy, "begin; select 1")
	ctx, giveUp := context.WithCancel(t.Context())
	over := pausing(ctx, in, "")
	rig.Await(t, "the pause", func() bool { return in.Databases()[0].Paused })
	waiting := rig.Asking(t, other, "select 1")
	rig.Await(t, "a client that waits", func() bool { return in.Pools()[0].Waiting == 1 })
	giveUp()
	if err := <-over; err == nil {
		t.Error("the pause succeeded")
	}
	wantDone(t, "the wait", waiting)

	over = pausing(t.Context(), in, "pause_back")
	rig.Await(t, "the pause", func() bool { return in.Databases()[0].Paused })
	if err := in.Resume(""); err != nil {
		t.Fatal(err)
	}
	wantControlError(t, "a pause that was ended", <-over, "57014")
	rig.Ask(t, other, "select 1")
	rig.Ask(t, busy, "commit")
}

// A pool that is born while its database is paused is paused, and so is one under another name of the database.
func TestPause_HoldsForPoolsThatComeLater(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "pause_born", "select")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "pause_born", Size: 2, Options: func(o *rig.Options) {
		alias, other := o.Databases[0], o.Databases[0]
		alias.Name, other.Name, other.Target.Database = "alias", "other", "postgres"
		o.Databases = append(o.Databases, alias, other)
	}})
	wantDone(t, "the pause of a database that nobody has used", pausing(t.Context(), in, "pause_born"))
	var over sync.WaitGroup
	var served atomic.Int32
	for _, name := range []string{"pause_born", "alias"} {
		config := &in.Config(t, name).Config
		over.Go(func() {
			c, err := pgconn.ConnectConfig(t.Context(), config) // the first login waits as well
			if err != nil {
				t.Error(err)
				return
			}
			defer rig.CloseConn(c)
			served.Add(1)
			if got, err := rig.Try(t.Context(), c, "select 1"); err != nil || got != "1" {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		})
	}
	rig.Ask(t, in.Connect(t, "other"), "select 1")
	rig.Await(t, "both waiting", func() bool {
		waiting := 0
		for _, p := range in.Pools() {
			waiting += p.Waiting
		}
		return waiting == 2
	})
	if served.Load() != 0 || backends(t, pg, "pause_born")() != "0" {
		t.Error("somebody was served")
	}
	if err := in.Resume("alias"); err != nil {
		t.Fatal(err)
	}
	over.Wait()
}

func TestPause_StatementTimeoutHoldsAllTheSame(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "pause_timeout", "select")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "pause_timeout", Size: 2})
	c := in.Connect(t, "pause_timeout", rig.With("statement_timeout", "200"))
	rig.Ask(t, c, "select 1")
	wantDone(t, "the pause", pausing(t.Context(), in, ""))
	_, err := rig.Try(t.Context(), c, "select 1")
	rig.WantState(t, err, "57014")
	if err := in.Resume(""); err != nil {
		t.Fatal(err)
	}
	rig.Ask(t, c, "select 1")
}

// Answers that are kept are served while the database is away, and nothing is logged of it.
func TestPause_KeepsServingFromTheCacheInSilence(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "pause_cache", "create table t(a int); insert into t values (7)")
	var log rig.Captured
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "pause_cache", Size: 1, Caching: true, Options: log.Capture})
	c := in.Connect(t, "pause_cache")
	rig.Prime(t, c, "select a from t")
	before := log.Count("could not be read") // where a look gave way to a client, on a slow machine
	wantDone(t, "the pause", pausing(t.Context(), in, ""))
	if got := rig.Ask(t, c, "select a from t"); got != "7" {
		t.Errorf("got %s", got)
	}
	began := time.Now()
	rig.Await(t, "the time of the keeper's next look", func() bool { return time.Since(began) > 3500*time.Millisecond })
	if got := rig.Ask(t, c, "select a from t"); got != "7" {
		t.Errorf("got %s", got)
	}
	if n := log.Count("could not be read"); n != before {
		t.Errorf("the log complains of the catalog %d times, want %d as before the pause", n, before)
	}
	if err := in.Resume(""); err != nil {
		t.Fatal(err)
	}
	rig.Await(t, "hits after the pause", func() bool {
		rig.Ask(t, c, "select a from t")
		return rig.Status(t, c) == "hit"
	})
}

func TestDisable_LetsNobodyNewIn(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "disabled", "select")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "disabled", Size: 2})
	inside := in.Connect(t, "disabled")
	if err := in.Disable("disabled"); err != nil {
		t.Fatal(err)
	}
	rig.Ask(t, inside, "select 1")
	_, err := pgconn.ConnectConfig(t.Context(), &in.Config(t, "disabled").Config)
	rig.WantState(t, err, "55000")
	if d := in.Databases()[0]; !d.Disabled || d.Paused {
		t.Errorf("got %+v", d)
	}
	if err := in.Enable("disabled"); err != nil {
		t.Fatal(err)
	}
	rig.Ask(t, in.Connect(t, "disabled"), "select 1")
	wantControlError(t, "a refusal", in.Disable("nowhere"), "3D000")
}

// A pause outlasts a change of the configuration: who moves a database pauses it, changes its url, and resumes it.
func TestPause_OutlastsAReload(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "pause_moves", "select")
	rig.NewDatabase(t, "pause_moved", "select")
	var options postgres.Options
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "pause_moves", Size: 2, Options: func(o *rig.Options) { options = o.Options }})
	rig.Ask(t, in.Connect(t, "pause_moves"), "select 1")
	wantDone(t, "the pause", pausing(t.Context(), in, "pause_moves"))
	if err := in.Disable("pause_moves"); err != nil {
		t.Fatal(err)
	}
	options.Databases = slices.Clone(options.Databases)
	options.Databases[0].Target.Database = "pause_moved"
	alias := options.Databases[0]
	alias.Name = "alias"
	options.Databases = append(options.Databases, alias)
	in.Reconfigure(options, time.Second)
	for _, d := range in.Databases() {
		if !d.Paused || d.Disabled != (d.Name == "pause_moves") {
			t.Errorf("after the reload: got %+v", d)
		}
	}
	if err := in.Enable("pause_moves"); err != nil {
		t.Fatal(err)
	}
	over := make(chan string, 1)
	config := &in.Config(t, "pause_moves").Config
	go func() {
		c, err := pgconn.ConnectConfig(t.Context(), config)
		if err != nil {
			over <- err.Error()
			return
		}
		defer rig.CloseConn(c)
		got, _ := rig.Try(t.Context(), c, "select current_database()")
		over <- got
	}()
	rig.Await(t, "a client that waits", func() bool {
		return slices.ContainsFunc(in.Clients(t.Context()), func(c proxy.ClientStatus) bool { return c.State == "waiting" })
	})
	if err := in.Resume("pause_moves"); err != nil {
		t.Fatal(err)
	}
	if got := <-over; got != "pause_moved" {
		t.Errorf("served by %s", got)
	}
	options.Databases = options.Databases[1:]
	wantDone(t, "the pause", pausing(t.Context(), in, ""))
	in.Reconfigure(options, time.Second)
	if err := in.Resume(""); err != nil {
		t.Errorf("after one of two paused databases has gone: %v", err)
	}
}
