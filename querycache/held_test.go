package querycache

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// bigAnswer returns an answer of a few pieces, all of one byte.
func bigAnswer(b byte) string { return string(bytes.Repeat([]byte{b}, 3*pieceBytes-100)) }

// hold asks for a key that is kept and large, and keeps the answer.
func hold(t *testing.T, d *Database, key string) *Held {
	t.Helper()
	o := ask(d, key, reading(1))
	if o.Held == nil || o.Answer != nil {
		t.Fatalf("got %s, want a large answer", o.Status)
	}
	return o.Held
}

func TestHeld_CountsUntilTheLastReaderIsDone(t *testing.T) {
	for name, end := range map[string]func(*Cache, *Database){
		"invalidated": func(_ *Cache, d *Database) {
			d.Invalidate(1)
			get(d, "k", reading(1)) // finds it dead
		},
		"purged":   func(_ *Cache, d *Database) { d.Purge() },
		"replaced": func(_ *Cache, d *Database) { fill(t, d, "k", "small", reading(1)); d.Purge() },
	} {
		c, _ := newTestCache(4 << 20)
		d := c.Database("shop", defaultPolicy)
		fill(t, d, "k", bigAnswer('a'), reading(1))
		kept := c.UsedBytes()
		first, second := hold(t, d, "k"), hold(t, d, "k")
		if c.UsedBytes() != kept || c.HeldBytes() != kept {
			t.Errorf("%s: %d bytes held, %d used, want %d: two readers of one answer count once", name, c.HeldBytes(), c.UsedBytes(), kept)
		}
		end(c, d)
		if d.Stats().Bytes != 0 || c.UsedBytes() != kept {
			t.Errorf("%s: %d bytes used while two read, want %d", name, c.UsedBytes(), kept)
		}
		first.Release()
		if got := slices.Concat(second.Pieces()...); string(got) != bigAnswer('a') || c.UsedBytes() != kept {
			t.Errorf("%s: somebody wrote where the second reads, or %d bytes used", name, c.UsedBytes())
		}
		read := second.Pieces()[0]
		second.Release()
		if c.UsedBytes() != 0 || c.HeldBytes() != 0 {
			t.Errorf("%s: %d bytes used and %d held by nobody", name, c.UsedBytes(), c.HeldBytes())
		}
		if read[0] != poisonByte {
			t.Errorf("%s: what was freed is not poisoned", name)
		}
	}
}

func TestHeld_ReadersHoldNoMoreThanHalfOfTheBudget(t *testing.T) {
	c, _ := newTestCache(4 << 20)
	d := c.Database("shop", defaultPolicy)
	var held []*Held
	for i := range 100 { // of clients who do not read, while writes kill what they hold
		key := fmt.Sprint(i)
		f := begin(d, key, reading(1))
		if !f.Append([]byte(bigAnswer('a'))) || !f.Commit() {
			t.Fatalf("after %d: not kept though half of the memory is nobody's", i)
		}
		o := ask(d, key, reading(1))
		switch {
		case o.Held != nil:
			held = append(held, o.Held)
		case o.Status != Miss || o.Fill != nil:
			t.Fatalf("got %+v, want the server to be asked and nothing kept", o)
		}
		d.Invalidate(1)
		if c.UsedBytes() > c.budget.Load() || c.HeldBytes() > c.maxHeldBytes() {
			t.Fatalf("%d bytes used, %d held", c.UsedBytes(), c.HeldBytes())
		}
	}
	if len(held) < 8 {
		t.Errorf("only %d could be had", len(held))
	}
	fill(t, d, "small", "rows", reading(1))
	expect(t, "a small answer", get(d, "small", reading(1)), "hit:rows")
	for _, h := range held {
		h.Release()
	}
	fill(t, d, "k", bigAnswer('b'), reading(1))
	hold(t, d, "k").Release()
	d.Purge()
	if c.UsedBytes() != 0 || c.HeldBytes() != 0 {
		t.Errorf("%d bytes used, %d held", c.UsedBytes(), c.HeldBytes())
	}
}

func TestHeld_OneAnswerCanAlwaysBeRead(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	fill(t, d, "a", bigAnswer('a'), reading(1))
	fill(t, d, "b", bigAnswer('b'), reading(1))
	c.budget.Store(2000)
	a := hold(t, d, "a")
	if o := ask(d, "b", reading(1)); o.Status != Miss || o.Held != nil || o.Fill != nil {
		t.Errorf("a second one: %+v", o)
	}
	hold(t, d, "a").Release() // it costs nothing more
	a.Release()
	hold(t, d, "b").Release()
}

func TestEvict_LeavesWhatSomebodyReads(t *testing.T) {
	c, _ := newTestCache(4 << 20)
	d := c.Database("shop", defaultPolicy)
	fill(t, d, "read", bigAnswer('a'), reading(1))
	h := hold(t, d, "read")
	for i := range 200 {
		fill(t, d, fmt.Sprint(i), bigAnswer('b'), reading(1))
	}
	if o := ask(d, "read", reading(1)); o.Held != h {
		t.Errorf("got %+v: without it nothing was gained", o)
	}
}

// TestHeld_NobodyReadsWhatIsFreed lets readers read while others invalidate, replace and evict. What is freed is poisoned, and every answer is
// of one byte: who reads any other reads another's.
func TestHeld_NobodyReadsWhatIsFreed(t *testing.T) {
	c := New(Options{MaxBytes: 8 << 20, Poison: true})
	d := c.Database("shop", defaultPolicy)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 0))
			room := make([]byte, 0, maxSmallBlob)
			for range 3000 {
				b := byte('a' + rng.IntN(26))
				o := d.Ask(&Request{Key: []byte{b}, Verdict: reading(1), Room: room}, nil)
				for _, piece := range append(o.Held.answerPieces(), o.Answer) {
					if n := bytes.Count(piece, []byte{b}); n != len(piece) {
						t.Errorf("%d of %d bytes are another's", len(piece)-n, len(piece))
					}
				}
				o.Held.Release()
				for n := 1 << rng.IntN(18); o.Fill != nil && n > 0 && o.Fill.Append(bytes.Repeat([]byte{b}, min(n, 5000))); {
					n -= 5000
				}
				if o.Fill.Commit(); rng.IntN(10) == 0 {
					d.Invalidate(1)
				}
			}
		})
	}
	wg.Wait()
	d.Purge()
	if c.UsedBytes() != 0 || c.HeldBytes() != 0 || c.fills.Load() != 0 {
		t.Errorf("%d bytes used, %d held, %d in fills, by nobody", c.UsedBytes(), c.HeldBytes(), c.fills.Load())
	}
}

func (h *Held) answerPieces() [][]byte {
	if h == nil {
		return nil
	}
	return slices.Clone(h.Pieces())
}
