package loop

import (
	"container/heap"
	"time"
)

// Timer is a function that is to run on the loop later.
type Timer struct {
	loop  *Loop
	when  time.Time
	f     func()
	index int // in the heap; -1 when it left it
}

// AfterFunc has f run on the loop once d has passed since Now, never earlier. Only on the loop. Timers that are due in
// the same turn run in the order of their times.
func (l *Loop) AfterFunc(d time.Duration, f func()) *Timer {
	t := &Timer{loop: l, when: l.Now().Add(d), f: f}
	heap.Push(&l.timers, t)
	return t
}

// Stop keeps the timer from firing, and reports whether it did: false if it has fired or was stopped. Only on the loop.
func (t *Timer) Stop() bool {
	if t.index < 0 {
		return false
	}
	heap.Remove(&t.loop.timers, t.index)
	t.f = nil
	return true
}

// timerHeap orders timers by time.
type timerHeap []*Timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].when.Before(h[j].when) }

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push and Pop are container/heap's.
func (h *timerHeap) Push(x any) {
	t := x.(*Timer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	n := len(old) - 1
	t := old[n]
	old[n] = nil
	t.index = -1
	*h = old[:n]
	return t
}

// pop takes the earliest timer out and returns what it is to run.
func (h *timerHeap) pop() func() {
	t := heap.Pop(h).(*Timer)
	f := t.f
	t.f = nil
	return f
}

// untilNext is how long the loop may sleep: a negative limit means until something happens. sleep is false if a timer
// is due. It reads the clock anew, for the turn that ends may have been long.
func (h timerHeap) untilNext() (limit time.Duration, sleep bool) {
	if len(h) == 0 {
		return -1, true
	}
	limit = time.Until(h[0].when)
	return limit, limit > 0
}
