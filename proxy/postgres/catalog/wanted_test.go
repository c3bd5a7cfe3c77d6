package catalog

import (
	"context"
	"errors"
	"testing"
	"time"

	"overdrive/pool"
	"overdrive/proxy/postgres/upstream"
	"overdrive/proxy/proxytest"
)

// served is told of a lease.
type served struct {
	pool *pool.Pool[*upstream.Conn]
	told chan error
}

func (s served) Granted(l *pool.Lease[*upstream.Conn]) {
	s.pool.Release(l, pool.NoHome)
	s.told <- nil
}
func (s served) Refused(err error) { s.told <- err }

// needs has a client need a connection of the keeper's pool, and fails unless it is served soon.
func needs(t *testing.T, k *kept) {
	t.Helper()
	client := served{k.pool, make(chan error, 1)}
	start := time.Now()
	w := &pool.Waiter[*upstream.Conn]{Home: pool.NoHome, Grantee: client}
	if l := k.pool.Acquire(w); l != nil {
		t.Fatal("the pool has room: nothing is tried")
	}
	select {
	case err := <-client.told:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(3 * time.Second):
		t.Fatal("the client is not served")
	}
	t.Logf("served after %v", time.Since(start))
}

// asking returns once the server is busy with a question that has the words in it. It fails if the work that asks the
// question ends before, and says with what.
func asking(t *testing.T, k *kept, words string, work <-chan error) {
	t.Helper()
	watch, err := k.given.Connect(t.Context(), "SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close(byeLimit)
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		rows, err := watch.Query("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()" +
			" AND datname = current_database() AND query LIKE '%" + words + "%'")
		switch {
		case err != nil:
			t.Fatal(err)
		case len(rows) > 0:
			return
		case time.Now().After(end):
			t.Fatal("the server is not asked")
		}
		select {
		case err := <-work:
			t.Fatalf("the work ended before the server was seen at it: %v", err)
		default:
		}
	}
}

// lock has questions about a table of the catalog wait until the test ends.
func lock(t *testing.T, k *kept, table string) {
	t.Helper()
	locker, err := k.given.Connect(t.Context(), "BEGIN")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { locker.Close(byeLimit) })
	if _, err := locker.Query("LOCK TABLE pg_catalog." + table + " IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
}

func TestKeeper_AVisitGivesWayThoughTheKeeperLingers(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_visited")
	k.hangUp()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go k.linger(ctx, time.Hour, nil)
	lock(t, k, "pg_policy")
	looked := make(chan error, 1)
	go func() {
		if err := k.begin(ctx); err != nil {
			looked <- err
			return
		}
		defer k.finish()
		looked <- k.look(ctx)
	}()
	asking(t, k, "count(*) FROM pg_catalog.pg_policy", looked)
	needs(t, k)
	if err := <-looked; err == nil {
		t.Error("the look was not broken off")
	}
}

// The catalog may change between the question for what has changed and its being read.
func TestKeeper_WhatShowsAChangeIsOfTheMomentOfWhatIsRead(t *testing.T) {
	pg := proxytest.SharedPostgres(t)
	k := keep(t, pg, "keeper_moments")
	pg.ExecIn("keeper_moments", "create table made_before (a int)")
	signs, _, err := k.ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pg.ExecIn("keeper_moments", "create table made_meanwhile (a int)")
	inventory, err := k.inventory(signs)
	if err != nil {
		t.Fatal(err)
	}
	if !inventory.Shows(signs) || len(inventory.RelationIDs("", "made_before")) != 1 || len(inventory.RelationIDs("", "made_meanwhile")) != 0 {
		t.Error("what was read is not of the moment of what shows it")
	}
}

func TestKeeper_LendsItsSlotOnlyUntilAClientNeedsIt(t *testing.T) {
	k := keep(t, proxytest.SharedPostgres(t), "keeper_lends")
	lent := make(chan error, 1)
	go func() {
		lent <- k.Lend(t.Context(), func(c *upstream.Conn) error {
			_, err := c.Query("SELECT pg_catalog.pg_sleep(25)")
			return err
		})
	}()
	asking(t, k, "pg_sleep", lent)
	needs(t, k)
	if err := <-lent; !errors.Is(err, errNeeded) {
		t.Errorf("got %v, want %v", err, errNeeded)
	}
}
