package pool

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// DefaultSize is the size of a pool whose Limits do not say.
	DefaultSize = 20
	// DefaultDialParallel lets a burst of waiters be served faster than one
	// login at a time would, without a stampede of logins at the server.
	DefaultDialParallel = 2
)

// Limits are what may change while a pool runs. A value that is not positive
// means the default, or none where zero is a meaning of its own.
type Limits struct {
	Size         int           // most open connections; default DefaultSize
	MinIdle      int           // kept open, idle or not, once the pool has been used; at most Size
	MaxWaiters   int           // more are refused with ErrTooManyWaiters; 0 = no limit
	WaitTimeout  time.Duration // how long a waiter waits, see Waiter.Since; 0 = for ever
	IdleTimeout  time.Duration // how long a connection may be idle; 0 = for ever
	MaxLifetime  time.Duration // how old a connection may be, ±10 %; 0 = any age
	DialParallel int           // most logins in progress; default DefaultDialParallel
}

// withDefaults returns the limits as the pool obeys them.
func (l Limits) withDefaults() Limits {
	if l.Size < 1 {
		l.Size = DefaultSize
	}
	if l.DialParallel < 1 {
		l.DialParallel = DefaultDialParallel
	}
	l.MinIdle = min(max(l.MinIdle, 0), l.Size)
	return l
}

// Options make a pool. Only Dial is required.
type Options[C any] struct {
	Name string // in errors
	Limits

	// Dial opens a connection and logs in. It runs in a goroutine of the pool
	// and may block; it must return soon after ctx is cancelled, which Close
	// does. home is that of the waiter it is meant for, or NoHome. A panic
	// counts as a failed login.
	Dial func(ctx context.Context, home int) (C, error)

	// Opened, if set, is called after each Dial, from the same goroutine and
	// before anybody can lease the connection. It is the one chance to learn
	// the Lease of a connection that may be idle at first, so that its death
	// can be reported with DiscardIdle. It must not block.
	Opened func(l *Lease[C])

	// Close, if set, is called once for each connection that leaves the pool,
	// from any goroutine and under no lock. Its holder may still exist: it is
	// the one that called Discard, or was overtaken by another's Discard. It
	// must not block and must not panic.
	Close func(c C, why CloseReason)

	// Permanent, if set, tells whether a login failed for a reason that
	// waiting does not cure, such as a wrong password. If then no connection is
	// open that could be waited for, nor another login in progress, all who wait
	// are refused with that error. Called under no lock.
	Permanent func(err error) bool
}

// A Pool shares connections. Its methods may be called from any goroutine and
// never block.
type Pool[C any] struct {
	name      string
	dial      func(ctx context.Context, home int) (C, error)
	opened    func(l *Lease[C])
	close     func(c C, why CloseReason)
	permanent func(err error) bool
	epoch     time.Time // zero of every instant
	ctx       context.Context
	cancel    context.CancelFunc
	done      chan struct{}

	// mu guards everything below, and the fields of Lease and Waiter that say
	// so.
	mu       sync.Mutex
	limits   Limits
	count    [states]int // leases by state; Closed is not a slot
	idle     idleSet[C]
	idleSeq  uint64
	waiters  waitlist[C]
	reserved []*Reservation[C] // slots that are held for others' connections
	counters Counters

	used     bool // MinIdle holds from the first Acquire or Warm on
	paused   bool
	resumed  instant // when the last Pause ended
	closed   bool
	closeErr error  // what Close refuses with
	reconns  uint64 // how often Reconnect was called
	stale    int    // connections from before the last Reconnect

	failures      int     // failed logins in a row, those at the same time as one
	retryAt       instant // no login before this while failures > 0 and nobody waits
	waitedRetryAt instant // the same while somebody waits; not later
	lastDial      error   // of the last login; nil if it succeeded
	refused       bool    // lastDial is permanent
	refusedAt     instant // when it failed

	nextRetire instant // no connection ends by MaxLifetime before this

	timer *time.Timer // runs tick; nil until first needed
	armed instant     // when it fires, never if it does not

	goroutines int // of the pool: dials and ticks, pending ones included
	closing    int // connections whose Close has not returned
	finished   bool
}

