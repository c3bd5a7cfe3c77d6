package postgres

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache"
)

// newTrusting makes a server where every name is its own user at a server that cannot be reached.
func newTrusting(t *testing.T) *Proxy {
	t.Helper()
	server, err := proxy.New(proxy.Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := New(server, Options{
		Users: func(string) (pgauth.Secret, bool) { return pgauth.Secret{}, true }, AuthMethod: pgauth.MethodTrust,
		Cache: querycache.New(querycache.Options{MaxBytes: 1 << 20}),
		Databases: []Database{{
			Name: "shop", Target: upstream.Target{Host: "/nowhere", Port: 1, Database: "shop"}, Pool: pool.Limits{Size: 1},
			Cache: &querycache.Policy{Enabled: true, MaxAge: time.Minute},
		}},
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
	})
	return s
}

func (s *Proxy) identities() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.origins)
}

func (s *Proxy) mustOrigin(t *testing.T, user string) *origin {
	t.Helper()
	o, err := s.originFor("shop", user)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestIdentities_OfNamesThatAreOfNoUseAreGivenUp(t *testing.T) {
	s := newTrusting(t)
	before, now := runtime.NumGoroutine(), time.Now()
	for i := range 400 {
		s.letGo(s.mustOrigin(t, fmt.Sprint("nobody", i)))
	}
	held, accepted := s.mustOrigin(t, "held"), s.mustOrigin(t, "accepted")
	accepted.Introduce(map[string]string{"TimeZone": "UTC"})
	s.letGo(accepted)
	if got := runtime.NumGoroutine() - before; got > 20 {
		t.Errorf("%d goroutines for names that nobody has let in", got)
	}
	s.retireUnused(now)
	s.retireUnused(now.Add(unusedLimit - 1))
	if got, want := s.identities(), 402; got != want {
		t.Errorf("%d identities within the first minute, want %d", got, want)
	}
	s.retireUnused(now.Add(unusedLimit))
	if got, want := s.identities(), 2; got != want {
		t.Errorf("%d identities after a minute, want %d", got, want)
	}
	if s.mustOrigin(t, "held") != held || s.mustOrigin(t, "accepted") != accepted {
		t.Error("one was given up that is of use")
	}
}

func TestIdentities_OfOneDatabaseAreBounded(t *testing.T) {
	s := newTrusting(t)
	for i := range maxIdentities + 100 {
		s.letGo(s.mustOrigin(t, fmt.Sprint("nobody", i)))
		if got := s.identities(); got > maxIdentities {
			t.Fatalf("%d identities", got)
		}
	}
	var all []*origin
	for i := range maxIdentities {
		all = append(all, s.mustOrigin(t, fmt.Sprint("somebody", i)))
	}
	if _, err := s.originFor("shop", "late"); err == nil {
		t.Error("one more than the bound, though all are in use")
	}
	s.letGo(all[0])
	s.mustOrigin(t, "late")
}

// Whoever invents names must not have the locks of two thousand pools taken for each.
func TestIdentities_ThatNoneCanBeGivenUpHoldsForAMoment(t *testing.T) {
	s := newTrusting(t)
	for i := range maxIdentities {
		s.mustOrigin(t, fmt.Sprint("somebody", i))
	}
	late := func() error {
		_, err := s.originFor("shop", "late")
		return err
	}
	if late() == nil {
		t.Error("one more than the bound")
	}
	s.mu.Lock()
	for _, o := range s.origins {
		o.held = 0
	}
	s.noRoom["shop"] = time.Now().Add(time.Hour)
	s.mu.Unlock()
	if late() == nil {
		t.Error("it is looked again at once")
	}
	s.mu.Lock()
	s.noRoom["shop"] = time.Now().Add(-roomPause)
	s.mu.Unlock()
	if err := late(); err != nil {
		t.Error("it is not looked again:", err)
	}
}
