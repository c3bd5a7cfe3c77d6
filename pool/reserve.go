package pool

import "slices"

// A Reservation takes a slot of a pool for a connection that its holder opens
// himself, so that such a connection counts within the size. It waits its turn
// like any caller. Keep it: after Unreserve, a refusal or CancelReserve it may
// be used again. It must not be copied, and Holder must not change while it is
// queued or held.
type Reservation[C any] struct {
	Holder Holder

	waiter Waiter[C] // its place in the queue

	// Guarded by Pool.mu.
	held, told bool
	tight      bool // set before the answer is sent
}

// A Holder is told what becomes of a Reservation. The calls come from any
// goroutine, perhaps before Reserve has returned, and under no lock. They must
// not block.
type Holder interface {
	// Reserved hands over the slot. tight says that there was none to spare: a
	// connection was closed for it, or it was waited for.
	Reserved(tight bool)
	// Refused reports that there will be no slot, with the errors of
	// Grantee.Refused.
	Refused(err error)
	// Wanted reports, once, that callers wait and the slot is what they need, or
	// that the pool is to run dry.
	// The holder should close its connection and call Unreserve soon. If it has
	// given the slot back meanwhile, the call may come late: when it has reserved
	// again.
	Wanted()
}

// Reserve asks for a slot; r.Holder is told the outcome. Where the pool is full
// an idle connection is closed to make room, or the next that is released once
// r is the oldest in the queue. It panics if r is queued or held already.
func (p *Pool[C]) Reserve(r *Reservation[C]) {
	var out outcome[C]
	p.mu.Lock()
	defer p.leave(&out)
	w := &r.waiter
	if r.held || w.turn.Load() != idleTurn {
		panic("pool: Reserve with a Reservation that is in use")
	}
	w.slot, r.told, r.tight = r, false, false
	if p.closed {
		p.refuseLocked(w, p.closeErr, &out)
		return
	}
	w.turn.Store(queuedTurn)
	now := p.now()
	w.pool, w.since, w.queued = p, now, now
	p.waiters.insert(w)
	p.pumpLocked(&out)
	r.tight = r.tight || !r.held
}

// Unreserve gives the slot back. The holder's connection must be closed.
func (p *Pool[C]) Unreserve(r *Reservation[C]) {
	var out outcome[C]
	p.mu.Lock()
	defer p.leave(&out)
	i := slices.Index(p.reserved, r)
	if i < 0 {
		panic("pool: Unreserve of a Reservation that is not held here")
	}
	p.reserved = slices.Delete(p.reserved, i, i+1)
	r.held = false
	p.pumpLocked(&out)
}

// CancelReserve takes r out of the queue. If it returns false the answer came,
// or is under way and may bring a slot that must be given back.
func (p *Pool[C]) CancelReserve(r *Reservation[C]) bool {
	var out outcome[C]
	p.mu.Lock()
	defer p.leave(&out)
	w := &r.waiter
	if w.turn.Load() != queuedTurn || w.pool != p {
		return false
	}
	p.dequeueLocked(w, p.now())
	w.pool = nil
	w.turn.Store(idleTurn)
	p.pumpLocked(&out)
	return true
}

// reserveLocked gives the oldest waiter, who wants a slot, one if that can be
// had now: one that is free, or that of the connection that has been idle
// longest.
func (p *Pool[C]) reserveLocked(w *Waiter[C], now instant, out *outcome[C]) bool {
	if p.openLocked() >= p.limits.Size {
		l := p.idle.oldest()
		if l == nil || p.openLocked() > p.limits.Size {
			return false
		}
		p.closeLocked(l, CloseYielded, out)
		w.slot.tight = true
	}
	p.dequeueLocked(w, now)
	w.slot.held = true
	p.reserved = append(p.reserved, w.slot)
	out.answer(w)
	return true
}

// callHoldersLocked tells the holders of slots if their slots are what callers
// wait for: the pool is full, or the server takes no more connections; and if
// the pool is to run dry.
func (p *Pool[C]) callHoldersLocked(out *outcome[C]) {
	if len(p.reserved) == 0 {
		return
	}
	lacking := p.waiters.callers() > p.count[Dialing] && (p.openLocked() >= p.limits.Size || p.failures > 0)
	if !lacking && !p.closed && !p.paused && p.openLocked() <= p.limits.Size {
		return
	}
	for _, r := range p.reserved {
		if !r.told {
			r.told = true
			out.wanted = append(out.wanted, r)
		}
	}
}

// tellHolders does what callHoldersLocked decided.
func (o *outcome[C]) tellHolders() {
	for _, r := range o.wanted {
		r.Holder.Wanted()
	}
}

// tell answers a waiter who wants a slot.
func (r *Reservation[C]) tell(err error) {
	if err != nil {
		r.Holder.Refused(err)
	} else {
		r.Holder.Reserved(r.tight)
	}
}
