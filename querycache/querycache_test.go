package querycache

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"overdrive/querycache/classify"
)

// clock is a clock that stands still until told.
type clock struct{ now time.Duration }

func newTestCache(maxBytes int64) (*Cache, *clock) {
	c := &clock{}
	return New(Options{MaxBytes: maxBytes, Now: func() time.Duration { return c.now }}), c
}

var defaultPolicy = Policy{Enabled: true, MaxAge: time.Minute, MaxResult: 1 << 20}

func reading(ids ...classify.RelationID) *classify.Verdict {
	return &classify.Verdict{Status: classify.Cacheable, Reads: ids}
}

func writing(ids ...classify.RelationID) *classify.Verdict {
	return &classify.Verdict{Status: classify.NotAQuery, Effect: classify.EffectRelations, Writes: ids}
}

var writesAll = &classify.Verdict{Status: classify.NotAQuery, Effect: classify.EffectEverything}

// ask asks for the key on behalf of nobody in particular.
func ask(d *Database, key string, v *classify.Verdict) Outcome {
	return d.Ask(&Request{Key: []byte(key), Verdict: v}, nil)
}

// begin asks for a key that is not kept, and returns the fill; nil if it may not be filled.
func begin(d *Database, key string, v *classify.Verdict) *Fill { return ask(d, key, v).Fill }

// fill keeps answer under the key, in place of what is there.
func fill(t *testing.T, d *Database, key, answer string, v *classify.Verdict) {
	t.Helper()
	f := d.Ask(&Request{Key: []byte(key), Verdict: v, Hint: &Hint{Refresh: true}}, nil).Fill
	if f == nil || !f.Append([]byte(answer)) || !f.Commit() {
		t.Fatalf("fill of %q failed", key)
	}
}

