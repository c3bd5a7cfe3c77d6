package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// The server itself sees to it here that the keeper's connection and the pool's are one together.
func TestKeeper_SharesTheOnlyConnectionOfAPool(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := rig.NewDatabase(t, "keeper_narrow", "create table t (a int); insert into t values (1)")
	pg.Exec("create role narrow login connection limit 1")
	t.Cleanup(func() { pg.ExecIn("keeper_narrow", "drop owned by narrow"); pg.Exec("drop role narrow") })
	pg.ExecIn("keeper_narrow", "grant all on t to narrow; grant create on schema public to narrow")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "keeper_narrow", User: "narrow", Size: 1, Caching: true})
	as := func(c *pgconn.Config) { c.User = "narrow" }
	reader := in.Connect(t, "keeper_narrow", as)
	ctx, stop := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	var done atomic.Int64
	for range 3 {
		c := in.Connect(t, "keeper_narrow", as)
		busy.Go(func() {
			for ctx.Err() == nil {
				if _, err := rig.Try(context.WithoutCancel(ctx), c, "select a from t for update"); err != nil {
					t.Errorf("a client that shares the connection: %v", err)
					return
				}
				done.Add(1)
			}
		})
	}
	for i := range 4 {
		rig.Ask(t, reader, fmt.Sprintf("create table made%d (a int)", i)) // the catalog must be looked at anew
		rig.Prime(t, reader, "select a from t")
		for _, p := range in.Pools() {
			if p.Open+p.Reserved > 1 {
				t.Errorf("%d connections and %d of the keeper in a pool of one", p.Open, p.Reserved)
			}
		}
	}
	before := done.Load()
	rig.Await(t, "the others to be served", func() bool { return done.Load() > before+100 })
	stop()
	busy.Wait()
}

func TestKeeper_ItsSlotIsForWhoeverWaits(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "keeper_gives", "create table t (a int); insert into t values (1)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "keeper_gives", Size: 2, Caching: true})
	reader := in.Connect(t, "keeper_gives")
	rig.Prime(t, reader, "select a from t")
	reserved := func() (n int) {
		for _, p := range in.Pools() {
			n += p.Reserved
		}
		return n
	}
	if reserved() != 1 {
		t.Fatal("the keeper has no slot, though nobody needs it")
	}
	a, b, c := in.Connect(t, "keeper_gives"), in.Connect(t, "keeper_gives"), in.Connect(t, "keeper_gives")
	rig.Ask(t, a, "begin; select 1")
	start := time.Now()
	rig.Ask(t, b, "begin; select 1") // needs the slot
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("the slot came after %v", took)
	}
	if reserved() != 0 {
		t.Error("the keeper keeps its slot")
	}
	if got := rig.Ask(t, reader, "select a from t") + rig.Status(t, reader); got != "1hit" {
		t.Errorf("what is known is not used: %s", got)
	}
	time.Sleep(4 * time.Second) // by now it waits for a slot again
	served := make(chan error, 1)
	go func() {
		_, err := rig.Try(context.WithoutCancel(t.Context()), c, "select 2")
		served <- err
	}()
	rig.Ask(t, a, "commit")
	if err := <-served; err != nil {
		t.Error(err)
	}
	rig.Ask(t, b, "commit")
	rig.Ask(t, c, "create table fresh (a int)")
	rig.Prime(t, reader, "select a from t")
}

// Where the server takes no more connections the keeper is shut out. Clients are served as ever, and the cache comes back.
func TestKeeper_ShutOutOfTheServerDisturbsNobody(t *testing.T) {
	t.Parallel()
	pg := proxytest.StartPostgres(t)
	pg.Exec("create database \"full\"")
	pg.Exec("create role few login connection limit 1")
	pg.ExecIn("full", "create table t (a int); insert into t values (1); grant all on t to few")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "full", User: "few", Size: 4, Caching: true})
	as := func(c *pgconn.Config) { c.User = "few" }
	c := in.Connect(t, "full", as)
	rig.Ask(t, c, "begin; select 1") // one that is not idle: the keeper must find no room
	time.Sleep(time.Second)
	rig.Ask(t, c, "commit")
	start := time.Now()
	for range 300 {
		rig.Ask(t, c, "select a from t")
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("300 statements beside a keeper that is shut out took %v", took)
	}
	pg.Exec("alter role few connection limit 5")
	rig.Prime(t, c, "select a from t")
}

