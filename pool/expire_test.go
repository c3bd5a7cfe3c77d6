package pool_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"overdrive/pool"
)

func TestWaitTimeout_RefusesEachWaiterInItsTurn(t *testing.T) {
	o := size(1)
	o.WaitTimeout = 15 * time.Second
	inBubble(t, o, func(f *fixture) {
		f.holders(1, 0)
		a := f.caller(0).acquire()
		f.advance(5 * time.Second)
		b := f.caller(0).acquire()
		f.advance(10*time.Second - 1)
		if len(a.refused) != 0 {
			t.Fatalf("refused a nanosecond early: %v", a.refused)
		}
		f.advance(1)
		if len(a.refused) != 1 || len(b.refused) != 0 {
			t.Fatalf("after 15s: first refused %v, second %v; want only the first", a.refused, b.refused)
		}
		if got, want := f.Stats().OldestWait, 10*time.Second; got != want {
			t.Errorf("oldest wait %v, want %v", got, want)
		}
		f.advance(5 * time.Second)
		if len(b.refused) != 1 {
			t.Errorf("after its own 15s the second was refused %v", b.refused)
		}
		if s := f.Stats(); s.Timeouts != 2 || s.WaitTime != 30*time.Second || s.Waiting != 0 {
			t.Errorf("timeouts %d, wait time %v, waiting %d; want 2, 30s, 0", s.Timeouts, s.WaitTime, s.Waiting)
		}
	})
}

func TestWaitTimeout_SaysPoolAndSize(t *testing.T) {
	o := size(2)
	o.WaitTimeout = 15 * time.Second
	inBubble(t, o, func(f *fixture) {
		held := f.holders(2, 0)
		f.BeginReset(held[1].lease)
		w := f.caller(0).acquire()
		f.advance(15 * time.Second)
		want := `pool "shop": no connection became free within 15s (size 2, 2 open, 1 leased, 1 resetting)`
		if got := w.refused[0].Error(); got != want {
			t.Errorf("error\n%s\nwant\n%s", got, want)
		}
		timeout, is := errors.AsType[*pool.WaitTimeoutError](w.refused[0])
		if !is || !timeout.Timeout() || timeout.Unwrap() != nil {
			t.Errorf("%#v, want a timeout without a cause", w.refused[0])
		}
	})
}

func TestWaitTimeout_GivesTheServersReason(t *testing.T) {
	o := size(2)
	o.WaitTimeout = 3 * time.Second
	inBubble(t, o, func(f *fixture) {
		f.fail = errStarting
		w := f.caller(0).acquire()
		f.advance(3 * time.Second)
		want := `pool "shop": no connection became free within 3s (size 2, 0 open, 0 leased); ` +
			`the last login failed: FATAL: the database system is starting up (57P03)`
		if got := w.refused[0].Error(); got != want {
			t.Errorf("error\n%s\nwant\n%s", got, want)
		}
		if !errors.Is(w.refused[0], errStarting) {
			t.Error("the login's error is not in the chain")
		}
	})
}

func TestIdleTimeout_ClosesTheLongestIdleDownToMinIdle(t *testing.T) {
	o := size(4)
	o.IdleTimeout, o.MinIdle = time.Minute, 1
	inBubble(t, o, func(f *fixture) {
		held := f.holders(4, 0)
		for _, c := range held {
			c.release()
			f.advance(10 * time.Second)
		}
		f.advance(20*time.Second - 1) // a nanosecond before the first one's minute
		if got := f.Stats().Open; got != 4 {
			t.Fatalf("open %d just before the minute, want 4", got)
		}
		f.advance(1)
		if got, want := f.closes, 1; len(got) != want || got[1] != pool.CloseIdle {
			t.Fatalf("closed %v, want connection 1 for %v", got, pool.CloseIdle)
		}
		f.advance(time.Hour)
		if s := f.Stats(); s.Open != 1 || s.Closes[pool.CloseIdle] != 3 {
			t.Errorf("open %d, idle closes %d; want 1 and 3", s.Open, s.Closes[pool.CloseIdle])
		}
		if got, want := f.caller(0).acquire().id(), 4; got != want {
			t.Errorf("kept connection %d, want the most recently used %d", got, want)
		}
	})
}

func TestIdleTimeout_StartsAnewWithEachUse(t *testing.T) {
	o := size(1)
	o.IdleTimeout = time.Minute
	inBubble(t, o, func(f *fixture) {
		c := f.caller(0)
		for range 10 {
			c.acquire().release()
			f.advance(50 * time.Second)
		}
		if got, want := f.born, 1; got != want {
			t.Errorf("%d connections, want %d", got, want)
		}
		f.advance(10 * time.Second)
		if got, want := f.Stats().Open, 0; got != want {
			t.Errorf("open %d after a minute idle, want %d", got, want)
		}
	})
}

func TestIdleTimeout_HoldsForEarlierIdleOnceMoreThanMinIdleAreOpen(t *testing.T) {
	o := size(2)
	o.IdleTimeout, o.MinIdle = time.Minute, 1
	inBubble(t, o, func(f *fixture) {
		held := f.holders(2, 0)
		held[0].discard(pool.CloseBroken)
		held[1].release() // idle and alone: kept
		f.advance(time.Hour)
		a, b := f.caller(0).acquire(), f.caller(0).acquire()
		b.release()
		f.advance(time.Minute)
		if s := f.Stats(); s.Open != 1 || s.Idle != 0 {
			t.Errorf("open %d, idle %d; want the leased one alone", s.Open, s.Idle)
		}
		a.release()
		f.advance(time.Hour)
		if got, want := f.Stats().Idle, 1; got != want {
			t.Errorf("idle %d, want MinIdle %d", got, want)
		}
	})
}

