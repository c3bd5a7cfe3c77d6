package pool

import (
	"math"
	"math/rand/v2"
	"time"
)

// An instant is a point in time: nanoseconds since the pool was made, by the
// monotonic clock. Reading it costs half of time.Now.
type instant int64

const never instant = math.MaxInt64

func (p *Pool[C]) now() instant { return instant(time.Since(p.epoch)) }

// after returns the instant a limit of d is reached; a limit of zero never is.
func (t instant) after(d time.Duration) instant {
	if d <= 0 || d >= time.Duration(never-t) {
		return never
	}
	return t + instant(d)
}

func (t instant) sub(u instant) time.Duration { return time.Duration(t - u) }

// lifetimeJitter is how far the lifetime of a connection may differ from
// MaxLifetime, as a share of it, either way: several pools, or proxies started
// together, shall not replace their connections in step.
const lifetimeJitter = 0.1

// retireSpread is the share of MaxLifetime over which the ends of a full pool
// are spread at least, should they all come due together after all.
const retireSpread = 0.1

func randomJitter() float64 { return (2*rand.Float64() - 1) * lifetimeJitter }

// expiresLocked returns when l has lived long enough.
func (p *Pool[C]) expiresLocked(l *Lease[C]) instant {
	life := p.limits.MaxLifetime
	return l.born.after(life + time.Duration(float64(life)*l.jitter))
}

// retireLocked reports whether l has lived long enough and must end now. If so
// it is not the turn of another for a while, which may live that much longer.
func (p *Pool[C]) retireLocked(l *Lease[C], now instant) bool {
	if p.expiresLocked(l) > now || p.nextRetire > now {
		return false
	}
	gap := float64(p.limits.MaxLifetime) * retireSpread / float64(p.limits.Size)
	p.nextRetire = now + instant(gap)
	return true
}

// idleUntilLocked returns when l, which is idle, must be closed.
func (p *Pool[C]) idleUntilLocked(l *Lease[C]) instant {
	due := max(p.expiresLocked(l), p.nextRetire)
	if p.openLocked() > p.limits.MinIdle {
		due = min(due, l.idleFrom.after(p.limits.IdleTimeout))
	}
	return due
}

// waitsUntilLocked returns when w, which is queued, has waited for long enough.
func (p *Pool[C]) waitsUntilLocked(w *Waiter[C]) instant {
	if p.paused {
		return never
	}
	return max(w.since, p.resumed).after(p.limits.WaitTimeout)
}

// nextDueLocked returns when tick has something to do.
func (p *Pool[C]) nextDueLocked() instant {
	due := never
	if w := p.waiters.front; w != nil {
		due = p.waitsUntilLocked(w)
	}
	if p.failures > 0 && p.missingLocked() && p.mayDialLocked() {
		due = min(due, p.retryAtLocked())
	}
	if p.count[Idle] > 0 && (p.limits.IdleTimeout > 0 || p.limits.MaxLifetime > 0) {
		for _, stack := range p.idle.stacks {
			for _, l := range stack {
				due = min(due, p.idleUntilLocked(l))
			}
		}
	}
	return due
}

// armLocked sees to it that tick runs at due, if it does not run before.
// Firing early is harmless and happens: whatever the timer was armed for may
// be leased or granted by then, and tick arms it anew.
func (p *Pool[C]) armLocked(due instant) {
	if due >= p.armed || p.closed {
		return
	}
	p.armed = due
	wait := max(due.sub(p.now()), 0)
	if p.timer == nil {
		p.timer = time.AfterFunc(wait, p.tick)
		p.goroutines++
	} else if !p.timer.Reset(wait) {
		p.goroutines++ // no run was pending that this one replaces
	}
}

func (p *Pool[C]) disarmLocked() {
	if p.timer != nil && p.timer.Stop() {
		p.goroutines--
	}
	p.armed = never
}

// tick does what is due by now. It runs in the timer's goroutine.
func (p *Pool[C]) tick() {
	defer p.exit()
	var out outcome[C]
	p.mu.Lock()
	defer p.leave(&out)
	p.armed = never
	if p.closed {
		return
	}
	now := p.now()
	p.expireWaitersLocked(now, &out)
	p.expireIdleLocked(now, &out)
	p.pumpLocked(&out)
}

// expireWaitersLocked refuses those who waited too long. All have the same
// limit, and the queue is in the order of since, so the oldest is the first. Who
// waited while the pool was paused is as old as the end of that.
func (p *Pool[C]) expireWaitersLocked(now instant, out *outcome[C]) {
	for w := p.waiters.front; w != nil && p.waitsUntilLocked(w) <= now; w = p.waiters.front {
		err := &WaitTimeoutError{
			Pool:      p.name,
			Waited:    now.sub(w.since),
			Size:      p.limits.Size,
			Open:      p.connsLocked(),
			Leased:    p.count[Leased],
			Resetting: p.count[Resetting],
			Dialing:   p.count[Dialing],
			Reserved:  len(p.reserved),
			LastDial:  p.lastDial,
		}
		p.dequeueLocked(w, now)
		if w.slot == nil {
			p.counters.Timeouts++
		}
		w.err = err
		out.answer(w)
	}
}

// expireIdleLocked closes an idle connection that is too old, and then those
// that were idle too long, the oldest first, while more than MinIdle are open.
func (p *Pool[C]) expireIdleLocked(now instant, out *outcome[C]) {
	for _, l := range p.idle.all() {
		if p.retireLocked(l, now) {
			p.closeLocked(l, CloseLifetime, out)
		}
	}
	for p.count[Idle] > 0 && p.openLocked() > p.limits.MinIdle {
		l := p.idle.oldest()
		if l.idleFrom.after(p.limits.IdleTimeout) > now {
			break
		}
		p.closeLocked(l, CloseIdle, out)
	}
}
