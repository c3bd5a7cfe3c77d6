package pool

import "time"

// Warm opens connections up to MinIdle and keeps them open from now on.
func (p *Pool[C]) Warm() {
	var out outcome[C]
	p.mu.Lock()
	defer p.leave(&out)
	p.used = true
	p.pumpLocked(&out)
}

// Reconfigure replaces the limits. They hold at once for those who wait and
// for idle connections; if the size shrinks, idle ones are closed first and
// leased ones as they are released.
func (p *Pool[C]) Reconfigure(limits Limits) {
	var out outcome[C]
	p.mu.Lock()
	defer p.leave(&out)
	p.limits = limits.withDefaults()
	for p.count[Idle] > 0 && p.openLocked() > p.limits.Size {
		p.closeLocked(p.idle.oldest(), CloseShrunk, &out)
	}
	p.pumpLocked(&out)
}

// WaitTimeout returns Limits.WaitTimeout.
func (p *Pool[C]) WaitTimeout() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limits.WaitTimeout
}

// Reconnect retires every connection opened, or being opened, before this
// call: idle ones now, the others as they are released. Stats.Stale counts
// those that are left.
func (p *Pool[C]) Reconnect() {
	var out outcome[C]
	p.mu.Lock()
	defer p.leave(&out)
	p.reconns++
	p.stale = p.connsLocked()
	for _, l := range p.idle.all() {
		p.closeLocked(l, CloseReconnect, &out)
	}
	p.pumpLocked(&out)
}

// Pause lets the pool run dry: every Acquire and Reserve is queued, no login
// starts, and connections are closed, idle ones now and the others as they are
// released. Holders of slots are told that these are wanted. Nobody who waits
// is refused for it: the time until Resume does not count. The pool is dry when
// Stats shows neither open connections nor reserved slots.
func (p *Pool[C]) Pause() {
	var out outcome[C]
	p.mu.Lock()
	defer p.leave(&out)
	p.paused = true
	for _, l := range p.idle.all() {
		p.closeLocked(l, ClosePaused, &out)
	}
	p.callHoldersLocked(&out)
}

// Resume ends Pause and serves those who waited, in order. Limits.WaitTimeout
// begins anew for them. On a pool that is not paused it does nothing.
func (p *Pool[C]) Resume() {
	var out outcome[C]
	p.mu.Lock()
	defer p.leave(&out)
	if !p.paused {
		return
	}
	p.paused, p.resumed = false, p.now()
	p.pumpLocked(&out)
}

// CloseNeeded reports whether a connection is closed rather than kept when it
// is released, because of Reconnect or Pause. l may be in any state.
func (p *Pool[C]) CloseNeeded(l *Lease[C]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return l.reconns != p.reconns || p.paused || p.closed
}

// Close refuses all waiters and every later Acquire with err (ErrClosed if
// nil), cancels logins in progress, closes idle connections and the others as
// they are released. It does not wait: see Done. Only the first call counts.
func (p *Pool[C]) Close(err error) {
	var out outcome[C]
	p.mu.Lock()
	defer p.leave(&out)
	if p.closed {
		return
	}
	if err == nil {
		err = ErrClosed
	}
	p.closed, p.closeErr = true, err
	p.cancel()
	p.disarmLocked()
	p.refuseAllLocked(err, &out)
	for _, l := range p.idle.all() {
		p.closeLocked(l, CloseShutdown, &out)
	}
	p.callHoldersLocked(&out)
	p.finishLocked()
}

// Done is closed when the pool has been closed, its last connection was
// closed (Options.Close has returned), and none of its goroutines is left. It
// does not wait for slots to be given back.
func (p *Pool[C]) Done() <-chan struct{} { return p.done }

// finishLocked closes Done if nothing is left. Whatever may have been the
// last thing calls it.
func (p *Pool[C]) finishLocked() {
	if p.closed && !p.finished && p.connsLocked() == 0 && p.closing == 0 && p.goroutines == 0 {
		p.finished = true
		close(p.done)
	}
}

// exit notes that a goroutine of the pool is about to end.
func (p *Pool[C]) exit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.goroutines--
	p.finishLocked()
}