// get says what is served under the key, or why nothing is. It fills nothing.
func get(d *Database, key string, v *classify.Verdict) string {
	o := ask(d, key, v)
	o.Fill.Abort()
	if o.Answer == nil {
		return string(o.Status)
	}
	return string(o.Status) + ":" + string(o.Answer)
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

func TestDatabase_ServesWhatWasFilled(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	expect(t, "before", get(d, "k", v), "miss")
	fill(t, d, "k", "rows", v)
	expect(t, "after", get(d, "k", v), "hit:rows")
	expect(t, "other key", get(d, "kr", v), "miss")
	expect(t, "other database", get(c.Database("blog", defaultPolicy), "k", v), "miss")
	expect(t, "uncacheable verdict", get(d, "k", &classify.Verdict{Status: classify.Volatile}), "volatile")
	fill(t, d, "empty", "", v)
	expect(t, "answer of no bytes", get(d, "empty", v), "hit:")
	if got := d.Stats(); got.Hits != 2 || got.Misses != 5 || got.Entries != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestDatabase_ComparesWholeKeysWhenHashesAreEqual(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	fill(t, d, "k", "rows", reading())
	hash := d.hash([]byte("k"))
	var e entry
	if d.shard(hash).find(hash, []byte("x"), &e) {
		t.Error("found under another key of the same hash")
	}
	if !d.shard(hash).find(hash, []byte("k"), &e) {
		t.Error("not found")
	}
}

func TestDatabase_ShorterMaxAgeHoldsForWhatIsKept(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	fill(t, d, "k", "rows", v)
	clock.now = time.Minute
	expect(t, "at max age", get(d, "k", v), "hit:rows")
	c.Database("shop", Policy{Enabled: true, MaxAge: time.Second})
	expect(t, "after a shorter max age", get(d, "k", v), "miss")
	d.SetPolicy(defaultPolicy)
	fill(t, d, "k", "rows", v)
	clock.now = 2 * time.Minute
	expect(t, "filled a minute ago", get(d, "k", v), "hit:rows")
	clock.now++
	expect(t, "too old", get(d, "k", v), "miss")
	d.SetPolicy(Policy{})
	expect(t, "disabled", get(d, "k", v), "disabled")
	if begin(d, "k", v) != nil {
		t.Error("fill of a disabled database began")
	}
}

func TestFill_AgeCountsFromBegin(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	f := begin(d, "k", v)
	clock.now = time.Minute + 1
	f.Commit()
	expect(t, "answer that took longer than max age", get(d, "k", v), "miss")
}

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
	for key, v := range map[string]*classify.Verdict{"joined": joined, "apart": apart, "none": none} {
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
	for name, effect := range map[string]*classify.Verdict{"relation": writing(2), "everything": writesAll} {
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
	if word := d.cells.at(d.cells.relations(nil, []classify.RelationID{1})[0]).load(); word != oneGeneration {
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

func TestPurge_DropsEntriesAndFillsInProgress(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	for name, purge := range map[string]func(){"cache": c.Purge, "database": d.Purge} {
		fill(t, d, "k", "rows", v)
		f := begin(d, "late", v)
		purge()
		if f.Commit() {
			t.Errorf("%s: fill begun before the purge was kept", name)
		}
		expect(t, name, get(d, "k", v), "miss")
		if c.UsedBytes() != 0 || d.Stats().Entries != 0 {
			t.Errorf("%s: %d bytes and %d entries left", name, c.UsedBytes(), d.Stats().Entries)
		}
	}
	fill(t, d, "k", "rows", v)
	d.Invalidate(1)
	expect(t, "invalidated", get(d, "k", v), "miss")
}

// TestInvariant_HoldsInEveryInterleaving runs a fill, a write and a look-up in every order of their steps against a
// model of the database, in which a write becomes visible at some moment between BeginWrite and End.
func TestInvariant_HoldsInEveryInterleaving(t *testing.T) {
	for _, effect := range []*classify.Verdict{writing(2), writesAll} {
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
	c.reserve(d, entryOverhead)
	c.fills.Add(-f.reserved)
	f.reserved = 0
	f.end(&f.entry, false) // as if Commit had been held up behind its check
	expect(t, "entry stored too late", get(d, "k", v), "miss")
	if c.UsedBytes() != 0 {
		t.Errorf("%d bytes used by nothing", c.UsedBytes())
	}
}

func TestFill_OverTheLimitFreesItsMemoryAtOnce(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", Policy{Enabled: true, MaxAge: time.Minute, MaxResult: 1000})
	f := begin(d, "k", reading())
	if !f.Append(make([]byte, 1000)) {
		t.Fatal("at the limit: refused")
	}
	if f.Append([]byte("x")) {
		t.Error("over the limit: taken")
	}
	if c.UsedBytes() != 0 {
		t.Errorf("%d bytes still reserved", c.UsedBytes())
	}
	if f.Append(nil) || f.Commit() {
		t.Error("an abandoned fill goes on")
	}
	f.Abort()
	var none *Fill
	none.Abort()
	if none.Append([]byte("x")) || none.Commit() {
		t.Error("a nil fill goes on")
	}
	if got := d.Stats().Oversize; got != 1 {
		t.Errorf("oversize: got %d, want 1", got)
	}
}

func TestCache_NeverExceedsItsBudget(t *testing.T) {
	const budget = 200_000
	c, _ := newTestCache(budget)
	d := c.Database("shop", defaultPolicy)
	rng := rand.New(rand.NewPCG(1, 2))
	var open []*Fill
	for i := range 5000 {
		if f := begin(d, fmt.Sprintf("key %d", i), reading()); f != nil {
			f.Append(make([]byte, rng.IntN(3000)))
			open = append(open, f)
		}
		if len(open) > 20 {
			n := rng.IntN(len(open))
			if rng.IntN(4) == 0 {
				open[n].Abort()
			} else {
				open[n].Commit()
			}
			open = append(open[:n], open[n+1:]...)
		}
		if used := c.UsedBytes(); used > budget {
			t.Fatalf("step %d: %d bytes used", i, used)
		}
		if fills := c.fills.Load(); fills > budget/2 || fills < 0 {
			t.Fatalf("step %d: %d bytes in fills", i, fills)
		}
	}
	for _, f := range open {
		f.Abort()
	}
	s := c.Stats()
	if s.Evictions == 0 || s.Bytes != c.UsedBytes() || c.fills.Load() != 0 {
		t.Errorf("%+v, %d used, %d in fills", s, c.UsedBytes(), c.fills.Load())
	}
	c.Purge()
	if c.UsedBytes() != 0 {
		t.Errorf("%d bytes used by nothing", c.UsedBytes())
	}
}

func TestCache_TakesTheLargestResultOfTheDefaults(t *testing.T) {
	c, _ := newTestCache(DefaultMaxBytes)
	d := c.Database("shop", Policy{Enabled: true, MaxAge: time.Minute, MaxResult: 50 << 20})
	f := begin(d, "k", reading())
	chunk := make([]byte, 64<<10)
	for range 800 {
		if !f.Append(chunk) {
			t.Fatal("refused")
		}
	}
	if !f.Commit() {
		t.Error("not kept")
	}
}

func TestCache_EvictsWhatWasNotUsed(t *testing.T) {
	c, _ := newTestCache(200_000)
	d := c.Database("shop", defaultPolicy)
	v := reading()
	fill(t, d, "hot", "rows", v)
	for i := range 2000 {
		fill(t, d, fmt.Sprintf("cold %d", i), "rows", v)
		if got := get(d, "hot", v); got != "hit:rows" && i < 300 {
			t.Fatalf("after %d others: %s", i, got)
		}
		if get(d, "hot", v) == "miss" {
			fill(t, d, "hot", "rows", v) // a shard with the hot entry alone may lose it
		}
	}
	if got := d.Stats(); got.Entries < 300 {
		t.Errorf("only %d entries kept", got.Entries)
	}
}

func TestEntry_BytesStayWhenItIsEvicted(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	key := []byte("k")
	answer := []byte("rows")
	f := begin(d, string(key), reading())
	f.Append(answer)
	f.Commit()
	copy(answer, "XXXX")
	o := ask(d, "k", reading())
	key[0] = 'x'
	c.Purge()
	if !bytes.Equal(o.Answer, []byte("rows")) {
		t.Errorf("got %q", o.Answer)
	}
}

// TestCache_ServesNothingStaleUnderLoad lets readers and writers loose on a few counters. A reader that begins after a
// write has ended must not be served a smaller count.
func TestCache_ServesNothingStaleUnderLoad(t *testing.T) {
	c := New(Options{MaxBytes: 1 << 16})
	d := c.Database("shop", defaultPolicy)
	var counter [4]struct {
		sync.Mutex
		value, ended uint32
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 0))
			for range 5000 {
				i := rng.IntN(len(counter))
				id := classify.RelationID(i + 1)
				n := &counter[i]
				if rng.IntN(10) == 0 {
					w := d.BeginWrite(writing(id))
					n.Lock()
					n.value++
					mine := n.value
					n.Unlock()
					w.End()
					n.Lock()
					n.ended = max(n.ended, mine)
					n.Unlock()
					continue
				}
				v := reading(id)
				key := []byte{byte(i)}
				n.Lock()
				least := n.ended
				n.Unlock()
				o := d.Ask(&Request{Key: key, Verdict: v}, nil)
				if b := o.Answer; b != nil {
					if got := uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]); got < least {
						t.Errorf("served %d, %d had ended", got, least)
					}
					continue
				}
				f := o.Fill
				n.Lock()
				got := n.value
				n.Unlock()
				f.Append([]byte{byte(got >> 16), byte(got >> 8), byte(got)})
				f.Commit()
			}
		})
	}
	wg.Wait()
	if s := d.Stats(); s.Hits == 0 || s.Invalidations == 0 {
		t.Errorf("nothing happened: %+v", s)
	}
}

