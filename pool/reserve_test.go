package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"overdrive/pool"
)

// holder is one user of slots. It notes what it is told.
type holder struct {
	f      *fixture
	r      pool.Reservation[*conn]
	events []string
	err    error
	wanted func() // done when it is wanted, if set
}

func (f *fixture) holder() *holder {
	h := &holder{f: f}
	h.r.Holder = h
	return h
}

func (h *holder) note(event string) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	h.events = append(h.events, event)
}

func (h *holder) Reserved(tight bool) {
	if tight {
		h.note("tight")
	} else {
		h.note("spare")
	}
}

func (h *holder) Refused(err error) { h.err = err; h.note("refused") }
func (h *holder) Wanted() {
	h.note("wanted")
	if h.wanted != nil {
		h.wanted()
	}
}

func (h *holder) reserve() *holder {
	h.f.t.Helper()
	h.f.Reserve(&h.r)
	h.f.settle()
	return h
}

func (h *holder) giveBack() {
	h.f.t.Helper()
	h.f.Unreserve(&h.r)
	h.f.settle()
}

func (h *holder) want(events ...string) {
	h.f.t.Helper()
	if !slices.Equal(h.events, events) {
		h.f.t.Errorf("the holder was told %v, want %v", h.events, events)
	}
}

func TestReserve_SlotCountsWithinTheSize(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		h := f.holder().reserve()
		h.want("spare")
		f.holders(1, 0)
		late := f.caller(0).acquire()
		if late.id() != 0 || f.born != 1 {
			t.Errorf("with one slot reserved of two, %d connections were opened", f.born)
		}
		h.want("spare", "wanted")
		h.giveBack()
		if late.id() == 0 {
			t.Error("the slot that was given back did not serve the caller who waited for it")
		}
		if s := f.Stats(); s.Open != 2 || s.Reserved != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestReserve_TakesTheSlotOfTheConnectionThatIsIdleLongest(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		cs := f.holders(2, 0)
		cs[1].release()
		cs[0].release()
		h := f.holder().reserve()
		h.want("tight")
		if why, gone := f.closes[2]; !gone || why != pool.CloseYielded || len(f.closes) != 1 {
			t.Errorf("closed: %v", f.closes)
		}
		h.giveBack()
	})
}

func TestReserve_WaitsItsTurnAndNoLonger(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		first := f.holders(1, 0)[0]
		second := f.caller(0).acquire()
		h := f.holder().reserve()
		third := f.caller(0).acquire()
		first.release()
		h.want()
		if second.id() != 1 {
			t.Fatal("the slot overtook a caller who had waited longer")
		}
		second.release()
		h.want("tight", "wanted")
		if third.id() != 0 || f.closes[1] != pool.CloseYielded {
			t.Errorf("a caller who came later was served before: closed %v", f.closes)
		}
		h.giveBack()
		if third.id() != 2 {
			t.Error("the caller who came later is not served")
		}
	})
}

func TestReserve_IsWantedOnceAndOnlyWhereNothingElseHelps(t *testing.T) {
	inBubble(t, size(3), func(f *fixture) {
		h := f.holder().reserve()
		f.manual = true
		a := f.caller(0).acquire()
		h.want("spare")
		f.endDial(nil)
		b := f.caller(0).acquire()
		f.endDial(nil)
		h.want("spare")
		f.caller(0).acquire()
		f.caller(0).acquire()
		h.want("spare", "wanted")
		a.release()
		b.release()
		h.giveBack()
	})
}

func TestReserve_IsWantedWhereTheServerTakesNoMoreConnections(t *testing.T) {
	inBubble(t, size(5), func(f *fixture) {
		h := f.holder().reserve()
		f.fail = errors.New("FATAL: sorry, too many clients already (53300)")
		c := f.caller(0).acquire()
		h.want("spare", "wanted")
		h.giveBack()
		f.fail = nil
		f.advance(time.Second)
		if c.id() == 0 {
			t.Error("the caller is not served")
		}
	})
}

func TestReserve_EndsAsACallersWaitDoes(t *testing.T) {
	o := size(1)
	o.WaitTimeout = time.Second
	inBubble(t, o, func(f *fixture) {
		held := f.holders(1, 0)[0]
		h := f.holder().reserve()
		f.advance(2 * time.Second)
		h.want("refused")
		var timeout *pool.WaitTimeoutError
		if !errors.As(h.err, &timeout) || f.Stats().Timeouts != 0 {
			t.Errorf("got %v, %d timeouts of callers", h.err, f.Stats().Timeouts)
		}
		h.reserve()
		if !f.CancelReserve(&h.r) || f.CancelReserve(&h.r) {
			t.Error("CancelReserve of a queued reservation: want true, then false")
		}
		h.reserve()
		f.Close(nil)
		f.settle()
		h.want("refused", "refused")
		h.reserve()
		h.want("refused", "refused", "refused")
		held.release()
	})
}

