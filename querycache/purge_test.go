package querycache

import (
	"testing"

	"overdrive/querycache/verdict"
)

func TestPurge_ByTagTakesWhatHasTheTag(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	p := defaultPolicy
	p.Rules = []Rule{{Tables: []string{"scores"}, Tags: []string{"sport", "live"}}}
	d := c.Database("shop", p)
	v := reading(1)
	v.Tables = []string{"public.scores"}
	plain := reading(1)
	hinted := &Request{Key: []byte("hinted"), Verdict: plain, Hint: &Hint{Tags: []string{"live"}}}
	for _, tag := range []string{"sport", "live"} {
		fill(t, d, "rule", "r", v)
		fill(t, d, "plain", "p", plain)
		d.Ask(hinted, nil).Fill.Commit()
		late := begin(d, "late", v)
		d.PurgeTag(tag)
		if late.Commit() {
			t.Errorf("%s: a fill under way was kept", tag)
		}
		expect(t, tag+": tag of a rule", get(d, "rule", v), "miss")
		expect(t, tag+": no tag", get(d, "plain", plain), "hit:p")
		want := map[string]string{"sport": "hit", "live": "miss"}[tag]
		expect(t, tag+": tag of a comment", string(d.Ask(hinted, nil).Status), want)
	}
}

func TestPurge_ByTagTakesWhatWasAskedForWithTheTagLater(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	tagged := &Request{Key: []byte("k"), Verdict: v, Hint: &Hint{Tags: []string{"sport"}}}
	fill(t, d, "k", "rows", v)
	o := d.Ask(tagged, nil)
	expect(t, "kept without the tag", string(o.Status), "miss")
	o.Fill.Commit()
	expect(t, "kept with it", string(d.Ask(tagged, nil).Status), "hit")
	expect(t, "asked for without it", get(d, "k", v), "hit:")
	d.PurgeTag("sport")
	expect(t, "purged", get(d, "k", v), "miss")
}

func TestPurge_ByQueryTakesTheShape(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	one, two := reading(1), reading(1)
	one.Fingerprint, two.Fingerprint = 1, 2
	fill(t, d, "a", "1", one)
	fill(t, d, "b", "1", one)
	fill(t, d, "c", "2", two)
	d.PurgeQuery(1)
	expect(t, "first of the shape", get(d, "a", one), "miss")
	expect(t, "second of the shape", get(d, "b", one), "miss")
	expect(t, "another shape", get(d, "c", two), "hit:2")
}

func TestInvalidate_TakesSeveralRelationsTogether(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	ids := []verdict.RelationID{1, 2, 3}
	fill(t, d, "k", "rows", reading(ids...))
	d.Invalidate(ids...)
	expect(t, "all of three", get(d, "k", reading(ids...)), "miss")
	for _, id := range d.cells.relations(nil, ids) {
		if word := d.cells.at(id).load(); word != oneGeneration {
			t.Errorf("word %#x", word)
		}
	}
	fill(t, d, "k", "rows", reading(1))
	d.Invalidate()
	d.Invalidate(9)
	expect(t, "others", get(d, "k", reading(1)), "hit:rows")
}
