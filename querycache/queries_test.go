package querycache

import (
	"fmt"
	"testing"
	"time"

	"overdrive/querycache/classify"
)

func shaped(fingerprint uint64, s Status, reason string) *classify.Verdict {
	return &classify.Verdict{
		Status: s, Reason: reason, Fingerprint: fingerprint, Shape: fmt.Sprint("shape ", fingerprint), Tables: []string{"public.t"},
		Tally: new(classify.Tally),
	}
}

// seen is what classify.Tallies would tell of the shapes.
func seen(last ...*classify.Verdict) []classify.TallyOf {
	var all []classify.TallyOf
	for _, v := range last {
		all = append(all, classify.TallyOf{
			Fingerprint: v.Fingerprint, Shape: v.Shape, Status: v.Status, Reason: v.Reason, Tables: v.Tables, Tally: v.Tally,
		})
	}
	return all
}

func TestQueries_TellsWhatBecameOfEachShape(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	kept, refused := shaped(1, classify.Cacheable, ""), shaped(2, classify.Volatile, "now() changes by itself")
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
	if q.Shape != "shape 1" || q.Status != classify.Cacheable || q.Calls != 3 || q.Hits != 1 || q.Misses != 2 || q.Fills != 2 ||
		q.FillTime != 2*time.Second || q.FillBytes != 8 || q.Entries != 2 || q.Bytes != d.Stats().Bytes || q.Youngest != 2*time.Second ||
		len(q.Tables) != 1 {
		t.Errorf("kept: %+v", q)
	}
	q = got[2]
	if q.Calls != 2 || q.Status != classify.Volatile || q.Reason != refused.Reason || q.Entries != 0 || q.Youngest != -1 {
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
		fmt.Sprint(before.Tags) != "[a b]" || before.Kept || before.Status != Miss {
		t.Errorf("got %+v", before)
	}
	f := d.Ask(r, nil).Fill
	f.Append([]byte("rows"))
	f.Commit()
	stats := d.Stats()
	clock.now = 5 * time.Second
	if i := d.Inspect(r); !i.Kept || i.Status != Hit || i.Age != 5*time.Second || i.Bytes != 4 {
		t.Errorf("kept: %+v", i)
	}
	clock.now = 11 * time.Second
	expect(t, "aged", string(d.Inspect(r).Status), "stale")
	w := d.BeginWrite(writing(1))
	expect(t, "written", string(d.Inspect(r).Status), "unsettled")
	w.Withdraw()
	d.Invalidate(1)
	expect(t, "overtaken", string(d.Inspect(r).Status), "miss")
	expect(t, "refused", string(d.Inspect(&Request{Verdict: &classify.Verdict{Status: classify.Volatile}}).Status), "volatile")
	if got := d.Stats(); got != stats {
		t.Errorf("counted: %+v", got)
	}
}
