package querycache

import (
	"testing"
	"time"

	"overdrive/querycache/verdict"
)

func TestDryRun_CountsWhatWouldHaveHitAndServesNothing(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	p := stalePolicy
	p.DryRun, p.MaxResult = true, 1000
	d := c.Database("shop", p)
	v := reading(1)
	v.Tally = new(verdict.Tally)
	try := func(name string, hits int64, fills bool) {
		t.Helper()
		o := d.Ask(&Request{Key: []byte("k"), Verdict: v}, new(sleeper))
		if o.Status != Miss || o.Answer != nil || o.Ticket != nil || (o.Fill != nil) != fills {
			t.Errorf("%s: got %+v", name, o)
		}
		if got := v.Tally.WouldHit.Load(); got != hits || d.Stats().DryHits != hits {
			t.Errorf("%s: %d would have hit, want %d", name, got, hits)
		}
		o.Fill.Append(make([]byte, 600))
		o.Fill.Commit()
	}
	try("first", 0, true)
	try("again", 1, false)
	clock.now = time.Minute + 1
	try("past max age", 2, true)
	try("refreshed", 3, false)
	d.BeginWrite(writing(1)).End()
	try("written", 3, true)
	f := begin(d, "large", v)
	if !f.Append(make([]byte, 1000)) || f.Append([]byte{0}) {
		t.Error("the limit of one answer does not hold")
	}
	if s := d.Stats(); s.DryEntries != 1 || s.Entries != 0 || s.Bytes >= 600 || s.Hits != 0 {
		t.Errorf("got %+v", s)
	}
	if v.Tally.FillBytes.Load() != 3*600 {
		t.Errorf("%d bytes counted", v.Tally.FillBytes.Load())
	}
}

func TestDryRun_ItsKeysAreNoAnswers(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	p := defaultPolicy
	p.DryRun = true
	d := c.Database("shop", p)
	v := reading(1)
	ask(d, "k", v).Fill.Commit()
	half := begin(d, "half", v)
	d.SetPolicy(defaultPolicy)
	if half.Commit() {
		t.Error("a key of the dry run was kept after its end")
	}
	expect(t, "after the dry run", get(d, "k", v), "miss")
	fill(t, d, "k", "rows", v)
	expect(t, "filled", get(d, "k", v), "hit:rows")
	if s := d.Stats(); s.DryEntries != 0 || s.Entries != 1 {
		t.Errorf("got %+v", s)
	}
	d.SetPolicy(p)
	expect(t, "a new dry run", get(d, "k", v), "miss")
	if s := d.Stats(); s.DryHits != 1 {
		t.Errorf("got %+v", s)
	}
}
