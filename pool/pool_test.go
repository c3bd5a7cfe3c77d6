package pool_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"overdrive/pool"
)

func TestPool_FreedConnectionGoesToOldestWaiter(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		held := f.holders(2, 0)
		var order []int
		waiting := make([]*caller, 5)
		for i := range waiting {
			waiting[i] = f.caller(i).acquire()
		}
		for len(order) < len(waiting) {
			turn := len(order) % 2
			held[turn].release()
			for i, w := range waiting {
				if w.id() != 0 && !slices.Contains(order, i) {
					order = append(order, i)
					held[turn] = w
				}
			}
		}
		if want := []int{0, 1, 2, 3, 4}; !slices.Equal(order, want) {
			t.Errorf("order of service %v, want %v", order, want)
		}
	})
}

func TestPool_FreedConnectionNeverReturnsToReleaserWhileAnotherWaits(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		greedy := f.holders(1, 0)[0]
		patient := f.caller(1).acquire()
		greedy.release()
		greedy.acquire()
		if got, want := patient.id(), 1; got != want {
			t.Errorf("the waiter holds connection %d, want %d", got, want)
		}
		if got := greedy.id(); got != 0 {
			t.Errorf("the releaser got connection %d back, want it to queue", got)
		}
		patient.release()
		if got, want := greedy.id(), 1; got != want {
			t.Errorf("then the releaser holds %d, want %d", got, want)
		}
	})
}

func TestAcquire_PrefersSameHomeOverMoreRecentlyUsed(t *testing.T) {
	inBubble(t, size(3), func(f *fixture) {
		for _, c := range f.holders(3, 0) {
			c.releaseTo(c.id()) // connection i lives in home i; 3 is the most recent
		}
		if got, want := f.caller(1).acquire().id(), 1; got != want {
			t.Errorf("home 1 got connection %d, want %d", got, want)
		}
		if got, want := f.caller(1).acquire().id(), 3; got != want {
			t.Errorf("with its own home empty it got %d, want the most recent %d", got, want)
		}
	})
}

func TestAcquire_TakesMostRecentlyUsed(t *testing.T) {
	inBubble(t, size(3), func(f *fixture) {
		held := f.holders(3, 0)
		for _, i := range []int{1, 0, 2} {
			held[i].release()
		}
		var got []int
		for range 3 {
			got = append(got, f.caller(0).acquire().id())
		}
		if want := []int{3, 1, 2}; !slices.Equal(got, want) {
			t.Errorf("order of use %v, want last released first %v", got, want)
		}
	})
}

func TestAcquire_TellsWhereTheConnectionLives(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		f.holders(1, 0)[0].releaseTo(7)
		c := f.caller(2).acquire()
		if got, want := c.lease.Home(), 7; got != want {
			t.Errorf("idle connection: home %d, want %d", got, want)
		}
		waiter := f.caller(3).acquire()
		c.releaseTo(2)
		if got, want := waiter.lease.Home(), 2; got != want {
			t.Errorf("handed over: home %d, want the releaser's %d", got, want)
		}
	})
}

func TestAcquire_HomesOutOfRangeMeanNoHome(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		for _, home := range []int{pool.NoHome, -1 << 40, pool.MaxHome, pool.MaxHome + 1, 1 << 40} {
			f.caller(home).acquire().release()
		}
		if got, want := f.Stats().Idle, 1; got != want {
			t.Errorf("idle %d, want %d", got, want)
		}
	})
}

func TestAcquire_NeverExceedsSize(t *testing.T) {
	inBubble(t, size(3), func(f *fixture) {
		callers := make([]*caller, 20)
		for i := range callers {
			callers[i] = f.caller(0).acquire()
		}
		if got, want := f.born, 3; got != want {
			t.Errorf("%d connections, want %d", got, want)
		}
		s := f.Stats()
		if s.Open != 3 || s.Leased != 3 || s.Waiting != 17 {
			t.Errorf("open %d, leased %d, waiting %d; want 3, 3, 17", s.Open, s.Leased, s.Waiting)
		}
	})
}

