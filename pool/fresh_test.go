package pool_test

import (
	"testing"

	"overdrive/pool"
)

// freshCaller is one who takes no connection that was open before.
func (f *fixture) freshCaller() *caller {
	c := f.caller(0)
	c.w.Fresh = true
	return c
}

func TestFresh_IsDialledWhileAnotherIsIdle(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		f.holders(1, 0)[0].release()
		if got := f.freshCaller().acquire().id(); got != 2 {
			t.Errorf("got connection %d, want the second", got)
		}
		if got := f.caller(0).acquire().id(); got != 1 {
			t.Errorf("whoever comes next got connection %d, want the idle one", got)
		}
	})
}

func TestFresh_TakesThePlaceOfTheOldestIdleInAFullPool(t *testing.T) {
	inBubble(t, size(2), func(f *fixture) {
		for _, c := range f.holders(2, 0) {
			c.release()
		}
		if got := f.freshCaller().acquire().id(); got != 3 {
			t.Errorf("got connection %d, want the third", got)
		}
		if got, want := f.Stats().Closes[pool.CloseYielded], uint64(1); got != want {
			t.Errorf("%d made room, want %d", got, want)
		}
		if got := f.caller(0).acquire().id(); got != 2 {
			t.Errorf("whoever comes next got connection %d, want the one used last", got)
		}
	})
}

func TestFresh_WhatIsFreedGoesToWhoeverTakesIt(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		held := f.holders(1, 0)[0]
		fresh, plain := f.freshCaller().acquire(), f.caller(0).acquire()
		held.release()
		if fresh.id() != 0 || plain.id() != 1 {
			t.Errorf("the fresh caller has %d and the other one %d, want 0 and 1", fresh.id(), plain.id())
		}
		plain.release()
		if fresh.id() != 2 {
			t.Errorf("then the fresh caller has %d, want 2", fresh.id())
		}
	})
}

func TestFresh_TheOldestWaiterComesFirstAllTheSame(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		held := f.holders(1, 0)[0]
		plain, fresh := f.caller(0).acquire(), f.freshCaller().acquire()
		held.discard(pool.CloseDirty)
		if plain.id() != 2 || fresh.id() != 0 {
			t.Errorf("the first has %d and the fresh caller %d, want 2 and 0", plain.id(), fresh.id())
		}
		plain.release()
		if fresh.id() != 3 {
			t.Errorf("then the fresh caller has %d, want 3", fresh.id())
		}
	})
}

func TestFresh_ACallerWhoGivesUpLeavesNoTrace(t *testing.T) {
	inBubble(t, size(1), func(f *fixture) {
		held := f.holders(1, 0)[0]
		fresh := f.freshCaller().acquire()
		if !f.Cancel(&fresh.w) {
			t.Fatal("was not queued")
		}
		held.release()
		if got := f.caller(0).acquire().id(); got != 1 {
			t.Errorf("the next got %d, want 1", got)
		}
	})
}
