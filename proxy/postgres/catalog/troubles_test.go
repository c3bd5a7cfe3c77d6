package catalog

import (
	"testing"
	"time"

	"overdrive/proxy/postgres/session"
	"overdrive/proxy/proxytest"
)

// What one client's search_path or role comes to must not cost the others their catalog.
func TestKeeper_LensesFailEachByItself(t *testing.T) {
	pg := proxytest.SharedPostgres(t)
	k := keep(t, pg, "keeper_poison")
	pg.ExecIn("keeper_poison", `create schema evil; create function evil.ge(oid, integer) returns boolean language plpgsql as $$ begin raise exception 'no'; end $$;
		create operator evil.>= (leftarg = oid, rightarg = integer, function = evil.ge); create table evil.t (a int)`)
	arrive(t, k)
	bad := []*session.Lens{
		k.identity.LensOf(session.LensKey{Role: "nobody at all"}), k.identity.LensOf(session.LensKey{Path: `"unterminated`}),
		k.identity.LensOf(session.LensKey{Role: "invalid \xff"}), k.identity.LensOf(session.LensKey{Role: "it's"}),
	}
	good := []*session.Lens{k.identity.LensOf(session.LensKey{Path: "evil, pg_catalog"}), k.identity.LensOf(session.LensKey{Path: "evil", Role: "postgres"})}
	arrive(t, k)
	if k.identity.Usual.Classifier.Catalog() == nil {
		t.Error("the usual lens has no catalog")
	}
	for _, l := range good {
		if c := l.Classifier.Catalog(); c == nil || len(l.Classifier.Judge([]byte("select a from t")).Reads) != 1 {
			t.Errorf("lens %v has no catalog", l.LensKey)
		}
	}
	for _, l := range bad {
		if l.Classifier.Catalog() != nil || !k.troubles[l].bars(k.known.version) {
			t.Errorf("lens %v: catalog %v, %+v", l.LensKey, l.Classifier.Catalog() != nil, k.troubles[l])
		}
	}
	conn := k.conn
	arrive(t, k)
	if k.conn != conn {
		t.Error("lenses that cannot have a catalog cost a connection each time")
	}
}

func TestLens_BacksOffAlone(t *testing.T) {
	now := time.Now()
	l := &trouble{}
	for _, want := range []time.Duration{lookPoll, 2 * lookPoll, 4 * lookPoll, 8 * lookPoll, mostRetry, mostRetry} {
		l.again(7, false, now)
		if got := l.until.Sub(now); got != want {
			t.Errorf("waits %v, want %v", got, want)
		}
		if !l.bars(8) {
			t.Error("is tried at once")
		}
	}
	l.again(7, true, now.Add(-time.Hour))
	if !l.bars(7) || l.bars(8) {
		t.Error("a lasting failure is for as long as the catalog stays as it is")
	}
}

func TestKeeper_KeepersOfOneDatabaseShareItsInventory(t *testing.T) {
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	k := keep(t, pg, "keeper_shares")
	pg.Exec("create role keeper_other login")
	t.Cleanup(func() { pg.Exec("drop role keeper_other") })
	arrive(t, k)
	other := keepAs(t, pg, "keeper_shares", "keeper_other", k.given.Shelf)
	arrive(t, other)
	if other.known.inventory != k.known.inventory {
		t.Error("the inventory was loaded twice")
	}
	pg.ExecIn("keeper_shares", "create table fresh (a int)")
	arrive(t, other)
	if other.known.inventory == k.known.inventory || len(other.identity.Usual.Classifier.Catalog().RelationIDs("", "fresh")) != 1 {
		t.Error("the inventory from before a change is used after it")
	}
}
