package pool_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"overdrive/pool"
)

var (
	errStarting = errors.New("FATAL: the database system is starting up (57P03)")
	errPassword = errors.New("FATAL: password authentication failed (28P01)")
)

func isPassword(err error) bool { return errors.Is(err, errPassword) }

func TestDial_RunsAtMostDialParallelAtOnce(t *testing.T) {
	o := size(10)
	o.DialParallel = 3
	inBubble(t, o, func(f *fixture) {
		f.manual = true
		for home := range 5 {
			f.caller(home).acquire()
		}
		if got, want := f.homes, []int{0, 1, 2}; !slices.Equal(got, want) {
			t.Fatalf("dials for homes %v, want those of the oldest waiters %v", got, want)
		}
		f.endDial(nil)
		if got, want := f.homes[3:], []int{3}; !slices.Equal(got, want) {
			t.Errorf("next dial for homes %v, want %v", got, want)
		}
		for len(f.dials) > 0 {
			f.endDial(nil)
		}
		if got, want := f.born, 5; got != want {
			t.Errorf("%d dials for %d waiters", got, want)
		}
	})
}

func TestDial_ServesTheOldestWaiterWhicheverDialEndsFirst(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		f.manual = true
		a, b := f.caller(0).acquire(), f.caller(1).acquire()
		f.dials[0], f.dials[1] = f.dials[1], f.dials[0]
		f.endDial(nil)
		if a.id() == 0 || b.id() != 0 {
			t.Errorf("first waiter holds %d, second %d; want the first to be served", a.id(), b.id())
		}
		f.endDial(nil)
	})
}

func TestDial_ForACancelledWaiterIsKept(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		f.manual = true
		c := f.caller(0).acquire()
		f.Cancel(&c.w)
		f.endDial(nil)
		if got, want := f.Stats().Idle, 1; got != want {
			t.Fatalf("idle %d, want %d", got, want)
		}
		if got := f.caller(0).acquire().id(); got != 1 {
			t.Errorf("the next caller got %d, want connection 1", got)
		}
	})
}

func TestDial_IsNotNeededIfAReleaseServedTheWaiter(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		held := f.holders(1, 0)[0]
		f.manual = true
		w := f.caller(0).acquire()
		held.release()
		if got, want := w.id(), 1; got != want {
			t.Errorf("waiter holds %d, want the released %d", got, want)
		}
		f.endDial(nil)
		if s := f.Stats(); s.Idle != 1 || s.Leased != 1 {
			t.Errorf("idle %d, leased %d; want 1 and 1", s.Idle, s.Leased)
		}
	})
}

func TestDial_FailureKeepsWaitersAndRetriesOneAtATime(t *testing.T) {
	inBubble(t, size(4), func(f *fixture) {
		f.fail = errStarting
		waiters := []*caller{f.caller(0).acquire(), f.caller(0).acquire(), f.caller(0).acquire()}
		f.advance(time.Minute)
		for i, w := range waiters {
			if len(w.refused) != 0 {
				t.Errorf("waiter %d refused: %v, want it to wait", i, w.refused)
			}
		}
		for i := 3; i < len(f.starts); i++ { // the first two were parallel
			if gap := f.starts[i].Sub(f.starts[i-1]); gap < 100*time.Millisecond {
				t.Errorf("probe %d came %v after the one before", i, gap)
			}
		}
		f.manual, f.fail = true, nil
		f.advance(16 * time.Second)
		if got, want := len(f.dials), 1; got != want {
			t.Fatalf("%d probes in progress, want %d", got, want)
		}
		f.manual = false
		f.endDial(nil)
		f.settle()
		for i, w := range waiters {
			if w.id() == 0 {
				t.Errorf("waiter %d was not served at once after the first success", i)
			}
		}
	})
}

// wantPauses checks that the pauses between the dials double up to most, and half as much again.
func (f *fixture) wantPauses(most time.Duration) {
	f.t.Helper()
	least := 100 * time.Millisecond
	for i := 1; i < len(f.starts); i++ {
		gap := f.starts[i].Sub(f.starts[i-1])
		if gap < least || gap > least*3/2 {
			f.t.Errorf("pause %d: %v, want between %v and %v", i, gap, least, least*3/2)
		}
		least = min(2*least, most)
	}
	if n := len(f.starts); n < 20 {
		f.t.Errorf("only %d dials in five minutes", n)
	}
}