func TestAcquire_RefusesBeyondMaxWaiters(t *testing.T) {
	o := size(1)
	o.MaxWaiters = 2
	inBubble(t, o, func(f *fixture) {
		f.holders(1, 0)
		f.caller(0).acquire()
		last := f.caller(0).acquire()
		extra := f.caller(0).acquire()
		if len(extra.refused) != 1 || !errors.Is(extra.refused[0], pool.ErrTooManyWaiters) {
			t.Errorf("third waiter: %v, want %v", extra.refused, pool.ErrTooManyWaiters)
		}
		if len(last.refused) != 0 {
			t.Errorf("second waiter: %v, want it to wait", last.refused)
		}
		if !f.Cancel(&last.w) {
			t.Fatal("Cancel of a waiter: false")
		}
		if extra.acquire(); len(extra.refused) != 1 {
			t.Errorf("with a place free: %v, want it to wait", extra.refused[1:])
		}
	})
}

func TestCancel_TakesWaiterOutOfTheMiddle(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		held := f.holders(1, 0)[0]
		a, b, c := f.caller(0).acquire(), f.caller(0).acquire(), f.caller(0).acquire()
		if !f.Cancel(&b.w) {
			t.Error("Cancel of a queued waiter: false, want true")
		}
		if f.Cancel(&b.w) {
			t.Error("second Cancel: true, want false")
		}
		held.release()
		a.release()
		if b.grants != 0 || len(b.refused) != 0 {
			t.Errorf("cancelled waiter: %d grants, refused %v; want no callback", b.grants, b.refused)
		}
		if c.id() == 0 {
			t.Error("the waiter behind the cancelled one was not served")
		}
		if f.Cancel(&c.w) {
			t.Error("Cancel after the grant: true, want false")
		}
		c.release()
		if b.acquire(); b.id() == 0 {
			t.Error("a cancelled waiter could not be used again")
		}
	})
}

func TestDiscard_FreesTheSlotForAWaiter(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		held := f.holders(1, 0)[0]
		waiter := f.caller(4).acquire()
		held.discard(pool.CloseBroken)
		if got, want := waiter.id(), 2; got != want {
			t.Errorf("the waiter holds %d, want the new connection %d", got, want)
		}
		if got, want := f.homes[1], 4; got != want {
			t.Errorf("it was dialled for home %d, want the waiter's %d", got, want)
		}
		if got, want := f.closes[1], pool.CloseBroken; got != want {
			t.Errorf("closed for %v, want %v", got, want)
		}
	})
}

func TestDiscard_IsHarmlessTwice(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		l := f.holders(1, 0)[0].drop()
		if !f.Discard(l, pool.CloseDirty) {
			t.Error("first Discard: false, want true")
		}
		if f.Discard(l, pool.CloseBroken) || f.DiscardIdle(l, pool.CloseBroken) {
			t.Error("second Discard: true, want false")
		}
		f.Release(l, 0)
		f.BeginReset(l)
		f.settle()
		if s := f.Stats(); s.Open != 0 || s.Closes[pool.CloseDirty] != 1 || s.Closes[pool.CloseBroken] != 0 {
			t.Errorf("open %d, closes %v; want 0 and one not clean", s.Open, s.Closes)
		}
	})
}

func TestDiscardIdle_LeavesALeasedConnectionAlone(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		c := f.holders(1, 0)[0]
		if f.DiscardIdle(c.lease, pool.CloseBroken) {
			t.Error("leased: true, want false")
		}
		l := c.lease
		c.release()
		if !f.DiscardIdle(l, pool.CloseBroken) {
			t.Error("idle: false, want true")
		}
		f.settle()
		if got, want := f.Stats().Open, 0; got != want {
			t.Errorf("open %d, want %d", got, want)
		}
	})
}

func TestReset_HoldsTheSlotUntilReleased(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		c := f.holders(1, 0)[0]
		waiter := f.caller(0).acquire()
		f.BeginReset(c.lease)
		f.settle()
		if s := f.Stats(); s.Resetting != 1 || s.Leased != 0 || s.Open != 1 || waiter.id() != 0 {
			t.Errorf("during reset: %+v", s)
		}
		c.release()
		if got, want := waiter.id(), 1; got != want {
			t.Errorf("after reset the waiter holds %d, want %d", got, want)
		}
		f.BeginReset(waiter.lease)
		waiter.discard(pool.CloseDirty)
		if got, want := f.Stats().Open, 0; got != want {
			t.Errorf("open %d after a failed reset, want %d", got, want)
		}
	})
}

