package pool_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"overdrive/pool"
)

// One who has waited elsewhere, or here before, has one deadline: the queue does not start its wait anew.
func TestPool_WaitTimeoutCountsFromWhenTheWaiterBeganToWait(t *testing.T) {
	inBubble(t, pool.Options[*conn]{Limits: pool.Limits{Size: 1, WaitTimeout: 10 * time.Second}}, func(f *fixture) {
		holder, old, young := f.caller(0).acquire(), f.caller(0), f.caller(0)
		f.advance(time.Second)
		old.w.Since = time.Now()
		f.advance(6 * time.Second)
		young.acquire()
		f.advance(time.Second)
		old.acquire()
		f.advance(2 * time.Second)
		if len(old.refused) != 0 {
			t.Fatal("refused before the time")
		}
		f.advance(time.Second)
		var timeout *pool.WaitTimeoutError
		if len(old.refused) != 1 || !errors.As(old.refused[0], &timeout) || timeout.Waited != 10*time.Second {
			t.Fatalf("refused %v, want once, after ten seconds", old.refused)
		}
		old.acquire() // for the same, though nobody should
		f.settle()
		if len(old.refused) != 2 {
			t.Error("one whose time is over waits again")
		}
		if got := f.Stats().WaitTime; got != 3*time.Second {
			t.Errorf("the queue has kept those that left it for %v, want 3s", got)
		}
		if len(young.refused) != 0 {
			t.Error("another one was refused, too")
		}
		holder.release()
		young.release()
	})
}

// Who began to wait first is served first, wherever that was.
func TestPool_ServesThoseWhoWaitInTheOrderInWhichTheyBeganTo(t *testing.T) {
	inBubble(t, pool.Options[*conn]{Limits: pool.Limits{Size: 1}}, func(f *fixture) {
		holder := f.caller(0).acquire()
		start := time.Now()
		f.advance(time.Hour)
		r := rand.New(rand.NewPCG(1, 1))
		callers := make([]*caller, 60)
		for _, i := range r.Perm(len(callers)) {
			c := f.caller(0)
			c.w.Since = start.Add(time.Duration(i/2) * time.Second) // two of each
			callers[i] = c.acquire()
			if r.IntN(4) == 0 {
				f.Cancel(&c.w)
				f.settle()
				c.acquire()
			}
		}
		holder.release()
		f.settle()
		for i := 0; i < len(callers); i += 2 {
			for range 2 {
				switch {
				case callers[i].lease != nil:
					callers[i].release()
				case callers[i+1].lease != nil:
					callers[i+1].release()
				default:
					t.Fatalf("neither %d nor %d is served next", i, i+1)
				}
				f.settle()
			}
		}
	})
}
