package querycache

import (
	"bytes"
	"testing"
	"time"

	"overdrive/querycache/verdict"
)

func TestDatabase_ServesWhatWasFilled(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	expect(t, "before", get(d, "k", v), "miss")
	fill(t, d, "k", "rows", v)
	expect(t, "after", get(d, "k", v), "hit:rows")
	expect(t, "other key", get(d, "kr", v), "miss")
	expect(t, "other database", get(c.Database("blog", defaultPolicy), "k", v), "miss")
	expect(t, "uncacheable verdict", get(d, "k", &verdict.Statement{Status: verdict.Volatile}), "volatile")
	fill(t, d, "empty", "", v)
	expect(t, "answer of no bytes", get(d, "empty", v), "hit:")
	if got := d.Stats(); got.Hits != 2 || got.Misses != 4 || got.Entries != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestDatabase_ComparesWholeKeysWhenHashesAreEqual(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	fill(t, d, "k", "rows", reading())
	hash := d.hash([]byte("k"))
	if d.shard(hash).lookUp(hash, []byte("x")) != nil {
		t.Error("found under another key of the same hash")
	}
	if d.shard(hash).lookUp(hash, []byte("k")) == nil {
		t.Error("not found")
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
