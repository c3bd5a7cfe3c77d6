package catalog

import (
	"context"
	"errors"
	"testing"
	"time"

	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
	"overdrive/proxy/proxytest"
	"overdrive/querycache/classify"
)

func TestKeeper_PutsBackWhatHasNotChangedDuringARest(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_rests")
	k.identity.LensOf(session.LensKey{Path: "pg_catalog"})
	arrive(t, k)
	before := []*classify.Catalog{k.identity.Usual.Classifier.Catalog(), k.identity.EveryLens()[1].Classifier.Catalog()}
	leave(t, k)
	leave(t, k) // a second look changes nothing
	arrive(t, k)
	for i, l := range k.identity.EveryLens() {
		if c := l.Classifier.Catalog(); c == nil || c != before[i] {
			t.Errorf("lens %d has another catalog than before the rest", i)
		}
	}
	if arrive(t, k) != before[0] {
		t.Error("a second client has the catalog loaded again")
	}
}

func TestKeeper_StaysWhileClientsComeAndGo(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_stays")
	conn := k.conn
	for range 3 {
		k.busy = time.Now().Add(-restAfter)
		arrive(t, k)
	}
	k.busy = time.Now().Add(-restAfter)
	k.present.Add(1) // for long
	attend(t, k)
	if k.conn != conn {
		t.Error("the keeper has hung up")
	}
}

// A Worker opens a connection for each request, and is often the only client. Its server is not asked for the catalog as often.
func TestKeeper_WhoComesHasItLookOnlyWhereItRests(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_is_awake")
	come := func() bool {
		k.Come()
		select {
		case <-k.kick:
			return true
		default:
			return false
		}
	}
	if come() {
		t.Error("who comes while it looks every few seconds has it look at once")
	}
	leave(t, k)
	if !come() {
		t.Error("who comes while it rests has to wait for its next look")
	}
	arrive(t, k)
	if come() {
		t.Error("who comes after its rest has it look once more")
	}
}

func TestKeeper_LoadsAnewWhatHasChangedDuringARest(t *testing.T) {
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
func TestKeeper_LoadsAnewWhenNewSessionsBeginOtherwise(t *testing.T) {
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	k := keep(t, pg, "keeper_login")
	before := arrive(t, k)
	leave(t, k)
	reload := func(sql, want string) {
		pg.Exec(sql)
		pg.Exec("select pg_reload_conf()")
		for got := ""; got != want; {
			c, err := k.given.Connect(t.Context(), "SELECT 1")
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

func TestKeeper_DDLThatPassesDuringARestIsNotForgotten(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_ddl")
	before := k.identity.Usual.Classifier.Catalog()
	leave(t, k)
	k.Forget()
	if arrive(t, k) == before {
		t.Error("a catalog was put back that had been declared stale")
	}
}

func TestKeeper_AFailureLeavesNoCatalogBehind(t *testing.T) {
	pg := proxytest.SharedPostgres(t)
	k := keep(t, pg, "keeper_fails")
	before := arrive(t, k)
	k.conn.NC.Close()
	if arrive(t, k) != before {
		t.Error("a connection that broke costs the catalog, though the server answers over another")
	}
	k.conn.NC.Close()
	reachable := k.dialer
	k.dialer = &upstream.Dialer{Target: reachable.Target}
	k.dialer.Target.Port = 1
	k.arrived.Add(1)
	if err := k.attend(t.Context()); err == nil {
		t.Fatal("a look at a server that cannot be reached succeeded")
	}
	k.dialer = reachable
	if k.identity.Usual.Classifier.Catalog() != nil {
		t.Error("the catalog is trusted after a failure")
	}
	if arrive(t, k) != before {
		t.Error("what was known is not put back when the server answers again")
	}
}

// A role that is gone cannot be asked what it sees: its lens must not keep the old picture.
func TestKeeper_ALensThatCannotBeReadAnewHasNoCatalog(t *testing.T) {
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	k := keep(t, pg, "keeper_lens")
	pg.Exec("create role keeper_lens_role")
	l := k.identity.LensOf(session.LensKey{Role: "keeper_lens_role"})
	arrive(t, k)
	if l.Classifier.Catalog() == nil {
		t.Fatal("the lens has no catalog")
	}
	pg.Exec("drop role keeper_lens_role")
	attend(t, k)
	if l.Classifier.Catalog() != nil {
		t.Error("the lens of a role that is gone has its catalog still")
	}
	if !k.troubles[l].bars(k.known.version) {
		t.Error("the catalog is loaded again and again for a role that is gone")
	}
	arrive(t, k)
}

func TestKeeper_AVisitKeepsItUpForAWhile(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_visit")
	before := arrive(t, k)
	leave(t, k)
	if err := k.Visit(t.Context()); err != nil {
		t.Fatal(err)
	}
	attend(t, k)
	if k.identity.Usual.Classifier.Catalog() != before || !k.identity.Known() {
		t.Error("after a visit the identity does not know its server and catalog")
	}
}

func TestKeeper_AVisitEndsWithItsContext(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_context")
	k.turn <- struct{}{} // somebody else waits for a server that says nothing
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Visit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-k.turn
}

// A look may be broken off at any point.
func TestKeeper_NoLensKeepsItsOldCatalogWhereALookEndsBeforeItsTurn(t *testing.T) {
	pg := proxytest.SharedPostgres(t)
	k := keep(t, pg, "keeper_halfway")
	k.identity.LensOf(session.LensKey{Path: "public"})
	arrive(t, k)
	pg.ExecIn("keeper_halfway", "create table fresh (a int)")
	var all []pending
	for _, l := range k.identity.EveryLens() {
		all = append(all, pending{l, l.Classifier.Generation()})
	}
	signs, login, err := k.askAnew(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	inventory, err := k.inventory(signs)
	if err != nil {
		t.Fatal(err)
	}
	all = append(all[:1:1], append([]pending{{k.identity.LensOf(session.LensKey{Role: "pg_monitor"}), 1}}, all[1:]...)...)
	k.conn.NC.Close() // so that nothing is known of the role's rights, and the third lens is not reached
	if err := k.renew(&knowledge{signs: signs, login: login, inventory: inventory}, all); err == nil {
		t.Fatal("no error")
	}
	k.rest() // as where the connection is lost before the second lens
	attend(t, k)
	for _, l := range k.identity.EveryLens() {
		if c := l.Classifier.Catalog(); c == nil || len(c.RelationIDs("public", "fresh")) != 1 {
			t.Errorf("the lens of search_path %q does not know the new table", l.Path)
		}
	}
}
