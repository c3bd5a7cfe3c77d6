package loop

import (
	"sync"
	"sync/atomic"
)

// postQueue carries functions to a loop. The loop is woken by a system call only if it said that it sleeps.
//
//	poster: put f in the queue, then look whether the loop sleeps   ┐ whichever comes second
//	loop:   say that it sleeps, then look whether the queue is empty ┘ sees the other
type postQueue struct {
	some   atomic.Bool // the queue is not empty; read without the lock each turn
	asleep atomic.Bool // the loop blocks, or is about to

	mu struct {
		sync.Mutex
		queue  []func()
		spare  []func() // the array that take handed out last time but one
		closed bool
	} // guards the fields inside
}

// put appends f and wakes the loop if needed. It reports false after close.
func (q *postQueue) put(f func(), p *poller) bool {
	q.mu.Lock()
	if q.mu.closed {
		q.mu.Unlock()
		return false
	}
	q.mu.queue = append(q.mu.queue, f)
	q.some.Store(true)
	q.wakeLocked(p)
	q.mu.Unlock()
	return true
}

// interrupt wakes the loop though nothing was put.
func (q *postQueue) interrupt(p *poller) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.mu.closed {
		q.wakeLocked(p)
	}
}

// wakeLocked ends the sleep of the loop, if it sleeps. The lock keeps close, and with it the end of the poller, until
// after it.
func (q *postQueue) wakeLocked(p *poller) {
	if q.asleep.CompareAndSwap(true, false) {
		p.wake()
	}
}

// waiting reports whether take would find something.
func (q *postQueue) waiting() bool { return q.some.Load() }

// sleep announces that the loop is about to block, and reports whether it may.
func (q *postQueue) sleep() bool {
	q.asleep.Store(true)
	return !q.some.Load()
}

func (q *postQueue) awake() { q.asleep.Store(false) }

// take empties the queue. The caller is done with the result, and has cleared it, before it calls take again.
func (q *postQueue) take() []func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	fs := q.mu.queue
	q.mu.queue, q.mu.spare = q.mu.spare[:0], fs
	q.some.Store(false)
	return fs
}

func (q *postQueue) close() {
	q.mu.Lock()
	q.mu.closed = true
	q.mu.Unlock()
}