// New returns a pool with no connections. It starts nothing before the first
// Acquire or Warm. It must be closed to release its connections.
func New[C any](o Options[C]) *Pool[C] {
	if o.Dial == nil {
		panic("pool: Options.Dial is nil")
	}
	p := &Pool[C]{
		name:      o.Name,
		dial:      o.Dial,
		opened:    o.Opened,
		close:     o.Close,
		permanent: o.Permanent,
		epoch:     time.Now(),
		done:      make(chan struct{}),
		limits:    o.Limits.withDefaults(),
		armed:     never,
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Acquire returns a lease at once if a connection is idle: the most recently
// used one of w.Home, else the most recently used of any (see Lease.Home).
// Otherwise it returns nil, w is queued, and w.Grantee is told the outcome;
// a login starts if the size permits. It panics if w is queued already.
func (p *Pool[C]) Acquire(w *Waiter[C]) *Lease[C] {
	var out outcome[C]
	p.mu.Lock()
	defer p.leave(&out)

	p.counters.Acquires++
	// Invariant: nobody who takes one waits while a connection is idle and the
	// pool is not paused. So this overtakes no one.
	if p.count[Idle] > 0 && !p.paused && !w.Fresh {
		l := w.Prefer
		if l != nil && l.state == Idle {
			p.idle.remove(l)
		} else {
			l = p.idle.pop(w.Home)
		}
		p.setStateLocked(l, Leased)
		return l
	}
	p.queueLocked(w, &out)
	return nil
}

// queueLocked puts w in the queue, or refuses it.
func (p *Pool[C]) queueLocked(w *Waiter[C], out *outcome[C]) {
	if w.turn.Load() != idleTurn {
		panic("pool: Acquire with a Waiter that has not been answered yet")
	}
	switch limit := p.limits.MaxWaiters; {
	case p.closed:
		p.refuseLocked(w, p.closeErr, out)
		return
	case limit > 0 && p.waiters.callers() >= limit:
		p.refuseLocked(w, ErrTooManyWaiters, out)
		return
	}
	w.turn.Store(queuedTurn)
	w.pool, w.queued = p, p.now()
	w.since = w.queued
	if !w.Since.IsZero() {
		w.since = min(max(instant(w.Since.Sub(p.epoch)), 0), w.queued)
	}
	p.waiters.insert(w)
	p.counters.Waits++
	p.used = true
	p.pumpLocked(out)
}

// Cancel takes w out of the queue. If it returns true no callback will come.
// If it returns false, w was not queued here: its callback came, or is under
// way and may bring a lease that must be released.
func (p *Pool[C]) Cancel(w *Waiter[C]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.turn.Load() != queuedTurn || w.pool != p {
		return false
	}
	p.dequeueLocked(w, p.now())
	p.counters.Cancels++
	w.pool = nil
	w.turn.Store(idleTurn)
	return true
}

// Release gives back a leased or resetting connection that is clean: it goes
// to the oldest waiter, else becomes idle in home. If it is not to be kept
// (too old, too many, reconnect, shutdown) it is closed instead.
//
// Release does nothing if the connection has been discarded meanwhile. It
// panics if the lease is not out at all.
func (p *Pool[C]) Release(l *Lease[C], home int) {
	var out outcome[C]
	now := p.now() // before the lock: it costs as much as all that happens under it
	p.mu.Lock()
	defer p.leave(&out)

	if !p.isOutLocked(l, "Release") {
		return
	}
	l.home = home
	if why, ok := p.unfitLocked(l, now); ok {
		p.closeLocked(l, why, &out)
		p.pumpLocked(&out)
		return
	}
	p.settleLocked(l, now, false, &out)
}

// settleLocked gives a clean connection to the oldest waiter who takes it, or
// makes it idle.
func (p *Pool[C]) settleLocked(l *Lease[C], now instant, dialled bool, out *outcome[C]) {
	if w := p.waiters.takes(dialled); w != nil && !p.paused {
		if w.slot == nil {
			p.grantLocked(w, l, now, out)
			return
		}
		p.closeLocked(l, CloseYielded, out)
		p.pumpLocked(out)
		return
	}
	p.setStateLocked(l, Idle)
	p.idleSeq++
	l.idleFrom, l.idleSeq = now, p.idleSeq
	p.idle.push(l)
	p.armLocked(p.idleUntilLocked(l))
	if p.waiters.fresh > 0 {
		p.pumpLocked(out)
	}
}

// BeginReset says that the holder is cleaning its connection. Release or
// Discard must follow. It does nothing if the connection has been discarded
// meanwhile, and panics if it is not leased.
func (p *Pool[C]) BeginReset(l *Lease[C]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isOutLocked(l, "BeginReset") {
		p.setStateLocked(l, Resetting)
	}
}

// Discard takes a connection out of the pool, whatever it is doing, and
// reports whether it was still in it. Its slot is free for another.
//
// Only the holder should discard a connection that is out; whoever watches
// idle connections wants DiscardIdle.
func (p *Pool[C]) Discard(l *Lease[C], why CloseReason) bool {
	var out outcome[C]
	p.mu.Lock()
	defer p.leave(&out)

	p.ownLocked(l, "Discard")
	switch {
	case l.state == Closed || l.doomed:
		return false
	case l.state == Dialing: // known through Opened; its dial ends it
		l.doomed, l.why = true, why
		return true
	}
	p.closeLocked(l, why, &out)
	p.pumpLocked(&out)
	return true
}

// DiscardIdle is Discard for those who are not the holder, such as a loop
// that sees an idle connection die: it does nothing and returns false if the
// connection has been leased meanwhile. Its new holder will notice.
func (p *Pool[C]) DiscardIdle(l *Lease[C], why CloseReason) bool {
	var out outcome[C]
	p.mu.Lock()
	defer p.leave(&out)

	p.ownLocked(l, "DiscardIdle")
	if l.state != Idle {
		return false
	}
	p.closeLocked(l, why, &out)
	p.pumpLocked(&out)
	return true
}

// isOutLocked reports whether l has a holder, false if it has been closed.
// Anything else is a bug of the caller.
func (p *Pool[C]) isOutLocked(l *Lease[C], call string) bool {
	p.ownLocked(l, call)
	switch l.state {
	case Leased, Resetting:
		return true
	case Closed:
		return false
	}
	panic(fmt.Sprintf("pool: %s of a connection that is not out but %v", call, l.state))
}

// ownLocked panics if l is not a lease of this pool.
func (p *Pool[C]) ownLocked(l *Lease[C], call string) {
	if l == nil || l.pool != p {
		panic(fmt.Sprintf("pool: %s of a lease that is not of pool %q", call, p.name))
	}
}

// grantLocked answers w, which is queued, with l.
func (p *Pool[C]) grantLocked(w *Waiter[C], l *Lease[C], now instant, out *outcome[C]) {
	p.dequeueLocked(w, now)
	p.setStateLocked(l, Leased)
	w.lease = l
	out.answer(w)
}

// refuseLocked answers w, which is not queued (any more), with err.
func (p *Pool[C]) refuseLocked(w *Waiter[C], err error, out *outcome[C]) {
	if w.slot == nil {
		p.counters.Refusals++
	}
	w.err = err
	out.answer(w)
}

// refuseAllLocked empties the queue.
func (p *Pool[C]) refuseAllLocked(err error, out *outcome[C]) {
	now := p.now()
	for w := p.waiters.front; w != nil; w = p.waiters.front {
		p.dequeueLocked(w, now)
		p.refuseLocked(w, err, out)
	}
}

// dequeueLocked takes w out of the queue. now may be a moment old, so w may
// seem to have come after it.
func (p *Pool[C]) dequeueLocked(w *Waiter[C], now instant) {
	p.waiters.remove(w)
	if w.slot == nil {
		p.counters.WaitTime += max(now.sub(w.queued), 0)
	}
}

// pumpLocked restores what must hold after anything but the plain hand-out
// and return of a connection has changed: idle connections go to waiters,
// missing ones are dialled, and the timer knows what is due next.
func (p *Pool[C]) pumpLocked(out *outcome[C]) {
	now := p.now()
	for w := p.waiters.takes(false); w != nil && !p.paused; w = p.waiters.takes(false) {
		if w.slot != nil {
			if !p.reserveLocked(w, now, out) {
				break
			}
			continue
		}
		if p.count[Idle] == 0 {
			break
		}
		p.grantLocked(w, p.idle.pop(w.Home), now, out)
	}
	p.makeRoomLocked(out)
	p.startDialsLocked(now)
	p.callHoldersLocked(out)
	p.armLocked(p.nextDueLocked())
}

// makeRoomLocked closes idle connections, the oldest first, in whose place
// fresh ones are wanted.
func (p *Pool[C]) makeRoomLocked(out *outcome[C]) {
	for p.waiters.fresh > p.count[Dialing]+max(p.limits.Size-p.openLocked(), 0) && p.count[Idle] > 0 && !p.paused && p.failures == 0 {
		p.closeLocked(p.idle.oldest(), CloseYielded, out)
	}
}
