package querycache

import (
	"testing"
	"time"
)

var stalePolicy = Policy{Enabled: true, MaxAge: time.Minute, StaleWhileRevalidate: time.Minute}

func TestRefresh_ExactlyOneCallerRefreshes(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", stalePolicy)
	v := reading(1)
	fill(t, d, "k", "old", v)
	clock.now = time.Minute
	expect(t, "at max age", get(d, "k", v), "hit:old")
	clock.now++
	o := ask(d, "k", v)
	if o.Status != Stale || string(o.Answer) != "old" || o.Fill == nil {
		t.Fatalf("past max age: %+v", o)
	}
	for range 3 {
		if o := d.Ask(&Request{Key: []byte("k"), Verdict: v}, new(sleeper)); o.Status != Stale || o.Fill != nil || o.Ticket != nil {
			t.Fatalf("while it is refreshed: %+v", o)
		}
	}
	clock.now = 2*time.Minute + 1
	s, _ := wait(t, d, "k", v) // too old to be served: waits for the refresh
	o.Fill.Append([]byte("new"))
	o.Fill.Commit()
	expect(t, "who waited", s.String(), "again")
	expect(t, "refreshed", get(d, "k", v), "hit:new")
	if s := d.Stats(); s.Stale != 4 || s.Refreshes != 1 || s.Entries != 1 || s.Hits != 6 {
		t.Errorf("got %+v", s)
	}
}

func TestRefresh_TooOldIsNotServed(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", stalePolicy)
	fill(t, d, "k", "old", reading(1))
	clock.now = 2*time.Minute + 1
	expect(t, "past both", get(d, "k", reading(1)), "miss")
}

func TestRefresh_WhatAWriteHasOvertakenIsNeverServed(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", stalePolicy)
	v := reading(1)
	fill(t, d, "k", "old", v)
	clock.now = time.Minute + 1
	w := d.BeginWrite(writing(1))
	expect(t, "while it is written", get(d, "k", v), "unsettled")
	w.Withdraw()
	o := ask(d, "k", v)
	expect(t, "rolled back", string(o.Status), "stale")
	d.BeginWrite(writing(1)).End()
	o.Fill.Append([]byte("old"))
	if o.Fill.Commit() {
		t.Error("a refresh was kept that a write had overtaken")
	}
	expect(t, "written", get(d, "k", v), "miss")
}

func TestRefresh_ThatCameToNothingIsTriedOnceASecond(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", stalePolicy)
	v := reading(1)
	fill(t, d, "k", "old", v)
	clock.now = time.Minute + 1
	for name, end := range map[string]func(*Fill){"abort": (*Fill).Abort, "spoil": (*Fill).Spoil} {
		o := ask(d, "k", v)
		if o.Fill == nil {
			t.Fatalf("%s: no refresh", name)
		}
		end(o.Fill)
		if o := ask(d, "k", v); o.Status != Stale || o.Fill != nil {
			t.Errorf("%s: at once again: %+v", name, o)
		}
		clock.now += refreshPause
	}
}

func TestRefresh_OneUnderWayIsNotDoubledHoweverSlow(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", stalePolicy)
	v := reading(1)
	fill(t, d, "k", "old", v)
	clock.now = time.Minute + 1
	f := ask(d, "k", v).Fill
	clock.now += 10 * refreshPause
	if o := ask(d, "k", v); o.Status != Stale || o.Fill != nil {
		t.Errorf("got %+v", o)
	}
	f.Commit()
}
