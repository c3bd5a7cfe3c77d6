package pool_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"overdrive/pool"
)

func TestReconfigure_ShrinkingClosesIdleThenLeasedOnRelease(t *testing.T) {
	inBubble(t, size(4), func(f *fixture) {
		held := f.holders(4, 0)
		held[0].release()
		held[1].release()
		f.Reconfigure(pool.Limits{Size: 1})
		f.settle()
		if s := f.Stats(); s.Open != 2 || s.Idle != 0 || s.Size != 1 {
			t.Errorf("open %d, idle %d, size %d; want 2, 0, 1", s.Open, s.Idle, s.Size)
		}
		w := f.caller(0).acquire()
		held[2].release()
		if got := w.id(); got != 0 {
			t.Errorf("the waiter got %d while the pool was too large", got)
		}
		held[3].release()
		if got, want := w.id(), 4; got != want {
			t.Errorf("the waiter holds %d, want the last one %d", got, want)
		}
		if got, want := f.Stats().Closes[pool.CloseShrunk], uint64(3); got != want {
			t.Errorf("closed by shrinking: %d, want %d", got, want)
		}
	})
}

func TestReconfigure_ShrinkingClosesTheLongestIdleFirst(t *testing.T) {
	inBubble(t, size(3), func(f *fixture) {
		held := f.holders(3, 0)
		for _, i := range []int{1, 2, 0} {
			held[i].releaseTo(i)
		}
		f.Reconfigure(pool.Limits{Size: 1})
		f.settle()
		if got, want := f.caller(0).acquire().id(), 1; got != want {
			t.Errorf("kept %d, want the most recently used %d", got, want)
		}
	})
}

func TestReconfigure_ShrinkingClosesADialThatComesTooLate(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		f.holders(1, 0)
		f.manual = true
		f.caller(0).acquire()
		f.Reconfigure(pool.Limits{Size: 1})
		f.endDial(nil)
		if got, want := f.closes[2], pool.CloseShrunk; got != want {
			t.Errorf("closed for %v, want %v", got, want)
		}
	})
}

func TestReconfigure_GrowingServesWaiters(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		f.holders(1, 0)
		a, b, c := f.caller(0).acquire(), f.caller(0).acquire(), f.caller(0).acquire()
		f.Reconfigure(pool.Limits{Size: 3})
		f.settle()
		if a.id() == 0 || b.id() == 0 || c.id() != 0 {
			t.Errorf("waiters hold %d, %d, %d; want the first two served", a.id(), b.id(), c.id())
		}
	})
}

func TestReconfigure_NewTimeoutsHoldForThoseWhoWaitAlready(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		f.holders(2, 0)[0].release()
		f.caller(0).acquire()
		w := f.caller(0).acquire()
		f.advance(time.Hour)
		f.Reconfigure(pool.Limits{Size: 2, WaitTimeout: time.Minute})
		f.settle()
		if len(w.refused) != 1 {
			t.Errorf("waited an hour, timeout now a minute: refused %v", w.refused)
		}
	})
	inBubble(t, size(1), func(f *fixture) {
		f.holders(1, 0)[0].release()
		f.advance(time.Hour)
		f.Reconfigure(pool.Limits{Size: 1, IdleTimeout: 2 * time.Hour})
		f.advance(time.Hour - 1)
		if got, want := f.Stats().Open, 1; got != want {
			t.Errorf("open %d before the new idle timeout, want %d", got, want)
		}
		f.advance(1)
		if got, want := f.Stats().Open, 0; got != want {
			t.Errorf("open %d after it, want %d", got, want)
		}
	})
}

func TestPause_QueuesAndResumeServesInOrder(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		held := f.holders(2, 0)
		held[0].release()
		f.Pause()
		a := f.caller(0).acquire()
		if got := a.id(); got != 0 {
			t.Fatalf("got connection %d from a paused pool", got)
		}
		b, c := f.caller(0).acquire(), f.caller(0).acquire()
		held[1].release()
		if s := f.Stats(); s.Open != 0 || s.Waiting != 3 || !s.Paused {
			t.Errorf("open %d, waiting %d, paused %v; want 0, 3, true", s.Open, s.Waiting, s.Paused)
		}
		f.Resume()
		f.settle()
		if a.id() == 0 || b.id() == 0 || c.id() != 0 {
			t.Errorf("after Resume they hold %d, %d, %d; want the first two served", a.id(), b.id(), c.id())
		}
	})
}

