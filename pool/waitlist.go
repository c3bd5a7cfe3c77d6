package pool

import "sync/atomic"

// A Waiter is a caller's place in the queue. Embed it by value and keep it:
// after it was granted, refused or cancelled it may be used again, by the
// same or another pool. It must not be copied, and Home and Grantee must not
// change while it is queued.
type Waiter[C any] struct {
	Home    int        // which idle connection is preferred, NoHome for any
	Grantee Grantee[C] // who is told

	// turn is atomic because it becomes idleTurn again outside the lock, just
	// before the callback; all other changes are made under Pool.mu.
	turn atomic.Uint32

	// Guarded by Pool.mu while queued; owned by outcome while answered.
	pool       *Pool[C]
	since      instant
	prev, next *Waiter[C]
	lease      *Lease[C] // the answer: a lease,
	err        error     // or why there is none
}

// The turns of a Waiter.
const (
	idleTurn     = iota // not in use. Next: queuedTurn
	queuedTurn          // in waitlist. Next: answeredTurn, or idleTurn by Cancel
	answeredTurn        // decided, callback on its way. Next: idleTurn
)

// A Grantee is told how a queued Acquire ended: exactly one of its methods is
// called, once, unless Cancel returned true. The call comes from any
// goroutine, perhaps before Acquire has returned, and under no lock. It must
// not block.
type Grantee[C any] interface {
	// Granted hands over a lease. Whoever receives one it has no more use for
	// must Release it.
	Granted(l *Lease[C])
	// Refused reports that there will be no lease: a *WaitTimeoutError,
	// ErrTooManyWaiters, the permanent error of a login, or what the pool was
	// closed with.
	Refused(err error)
}

// waitlist is the queue of waiters, the oldest at the front. It is linked
// through the waiters, so queueing allocates nothing and Cancel need not
// search.
type waitlist[C any] struct {
	front, back *Waiter[C]
	n           int
}

func (q *waitlist[C]) push(w *Waiter[C]) {
	w.prev, w.next = q.back, nil
	if q.back == nil {
		q.front = w
	} else {
		q.back.next = w
	}
	q.back = w
	q.n++
}

// remove takes out w, which must be in the list.
func (q *waitlist[C]) remove(w *Waiter[C]) {
	if w.prev == nil {
		q.front = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.back = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	q.n--
}

// at returns the waiter with i others before it, or nil.
func (q *waitlist[C]) at(i int) *Waiter[C] {
	w := q.front
	for ; i > 0 && w != nil; i-- {
		w = w.next
	}
	return w
}

// outcome is what a call has decided under the lock and owes to others once
// the lock is free. Its lists are linked through their members, which nobody
// else touches meanwhile, so it costs no allocation.
type outcome[C any] struct {
	first, last *Waiter[C] // answered, in the order they queued
	closed      *Lease[C]  // left the pool, their connections to be closed
}

// answer notes that w's lease or err is decided.
func (o *outcome[C]) answer(w *Waiter[C]) {
	w.turn.Store(answeredTurn)
	if o.last == nil {
		o.first = w
	} else {
		o.last.next = w
	}
	o.last = w
}

// leave unlocks the pool and then does what out says. Every call that locks
// ends with it, deferred, so that a panic about misuse leaves no lock behind.
func (p *Pool[C]) leave(out *outcome[C]) {
	p.mu.Unlock()
	if out.first != nil {
		out.tellWaiters()
	}
	if out.closed != nil {
		p.closeConns(out.closed)
	}
}

func (o *outcome[C]) tellWaiters() {
	for w := o.first; w != nil; {
		next, lease, err := w.next, w.lease, w.err
		w.next, w.lease, w.err, w.pool = nil, nil, nil, nil
		grantee := w.Grantee
		w.turn.Store(idleTurn) // from here on its owner may queue it again
		if lease != nil {
			grantee.Granted(lease)
		} else {
			grantee.Refused(err)
		}
		w = next
	}
}

// closeConns calls Options.Close for each of the list. Only then does the
// pool regard them as gone, which Done waits for.
func (p *Pool[C]) closeConns(l *Lease[C]) {
	n := 0
	for ; l != nil; n++ {
		next := l.next
		l.next = nil
		if p.close != nil {
			p.close(l.Conn, l.why)
		}
		l = next
	}
	p.mu.Lock()
	p.closing -= n
	p.finishLocked()
	p.mu.Unlock()
}
