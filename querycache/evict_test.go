package querycache

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

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

func TestCache_AScanLeavesWhatIsAskedForAgain(t *testing.T) {
	c, _ := newTestCache(2 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading()
	answer := string(make([]byte, 500))
	const hot = 1000
	for round := range 3 {
		for i := range hot {
			if o := ask(d, fmt.Sprint("hot ", i), v); o.Fill != nil {
				o.Fill.Append([]byte(answer))
				o.Fill.Commit()
			} else if round == 0 {
				t.Fatalf("got %+v", o)
			}
		}
	}
	for i := range 30_000 { // many times the memory
		fill(t, d, fmt.Sprint("scan ", i), answer, v)
	}
	left := 0
	for i := range hot {
		if o := ask(d, fmt.Sprint("hot ", i), v); o.Status == Hit {
			left++
		} else {
			o.Fill.Abort()
		}
	}
	if left < hot*9/10 {
		t.Errorf("a scan left %d of %d", left, hot)
	}
	if s := d.Stats(); s.Evictions < 25_000 {
		t.Errorf("the scan did not fill the memory: %+v", s)
	}
}

func TestCache_WhatWasEvictedTooEarlyIsKeptLonger(t *testing.T) {
	s := new(shard)
	s.init(new(spans))
	e := entry{}
	for hash := range uint64(10) {
		s.store(hash*numShards, 0, &e, make([]byte, 1), nil)
	}
	if _, ok := s.evict(anySize); !ok || s.index.find(&s.log, 0) != 0 {
		t.Fatal("the oldest is still there")
	}
	s.store(0, 0, &e, make([]byte, 1), nil)
	if !s.log.at(s.index.find(&s.log, 0)).inMain {
		t.Error("it came back and is taken for new")
	}
	s.evict(anySize)
	s.store(99*numShards, 0, &e, make([]byte, 1), nil)
	if s.log.at(s.index.find(&s.log, 99*numShards)).inMain {
		t.Error("another one is taken for it")
	}
}

func TestFloor_OtherDatabasesCannotPushOutWhatIsBelow(t *testing.T) {
	const budget, floor = 400_000, 100_000
	c, _ := newTestCache(budget)
	guarded := defaultPolicy
	guarded.Floor = floor
	small, quiet, loud := c.Database("small", guarded), c.Database("quiet", defaultPolicy), c.Database("loud", defaultPolicy)
	v := reading()
	for i := range 200 {
		fill(t, small, fmt.Sprint(i), string(make([]byte, 1000+i)), v)
		fill(t, quiet, fmt.Sprint(i), string(make([]byte, 1000)), v)
	}
	for i := range 5000 {
		fill(t, loud, fmt.Sprint(i), string(make([]byte, 1000)), v)
		if got := small.Stats().Bytes; got < floor {
			t.Fatalf("after %d fills of another database: %d bytes left", i, got)
		}
	}
	if got := quiet.Stats(); got.Evictions == 0 || got.Bytes < budget/8 {
		t.Errorf("without a floor: %+v", got)
	}
	for i := range 1000 {
		fill(t, small, fmt.Sprint("more ", i), string(make([]byte, 1000)), v)
	}
	if got := small.Stats(); got.Evictions == 0 || c.UsedBytes() > budget {
		t.Errorf("its own fills did not push out its own: %+v", got)
	}
}

func TestFloor_OfAllTogetherLeavesADatabaseItsOwn(t *testing.T) {
	c, _ := newTestCache(100_000)
	guarded := defaultPolicy
	guarded.Floor = 1 << 30
	a, b := c.Database("a", guarded), c.Database("b", guarded)
	v := reading()
	for i := range 50 {
		begin(a, fmt.Sprint(i), v).Commit()
	}
	kept := a.Stats().Entries
	for i := range 1000 {
		f := begin(b, fmt.Sprint(i), v)
		f.Append(make([]byte, 1000))
		f.Commit()
	}
	if got := a.Stats(); got.Entries != kept || got.Evictions != 0 {
		t.Errorf("had %d, %+v", kept, got)
	}
	if got := b.Stats(); got.Entries < 10 || got.Evictions == 0 {
		t.Errorf("the other one: %+v", got)
	}
}

func TestCache_DeadEntriesGoFirst(t *testing.T) {
	for name, kill := range map[string]func(*Database, *clock){
		"overtaken": func(d *Database, _ *clock) { d.Invalidate(1) },
		"too old":   func(_ *Database, c *clock) { c.now = 30 * time.Minute },
	} {
		c, clock := newTestCache(1 << 20)
		d := c.Database("shop", Policy{Enabled: true, MaxAge: time.Hour})
		dead, alive := reading(1), reading(2)
		r := Request{Verdict: dead, MaxAge: ptr(time.Minute)}
		for i := range 700 {
			fill(t, d, fmt.Sprint("alive ", i), "rows", alive)
			r.Key = fmt.Appendf(nil, "dead %d", i)
			f := d.Ask(&r, nil).Fill
			f.Append(make([]byte, 500))
			f.Commit()
		}
		kill(d, clock)
		for i := range 900 {
			fill(t, d, fmt.Sprint("new ", i), string(make([]byte, 500)), alive)
		}
		if got := d.Stats().Evictions; got > 20 { // the dead are looked for at a few places only
			t.Errorf("%s: %d went that were perhaps alive, in place of the dead", name, got)
		}
	}
}

func TestShard_GivesTheMemoryOfItsTablesBackWhenItIsEmpty(t *testing.T) {
	s := new(shard)
	s.init(new(spans))
	e := entry{}
	for hash := range uint64(1280) {
		s.store(hash, 0, &e, make([]byte, 1), nil)
	}
	for {
		if _, ok := s.evict(anySize); !ok {
			break
		}
	}
	if len(s.log.regions) != 0 || len(s.index.buckets.words) != 0 || s.small.bytes != 0 || s.main.bytes != 0 {
		t.Errorf("%d regions, %d and %d bytes", len(s.log.regions), s.small.bytes, s.main.bytes)
	}
}

func TestShard_EvictsInTheOrderOfItsQueues(t *testing.T) {
	s := new(shard)
	s.init(new(spans))
	for hash := uint64(1); hash <= 4; hash++ {
		s.store(hash, 0, &entry{}, make([]byte, 1), nil)
		s.log.at(s.index.find(&s.log, hash)).ask()
	}
	s.store(3, 0, &entry{}, make([]byte, 100), nil) // in its place
	order := ""
	for s.index.n > 0 {
		if _, ok := s.evict(0); ok {
			t.Fatal("evicted what is larger than the limit")
		}
		s.evict(anySize)
		for hash := uint64(1); hash <= 4; hash++ {
			if id := s.index.find(&s.log, hash); id == 0 && !strings.Contains(order, fmt.Sprint(hash)) {
				order += fmt.Sprint(hash)
			}
		}
		if id := s.index.find(&s.log, 2); id != 0 && len(order) == 1 {
			s.log.at(id).ask()
		}
	}
	if order != "1342" {
		t.Errorf("evicted in the order %s: 2 was asked for after it was the oldest", order)
	}
	if s.small.bytes != 0 || s.main.bytes != 0 {
		t.Errorf("%d and %d bytes in empty queues", s.small.bytes, s.main.bytes)
	}
}

func TestFloor_NoEntryIsPushedOutThatReachesBelowIt(t *testing.T) {
	c, _ := newTestCache(8000)
	v := reading()
	large, small, other := c.Database("large", defaultPolicy), c.Database("small", defaultPolicy), c.Database("other", defaultPolicy)
	fill(t, large, "k", string(make([]byte, 2900)), v)
	for i := range 8 {
		fill(t, small, fmt.Sprint(i), "", v)
	}
	guard := func(d *Database, spare int64) {
		p := defaultPolicy
		p.Floor = d.Stats().Bytes - spare
		d.SetPolicy(p)
	}
	guard(large, 1500) // it is the richest, but its only entry reaches below its floor
	guard(small, 1000)
	had := small.Stats().Entries
	if !c.reserve(other, c.budget.Load()-c.UsedBytes()+1) {
		t.Error("no room for another database")
	}
	if large.Stats().Entries != 1 || small.Stats().Entries != had-1 {
		t.Errorf("%+v\n%+v", large.Stats(), small.Stats())
	}
}
