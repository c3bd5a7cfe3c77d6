package pool

import (
	"fmt"
)

// State is what a connection of the pool is doing. The picture of the
// transitions is in the package comment.
type State uint8

const (
	// Dialing holds a slot while Options.Dial runs. Next: Idle, Leased, Closed.
	Dialing State = iota
	// Idle is clean and ready to be leased. Next: Leased, Closed.
	Idle
	// Leased belongs to one holder. Next: Leased (handed over), Idle,
	// Resetting, Closed.
	Leased
	// Resetting still belongs to its last holder, who cleans it. Next: Leased,
	// Idle, Closed.
	Resetting
	// Closed has left the pool and holds no slot. Terminal.
	Closed

	states = iota
)

func (s State) String() string {
	switch s {
	case Dialing:
		return "dialing"
	case Idle:
		return "idle"
	case Leased:
		return "leased"
	case Resetting:
		return "resetting"
	case Closed:
		return "closed"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// successors holds, for each state, the set of states that may follow.
var successors = [states]uint8{
	Dialing:   1<<Idle | 1<<Leased | 1<<Closed,
	Idle:      1<<Leased | 1<<Closed,
	Leased:    1<<Leased | 1<<Idle | 1<<Resetting | 1<<Closed,
	Resetting: 1<<Leased | 1<<Idle | 1<<Closed,
	Closed:    0,
}

// A Lease is one connection's membership in its pool. The same *Lease lives
// as long as the connection: it is handed from holder to holder and never
// used for another connection.
//
// Between Acquire (or Granted) and Release or Discard the Lease and its Conn
// belong to the holder. A holder must not touch either afterwards.
type Lease[C any] struct {
	// Conn is what Dial returned. The pool sets it once, before anybody sees
	// the lease, and never looks at it.
	Conn C

	pool    *Pool[C]
	reconns uint64  // Pool.reconns when the dial began
	born    instant // when the dial succeeded
	jitter  float64 // share of MaxLifetime this connection lives longer, ±lifetimeJitter

	// Guarded by pool.mu.
	state    State
	home     int
	idleFrom instant     // when it last became idle
	idleSeq  uint64      // Pool.idleSeq at that time: larger is more recent, without ties
	doomed   bool        // discarded while Dialing: closed as soon as it is dialled
	why      CloseReason // set once its end is decided
	next     *Lease[C]   // in outcome.closed
}

// Home returns the home the connection lives in: that of the last Release,
// or the one its Dial was given. Only the holder may call it.
func (l *Lease[C]) Home() int { return l.home }

// setStateLocked is the only place that changes a state and its count.
func (p *Pool[C]) setStateLocked(l *Lease[C], next State) {
	if successors[l.state]&(1<<next) == 0 {
		panic(fmt.Sprintf("pool: a connection that is %v cannot become %v", l.state, next))
	}
	p.count[l.state]--
	p.count[next]++
	l.state = next
}

// connsLocked counts the connections of the pool.
func (p *Pool[C]) connsLocked() int {
	return p.count[Dialing] + p.count[Idle] + p.count[Leased] + p.count[Resetting]
}

// openLocked counts the slots that are taken: by connections of the pool, and
// by reservations.
func (p *Pool[C]) openLocked() int { return p.connsLocked() + len(p.reserved) }

// unfitLocked says whether l, which must not be idle, leaves the pool instead
// of becoming so, and why. The caller closes it then.
func (p *Pool[C]) unfitLocked(l *Lease[C], now instant) (CloseReason, bool) {
	switch {
	case p.closed:
		return CloseShutdown, true
	case l.reconns != p.reconns:
		return CloseReconnect, true
	case p.paused:
		return ClosePaused, true
	case p.openLocked() > p.limits.Size:
		return CloseShrunk, true
	case p.retireLocked(l, now):
		return CloseLifetime, true
	}
	return CloseUnspecified, false
}

// goneLocked frees the slot of l for good.
func (p *Pool[C]) goneLocked(l *Lease[C]) {
	p.setStateLocked(l, Closed)
	if l.reconns != p.reconns {
		p.stale--
	}
}

// closeLocked takes l out of the pool and frees its slot. Its connection is
// closed when out is run.
func (p *Pool[C]) closeLocked(l *Lease[C], why CloseReason, out *outcome[C]) {
	if why >= closeReasons {
		why = CloseUnspecified
	}
	if l.state == Idle {
		p.idle.remove(l)
	}
	p.goneLocked(l)
	l.why = why
	p.counters.Closes[why]++
	p.closing++
	l.next, out.closed = out.closed, l
	if p.connsLocked() == 0 {
		p.lastGoneLocked()
	}
}