func TestReserve_AllAreToldThoughOneReservesAgainMeanwhile(t *testing.T) {
	inBubble(t, size(3), func(f *fixture) {
		hs := []*holder{f.holder().reserve(), f.holder().reserve(), f.holder().reserve()}
		early, late := f.caller(0), f.caller(0)
		again := func() { // as it may go in another goroutine
			for _, h := range hs {
				h.wanted = nil
			}
			f.Cancel(&early.w)
			f.Unreserve(&hs[1].r)
			f.Reserve(&hs[1].r)
			f.Acquire(&late.w)
		}
		hs[0].wanted, hs[2].wanted = again, again
		early.acquire()
		hs[0].want("spare", "wanted")
		hs[2].want("spare", "wanted")
		if !slices.Contains(hs[1].events[1:], "wanted") {
			t.Errorf("the one that reserved again was told %v", hs[1].events)
		}
		for _, h := range hs {
			h.giveBack()
		}
	})
}

// Under the race detector.
func TestReserve_AgainBeforeBeingToldIsNoRace(t *testing.T) {
	p := pool.New(pool.Options[int]{Limits: pool.Limits{Size: 1}, Dial: func(context.Context, int) (int, error) { return 1, nil }})
	h := answers{make(chan *pool.Lease[int], 1)}
	r := &pool.Reservation[int]{Holder: h}
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			g := answers{make(chan *pool.Lease[int], 1)}
			w := &pool.Waiter[int]{Home: pool.NoHome, Grantee: g}
			for range 300 {
				l := p.Acquire(w)
				if l == nil {
					l = <-g.ch
				}
				p.Release(l, 0)
			}
		})
	}
	for range 300 {
		p.Reserve(r)
		<-h.ch
		p.Unreserve(r)
	}
	callers.Wait()
	p.Close(nil)
}

// answers is told, and does not care whether its slot is wanted.
type answers struct{ ch chan *pool.Lease[int] }

func (a answers) Granted(l *pool.Lease[int]) { a.ch <- l }
func (a answers) Reserved(bool)              { a.ch <- nil }
func (a answers) Refused(error)              { a.ch <- nil }
func (a answers) Wanted()                    {}

func TestReserve_WaitsWhileThePoolIsPaused(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		held := f.holders(1, 0)[0]
		f.Pause()
		h := f.holder().reserve()
		c := f.caller(0).acquire()
		f.Resume()
		f.settle()
		h.want("tight", "wanted")
		h.giveBack()
		if c.id() == 0 {
			t.Error("not served")
		}
		held.release()
	})
}

func TestReserve_CloseDoesNotWaitForSlots(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		h := f.holder().reserve()
		f.Close(nil)
		<-f.Done()
		h.want("spare", "wanted")
		h.giveBack()
	})
}

func TestReserve_AMinIdleConnectionIsOpenedAgain(t *testing.T) {
	o := size(1)
	o.MinIdle = 1
	inBubble(t, o, func(f *fixture) {
		f.Warm()
		f.settle()
		h := f.holder().reserve()
		h.want("tight")
		h.giveBack()
		if s := f.Stats(); s.Idle != 1 || f.born != 2 {
			t.Errorf("%d idle, %d opened", s.Idle, f.born)
		}
	})
}

// TestReserve_AmongCallersEverybodyIsServed mixes slots and connections at random and compares sums.
func TestReserve_AmongCallersEverybodyIsServed(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(7, seed))
		inBubble(t, size(1+rng.IntN(4)), func(f *fixture) {
			h := f.holder().reserve()
			held := true
			var callers []*caller
			for range 100 {
				switch n := rng.IntN(5); {
				case n < 2:
					callers = append(callers, f.caller(rng.IntN(2)).acquire())
				case n < 4 && len(callers) > 0:
					i := rng.IntN(len(callers))
					if callers[i].id() != 0 {
						callers[i].release()
						callers = slices.Delete(callers, i, i+1)
					}
				case held && h.events[len(h.events)-1] != "refused":
					if f.Stats().Reserved == 1 {
						h.giveBack()
						held = false
					}
				case !held:
					h.reserve()
					held = true
				}
				if s := f.Stats(); s.Open+s.Reserved > s.Size {
					t.Fatalf("above the size: %+v", s)
				}
			}
			for len(callers) > 0 || f.Stats().Reserved == 1 {
				if f.Stats().Reserved == 1 {
					h.giveBack()
				}
				i := slices.IndexFunc(callers, func(c *caller) bool { return c.id() != 0 })
				if i < 0 && len(callers) > 0 {
					t.Fatalf("seed %d: %d callers wait and nobody holds anything", seed, len(callers))
				}
				if i >= 0 {
					callers[i].release()
					callers = slices.Delete(callers, i, i+1)
				}
			}
		})
	}
}
