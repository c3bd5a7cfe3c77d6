package postgres

import (
	"testing"
	"time"

	"overdrive/pool"
	"overdrive/proxy/postgres/upstream"
	"overdrive/proxy/traffic"
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

func TestTraffic_OfUsersWhoAreGivenUpIsNotLost(t *testing.T) {
	s := newTrusting(t)
	for _, user := range []string{"ann", "bob"} {
		o := s.mustOrigin(t, user)
		o.Meter.Lane(0).Transactions.Add(5)
		s.letGo(o)
	}
	if n, users := s.transactions("shop"); n != 10 || len(users) != 2 {
		t.Fatalf("%d transactions of %q", n, users)
	}
	now := time.Now()
	s.retireUnused(now)
	s.retireUnused(now.Add(2 * unusedLimit))
	if n, users := s.transactions("shop"); n != 10 || len(users) != 1 || users[0] != "" {
		t.Fatalf("when they are gone: %d transactions of %q", n, users)
	}
	s.mu.Lock()
	kept := len(s.meters)
	s.mu.Unlock()
	if kept != 0 {
		t.Errorf("%d meters are kept of nobody", kept)
	}
	o := s.mustOrigin(t, "ann")
	o.Meter.Lane(0).Transactions.Add(1)
	if n, users := s.transactions("shop"); n != 11 || len(users) != 2 {
		t.Errorf("when one is back: %d transactions of %q", n, users)
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
}

func TestTraffic_SnapshotIsNotChangedByWhatComesLater(t *testing.T) {
	s := newTrusting(t)
	o := s.mustOrigin(t, "ann")
	s.letGo(o)
	o.Meter.Logins.Add(1)
	o.Meter.Ends.Add(0)
	now := time.Now()
	s.retireUnused(now)
	s.retireUnused(now.Add(2 * unusedLimit))
	before := s.Traffic()
	before[0].Counts.Add(&traffic.Counts{Logins: 1, Ends: before[0].Ends})
	if after := s.Traffic(); after[0].Logins != 1 || after[0].Ends[0].N != 1 {
		t.Errorf("got %+v", after[0])
	}
}