func benchmarkEntry() (*Database, []byte, *classify.Verdict) {
	c := New(Options{})
	d := c.Database("shop", defaultPolicy)
	v := reading(1, 2)
	key := bytes.Repeat([]byte("k"), 120)
	f := d.Ask(&Request{Key: key, Verdict: v}, nil).Fill
	f.Append(make([]byte, 200))
	f.Commit()
	return d, key, v
}

func BenchmarkAsk(b *testing.B) {
	d, key, v := benchmarkEntry()
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if o := d.Ask(&Request{Key: key, Verdict: v}, nil); o.Answer == nil {
				b.Fatal("miss")
			}
		}
	})
	b.Run("hit/parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				d.Ask(&Request{Key: key, Verdict: v}, nil)
			}
		})
	})
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		other := append(bytes.Clone(key), 'x')
		for b.Loop() {
			d.Ask(&Request{Key: other, Verdict: v}, nil).Fill.Abort()
		}
	})
}

func BenchmarkFill(b *testing.B) {
	d, key, v := benchmarkEntry()
	answer := make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		f := d.Ask(&Request{Key: key, Verdict: v, Hint: &Hint{Refresh: true}}, nil).Fill
		f.Append(answer)
		f.Commit()
	}
}

func BenchmarkWrite(b *testing.B) {
	d, _, _ := benchmarkEntry()
	v := writing(1, 2)
	b.ReportAllocs()
	for b.Loop() {
		d.BeginWrite(v).End()
	}
}
