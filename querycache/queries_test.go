package querycache

import (
	"fmt"
	"testing"
	"time"

	"overdrive/querycache/verdict"
)

func shaped(fingerprint uint64, s Status, reason string) *verdict.Statement {
	return &verdict.Statement{
		Status: s, Reason: reason, Fingerprint: fingerprint, Shape: fmt.Sprint("shape ", fingerprint), Tables: []string{"public.t"},
		Tally: new(verdict.Tally),
	}
}

// seen is what verdict.Tallies would tell of the shapes.
func seen(last ...*verdict.Statement) []verdict.TallyOf {
	var all []verdict.TallyOf
	for _, v := range last {
		all = append(all, verdict.TallyOf{
			Fingerprint: v.Fingerprint, Shape: v.Shape, Status: v.Status, Reason: v.Reason, Tables: v.Tables, Tally: v.Tally,
		})
	}
	return all
}

func TestQueries_TellsWhatBecameOfEachShape(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	kept, refused := shaped(1, verdict.Cacheable, ""), shaped(2, verdict.Volatile, "now() changes by itself")
	fill(t, d, "a", "rows", kept)
	clock.now = 10 * time.Second
	f := begin(d, "b", kept)
	clock.now = 12 * time.Second
	f.Append([]byte("four"))
	f.Commit()
	get(d, "a", kept)
	get(d, "c", refused)
	refused.Tally.PassBy()
	got := map[uint64]QueryStats{}
	for _, q := range d.Queries(seen(kept, refused)) {
		got[q.Fingerprint] = q
	}
	q := got[1]
	if q.Shape != "shape 1" || q.Status != verdict.Cacheable || q.Calls != 3 || q.Hits != 1 || q.Misses != 2 || q.Fills != 2 ||
		q.FillTime != 2*time.Second || q.FillBytes != 8 || q.Entries != 2 || q.Bytes != d.Stats().Bytes || q.Youngest != 2*time.Second ||
		len(q.Tables) != 1 {
		t.Errorf("kept: %+v", q)
	}
	q = got[2]
	if q.Calls != 2 || q.Status != verdict.Volatile || q.Reason != refused.Reason || q.Entries != 0 || q.Youngest != -1 {
		t.Errorf("refused: %+v", q)
	}
	d.PurgeQuery(1)
	for _, q := range d.Queries(seen(kept, refused)) {
		if q.Entries != 0 {
			t.Errorf("purged: %+v", q)
		}
	}
	if all := d.Queries(nil); len(all) != 0 {
		t.Errorf("entries of shapes that are forgotten: %+v", all)
	}
}

func TestInspect_TellsAndChangesNothing(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	p := stalePolicy
	p.Rules = []Rule{{Tables: []string{"t"}, MaxAge: ptr(10 * time.Second), Tags: []string{"a"}}}
	d := c.Database("shop", p)
	v := reading(1)
	v.Tables = []string{"public.t"}
	r := &Request{Key: []byte("k"), Verdict: v, Hint: &Hint{Tags: []string{"b"}}}
	before := d.Inspect(r)
	if before.Rule != 0 || !before.Enabled || before.MaxAge != 10*time.Second || before.StaleWhileRevalidate != time.Minute ||
		fmt.Sprint(before.Tags) != "[a b]" || before.Status != Miss {
		t.Errorf("got %+v", before)
	}
	f := d.Ask(r, nil).Fill
	f.Append([]byte("rows"))
	f.Commit()
	stats := d.Stats()
	clock.now = 5 * time.Second
	if i := d.Inspect(r); i.Status != Hit {
		t.Errorf("kept: %+v", i)
	}
	clock.now = 11 * time.Second
	expect(t, "aged", string(d.Inspect(r).Status), "stale")
	w := d.BeginWrite(writing(1))
	expect(t, "written", string(d.Inspect(r).Status), "unsettled")
	w.Withdraw()
	d.Invalidate(1)
	expect(t, "overtaken", string(d.Inspect(r).Status), "miss")
	expect(t, "refused", string(d.Inspect(&Request{Verdict: &verdict.Statement{Status: verdict.Volatile}}).Status), "volatile")
	if got := d.Stats(); got != stats {
		t.Errorf("counted: %+v", got)
	}
}
