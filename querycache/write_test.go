package querycache

import (
	"testing"

	"overdrive/querycache/verdict"
)

func TestWrite_EvictsExactlyWhatItTouches(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	joined, apart, none := reading(1, 2, 3), reading(4), reading()
	setup := func() {
		fill(t, d, "joined", "j", joined)
		fill(t, d, "apart", "a", apart)
		fill(t, d, "none", "n", none)
	}
	setup()
	d.BeginWrite(writing(2)).End()
	expect(t, "one of three written", get(d, "joined", joined), "miss")
	expect(t, "others written", get(d, "apart", apart), "hit:a")
	expect(t, "reads nothing", get(d, "none", none), "hit:n")
	setup()
	d.BeginWrite(writesAll).End()
	for key, v := range map[string]*verdict.Statement{"joined": joined, "apart": apart, "none": none} {
		expect(t, key+" after everything was written", get(d, key, v), "miss")
	}
	if d.BeginWrite(reading(1)) != nil {
		t.Error("a read began a write")
	}
	other := c.Database("blog", defaultPolicy)
	fill(t, other, "k", "o", joined)
	d.BeginWrite(writesAll).End()
	expect(t, "another database", get(other, "k", joined), "hit:o")
}

func TestWrite_KeepsReadersOutUntilItsEnd(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1, 2)
	for name, effect := range map[string]*verdict.Statement{"relation": writing(2), "everything": writesAll} {
		fill(t, d, "k", "rows", v)
		w := d.BeginWrite(effect)
		second := d.BeginWrite(effect)
		expect(t, name+": written", get(d, "k", v), "unsettled")
		expect(t, name+": unknown key, written", get(d, "new", v), "unsettled")
		if begin(d, "k", v) != nil {
			t.Errorf("%s: fill began during a write", name)
		}
		w.End()
		w.End() // counts once
		expect(t, name+": still written by the second", get(d, "k", v), "unsettled")
		second.End()
		second.Abandon() // ended already
		expect(t, name+": ended", get(d, "k", v), "miss")
	}
}

func TestWrite_AddCoversLaterStatements(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	fill(t, d, "1", "a", reading(1))
	fill(t, d, "2", "b", reading(2))
	w := d.BeginWrite(writing(1))
	expect(t, "not yet added", get(d, "2", reading(2)), "hit:b")
	w.Add(writing(1, 2))
	w.Add(reading(3))
	expect(t, "added", get(d, "2", reading(2)), "unsettled")
	w.End()
	expect(t, "first", get(d, "1", reading(1)), "miss")
	expect(t, "second", get(d, "2", reading(2)), "miss")
	if word := d.cells.at(d.cells.relations(nil, []verdict.RelationID{1})[0]).load(); word != oneGeneration {
		t.Errorf("relation added twice: word %#x", word)
	}
}

func TestWrite_AbandonedStaysUnsettledForThePeriod(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	fill(t, d, "k", "rows", v)
	w := d.BeginWrite(writing(1))
	w.Abandon()
	w.End()
	clock.now = DefaultSettlePeriod - 1
	expect(t, "just before the period ends", get(d, "k", v), "unsettled")
	if begin(d, "k", v) != nil {
		t.Error("fill began within the period")
	}
	clock.now = DefaultSettlePeriod
	if begin(d, "k", v) == nil {
		t.Error("no fill after the period")
	}
	expect(t, "after", get(d, "k", v), "miss")
	if got := d.Stats().Abandoned; got != 0 {
		t.Errorf("abandoned: got %d", got)
	}
}

func TestWrite_AbandonedEndsWhenItIsKnownToBeOver(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	fill(t, d, "1", "a", reading(1))
	fill(t, d, "2", "b", reading(2))
	stuck := d.BeginWrite(writing(2)).Abandon()
	over := d.BeginWrite(writing(1)).Abandon()
	if over.Ended() {
		t.Error("it has ended before its time")
	}
	expect(t, "not known to be over", get(d, "1", reading(1)), "unsettled")
	over.End()
	over.End() // counts once
	expect(t, "over", get(d, "1", reading(1)), "miss")
	fill(t, d, "1", "c", reading(1))
	expect(t, "kept since", get(d, "1", reading(1)), "hit:c")
	expect(t, "another one", get(d, "2", reading(2)), "unsettled")
	if got := d.Stats().Abandoned; got != 1 {
		t.Errorf("abandoned: got %d, want 1", got)
	}
	clock.now = DefaultSettlePeriod
	fill(t, d, "1", "c", reading(1)) // the one before is old by now
	if !stuck.Ended() || !over.Ended() {
		t.Error("they have not ended in time")
	}
	stuck.End()
	expect(t, "ended by time", get(d, "2", reading(2)), "miss")
	expect(t, "not invalidated again", get(d, "1", reading(1)), "hit:c")
	if got := len(d.abandoned); got != 0 {
		t.Errorf("%d abandoned writes are remembered", got)
	}
	var none *Abandoned
	if none.End(); !none.Ended() || (*Write)(nil).Abandon() != nil {
		t.Error("nothing is left of nothing")
	}
}

