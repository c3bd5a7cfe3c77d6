package querycache

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"overdrive/querycache/verdict"
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
				id := verdict.RelationID(i + 1)
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

// caller is a Waiter that sleeps.
type caller chan bool

func (c caller) Wake(alone bool) { c <- alone }

// TestFlight_UnderLoadWakesEverybodyOnce lets many ask for a few keys while writes, purges, aborts and eviction go on. A lost
// wake-up shows as a test that never ends, a double one as a full channel.
func TestFlight_UnderLoadWakesEverybodyOnce(t *testing.T) {
	c := New(Options{MaxBytes: 1 << 14})
	d := c.Database("shop", Policy{Enabled: true, MaxAge: time.Millisecond, StaleWhileRevalidate: time.Millisecond})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 1))
			wake := make(caller, 1)
			for range 2000 {
				n := rng.IntN(4)
				r := &Request{Key: []byte{byte(n)}, Verdict: reading(verdict.RelationID(n))}
				switch rng.IntN(60) {
				case 0:
					d.Purge()
				case 1:
					d.Invalidate(verdict.RelationID(n))
				case 2:
					d.SetPolicy(Policy{Enabled: true, MaxAge: time.Millisecond, Rules: []Rule{{Users: []string{"x"}}}})
				}
				var w Waiter = wake
				for o := d.Ask(r, w); ; o = d.Ask(r, w) {
					if o.Status == Waiting {
						if rng.IntN(5) == 0 && o.Ticket.Leave() {
							break
						}
						if <-wake {
							w = nil
						}
						r.Waited++
						continue
					}
					finish(o.Fill, rng)
					break
				}
				if len(wake) > 0 {
					t.Error("woken twice, or after leaving")
				}
			}
		})
	}
	wg.Wait()
	if s := d.Stats(); s.Coalesced == 0 {
		t.Errorf("nobody waited: %+v", s)
	}
	d.Purge()
	if c.UsedBytes() != 0 || c.fills.Load() != 0 {
		t.Errorf("%d bytes used by nothing", c.UsedBytes())
	}
}

// finish ends a fill in one way or another, some time later.
func finish(f *Fill, rng *rand.Rand) {
	for range rng.IntN(3) {
		runtime.Gosched()
	}
	f.Append(make([]byte, rng.IntN(3000)))
	switch rng.IntN(8) {
	case 0:
		f.Abort()
	case 1:
		f.Spoil()
	default:
		f.Commit()
	}
}