func TestDial_PausesForLessThanASecondWhileSomebodyWaits(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		f.fail = errStarting
		f.caller(0).acquire()
		f.advance(5 * time.Minute)
		f.wantPauses(660 * time.Millisecond)
	})
}

func TestDial_PausesForLongWhileNobodyWaits(t *testing.T) {
	o := size(2)
	o.MinIdle = 1
	inBubble(t, o, func(f *fixture) {
		f.fail = errStarting
		f.Warm()
		f.settle()
		f.advance(5 * time.Minute)
		f.wantPauses(10 * time.Second)
	})
}

func TestDial_WhoBeginsToWaitEndsALongPause(t *testing.T) {
	o := size(2)
	o.MinIdle = 1
	inBubble(t, o, func(f *fixture) {
		f.fail = errStarting
		f.Warm()
		f.settle()
		f.advance(5 * time.Minute)
		for n := len(f.starts); len(f.starts) == n; { // to the beginning of a pause
			f.advance(time.Second)
		}
		f.fail = nil
		began := time.Now()
		w := f.caller(0).acquire()
		for w.id() == 0 && time.Since(began) < 20*time.Second {
			f.advance(10 * time.Millisecond)
		}
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("served after %v, want a second at most", waited)
		}
	})
}

func TestBackoff_HasJitterAndNeverOverflows(t *testing.T) {
	const most = 10 * time.Second
	seen := map[time.Duration]bool{}
	for range 20 {
		seen[pool.Backoff(5, most)] = true
	}
	if len(seen) < 10 {
		t.Errorf("20 pauses took only %d values", len(seen))
	}
	for _, n := range []int{11, 12, 64, 1 << 40} {
		if got := pool.Backoff(n, most); got < most || got > most*3/2 {
			t.Errorf("pause after %d failures: %v", n, got)
		}
	}
}

func TestDial_SuccessResetsTheBackoff(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		f.fail = errStarting
		w := f.caller(0).acquire()
		f.advance(time.Minute)
		f.fail = nil
		f.advance(16 * time.Second)
		if w.id() == 0 {
			t.Fatal("not served after the server came back")
		}
		if err := f.Stats().LastDial; err != nil {
			t.Errorf("LastDial after a success: %v", err)
		}
		f.fail = errStarting
		f.caller(0).acquire()
		before := len(f.starts)
		f.advance(150 * time.Millisecond)
		if got, want := len(f.starts)-before, 1; got != want {
			t.Errorf("%d retries in the first 150ms, want %d: the pause starts small again", got, want)
		}
	})
}

func TestDial_FailuresInParallelCountOnce(t *testing.T) {
	o := size(8)
	o.DialParallel = 8
	inBubble(t, o, func(f *fixture) {
		f.fail = errStarting
		f.manual = true
		for range 8 {
			f.caller(0).acquire()
		}
		for range 8 {
			f.endDial(errStarting)
		}
		f.advance(150 * time.Millisecond)
		if got, want := len(f.dials), 1; got != want {
			t.Errorf("%d probes 150ms after eight failures at once, want %d", got, want)
		}
		f.endDial(errStarting)
	})
}

func TestDial_RefusedByAFullServerWaitsForARelease(t *testing.T) {
	inBubble(t, size(5), func(f *fixture) {
		held := f.holders(2, 0)
		f.fail = errors.New("FATAL: sorry, too many clients already (53300)")
		w := f.caller(0).acquire()
		if len(w.refused) != 0 || w.id() != 0 {
			t.Fatalf("refused %v, holds %d; want it to wait", w.refused, w.id())
		}
		held[1].release()
		if got, want := w.id(), 2; got != want {
			t.Errorf("holds %d, want the released %d", got, want)
		}
	})
}

func TestDial_WithoutWaitersDoesNotRetry(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		f.fail = errStarting
		w := f.caller(0).acquire()
		f.Cancel(&w.w)
		f.advance(time.Hour)
		if got, want := len(f.starts), 1; got != want {
			t.Errorf("%d dials with nobody waiting, want %d", got, want)
		}
		if f.TimerArmed() {
			t.Error("the timer ticks though nothing can expire")
		}
	})
}