func TestPause_ClosesEachConnectionWhenItIsReleased(t *testing.T) {
	inBubble(t, size(5), func(f *fixture) {
		held := f.holders(3, 0)
		slot := f.holder().reserve()
		f.manual = true
		w := f.caller(0).acquire() // for it a login is under way
		late := f.caller(0).acquire()
		held[0].release() // to w
		w.release()       // to late
		w.acquire()
		f.Pause()
		f.endDial(nil)
		held[1].release()
		held[2].discard(pool.CloseBroken)
		late.release()
		late.acquire()
		f.settle()
		slot.want("spare", "wanted")
		if s := f.Stats(); s.Open != 0 || s.Reserved != 1 {
			t.Errorf("open %d, reserved %d; want 0 and the slot", s.Open, s.Reserved)
		}
		slot.giveBack()
		if s := f.Stats(); s.Reserved != 0 || s.Waiting != 2 || s.Closes[pool.ClosePaused] != 3 {
			t.Errorf("reserved %d, waiting %d, closed by the pause %d; want 0, 2, 3", s.Reserved, s.Waiting, s.Closes[pool.ClosePaused])
		}
		f.Resume()
		f.settle()
		f.endDial(nil)
		f.endDial(nil)
		if w.id() == 0 || late.id() == 0 {
			t.Errorf("after Resume they hold %d and %d", w.id(), late.id())
		}
	})
}

func TestPause_DoesNotCountForTheWaitTimeout(t *testing.T) {
	o := size(1)
	o.WaitTimeout = time.Minute
	inBubble(t, o, func(f *fixture) {
		held := f.holders(1, 0)[0]
		early := f.caller(0).acquire()
		f.advance(50 * time.Second)
		f.Pause()
		late := f.caller(0).acquire()
		f.advance(time.Hour)
		if len(early.refused)+len(late.refused) > 0 {
			t.Fatalf("refused while paused: %v, %v", early.refused, late.refused)
		}
		f.manual = true
		f.Resume()
		f.advance(time.Minute - 1)
		if len(early.refused)+len(late.refused) > 0 {
			t.Fatalf("refused before a minute has passed: %v, %v", early.refused, late.refused)
		}
		f.advance(1)
		if len(early.refused) != 1 || len(late.refused) != 1 {
			t.Errorf("refused a minute after Resume: %v, %v; want both", early.refused, late.refused)
		}
		f.Resume() // does nothing
		held.release()
	})
}

func TestReconnect_CountsTheConnectionsThatAreStillFromBefore(t *testing.T) {
	inBubble(t, size(4), func(f *fixture) {
		held := f.holders(3, 0)
		held[0].release()
		f.manual = true
		f.caller(0).acquire().discard(pool.CloseBroken)
		w := f.caller(0).acquire() // its dial begins before
		f.Reconnect()
		want := func(what string, n int) {
			t.Helper()
			f.settle()
			if got := f.Stats().Stale; got != n {
				t.Errorf("%s: %d are stale, want %d", what, got, n)
			}
		}
		want("at once", 3)
		if !f.CloseNeeded(held[1].lease) {
			t.Error("a connection from before need not be closed")
		}
		f.endDial(errStarting)
		want("a login of before failed", 2)
		held[1].release()
		want("one was released", 1)
		f.Reconnect()
		want("again", 1)
		held[2].discard(pool.CloseBroken)
		want("the last was lost", 0)
		f.advance(time.Second)
		f.endDial(nil)
		if w.id() == 0 || f.CloseNeeded(w.lease) {
			t.Errorf("the new connection %d must be closed: %v", w.id(), w.lease != nil && f.CloseNeeded(w.lease))
		}
		want("a new one", 0)
	})
}

func TestPause_StartsNoLogins(t *testing.T) {
	o := size(2)
	o.MinIdle = 1
	inBubble(t, o, func(f *fixture) {
		f.Pause()
		f.Warm()
		w := f.caller(0).acquire()
		f.advance(time.Hour)
		if got, want := len(f.starts), 0; got != want {
			t.Errorf("%d logins while paused, want %d", got, want)
		}
		f.Resume()
		f.settle()
		if w.id() == 0 {
			t.Error("not served after Resume")
		}
	})
}

func TestReconnect_RetiresConnectionsAsTheyBecomeIdle(t *testing.T) {
	inBubble(t, size(3), func(f *fixture) {
		held := f.holders(2, 0)
		f.manual = true
		w := f.caller(0).acquire() // its dial begins before Reconnect
		held[0].release()          // serves it, the dial goes on
		f.Reconnect()
		f.settle()
		if got := len(f.closes); got != 0 {
			t.Fatalf("%d closed while leased or dialing", got)
		}
		f.endDial(nil)
		if got, want := f.closes[3], pool.CloseReconnect; got != want {
			t.Errorf("dialled before: closed for %v, want %v", got, want)
		}
		held[1].release()
		if got, want := f.closes[2], pool.CloseReconnect; got != want {
			t.Errorf("leased before: closed for %v, want %v", got, want)
		}
		w.release()
		w.acquire()
		f.endDial(nil)
		if got, want := w.id(), 4; got != want {
			t.Errorf("then a caller holds %d, want the new %d", got, want)
		}
		w.release()
		if got, want := f.Stats().Idle, 1; got != want {
			t.Errorf("idle %d: a connection opened after Reconnect is kept, want %d", got, want)
		}
	})
}

