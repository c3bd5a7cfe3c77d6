package querycache

import (
	"math/rand/v2"
	"sync"
	"testing"

	"overdrive/querycache/classify"
)

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