func TestPool_MisusePanicsAndHarmsNothing(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		other := newFixture(t, size(1))
		foreign := other.holders(1, 0)[0].drop()
		held := f.holders(2, 0)
		idle, resetting := held[0].lease, held[1].lease
		held[0].release()
		f.BeginReset(resetting)

		for _, misuse := range []struct {
			name, says string
			do         func()
		}{
			{"release idle", "not out but idle", func() { f.Release(idle, 0) }},
			{"reset idle", "not out but idle", func() { f.BeginReset(idle) }},
			{"reset twice", "resetting cannot become resetting", func() { f.BeginReset(resetting) }},
			{"release of another pool's", "not of pool", func() { f.Release(foreign, 0) }},
			{"discard of another pool's", "not of pool", func() { f.Discard(foreign, 0) }},
			{"release nil", "not of pool", func() { f.Release(nil, 0) }},
		} {
			before := f.Stats()
			if got := panicText(misuse.do); !strings.Contains(got, misuse.says) {
				t.Errorf("%s: panic %q, want it to say %q", misuse.name, got, misuse.says)
			}
			f.settle()
			if after := f.Stats(); after != before {
				t.Errorf("%s changed the pool from %+v to %+v", misuse.name, before, after)
			}
		}
		other.Release(foreign, 0)
		other.shutdown()
	})
}

func TestAcquire_PanicsIfTheWaiterIsQueued(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		f.holders(1, 0)
		w := f.caller(0).acquire()
		got := panicText(func() { f.Acquire(&w.w) })
		if !strings.Contains(got, "has not been answered") {
			t.Errorf("panic %q", got)
		}
		f.settle()
	})
}

// panicText returns what f panics with, "" if it does not.
func panicText(f func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text, _ = v.(string)
		}
	}()
	f()
	return ""
}

func TestStates_EveryConnectionIsCountedOnce(t *testing.T) {
	inBubble(t, size(4), func(f *fixture) {
		held := f.holders(3, 0)
		held[0].release()
		f.BeginReset(held[1].lease)
		f.manual = true
		f.caller(0).acquire() // takes the idle one
		f.caller(0).acquire() // dials
		s := f.Stats()
		if s.Dialing != 1 || s.Idle != 0 || s.Leased != 2 || s.Resetting != 1 || s.Open != 4 || s.Waiting != 1 {
			t.Errorf("%+v", s)
		}
		f.endDial(nil)
	})
}

func TestNew_DefaultsAreUsable(t *testing.T) {
	inBubble(t, pool.Options[*conn]{Limits: pool.Limits{MinIdle: 1 << 30, Size: -1}}, func(f *fixture) {
		f.Warm()
		f.settle()
		s := f.Stats()
		if s.Size != pool.DefaultSize || s.Idle != pool.DefaultSize {
			t.Errorf("size %d, idle %d; want both %d", s.Size, s.Idle, pool.DefaultSize)
		}
	})
	if got := panicText(func() { pool.New(pool.Options[*conn]{}) }); !strings.Contains(got, "Dial is nil") {
		t.Errorf("without Dial: panic %q", got)
	}
}

func TestNames_EveryStateAndReasonHasOne(t *testing.T) {
	for s := pool.Dialing; s <= pool.Closed; s++ {
		if name := s.String(); strings.HasPrefix(name, "State(") {
			t.Errorf("a state is called %s", name)
		}
	}
	for i := range (pool.Stats{}).Closes {
		if name := pool.CloseReason(i).String(); strings.HasPrefix(name, "CloseReason(") {
			t.Errorf("a reason is called %s", name)
		}
	}
}

func TestDiscard_CountsAnUnknownReasonAsUnspecified(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		f.holders(1, 0)[0].discard(pool.CloseReason(200))
		if got, want := f.Stats().Closes[pool.CloseUnspecified], uint64(1); got != want {
			t.Errorf("unspecified closes %d, want %d", got, want)
		}
	})
}

func TestCounters_AddAddsEverything(t *testing.T) {
	var one pool.Counters
	fields := reflect.ValueOf(&one).Elem()
	for i := range fields.NumField() {
		switch f := fields.Field(i); f.Kind() {
		case reflect.Array:
			f.Index(1).SetUint(1)
		case reflect.Int64:
			f.SetInt(1)
		default:
			f.SetUint(1)
		}
	}
	sum := one
	sum.Add(&one)
	for i, twice := 0, reflect.ValueOf(sum); i < twice.NumField(); i++ {
		if reflect.DeepEqual(twice.Field(i).Interface(), fields.Field(i).Interface()) {
			t.Errorf("%s was not added", twice.Type().Field(i).Name)
		}
	}
}
