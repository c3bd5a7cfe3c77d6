package pool

import (
	"fmt"
	"time"
)

// Check reports the first broken invariant of p, nil if all hold.
func (p *Pool[C]) Check() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s, n := range p.count[:Closed] {
		if n < 0 {
			return fmt.Errorf("%d connections are %v", n, State(s))
		}
	}
	if err := p.checkIdleLocked(); err != nil {
		return err
	}
	if err := p.checkWaitersLocked(); err != nil {
		return err
	}
	switch idle := p.count[Idle]; {
	case p.waiters.n > p.waiters.fresh && idle > 0 && !p.paused:
		return fmt.Errorf("%d wait while %d connections are idle", p.waiters.n, idle)
	case p.waiters.slots > 0 && p.openLocked() < p.limits.Size && !p.paused && p.waiters.front.slot != nil:
		return fmt.Errorf("the oldest waits for a slot while there is one")
	case p.openLocked() > p.limits.Size && idle > 0:
		return fmt.Errorf("%d open, size %d, but %d are idle", p.openLocked(), p.limits.Size, idle)
	case p.closed && (p.waiters.n > 0 || idle > 0):
		return fmt.Errorf("closed with %d waiting and %d idle", p.waiters.n, idle)
	case p.goroutines < p.count[Dialing]:
		return fmt.Errorf("%d goroutines for %d dials", p.goroutines, p.count[Dialing])
	case !p.closed && p.armed > p.nextDueLocked():
		return fmt.Errorf("the timer is armed for %v, but something is due at %v", p.armed, p.nextDueLocked())
	case p.missingLocked() && p.mayDialLocked() && p.failures == 0:
		return fmt.Errorf("a login is wanted and allowed, but not in progress")
	}
	return nil
}

func (p *Pool[C]) checkIdleLocked() error {
	n, seen := 0, map[*Lease[C]]bool{}
	for i, stack := range p.idle.stacks {
		for j, l := range stack {
			switch {
			case l.state != Idle:
				return fmt.Errorf("a connection that is %v is in the idle set", l.state)
			case seen[l]:
				return fmt.Errorf("a connection is in the idle set twice")
			case slot(l.home) != i:
				return fmt.Errorf("a connection of home %d is in stack %d", l.home, i)
			case j > 0 && stack[j-1].idleSeq >= l.idleSeq:
				return fmt.Errorf("stack %d is not in order of use", i)
			}
			seen[l] = true
			n++
		}
	}
	if n != p.count[Idle] {
		return fmt.Errorf("%d in the idle set, counted %d", n, p.count[Idle])
	}
	return nil
}

func (p *Pool[C]) checkWaitersLocked() error {
	n, fresh := 0, 0
	var prev *Waiter[C]
	for w := p.waiters.front; w != nil; prev, w = w, w.next {
		switch {
		case w.turn.Load() != queuedTurn || w.pool != p:
			return fmt.Errorf("a waiter in the queue does not know it is queued")
		case w.prev != prev:
			return fmt.Errorf("the queue is not linked both ways")
		case prev != nil && prev.since > w.since:
			return fmt.Errorf("the queue is not in order of arrival")
		}
		n++
		if w.Fresh {
			fresh++
		}
	}
	if fresh != p.waiters.fresh {
		return fmt.Errorf("%d in the queue want a fresh connection, counted %d", fresh, p.waiters.fresh)
	}
	if p.waiters.back != prev || n != p.waiters.n {
		return fmt.Errorf("%d in the queue, counted %d", n, p.waiters.n)
	}
	return nil
}

// TimerArmed reports whether the pool's timer is ticking.
func (p *Pool[C]) TimerArmed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.armed != never
}

// ExpiresIn returns the age at which l reaches its own MaxLifetime.
func (p *Pool[C]) ExpiresIn(l *Lease[C]) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.expiresLocked(l).sub(l.born)
}

// StateOf returns what l is doing.
func (p *Pool[C]) StateOf(l *Lease[C]) State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return l.state
}

var Backoff = backoff
