package pool

import (
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// The pause after a failed login starts at minBackoff and doubles up to
// maxBackoff; half as much again is added at random, so that many pools do
// not return to a struggling server in step. In all: 100 ms to 15 s.
const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 10 * time.Second
)

// backoff returns the pause after the given number of failures in a row.
func backoff(failures int) time.Duration {
	d := maxBackoff
	if shift := failures - 1; shift < 10 { // 100 ms << 10 is beyond maxBackoff
		d = min(minBackoff<<shift, maxBackoff)
	}
	return d + rand.N(d/2+1)
}

// startDialsLocked begins as many logins as are wanted and allowed now.
func (p *Pool[C]) startDialsLocked(now instant) {
	for p.missingLocked() && p.mayDialLocked() && (p.failures == 0 || p.retryAt <= now) {
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
	return dialing < p.waiters.n || p.used && p.openLocked() < p.limits.MinIdle
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
	if w := p.waiters.at(p.count[Dialing]); w != nil {
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
	p.failures, p.lastDial = 0, nil
	l.born = now
	l.jitter = randomJitter()
	if l.doomed {
		p.closeLocked(l, l.why, out)
	} else if why, ok := p.unfitLocked(l, now); ok {
		p.closeLocked(l, why, out)
	} else {
		p.settleLocked(l, now, out)
	}
}

func (p *Pool[C]) dialFailedLocked(l *Lease[C], err error, permanent bool, out *outcome[C]) {
	p.setStateLocked(l, Closed)
	if p.closed {
		return // cancelled by Close: says nothing about the server
	}
	p.counters.DialFailures++
	p.lastDial = err
	// Logins that were in progress together fail together: the first one
	// starts the pause, the others must not lengthen it.
	if now := p.now(); p.failures == 0 || p.retryAt <= now {
		p.failures++
		p.retryAt = now.after(backoff(p.failures))
	}
	if permanent {
		p.refuseAllLocked(err, out)
	}
}
