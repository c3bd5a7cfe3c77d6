package proxy

import (
	"context"
	"errors"
	"testing"
	"time"

	"overdrive/pool"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
	"overdrive/proxy/proxytest"
	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// keep returns a keeper that no goroutine calls, of an origin in a database of its own, whose catalog is known.
func keep(t *testing.T, pg *proxytest.Postgres, name string) *catalogKeeper {
	t.Helper()
	pg.Exec("create database " + name)
	t.Cleanup(func() { pg.Exec("drop database " + name + " with (force)") })
	pg.ExecIn(name, "create table t (a int)")
	s, err := New(Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.halt)
	o, err := s.newOrigin(&Database{
		Name:   name,
		Target: upstream.Target{Host: "127.0.0.1", Port: pg.Port(), Database: name, User: "postgres", SSLMode: upstream.SSLDisable},
		Pool:   pool.Limits{Size: 1},
	}, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	o.Cache = querycache.New(querycache.Options{}).Database(name, querycache.Policy{Enabled: true})
	t.Cleanup(o.keeper.close)
	attend(t, o.keeper)
	return o.keeper
}

func attend(t *testing.T, k *catalogKeeper) {
	t.Helper()
	if err := k.attend(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// leave has the keeper believe that nobody was there for long.
func leave(t *testing.T, k *catalogKeeper) {
	t.Helper()
	k.busy = time.Now().Add(-catalogRest)
	attend(t, k)
	for _, l := range k.origin.EveryLens() {
		if l.Classifier.Catalog() != nil {
			t.Error("a catalog is trusted that nobody looks after")
		}
	}
	if k.conn != nil {
		t.Error("a keeper that rests has a connection")
	}
}

// arrive has a client come and go at once.
func arrive(t *testing.T, k *catalogKeeper) *classify.Catalog {
	t.Helper()
	k.origin.arrived.Add(1)
	attend(t, k)
	c := k.origin.Usual.Classifier.Catalog()
	if c == nil || k.conn == nil {
		t.Fatalf("after a client came: catalog %v, connection %v", c != nil, k.conn != nil)
	}
	return c
}

func TestCatalogKeeper_PutsBackWhatHasNotChangedDuringARest(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_rests")
	k.origin.LensOf(session.LensKey{Path: "pg_catalog"})
	arrive(t, k)
	before := []*classify.Catalog{k.origin.Usual.Classifier.Catalog(), k.origin.EveryLens()[1].Classifier.Catalog()}
	leave(t, k)
	leave(t, k) // a second look changes nothing
	arrive(t, k)
	for i, l := range k.origin.EveryLens() {
		if c := l.Classifier.Catalog(); c == nil || c != before[i] {
			t.Errorf("lens %d has another catalog than before the rest", i)
		}
	}
	if arrive(t, k) != before[0] {
		t.Error("a second client has the catalog loaded again")
	}
}

func TestCatalogKeeper_StaysWhileClientsComeAndGo(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_stays")
	conn := k.conn
	for range 3 {
		k.busy = time.Now().Add(-catalogRest)
		arrive(t, k)
	}
	k.busy = time.Now().Add(-catalogRest)
	k.origin.sessions.Add(1) // for long
	attend(t, k)
	if k.conn != conn {
		t.Error("the keeper has hung up")
	}
}

func TestCatalogKeeper_LoadsAnewWhatHasChangedDuringARest(t *testing.T) {
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	k := keep(t, pg, "keeper_changes")
	t.Cleanup(func() { pg.Exec("alter role postgres reset bytea_output") })
	for _, sql := range []string{
		"create table new (a int)", "drop table new", "create function f() returns int language sql as 'select 1'",
		"alter database keeper_changes set extra_float_digits = 0", "alter role postgres set bytea_output = 'escape'",
	} {
		before := arrive(t, k)
		leave(t, k)
		pg.ExecIn("keeper_changes", sql)
		after := arrive(t, k)
		if after == before {
			t.Errorf("after %s the catalog is the old one", sql)
		}
		if got, want := len(after.RelationIDs("public", "new")), 0; sql == "create table new (a int)" && got == want {
			t.Error("the new table is not known")
		}
	}
}

// The catalog has no trace of the server's configuration file.
func TestCatalogKeeper_LoadsAnewWhenNewSessionsBeginOtherwise(t *testing.T) {
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	k := keep(t, pg, "keeper_login")
	before := arrive(t, k)
	leave(t, k)
	reload := func(sql, want string) {
		pg.Exec(sql)
		pg.Exec("select pg_reload_conf()")
		for got := ""; got != want; {
			c, err := k.origin.dialer.Connect(t.Context(), k.origin.credential)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := c.Query("show extra_float_digits")
			c.NC.Close()
			if err != nil {
				t.Fatal(err)
			}
			got = rows[0][0]
		}
	}
	reload("alter system set extra_float_digits = 2", "2")
	defer reload("alter system reset extra_float_digits", "1")
	if arrive(t, k) == before {
		t.Error("the old catalog was put back")
	}
}

func TestCatalogKeeper_DDLThatPassesDuringARestIsNotForgotten(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_ddl")
	before := k.origin.Usual.Classifier.Catalog()
	leave(t, k)
	k.origin.forgetCatalog()
	if arrive(t, k) == before {
		t.Error("a catalog was put back that had been declared stale")
	}
}

func TestCatalogKeeper_AFailureLeavesNoCatalogBehind(t *testing.T) {
	pg := proxytest.SharedPostgres(t)
	k := keep(t, pg, "keeper_fails")
	before := arrive(t, k)
	k.conn.NC.Close()
	if arrive(t, k) != before {
		t.Error("a connection that broke costs the catalog, though the server answers over another")
	}
	k.conn.NC.Close()
	reachable := k.origin.dialer
	k.origin.dialer = &upstream.Dialer{Target: reachable.Target}
	k.origin.dialer.Target.Port = 1
	k.origin.arrived.Add(1)
	if err := k.attend(t.Context()); err == nil {
		t.Fatal("a look at a server that cannot be reached succeeded")
	}
	k.origin.dialer = reachable
	if k.origin.Usual.Classifier.Catalog() != nil {
		t.Error("the catalog is trusted after a failure")
	}
	if arrive(t, k) != before {
		t.Error("what was known is not put back when the server answers again")
	}
}

// A role that is gone cannot be asked what it sees: its lens must not keep the old picture.
func TestCatalogKeeper_ALensThatCannotBeReadAnewHasNoCatalog(t *testing.T) {
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	k := keep(t, pg, "keeper_lens")
	pg.Exec("create role keeper_lens_role")
	l := k.origin.LensOf(session.LensKey{Role: "keeper_lens_role"})
	arrive(t, k)
	if l.Classifier.Catalog() == nil {
		t.Fatal("the lens has no catalog")
	}
	pg.Exec("drop role keeper_lens_role")
	attend(t, k)
	if l.Classifier.Catalog() != nil {
		t.Error("the lens of a role that is gone has its catalog still")
	}
	if !k.troubles[l].bars(k.known.fingerprint) {
		t.Error("the catalog is loaded again and again for a role that is gone")
	}
	arrive(t, k)
}

func TestCatalogKeeper_AVisitKeepsItUpForAWhile(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_visit")
	before := arrive(t, k)
	leave(t, k)
	if err := k.visit(t.Context()); err != nil {
		t.Fatal(err)
	}
	attend(t, k)
	if k.origin.Usual.Classifier.Catalog() != before || !k.origin.Known() {
		t.Error("after a visit the origin does not know its server and catalog")
	}
}

func TestCatalogKeeper_AVisitEndsWithItsContext(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_context")
	k.turn <- struct{}{} // somebody else waits for a server that says nothing
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.visit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-k.turn
}

// A look may be broken off at any point.
func TestCatalogKeeper_NoLensKeepsItsOldCatalogWhereALookEndsBeforeItsTurn(t *testing.T) {
	pg := proxytest.SharedPostgres(t)
	k := keep(t, pg, "keeper_halfway")
	o := k.origin
	o.LensOf(session.LensKey{Path: "public"})
	arrive(t, k)
	pg.ExecIn("keeper_halfway", "create table fresh (a int)")
	var all []pending
	for _, l := range o.EveryLens() {
		all = append(all, pending{l, l.Classifier.Generation()})
	}
	fingerprint, login, err := k.askAnew(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	inventory, fingerprint, err := k.inventory(fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	k.renew(&knowledge{fingerprint, login, inventory, map[string]*classify.Rights{}}, all)
	if err := k.fit(all[:1], true); err != nil {
		t.Fatal(err)
	}
	k.rest() // as where the connection is lost before the second lens
	attend(t, k)
	for _, l := range o.EveryLens() {
		if c := l.Classifier.Catalog(); c == nil || len(c.RelationIDs("public", "fresh")) != 1 {
			t.Errorf("the lens of search_path %q does not know the new table", l.Path)
		}
	}
}
