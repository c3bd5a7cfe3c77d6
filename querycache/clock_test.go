package querycache

import (
	"testing"
	"time"

	"overdrive/querycache/verdict"
)

// ticking is what reads the clock.
var ticking = &verdict.Statement{Status: verdict.Volatile, Clock: true, Reads: []verdict.RelationID{1}, Tables: []string{"public.games"}}

// getBy is get for a request of a statement that reads the clock.
func getBy(d *Database, v *verdict.Statement, h *Hint) string {
	o := d.Ask(&Request{Key: []byte("k"), Verdict: v, Hint: h}, nil)
	o.Fill.Abort()
	if o.Answer == nil {
		return string(o.Status)
	}
	return string(o.Status) + ":" + string(o.Answer)
}

func newClockCache(p Policy, epoch time.Time) (*Database, *clock) {
	c := &clock{}
	return New(Options{Poison: true, Now: func() time.Duration { return c.now }, Epoch: epoch}).Database("shop", p), c
}

func TestClock_AnAnswerIsServedUntilItsPeriodEnds(t *testing.T) {
	d, clock := newClockCache(Policy{Enabled: true, MaxAge: time.Hour}, time.Date(2026, 1, 1, 23, 58, 30, 0, time.UTC))
	minute := &Hint{Clock: ptr(time.Minute)}
	expect(t, "nobody has said how exact", getBy(d, ticking, nil), "volatile")
	f := d.Ask(&Request{Key: []byte("k"), Verdict: ticking, Hint: minute}, nil).Fill
	if f == nil || !f.Append([]byte("rows")) || !f.Commit() {
		t.Fatal("the answer was not kept")
	}
	clock.now = 29 * time.Second
	expect(t, "in the same minute", getBy(d, ticking, minute), "hit:rows")
	expect(t, "without the hint", getBy(d, ticking, nil), "volatile")
	expect(t, "with an exact clock", getBy(d, ticking, &Hint{Clock: ptr(time.Duration(0))}), "volatile")
	clock.now = 30 * time.Second
	expect(t, "in the next minute", getBy(d, ticking, minute), "miss")
	expect(t, "in the same hour", getBy(d, ticking, &Hint{Clock: ptr(time.Hour)}), "hit:rows")
	clock.now = 91 * time.Second // past midnight
	expect(t, "in the next hour", getBy(d, ticking, &Hint{Clock: ptr(time.Hour)}), "miss")
	expect(t, "on the next day", getBy(d, ticking, &Hint{Clock: ptr(24 * time.Hour)}), "miss")
}

func TestClock_AWriteAndAnAgeCountWithinAPeriod(t *testing.T) {
	p := Policy{Enabled: true, MaxAge: 10 * time.Second, StaleWhileRevalidate: 10 * time.Second,
		Rules: []Rule{{Tables: []string{"games"}, Clock: ptr(time.Hour)}}}
	d, clock := newClockCache(p, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	keep := func() {
		f := d.Ask(&Request{Key: []byte("k"), Verdict: ticking, Hint: &Hint{Refresh: true}}, nil).Fill
		if f == nil || !f.Append([]byte("rows")) || !f.Commit() {
			t.Fatal("the answer was not kept")
		}
	}
	keep()
	expect(t, "by the rule", getBy(d, ticking, nil), "hit:rows")
	clock.now = 11 * time.Second
	expect(t, "past max_age", getBy(d, ticking, nil), "stale:rows")
	clock.now = 21 * time.Second
	expect(t, "past the window", getBy(d, ticking, nil), "miss")
	keep()
	d.BeginWrite(writing(1)).End()
	expect(t, "after a write", getBy(d, ticking, nil), "miss")
	other := *ticking
	other.Tables = []string{"public.other"}
	expect(t, "of a table without the rule", getBy(d, &other, nil), "volatile")
	keep()
	d.SetPolicy(Policy{Enabled: true, MaxAge: time.Hour})
	expect(t, "after the rule is gone", getBy(d, ticking, nil), "volatile")
	changing := *ticking
	changing.Clock = false
	expect(t, "of what changes by itself", getBy(d, &changing, &Hint{Clock: ptr(time.Hour)}), "volatile")
}
