package postgres

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"overdrive/pool"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache"
)

// transactions sums up what Traffic tells of a database.
func (s *Proxy) transactions(database string) (n uint64, users []string) {
	for _, t := range s.Traffic() {
		if t.Database == database {
			n += t.Transactions
			users = append(users, t.User)
		}
	}
	return n, users
}

// giveUpAll has nobody have an origin any more.
func (s *Proxy) giveUpAll() {
	now := time.Now()
	s.retireUnused(now)
	s.retireUnused(now.Add(2 * unusedLimit))
}

func TestTraffic_OfUsersWhoAreGivenUpIsNotLost(t *testing.T) {
	s := newTrusting(t)
	for _, user := range []string{"bob", "ann"} {
		o := s.mustOrigin(t, user)
		o.Meter.Lane(0).Transactions.Add(5)
		s.letGo(o)
	}
	s.giveUpAll()
	if n, users := s.transactions("shop"); n != 10 || !slices.Equal(users, []string{"bob", "ann"}) {
		t.Fatalf("when they are gone: %d transactions of %q, want those who came first to be first", n, users)
	}
	o := s.mustOrigin(t, "ann")
	o.Meter.Lane(0).Transactions.Add(1)
	if n, users := s.transactions("shop"); n != 11 || len(users) != 2 {
		t.Errorf("when one is back: %d transactions of %q", n, users)
	}
}

func TestTraffic_OfMoreUsersThanAreKeptStandsTogether(t *testing.T) {
	s := newTrusting(t)
	const users = maxAccounts + 50
	for i := range users {
		o := s.mustOrigin(t, fmt.Sprint("user", i))
		o.Meter.Lane(0).Transactions.Add(1)
		s.letGo(o)
		if i%100 == 0 {
			s.giveUpAll()
		}
	}
	s.giveUpAll()
	n, names := s.transactions("shop")
	if n != users || len(names) != maxAccounts+1 || names[maxAccounts] != "" {
		t.Errorf("%d transactions of %d users, want %d of %d", n, len(names), users, maxAccounts+1)
	}
	for i := range shownUsers {
		if names[i] != fmt.Sprint("user", i) {
			t.Fatalf("the %dth is %q: those who came first are to stay", i, names[i])
		}
	}
}

// A database that is served in another way has a new origin for the same user, while the old one's clients leave.
func TestTraffic_GoesOnWhenTheDatabaseIsServedInAnotherWay(t *testing.T) {
	s := newTrusting(t)
	o := s.mustOrigin(t, "ann")
	s.letGo(o)
	o.Meter.Lane(0).Transactions.Add(5)
	options := s.now().Options
	options.Databases = []Database{{
		Name: "shop", Target: upstream.Target{Host: "/nowhere", Port: 2, Database: "shop"}, Pool: pool.Limits{Size: 1},
		Cache: &querycache.Policy{Enabled: true, MaxAge: time.Minute},
	}}
	s.Reconfigure(options, time.Millisecond)
	o = s.mustOrigin(t, "ann")
	s.letGo(o)
	o.Meter.Lane(0).Transactions.Add(1)
	left := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.leaving) == 0
	}
	if !s.waitUntil(10*time.Second, left) {
		t.Fatal("the old origin stays")
	}
	if n, _ := s.transactions("shop"); n != 6 {
		t.Errorf("%d transactions, want 6", n)
	}
	options.Databases = nil
	s.Reconfigure(options, time.Millisecond)
	if list := s.Traffic(); len(list) != 0 {
		t.Errorf("of a database that is gone: %+v", list)
	}
	if !s.waitUntil(10*time.Second, left) {
		t.Fatal("the last origin stays")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.accounts.byKey) != 0 || len(s.accounts.folded) != 0 {
		t.Error("accounts of a database that is gone are kept")
	}
}