// What a client may set by a function is known where nothing is cached, too.
func TestKeeper_KnowsTheCatalogWhereTheCacheIsOff(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "keeper_off", "create table t (a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "keeper_off", Size: 2})
	c := in.Connect(t, "keeper_off")
	rig.Ask(t, c, "select a from t")
	rig.Await(t, "the keeper's slot", func() bool {
		return len(in.Pools()) == 1 && in.Pools()[0].Reserved == 1
	})
}

// Roles, and what is granted to them, belong to all databases of a server: what one is told of them must hold in the others when
// it is answered.
func TestRoles_ChangesThroughOneDatabaseReachTheCachesOfAllAtOnce(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := rig.NewDatabase(t, "roles_here", "create table t (a text); insert into t values ('secret')")
	pg.Exec("create database roles_there")
	t.Cleanup(func() {
		pg.Exec("drop database roles_there with (force)")
		pg.ExecIn("roles_here", "drop owned by roles_team")
		pg.Exec("drop role roles_ann, roles_bob, roles_team")
	})
	pg.ExecIn("roles_there", `create function takes() returns void language plpgsql as $$ begin execute 'revoke roles_team from roles_ann'; end $$;
		create procedure takes_too() language plpgsql as $$ begin revoke roles_team from roles_ann; end $$`)
	pg.Exec("create role roles_ann login; create role roles_bob login; create role roles_team")
	pg.ExecIn("roles_here", "grant select on t to roles_team")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "roles_here", Size: 2, Caching: true, Options: func(o *rig.Options) {
		o.Databases[0].Target.User = ""
		there := o.Databases[0]
		there.Name, there.Target.Database, there.Target.User = "roles_there", "roles_there", "postgres"
		o.Databases = append(o.Databases, there)
	}})
	writer := in.Connect(t, "roles_there")
	rig.Ask(t, writer, "select 1")
	rig.Prime(t, writer, "select 1 as ready")
	clients := map[string]*pgconn.PgConn{}
	for _, user := range []string{"roles_ann", "roles_bob"} { // a client that comes has the catalog looked at
		clients[user] = in.Connect(t, "roles_here", func(c *pgconn.Config) { c.User = user })
	}
	for sql, user := range map[string]string{
		"revoke roles_team from roles_ann":                   "roles_ann",
		"begin; revoke roles_team from roles_ann; commit":    "roles_ann",
		"do $$begin revoke roles_team from roles_ann; end$$": "roles_ann",
		"select takes()":                             "roles_ann",
		"call takes_too()":                           "roles_ann",
		"alter role roles_bob nosuperuser":           "roles_bob",
		"alter group roles_team drop user roles_ann": "roles_ann",
		"do $$begin execute 'alter role roles_bob' || ' nosuperuser'; end$$": "roles_bob",
	} {
		rig.Ask(t, writer, "grant roles_team to roles_ann; alter role roles_bob superuser")
		c := clients[user]
		rig.Await(t, "the role to have its rights", func() bool {
			got, err := rig.Try(t.Context(), c, "select a from t")
			return err == nil && got == "secret" && rig.Status(t, c) == "hit"
		})
		rig.Prime(t, writer, "select 1 as ready")
		rig.Ask(t, writer, sql)
		if got, err := rig.Try(t.Context(), c, "select a from t"); rig.State(err) != "42501" {
			t.Errorf("after %s %s reads %q (%s), want it refused", sql, user, got, rig.Status(t, c))
		}
	}
}