func TestWrite_AbandonedOnesEndThoughNobodyReads(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	for range 100 {
		d.BeginWrite(writing(1)).Abandon()
		clock.now += DefaultSettlePeriod
	}
	if got := d.Stats().Abandoned; got != 1 {
		t.Errorf("%d abandoned writes are kept, want the last one only", got)
	}
}

func TestWrite_AbandonedOnesAreBounded(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	for i := range 2 * maxAbandoned {
		d.BeginWrite(writing(verdict.RelationID(i % 50))).Abandon()
	}
	if got := d.Stats().Abandoned; got != maxAbandoned+1 {
		t.Errorf("%d abandoned writes are kept, want %d and one for all others", got, maxAbandoned)
	}
	for i := range 60 {
		expect(t, "before the period ends", get(d, "k", reading(verdict.RelationID(i))), "unsettled")
	}
	clock.now = DefaultSettlePeriod
	for i := range 60 {
		v := reading(verdict.RelationID(i))
		get(d, "k", v)
		expect(t, "after the period", get(d, "k", v), "miss")
	}
}

// TestInvariant_HoldsInEveryInterleaving runs a fill, a write and a look-up in every order of their steps against a
// model of the database, in which a write becomes visible at some moment between BeginWrite and End.
func TestInvariant_HoldsInEveryInterleaving(t *testing.T) {
	for _, effect := range []*verdict.Statement{writing(2), writesAll} {
		runs, hits := 0, 0
		interleave([]int{3, 3, 1}, nil, func(order []int) {
			runs++
			c, _ := newTestCache(1 << 20)
			d := c.Database("shop", defaultPolicy)
			v := reading(1, 2)
			var f *Fill
			var w *Write
			value, seen, open := "old", "", false
			var step [3]int
			for _, who := range order {
				switch n := step[who]; {
				case who == 0 && n == 0:
					f = begin(d, "k", v)
				case who == 0 && n == 1:
					seen = value
				case who == 0 && n == 2:
					f.Append([]byte(seen))
					f.Commit()
				case who == 1 && n == 0:
					w, open = d.BeginWrite(effect), true
				case who == 1 && n == 1:
					value = "new"
				case who == 1 && n == 2:
					w.End()
					open = false
				case who == 2:
					o := ask(d, "k", v)
					if o.Answer == nil {
						break
					}
					hits++
					if open || string(o.Answer) != value {
						t.Errorf("order %v: served %q, the database says %q, write open %v", order, o.Answer, value, open)
					}
				}
				step[who]++
			}
		})
		if runs != 140 || hits == 0 { // 7!/(3!3!1!)
			t.Errorf("got %d orders and %d hits", runs, hits)
		}
	}
}

// interleave calls f with every order in which actor i takes steps[i] steps.
func interleave(steps, order []int, f func([]int)) {
	done := true
	for i := range steps {
		if steps[i] == 0 {
			continue
		}
		done = false
		steps[i]--
		interleave(steps, append(order, i), f)
		steps[i]++
	}
	if done {
		f(order)
	}
}

func TestAsk_FindsAWriteThatCameBetweenCheckAndStore(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	f := begin(d, "k", v)
	f.Append([]byte("old"))
	d.BeginWrite(writing(1)).End()
	f.end(f.keep(), false) // as if Commit had been held up behind its check
	expect(t, "entry stored too late", get(d, "k", v), "miss")
	if c.UsedBytes() != 0 {
		t.Errorf("%d bytes used by nothing", c.UsedBytes())
	}
}

func TestWrite_WithdrawnLeavesAllAsItWas(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	for name, effect := range map[string]*verdict.Statement{"relation": writing(1), "everything": writesAll} {
		fill(t, d, "k", "rows", v)
		under := begin(d, "under", v)
		w := d.BeginWrite(effect)
		other := d.BeginWrite(effect)
		expect(t, name+": written", get(d, "k", v), "unsettled")
		w.Withdraw()
		w.End() // counts once
		expect(t, name+": written by another", get(d, "k", v), "unsettled")
		other.Withdraw()
		expect(t, name+": withdrawn", get(d, "k", v), "hit:rows")
		if !under.Commit() {
			t.Errorf("%s: a fill begun before was not kept", name)
		}
		w, other = d.BeginWrite(effect), d.BeginWrite(effect)
		other.End()
		w.Withdraw()
		expect(t, name+": one of two ended", get(d, "k", v), "miss")
	}
	var none *Write
	none.Withdraw()
}
