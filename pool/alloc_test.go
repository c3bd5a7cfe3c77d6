//go:build !race

package pool_test

import (
	"testing"

	"overdrive/pool"
)

func TestAcquireRelease_AllocatesNothing(t *testing.T) {
	p := benchPool(t, 20)
	var w pool.Waiter[*conn]
	if n := testing.AllocsPerRun(1000, func() { p.Release(p.Acquire(&w), 3) }); n != 0 {
		t.Errorf("idle connection: %v allocations, want 0", n)
	}

	one := benchPool(t, 1)
	holder, waiter := newKeeper(), newKeeper()
	holder.lease = one.Acquire(&holder.w)
	n := testing.AllocsPerRun(1000, func() {
		one.Acquire(&waiter.w)
		one.Release(holder.lease, 0)
		holder, waiter = waiter, holder
	})
	if n != 0 {
		t.Errorf("hand-over to a waiter: %v allocations, want 0", n)
	}
	one.Release(holder.lease, 0)
}
