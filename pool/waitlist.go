package pool

import (
	"sync/atomic"
	"time"
)

// A Waiter is a caller's place in the queue. Embed it by value and keep it:
// after it was granted, refused or cancelled it may be used again, by the
// same or another pool. It must not be copied, and its exported fields must
// not change between Acquire and the answer.
type Waiter[C any] struct {
	Home    int        // which idle connection is preferred, NoHome for any
	Grantee Grantee[C] // who is told

	// Prefer is the connection that Acquire takes if it is idle; nil: whichever comes first.
	Prefer *Lease[C]

	// Fresh refuses connections that were open before: only one that is dialled while w waits will do.
	Fresh bool

	// Since is when that which needs the connection began to wait, be it here
	// or for anything else; zero means at Acquire. WaitTimeout counts from it,
	// and it decides the place in the queue. A caller that must queue again
	// for the same leaves it as it is.
	Since time.Time

	// turn is atomic because it becomes idleTurn again outside the lock, just
	// before the callback; all other changes are made under Pool.mu.
	turn atomic.Uint32

	// Guarded by Pool.mu while queued; owned by outcome while answered.
	pool       *Pool[C]
	since      instant // Since, or else when it was queued
	queued     instant
	prev, next *Waiter[C]
	slot       *Reservation[C] // not nil: a slot is wanted, and no connection
	lease      *Lease[C]       // the answer: a lease,
	err        error           // or why there is none
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
	// ErrTooManyWaiters, the permanent error of a login while no connection is
	// open, or what the pool was closed with.
	Refused(err error)
}

// waitlist is the queue of waiters, the oldest at the front. It is linked
// through the waiters, so queueing allocates nothing and Cancel need not
// search.
type waitlist[C any] struct {
	front, back *Waiter[C]
	n           int
	// late is where the last one was put that had waited before, for those
	// come in herds: who comes next belongs near it.
	late  *Waiter[C]
	slots int // those of them who want a slot
	fresh int // those of them who want a fresh connection
}

// callers counts those who want a connection.
func (q *waitlist[C]) callers() int { return q.n - q.slots }

// insert puts w behind all who have waited as long or longer: mostly, that is
// the end.
func (q *waitlist[C]) insert(w *Waiter[C]) {
	after := q.back
	if after != nil && after.since > w.since {
		after = q.place(w)
		q.late = w
	}
	w.prev = after
	if after == nil {
		w.next, q.front = q.front, w
	} else {
		w.next, after.next = after.next, w
	}
	if w.next == nil {
		q.back = w
	} else {
		w.next.prev = w
	}
	q.n++
	if w.slot != nil {
		q.slots++
	}
	if w.Fresh {
		q.fresh++
	}
}

// place returns whom w comes after, or nil.
func (q *waitlist[C]) place(w *Waiter[C]) *Waiter[C] {
	at := q.late
	if at == nil {
		at = q.front
	}
	for at.next != nil && at.next.since <= w.since {
		at = at.next
	}
	for at != nil && at.since > w.since {
		at = at.prev
	}
	return at
}

// remove takes out w, which must be in the list.
func (q *waitlist[C]) remove(w *Waiter[C]) {
	if q.late == w {
		q.late = w.prev
	}
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
	if w.slot != nil {
		q.slots--
	}
	if w.Fresh {
		q.fresh--
	}
}

// takes returns the oldest waiter who takes a connection that was dialled just now, or one that others have had; nil: nobody does.
func (q *waitlist[C]) takes(dialled bool) *Waiter[C] {
	w := q.front
	for w != nil && w.Fresh && !dialled {
		w = w.next
	}
	return w
}

// caller returns the waiter for a connection with i others before it, or nil.
func (q *waitlist[C]) caller(i int) *Waiter[C] {
	for w := q.front; w != nil; w = w.next {
		if w.slot != nil {
			continue
		}
		if i == 0 {
			return w
		}
		i--
	}
	return nil
}

// outcome is what a call has decided under the lock and owes to others once
// the lock is free. The lists of waiters and leases are linked through their
// members, which nobody else touches meanwhile, so they cost no allocation. The
// holders are in a slice: each may give its slot back and reserve again before
// it is told.
type outcome[C any] struct {
	first, last *Waiter[C] // answered, in the order they queued
	closed      *Lease[C]  // left the pool, their connections to be closed
	wanted      []*Reservation[C]
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
	if len(out.wanted) > 0 {
		out.tellHolders()
	}
}

func (o *outcome[C]) tellWaiters() {
	for w := o.first; w != nil; {
		next, lease, err := w.next, w.lease, w.err
		w.next, w.lease, w.err, w.pool = nil, nil, nil, nil
		grantee := w.Grantee
		slot := w.slot
		w.turn.Store(idleTurn) // from here on its owner may queue it again
		if slot != nil {
			slot.tell(err)
		} else if lease != nil {
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
