package querycache

import (
	"fmt"
	"math/rand/v2"
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
