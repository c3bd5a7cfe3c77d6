package postgres_test

import (
	"testing"
	"time"

	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"
)

// These tests are about clients who hold every connection of a pool, each in a transaction that does nothing. The keeper has to do
// without a look then.

// hold has as many clients as the pool has connections begin transactions.
func hold(t *testing.T, in *rig.Instance, database string, size int, edits ...func(*pgconn.Config)) []*pgconn.PgConn {
	t.Helper()
	var holders []*pgconn.PgConn
	for range size {
		c := in.Connect(t, database, edits...)
		rig.Ask(t, c, "begin; select 1")
		holders = append(holders, c)
	}
	return holders
}

// asThemselves has clients log in at the server under their own names, each of which has a pool.
func asThemselves(o *rig.Options) { o.Databases[0].Target.User = "" }

// wantHits fails the test unless all that a client asks for some time is answered from the cache.
func wantHits(t *testing.T, c *pgconn.PgConn, during time.Duration, sql, want string) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < during; time.Sleep(20 * time.Millisecond) {
		for form, asked := range rig.Askers {
			got, err := asked(t, c, sql)
			if err != nil {
				t.Fatalf("%s (%s) after %v: %v", sql, form, time.Since(begin), err)
			}
			if word := rig.Status(t, c); word != "hit" || got != want && form != "binary" {
				t.Fatalf("%s (%s) after %v: got %q (%s), want %q from the cache", sql, form, time.Since(begin), got, word, want)
			}
		}
	}
}

func TestKeeper_WhatIsKeptIsServedWhileIdleTransactionsHoldEveryConnection(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "keeper_starved", "create table t (a int); insert into t values (1); create view v as select a from t")
	for name, size := range map[string]int{"the only one": 1, "all of three": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "keeper_starved", Size: size, Caching: true, Wait: 3 * time.Second})
			reader := in.Connect(t, "keeper_starved")
			rig.Prime(t, reader, "select a from v")
			hold(t, in, "keeper_starved", size)
			wantHits(t, reader, 12*time.Second, "select a from v", "1")
		})
	}
}

// What goes around the proxy meanwhile is noticed when one connection is free again.
func TestKeeper_LooksAsSoonAsOneOfTheIdleTransactionsEnds(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "keeper_looks", "create view v as select 1 as a")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "keeper_looks", Size: 2, Caching: true, Wait: 2 * time.Second})
	reader := in.Connect(t, "keeper_looks")
	rig.Prime(t, reader, "select a from v")
	holders := hold(t, in, "keeper_looks", 2)
	wantHits(t, reader, 6*time.Second, "select a from v", "1")
	pg.ExecIn("keeper_looks", "create or replace view v as select 2 as a")
	rig.Ask(t, holders[0], "commit")
	rig.Await(t, "the new view", func() bool { return rig.Ask(t, reader, "select a from v") == "2" })
	rig.Prime(t, reader, "select a from v")
}

// What passes through the proxy is never accepted unseen.
func TestKeeper_NothingOfBeforeDDLIsServedWhileIdleTransactionsHoldEveryConnection(t *testing.T) {
	proxytest.ChangesCluster(t)
	t.Parallel()
	pg := rig.NewDatabase(t, "keeper_ddl_starved", "create view v as select 1 as a")
	pg.Exec("create role ddl_starved login superuser")
	t.Cleanup(func() { pg.Exec("drop role ddl_starved") })
	const change = "create or replace view v as select 2 as a"
	for name, alter := range map[string]func(t *testing.T, in *rig.Instance, holder *pgconn.PgConn){
		"by another user": func(t *testing.T, in *rig.Instance, _ *pgconn.PgConn) {
			rig.Ask(t, in.Connect(t, "keeper_ddl_starved", func(c *pgconn.Config) { c.User = "ddl_starved" }), change)
		},
		"in one of the transactions": func(t *testing.T, _ *rig.Instance, holder *pgconn.PgConn) { rig.Ask(t, holder, change) },
		"in one that goes on as another one": func(t *testing.T, _ *rig.Instance, holder *pgconn.PgConn) {
			rig.Ask(t, holder, change+"; commit and chain")
		},
	} {
		t.Run(name, func(t *testing.T) {
			pg.ExecIn("keeper_ddl_starved", "create or replace view v as select 1 as a")
			in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "keeper_ddl_starved", Size: 2, Caching: true, Wait: time.Second, Options: asThemselves})
			reader := in.Connect(t, "keeper_ddl_starved")
			rig.Prime(t, reader, "select a from v")
			holders := hold(t, in, "keeper_ddl_starved", 2)
			wantHits(t, reader, 6*time.Second, "select a from v", "1")
			alter(t, in, holders[0])
			for form, asked := range rig.Askers { // a client who is refused is shown out
				if got, err := asked(t, in.Connect(t, "keeper_ddl_starved"), "select a from v"); rig.State(err) != "53300" {
					t.Errorf("%s: got %q, %v, want it refused for want of a connection", form, got, err)
				}
			}
			rig.Ask(t, holders[0], "commit")
			for form, asked := range rig.Askers {
				if got, err := asked(t, reader, "select a from v"); got != "2" && form != "binary" || err != nil {
					t.Errorf("%s: got %q, %v, want what the view is now", form, got, err)
				}
			}
		})
	}
}

// It is the server that has no connection to spare here.
func TestKeeper_WhatIsKeptIsServedWhileIdleTransactionsHoldAllThatTheServerHas(t *testing.T) {
	proxytest.ChangesCluster(t)
	t.Parallel()
	pg := rig.NewDatabase(t, "keeper_scarce", "create table t (a int); insert into t values (1)")
	pg.Exec("create role scarce login connection limit 2")
	t.Cleanup(func() { pg.ExecIn("keeper_scarce", "drop owned by scarce"); pg.Exec("drop role scarce") })
	pg.ExecIn("keeper_scarce", "grant all on t to scarce")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "keeper_scarce", User: "scarce", Size: 5, Caching: true, Wait: 3 * time.Second})
	as := func(c *pgconn.Config) { c.User = "scarce" }
	reader := in.Connect(t, "keeper_scarce", as)
	rig.Prime(t, reader, "select a from t")
	hold(t, in, "keeper_scarce", 2, as)
	wantHits(t, reader, 12*time.Second, "select a from t", "1")
}