func TestDial_PermanentErrorRefusesAllWaiters(t *testing.T) {
	o := size(2)
	o.Permanent = isPassword
	inBubble(t, o, func(f *fixture) {
		f.manual = true
		waiters := []*caller{f.caller(0).acquire(), f.caller(0).acquire(), f.caller(0).acquire()}
		f.endDial(errPassword)
		f.endDial(errPassword)
		wantRefused(t, "when no login is left", waiters...)

		late := f.caller(0).acquire()
		if len(f.dials) != 0 || len(late.refused) != 0 {
			t.Fatalf("during the pause: %d dials, refused %v; want a quiet wait", len(f.dials), late.refused)
		}
		f.advance(time.Second)
		f.endDial(errPassword)
		if len(late.refused) != 1 {
			t.Errorf("after the next probe: refused %v, want it once", late.refused)
		}
		if got, want := f.Stats().Refusals, uint64(4); got != want {
			t.Errorf("refusals %d, want %d", got, want)
		}
	})
}

func TestDial_LateWaiterIsServedIfTheProbeSucceeds(t *testing.T) {
	o := size(1)
	o.Permanent = isPassword
	inBubble(t, o, func(f *fixture) {
		f.fail = errPassword
		f.caller(0).acquire()
		f.fail = nil // the password was changed
		w := f.caller(0).acquire()
		f.advance(time.Second)
		if w.id() == 0 || len(w.refused) != 0 {
			t.Errorf("holds %d, refused %v; want a connection", w.id(), w.refused)
		}
	})
}

func TestDial_PanicIsAFailedLogin(t *testing.T) {
	cause := errors.New("index out of range")
	o := size(1)
	o.Dial = func(context.Context, int) (*conn, error) { panic(cause) }
	o.Permanent = func(err error) bool { _, is := errors.AsType[*pool.PanicError](err); return is }
	inBubble(t, o, func(f *fixture) {
		w := f.caller(0).acquire()
		if len(w.refused) != 1 || !errors.Is(w.refused[0], cause) {
			t.Fatalf("refused %v, want %v", w.refused, cause)
		}
		if got, want := w.refused[0].Error(), "dial panicked: index out of range"; !strings.Contains(got, want) {
			t.Errorf("%q, want it to say %q", got, want)
		}
		if got, want := f.Stats().Open, 0; got != want {
			t.Errorf("open %d, want %d", got, want)
		}
	})
}

func TestOpened_ComesBeforeAnybodyCanLease(t *testing.T) {
	var f *fixture
	var seen *lease
	o := size(1)
	o.Opened = func(l *lease) {
		seen = l
		if got, want := f.StateOf(l), pool.Dialing; got != want {
			t.Errorf("Opened with a connection that is %v, want %v", got, want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		f = newFixture(t, o)
		w := f.caller(0).acquire()
		if seen == nil || seen != w.lease {
			t.Errorf("Opened told of %p, granted was %p", seen, w.lease)
		}
		f.shutdown()
	})
}

func TestOpened_MayDiscard(t *testing.T) {
	var f *fixture
	o := size(1)
	var once bool
	o.Opened = func(l *lease) {
		if !once {
			once = true
			if !f.Discard(l, pool.CloseBroken) || f.Discard(l, pool.CloseKilled) {
				t.Error("Discard while dialing: want true, then false")
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		f = newFixture(t, o)
		w := f.caller(0).acquire()
		if got, want := w.id(), 2; got != want {
			t.Errorf("the waiter holds %d, want the next connection %d", got, want)
		}
		if got, want := f.closes[1], pool.CloseBroken; got != want {
			t.Errorf("closed for %v, want %v", got, want)
		}
		f.shutdown()
	})
}

func TestDial_PermanentErrorWithNobodyWaitingIsNotTriedAgain(t *testing.T) {
	o := size(2)
	o.MinIdle, o.Permanent = 1, isPassword
	inBubble(t, o, func(f *fixture) {
		f.fail = errPassword
		f.caller(0).acquire()
		f.advance(time.Hour)
		if got, most := len(f.starts), 2; got > most {
			t.Errorf("%d dials with a password that is wrong for good, want %d at most", got, most)
		}
		f.fail = nil // somebody has repaired it
		w := f.caller(0).acquire()
		f.advance(time.Minute)
		if w.id() == 0 || f.Stats().Open < 1 {
			t.Errorf("holds %d after the repair, want a connection", w.id())
		}
	})
}
