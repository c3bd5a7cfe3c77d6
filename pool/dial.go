package pool

import (
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// The pause after a failed login starts at minBackoff and doubles; half as
// much again is added at random, so that many pools do not return to a
// struggling server in step. While somebody waits it stays below a second, so
// that whoever waited out an outage is served as soon as it is over. While only
// MinIdle asks for a connection it grows up to 15 s.
const (
	minBackoff       = 100 * time.Millisecond
	maxWaitedBackoff = 660 * time.Millisecond
	maxBackoff       = 10 * time.Second
	// refusedPause is the least pause after a login that was refused for good,
	// while those who wait can be served by connections that are open.
	refusedPause = time.Second
)

// backoff returns the pause after the given number of failures in a row: at most
// most, and half as much again.
func backoff(failures int, most time.Duration) time.Duration {
	d := most
	if shift := failures - 1; shift < 10 { // 100 ms << 10 is beyond any limit
		d = min(minBackoff<<shift, most)
	}
	return d + rand.N(d/2+1)
}

// retryAtLocked returns the moment before which no login is begun while
// failures > 0. A caller who begins to wait in a long pause ends it.
func (p *Pool[C]) retryAtLocked() instant {
	at := p.retryAt
	if p.waiters.n > 0 {
		at = p.waitedRetryAt
	}
	if p.refused && p.connsLocked() > p.count[Dialing] {
		at = max(at, p.refusedAt.after(refusedPause))
	}
	return at
}

// startDialsLocked begins as many logins as are wanted and allowed now.
func (p *Pool[C]) startDialsLocked(now instant) {
	for p.missingLocked() && p.mayDialLocked() && (p.failures == 0 || p.retryAtLocked() <= now) {
		l := &Lease[C]{pool: p, home: p.dialHomeLocked(), reconns: p.reconns}
		p.count[Dialing]++
		p.counters.Dials++
		p.goroutines++
		go p.dialConn(l)
	}
}

// missingLocked reports whether fewer logins are in progress than there are
// waiters, or connections missing to MinIdle.
func (p *Pool[C]) missingLocked() bool {
	dialing := p.count[Dialing]
	return dialing < p.waiters.callers() || p.used && p.openLocked() < p.limits.MinIdle
}

// mayDialLocked reports whether there is room for another login. While
// logins fail only one at a time probes the server.
func (p *Pool[C]) mayDialLocked() bool {
	parallel := p.limits.DialParallel
	if p.failures > 0 {
		parallel = 1
	}
	return !p.closed && !p.paused && p.count[Dialing] < parallel && p.openLocked() < p.limits.Size
}

// dialHomeLocked returns the home of the oldest waiter for whom no login is
// in progress yet.
func (p *Pool[C]) dialHomeLocked() int {
	if w := p.waiters.caller(p.count[Dialing]); w != nil {
		return w.Home
	}
	return NoHome
}

// dialConn opens the connection of l, whose slot is taken.
func (p *Pool[C]) dialConn(l *Lease[C]) {
	defer p.exit()
	err := p.tryDial(l)
	permanent := err != nil && p.permanent != nil && p.permanent(err)
	if err == nil && p.opened != nil {
		p.opened(l)
	}

	var out outcome[C]
	p.mu.Lock()
	defer p.leave(&out)
	if err == nil {
		p.dialedLocked(l, &out)
	} else {
		p.dialFailedLocked(l, err, permanent, &out)
	}
	p.pumpLocked(&out)
}

// tryDial sets l.Conn or returns an error. Dial parses what a hostile server
// sends, so its panics are contained.
func (p *Pool[C]) tryDial(l *Lease[C]) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	l.Conn, err = p.dial(p.ctx, l.home)
	return err
}

func (p *Pool[C]) dialedLocked(l *Lease[C], out *outcome[C]) {
	now := p.now()
	p.failures, p.lastDial, p.refused = 0, nil, false
	l.born = now
	l.jitter = randomJitter()
	if l.doomed {
		p.closeLocked(l, l.why, out)
	} else if why, ok := p.unfitLocked(l, now); ok {
		p.closeLocked(l, why, out)
	} else {
		p.settleLocked(l, now, true, out)
	}
}

func (p *Pool[C]) dialFailedLocked(l *Lease[C], err error, permanent bool, out *outcome[C]) {
	p.goneLocked(l)
	if p.closed {
		return // cancelled by Close: says nothing about the server
	}
	p.counters.DialFailures++
	p.lastDial, p.refused = err, permanent
	// Logins that were in progress together fail together: the first one
	// starts the pause, the others must not lengthen it.
	if now := p.now(); p.failures == 0 || p.waitedRetryAt <= now {
		p.failures++
		p.waitedRetryAt = now.after(backoff(p.failures, maxWaitedBackoff))
		p.retryAt = max(p.waitedRetryAt, now.after(backoff(p.failures, maxBackoff)))
	}
	if !permanent {
		return
	}
	p.refusedAt = p.now()
	p.used = false // MinIdle holds again when somebody asks: until then no login is of use
	if p.connsLocked() == 0 {
		p.refuseAllLocked(err, out)
	}
}

// lastGoneLocked is called when no connection is left. If logins are refused,
// those who wait have waited for one that was open: they are told what the
// server says now, at once.
func (p *Pool[C]) lastGoneLocked() {
	if p.refused {
		p.waitedRetryAt = 0
	}
}