func TestTimer_DoesNotTickWhenNothingCanExpire(t *testing.T) {
	o := size(2)
	o.IdleTimeout, o.MaxLifetime, o.WaitTimeout = time.Minute, time.Hour, time.Second
	inBubble(t, o, func(f *fixture) {
		if f.TimerArmed() {
			t.Error("armed in a new pool")
		}
		f.holders(2, 0)
		f.caller(0).acquire()
		if !f.TimerArmed() {
			t.Error("not armed for a waiter")
		}
		f.advance(24 * time.Hour)
		if f.TimerArmed() {
			t.Error("armed though all connections are leased and nobody waits")
		}
	})
	inBubble(t, size(2), func(f *fixture) {
		f.holders(2, 0)[0].release()
		if f.TimerArmed() {
			t.Error("armed in a pool without timeouts")
		}
	})
}

func TestMaxLifetime_ClosesOnReleaseAndWhileIdle(t *testing.T) {
	o := size(2)
	o.MaxLifetime = time.Hour
	inBubble(t, o, func(f *fixture) {
		held := f.holders(2, 0)
		held[0].release()
		f.advance(time.Hour*11/10 + time.Hour/10/2) // two come due: the second may wait for its turn
		if got, want := f.closes[1], pool.CloseLifetime; got != want {
			t.Errorf("idle: closed for %v, want %v", got, want)
		}
		if _, closed := f.closes[2]; closed {
			t.Error("closed while leased")
		}
		w := f.caller(0)
		f.manual = true
		a := w.acquire() // one slot is free: dials
		held[1].release()
		if got, want := f.closes[2], pool.CloseLifetime; got != want {
			t.Errorf("on release: closed for %v, want %v", got, want)
		}
		f.endDial(nil)
		if got, want := a.id(), 3; got != want {
			t.Errorf("the waiter holds %d, want the new %d", got, want)
		}
	})
}

func TestMaxLifetime_VariesByATenth(t *testing.T) {
	const n, life = 200, time.Hour
	o := size(n)
	o.MaxLifetime = life
	inBubble(t, o, func(f *fixture) {
		var ends []time.Duration
		for _, c := range f.holders(n, 0) {
			ends = append(ends, f.ExpiresIn(c.lease))
		}
		slices.Sort(ends)
		if ends[0] < life*9/10 || ends[n-1] > life*11/10 {
			t.Errorf("lifetimes from %v to %v, want within a tenth of %v", ends[0], ends[n-1], life)
		}
		if got, want := ends[n-1]-ends[0], life/6; got < want {
			t.Errorf("lifetimes span %v, want %v at least", got, want)
		}
	})
}

func TestMaxLifetime_EndsOneConnectionAtATime(t *testing.T) {
	const n, life = 20, time.Hour
	const gap = life / 10 / n
	const step = gap / 3
	for _, busy := range []bool{false, true} {
		o := size(n)
		o.MaxLifetime, o.MinIdle = life, n
		inBubble(t, o, func(f *fixture) {
			f.Warm()
			f.settle()
			var last time.Time
			ended := uint64(0)
			for start := time.Now(); time.Since(start) < 3*life; {
				if busy { // all are used all the time: none ends while idle
					for _, c := range f.holders(n, 0) {
						c.release()
					}
				}
				f.advance(step)
				now := f.Stats().Closes[pool.CloseLifetime]
				if now == ended {
					continue
				}
				if since := time.Since(last); now > ended+1 || since < gap-step {
					t.Fatalf("%d connections ended %v after the last, want one each %v", now-ended, since, gap)
				}
				ended, last = now, time.Now()
			}
			if least, most := uint64(2*n), uint64(3*n*10/9); ended < least || ended > most {
				t.Errorf("%d ended in three lifetimes of %d connections, want %d to %d", ended, n, least, most)
			}
		})
	}
}

func TestMinIdle_IsKeptOnceThePoolHasBeenUsed(t *testing.T) {
	o := size(5)
	o.MinIdle = 3
	inBubble(t, o, func(f *fixture) {
		f.advance(time.Hour)
		if got := f.born; got != 0 {
			t.Fatalf("%d connections before the first use, want 0", got)
		}
		c := f.caller(0).acquire()
		if got, want := f.Stats().Open, 3; got != want {
			t.Errorf("open %d after the first use, want %d", got, want)
		}
		c.discard(pool.CloseBroken)
		if got, want := f.Stats().Open, 3; got != want {
			t.Errorf("open %d after one broke, want %d", got, want)
		}
	})
}

func TestMinIdle_IsRestoredAfterAnOutage(t *testing.T) {
	o := size(5)
	o.MinIdle = 2
	inBubble(t, o, func(f *fixture) {
		f.fail = errStarting
		f.Warm()
		f.advance(time.Minute)
		f.fail = nil
		f.advance(16 * time.Second)
		if got, want := f.Stats().Idle, 2; got != want {
			t.Errorf("idle %d, want %d", got, want)
		}
		if got, want := f.homes[0], pool.NoHome; got != want {
			t.Errorf("dialled for home %d, want %d", got, want)
		}
	})
}