func TestReconnect_ClosesIdleAtOnce(t *testing.T) {
	inBubble(t, size(3), func(f *fixture) {
		for i, c := range f.holders(3, 0) {
			c.releaseTo(i)
		}
		f.Reconnect()
		f.settle()
		if s := f.Stats(); s.Open != 0 || s.Closes[pool.CloseReconnect] != 3 {
			t.Errorf("open %d, closed %d; want 0 and 3", s.Open, s.Closes[pool.CloseReconnect])
		}
	})
}

func TestClose_RefusesWaitersAndWaitsForWhatIsOut(t *testing.T) {
	stopping := errors.New("the server is shutting down")
	inBubble(t, size(3), func(f *fixture) {
		held := f.holders(3, 0)
		f.BeginReset(held[1].lease)
		w := f.caller(0).acquire()
		f.Close(stopping)
		f.Close(errors.New("second"))
		f.settle()
		late := f.caller(0).acquire()
		for name, c := range map[string]*caller{"waiter": w, "late caller": late} {
			if len(c.refused) != 1 || !errors.Is(c.refused[0], stopping) {
				t.Errorf("%s refused with %v, want %v", name, c.refused, stopping)
			}
		}
		for i, c := range held {
			select {
			case <-f.Done():
				t.Fatalf("Done with %d connections out", len(held)-i)
			default:
			}
			c.release()
		}
		<-f.Done()
		if got, want := f.Stats().Closes[pool.CloseShutdown], uint64(3); got != want {
			t.Errorf("closed for shutdown: %d, want %d", got, want)
		}
	})
}

func TestClose_CancelsDialsInProgress(t *testing.T) {
	inBubble(t, size(3), func(f *fixture) {
		f.manual = true
		w := f.caller(0).acquire()
		f.Close(nil)
		<-f.Done()
		if len(w.refused) != 1 || !errors.Is(w.refused[0], pool.ErrClosed) {
			t.Errorf("refused with %v, want %v once", w.refused, pool.ErrClosed)
		}
		if got, want := f.Stats().DialFailures, uint64(0); got != want {
			t.Errorf("dial failures %d, want %d: the pool itself cancelled it", got, want)
		}
	})
}

func TestClose_ClosesIdleAtOnce(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		for _, c := range f.holders(2, 0) {
			c.release()
		}
		f.Close(nil)
		<-f.Done()
		if got, want := f.Stats().Closes[pool.CloseShutdown], uint64(2); got != want {
			t.Errorf("closed for shutdown: %d, want %d", got, want)
		}
	})
}

func TestClose_ClosesAConnectionWhoseDialDidNotHeedTheContext(t *testing.T) {
	var ends chan *conn
	o := size(3)
	o.Dial = func(context.Context, int) (*conn, error) { return <-ends, nil }
	synctest.Test(t, func(t *testing.T) {
		ends = make(chan *conn)
		f := newFixture(t, o)
		f.caller(0).acquire()
		f.Close(nil)
		f.settle()
		ends <- &conn{id: 1}
		<-f.Done()
		if got, want := f.closes[1], pool.CloseShutdown; got != want {
			t.Errorf("closed for %v, want %v", got, want)
		}
	})
}

func TestClose_OfAnUnusedPoolIsDoneAtOnce(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		f.Close(nil)
		select {
		case <-f.Done():
		default:
			t.Error("not done")
		}
	})
}

func TestDone_ComesAfterTheLastCloseCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inClose, goOn := make(chan bool), make(chan bool)
		f := newFixture(t, size(1))
		p := pool.New(pool.Options[*conn]{
			Dial:  f.dial,
			Close: func(*conn, pool.CloseReason) { inClose <- true; <-goOn },
		})
		p.Reconfigure(pool.Limits{MinIdle: 1})
		p.Warm()
		synctest.Wait()
		go p.Close(nil)
		<-inClose
		synctest.Wait()
		select {
		case <-p.Done():
			t.Error("Done before Close returned")
		default:
		}
		goOn <- true
		<-p.Done()
		f.Close(nil)
	})
}

func TestCallbacks_MayCallThePool(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		held := f.holders(1, 0)[0]
		var served []int
		chain := make([]*relay, 5)
		for i := range chain {
			chain[i] = &relay{f: f, served: &served, id: i}
			chain[i].w.Grantee = chain[i]
			f.Acquire(&chain[i].w)
		}
		held.release()
		if want := []int{0, 1, 2, 3, 4, 0, 1, 2, 3, 4}; !slices.Equal(served, want) {
			t.Errorf("served %v, want %v", served, want)
		}
	})
}

// relay queues again and releases its lease within the callback.
type relay struct {
	f      *fixture
	w      pool.Waiter[*conn]
	served *[]int
	id     int
	again  bool
}

func (r *relay) Granted(l *lease) {
	*r.served = append(*r.served, r.id)
	if !r.again {
		r.again = true
		r.f.Acquire(&r.w)
	}
	r.f.Release(l, 0)
}

func (r *relay) Refused(error) {}
