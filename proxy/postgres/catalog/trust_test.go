package catalog

import (
	"errors"
	"testing"
	"time"

	"overdrive/pool"
	"overdrive/proxy/postgres/upstream"
	"overdrive/proxy/proxytest"
	"overdrive/querycache"
)

func TestTrust_IsAsLongAsThePolicyServesAnAnswer(t *testing.T) {
	for _, c := range []struct {
		policy *querycache.Policy
		want   time.Duration
	}{
		{nil, lookPoll},
		{&querycache.Policy{MaxAge: time.Minute}, lookPoll},
		{&querycache.Policy{Enabled: true}, lookPoll},
		{&querycache.Policy{Enabled: true, MaxAge: time.Second, StaleWhileRevalidate: time.Second}, lookPoll},
		{&querycache.Policy{Enabled: true, MaxAge: time.Minute, StaleWhileRevalidate: 15 * time.Second}, 75 * time.Second},
		{&querycache.Policy{Enabled: true, MaxAge: time.Hour}, maxTrust},
		{&querycache.Policy{Enabled: true, MaxAge: 1<<63 - 1, StaleWhileRevalidate: 1<<63 - 1}, maxTrust},
	} {
		if got := trustUnder(c.policy); got != c.want {
			t.Errorf("%+v: got %v, want %v", c.policy, got, c.want)
		}
	}
}

func TestKeeper_ALookThatFailsLeavesTheCatalogsOnlyWhereClientsAreInTheWay(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_trusts")
	for name, c := range map[string]struct {
		kind    failureKind
		since   time.Duration // the last look
		doubted bool
		want    bool
	}{
		"clients hold every connection":                     {kind: crowded, want: true},
		"clients hold them for long":                        {kind: crowded, since: time.Minute},
		"the server has no more":                            {kind: shutOut, want: true},
		"clients waited for its connection":                 {kind: brokenOff, want: true},
		"clients waited for it, but a change had been seen": {kind: brokenOff, doubted: true},
		"the server is away":                                {kind: outage},
		"the password is wrong":                             {kind: forbidden},
		"the server takes too long":                         {kind: burden},
	} {
		arrive(t, k)
		k.trust = trust{limit: time.Minute, looked: time.Now().Add(-c.since), doubted: c.doubted}
		var f *failure
		if err := k.fail(c.kind, errors.New(name)); !errors.As(err, &f) || f.trusted > 0 != c.want {
			t.Errorf("%s: %v, trusted for %v, want %v", name, err, f.trusted, c.want)
		}
		if got := k.identity.Usual.Classifier.Catalog() != nil; got != c.want || k.conn != nil || k.slot.held {
			t.Errorf("%s: catalog in use: %v, want %v; connection: %v", name, got, c.want, k.conn != nil)
		}
	}
}

func TestKeeper_TheCatalogsAreNotTrustedForEver(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_doubts")
	k.trust.limit = 3 * time.Second
	k.hangUp()
	holder := make(held, 1)
	l := k.pool.Acquire(&pool.Waiter[*upstream.Conn]{Home: pool.NoHome, Grantee: holder})
	if l == nil {
		l = <-holder
	}
	looked := make(chan error, 1)
	go func() { looked <- k.attend(t.Context()) }()
	for end := time.Now().Add(time.Minute); k.identity.Usual.Classifier.Catalog() != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the catalog is trusted though nobody has looked at it")
		}
	}
	if took := time.Since(k.trust.looked); took < k.trust.limit {
		t.Errorf("the catalog is put aside %v after a look", took)
	}
	k.pool.Release(l, pool.NoHome)
	if err := <-looked; err != nil || k.identity.Usual.Classifier.Catalog() == nil {
		t.Errorf("when the connection is free: %v, catalog in use: %v", err, k.identity.Usual.Classifier.Catalog() != nil)
	}
}

// held is told of a lease.
type held chan *pool.Lease[*upstream.Conn]

func (h held) Granted(l *pool.Lease[*upstream.Conn]) { h <- l }
func (h held) Refused(error)                         {}

// lookWhileWanted has the keeper look at a catalog of which a table is locked, and a client need its connection.
func lookWhileWanted(t *testing.T, k *kept, locked, asked string) {
	t.Helper()
	lock(t, k, locked)
	looked := make(chan error, 1)
	go func() { looked <- k.attend(t.Context()) }()
	asking(t, k, asked, looked)
	needs(t, k)
	var f *failure
	if err := <-looked; !errors.As(err, &f) || f.kind != brokenOff {
		t.Errorf("got %v, want that the look was broken off", err)
	}
}

func TestKeeper_ALookThatIsBrokenOffForClientsCostsNobodyTheCache(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_breaks")
	k.trust.limit = time.Minute
	proxytest.SharedPostgres(t).Exec("select txid_current()") // else no transaction has ended since the last look, and nothing is asked
	lookWhileWanted(t, k, "pg_policy", "count(*) FROM pg_catalog.pg_policy")
	if k.identity.Usual.Classifier.Catalog() == nil {
		t.Error("nothing is known to have changed, and the catalog is not trusted")
	}
}

// What shows a change asks for all but pg_depend.
func TestKeeper_ALookThatIsBrokenOffWhenItHasSeenAChangeLeavesNoCatalog(t *testing.T) {
	pg := proxytest.SharedPostgres(t)
	k := keep(t, pg, "keeper_saw")
	k.trust.limit = time.Minute
	pg.ExecIn("keeper_saw", "create table fresh (a int)")
	lookWhileWanted(t, k, "pg_depend", "WITH found(classid")
	if k.identity.Usual.Classifier.Catalog() != nil {
		t.Error("a catalog is trusted that is known to have changed")
	}
}
