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

func fill(t *testing.T, d *Database, key, answer string, v *classify.Verdict) {
	t.Helper()
	f := d.Begin([]byte(key), v)
	if f == nil || !f.Append([]byte(answer)) || !f.Commit() {
		t.Fatalf("fill of %q failed", key)
	}
}

func get(d *Database, key string, v *classify.Verdict) string {
	e, status := d.Get([]byte(key), v)
	if e == nil {
		return string(status)
	}
	return "hit:" + string(e.Bytes())
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
	if got := d.Stats(); got.Hits != 2 || got.Misses != 2 || got.Entries != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestDatabase_ComparesWholeKeysWhenHashesAreEqual(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	fill(t, d, "k", "rows", reading())
	hash := d.hash([]byte("k"))
	s := &c.shard[hash%numShards]
	if e := s.find(hash, d, []byte("x")); e != nil {
		t.Error("found under another key of the same hash")
	}
	if e := s.find(hash, c.Database("blog", defaultPolicy), []byte("k")); e != nil {
		t.Error("found for another database")
	}
	if e := s.find(hash, d, []byte("k")); e == nil {
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
	if d.Begin([]byte("k"), v) != nil {
		t.Error("fill of a disabled database began")
	}
}

func TestFill_AgeCountsFromBegin(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	f := d.Begin([]byte("k"), v)
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
		if d.Begin([]byte("k"), v) != nil {
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
	if d.cells[1].load() != oneGeneration {
		t.Errorf("relation added twice: word %#x", d.cells[1].load())
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
	if d.Begin([]byte("k"), v) != nil {
		t.Error("fill began within the period")
	}
	clock.now = DefaultSettlePeriod
	if d.Begin([]byte("k"), v) == nil {
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
		f := d.Begin([]byte("late"), v)
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
					f = d.Begin([]byte("k"), v)
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
					e, _ := d.Get([]byte("k"), v)
					if e == nil {
						break
					}
					hits++
					if open || string(e.Bytes()) != value {
						t.Errorf("order %v: served %q, the database says %q, write open %v", order, e.Bytes(), value, open)
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

func TestGet_FindsAWriteThatCameBetweenCheckAndStore(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	f := d.Begin([]byte("k"), v)
	f.Append([]byte("old"))
	deps := f.deps
	f.Commit()
	d.BeginWrite(writing(1)).End()
	fill(t, d, "k", "new", v)
	// Store an entry with the old words, as if Commit had been held up behind its check.
	e, _ := d.Get([]byte("k"), v)
	e.deps = deps
	expect(t, "entry stored too late", get(d, "k", v), "miss")
}

func TestFill_OverTheLimitFreesItsMemoryAtOnce(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", Policy{Enabled: true, MaxAge: time.Minute, MaxResult: 1000})
	f := d.Begin([]byte("k"), reading())
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
		if f := d.Begin(fmt.Appendf(nil, "key %d", i), reading()); f != nil {
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
	f := d.Begin([]byte("k"), reading())
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
	f := d.Begin(key, reading())
	f.Append(answer)
	f.Commit()
	copy(answer, "XXXX")
	e, _ := d.Get([]byte("k"), reading())
	key[0] = 'x'
	c.Purge()
	if !bytes.Equal(e.Bytes(), []byte("rows")) {
		t.Errorf("got %q", e.Bytes())
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
				if e, _ := d.Get(key, v); e != nil {
					b := e.Bytes()
					if got := uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]); got < least {
						t.Errorf("served %d, %d had ended", got, least)
					}
					continue
				}
				f := d.Begin(key, v)
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
	f := d.Begin(key, v)
	f.Append(make([]byte, 200))
	f.Commit()
	return d, key, v
}

func BenchmarkGet(b *testing.B) {
	d, key, v := benchmarkEntry()
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if e, _ := d.Get(key, v); e == nil {
				b.Fatal("miss")
			}
		}
	})
	b.Run("hit/parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				d.Get(key, v)
			}
		})
	})
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		other := append(bytes.Clone(key), 'x')
		for b.Loop() {
			d.Get(other, v)
		}
	})
}

func BenchmarkFill(b *testing.B) {
	d, key, v := benchmarkEntry()
	answer := make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		f := d.Begin(key, v)
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
