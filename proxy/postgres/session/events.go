package session

import (
	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// OnData is the loop's call: bytes from the client.
func (s *Session) OnData(b []byte) {
	s.space.scratch.reset()
	if s.state >= leaving {
		return
	}
	s.lane().FromClients.Add(uint64(len(b)))
	s.advance(b)
}

// advance takes up what was kept and b behind it, as far as the state allows.
func (s *Session) advance(b []byte) {
	b = s.in.Join(b)
	for len(b) > 0 && len(b) >= int(s.in.needs) && s.state == ready && !s.client.Congested() {
		s.in.needs = 0
		s.turnBegins()
		n := s.takeUp(b)
		if n == 0 {
			break
		}
		s.waitOver()
		b = b[n:]
	}
	switch {
	case s.state >= leaving:
		b = nil
	case s.state == settling && asksForWork(b):
		s.startClock()
	}
	s.in.Keep(b)
	s.balance()
}

// takeUp deals with the message at the front of b, or with more of the one that is passing, and returns how many bytes
// it used: none if it needs more of them or a server first.
func (s *Session) takeUp(b []byte) int {
	if s.in.left > 0 {
		n := min(s.in.left, len(b))
		s.in.left -= n
		if !s.in.drops && s.srv != nil {
			s.srv.write(b[:n])
		}
		return n
	}
	if s.batch.discards || s.batch.naming || s.batch.sweeping && !s.batch.open {
		if s.unanswered() {
			s.stall()
			return 0
		}
		s.batch.discards, s.batch.naming = false, false
		s.batch.sweeping = s.batch.sweeping && s.batch.open
	}
	h, ok, err := pgwire.PeekHeader(b, s.identity.Limits.Message())
	if err != nil {
		s.violation(err.Error())
		return 0
	}
	if !ok {
		return 0
	}
	return s.message(h, b)
}

// balance keeps memory bounded: a side is not read while what it says cannot be passed on or kept.
func (s *Session) balance() {
	if s.state == gone {
		return
	}
	s.watchFill()
	full := s.client.Congested() || s.in.Len() > maxAhead && s.state != ready
	if s.srv != nil {
		full = full || s.srv.peer.Congested() || s.srv.owed.len() > maxOwed
		if s.client.Congested() || s.srv.in.halted {
			s.srv.peer.PauseRead()
		} else {
			s.srv.peer.ResumeRead()
		}
	}
	if full == s.in.paused {
		return
	}
	s.in.paused = full
	if full {
		s.client.PauseRead()
	} else {
		s.client.ResumeRead()
	}
}

// OnDrained is the loop's call: the client has read what was congested.
func (s *Session) OnDrained() {
	s.space.scratch.reset()
	s.settle()
}

// drained is the server connection's call.
func (s *Session) drained() {
	if s.state != gone {
		s.settle()
	}
}

// OnEOF is the loop's call: the client will send no more. Answers that it is owed are still delivered, for a while.
func (s *Session) OnEOF() {
	s.space.scratch.reset()
	switch {
	case s.state == gone || s.state == leaving:
	case s.busy() && s.in.Len() == 0 && s.in.left == 0 && !s.batch.open && !s.srv.copying.in: // it has said all it had to say
		s.leave(halfCloseGrace)
	default:
		s.end(ReasonClientClosed, nil)
	}
}

// OnError is the loop's call: the client's socket is gone.
func (s *Session) OnError(err error) {
	s.space.scratch.reset()
	s.end(ReasonClientLost, err)
}

// settle follows every event: it releases the server if the session is done with it, takes up what was kept, and
// balances the two sides.
func (s *Session) settle() {
	s.maybeRelease()
	if s.hears != nil {
		s.settleHearing()
	}
	if s.state == leaving && (!s.busy() || s.batch.open || s.srv.copying.in && s.srv.in.left == 0) {
		s.end(ReasonClientClosed, nil)
		return
	}
	if s.state == ready && s.in.Len() > 0 {
		s.advance(nil)
	} else {
		s.balance()
	}
	if s.draining && s.restful() {
		s.reject(ReasonShutdown, pgwire.CodeAdminShutdown, s.identity.parting())
	}
}

// Granted is the driver's call on the session's loop: srv is leased to it, and on the same loop.
func (s *Session) Granted(srv *ServerConn) {
	s.space.scratch.reset()
	if s.state == gone { // it left while the grant was under way
		srv.release()
		return
	}
	s.hold(srv)
	if s.state == greeting {
		s.tryStartup()
		return
	}
	s.enter(ready)
	s.resume()
	s.settle()
}

// TryAgain is the driver's call on the session's loop: the server that was granted broke on its way.
func (s *Session) TryAgain() {
	if s.state == gone {
		return
	}
	if srv := s.driver.Acquire(s.space.time(s.delay.since), s.errand.fresh); srv != nil {
		s.Granted(srv)
	}
}

// Refused is the driver's call on the session's loop: no server will come, for the reason that the client gets to read.
func (s *Session) Refused(report pgwire.ErrorReport) {
	s.space.scratch.reset()
	s.queuesNoMore()
	if s.begun != 0 && s.state == waiting {
		s.failBegun(report)
		return
	}
	s.reject(ReasonNoServer, report.Code, report.Message)
}

// Judged is the driver's call on the session's loop. What it brings holds for the one message that waited for it, until that
// is sent: a server may have to be waited for, too.
func (s *Session) Judged(text []byte, v *classify.Verdict) {
	s.space.scratch.reset()
	s.attempt.judgeOwes = false
	if s.state != judging {
		return
	}
	s.enter(ready)
	if a := s.attempt.awaited; a != nil { // else it is of a message that was given up
		a.text, a.verdict = text, v
	}
	s.advance(nil)
	s.settle()
}

// Wake is the cache's call, from any goroutine. One that comes late, for a wait that is over, does no harm: who is woken
// asks again.
func (w *sleeper) Wake(alone bool) {
	s := (*Session)(w)
	s.driver.Post(func() { s.woken(alone) })
}

// woken takes the message up again: the answer is kept by now, or else the first to ask is the next to go to the server. alone
// says that waiting again is of no use, so that each must ask for itself.
func (s *Session) woken(alone bool) {
	s.space.scratch.reset()
	if s.state != joined {
		return
	}
	s.stopWaiting()
	s.attempt.joins++
	s.attempt.alone = s.attempt.alone || alone
	s.advance(nil)
	s.settle()
}

// Cancel stops what the client is doing now. done is called, on any goroutine, when that has had its effect. A request
// that comes too late does nothing: what the server works for then is not this client's, or is ours.
func (s *Session) Cancel(done func()) {
	s.space.scratch.reset()
	switch {
	case s.interrupt(byClient):
		done()
		s.settle()
	case (s.state == ready || s.state == stalled) && s.busy():
		s.srv.cancel(done)
	default:
		done()
	}
}

// StartRefresh has r, which is fresh and has no client, ask what s was just answered from the cache. It owns fill. message is copied
// before it returns. id tells what r leaves on a server from what others leave there.
func (r *Session) StartRefresh(d Driver, id ID, s *Session, fill *querycache.Fill, message []byte) {
	*r = Session{
		login:        login{id: id, user: s.login.user},
		surroundings: surroundings{client: noClient{}, driver: d, space: s.space, identity: s.identity},
		standing:     standing{state: ready, timing: timing{since: unattended}},
		params:       parameters{startup: s.params.want, want: s.params.want, told: s.params.want},
		batch:        batch{onlyReads: true}, attempt: attempt{fill: fill},
	}
	r.endTimer = r.driver.After(refreshLimit, func() { r.end(ReasonClientClosed, nil) })
	terminate := pgwire.AppendEmpty(nil, pgwire.Terminate)
	r.advance(append(message[:len(message):len(message)], terminate...))
	r.settle()
}

// Drain asks a session to end at the next moment at which its client loses nothing.
func (s *Session) Drain() {
	s.draining = true
	s.settle()
}

// ShutDown ends the session at once, because the proxy stops. The client gets to read the words.
func (s *Session) ShutDown(words string) { s.reject(ReasonShutdown, pgwire.CodeAdminShutdown, words) }

// Kill ends the session at once, because an administrator says so. The client gets to read the words.
func (s *Session) Kill(words string) { s.reject(ReasonKilled, pgwire.CodeAdminShutdown, words) }

// Stop ends a session that has no client, because the proxy stops.
func (s *Session) Stop() { s.end(ReasonShutdown, nil) }

// MoveTo notes that a movable session lives on the loop of w from now on.
func (s *Session) MoveTo(w *Workspace) {
	s.space = w
	s.since = min(s.since, 0) // an instant of the other loop is none of this
}

// Movable says whether a session is at rest, and nothing of it is left on its loop, such as a timer.
func (s *Session) Movable() bool {
	return s.restful() && s.srv == nil && !s.in.paused && !s.retrying && s.endTimer == nil && s.attempt.fillTimer == nil && !s.waits()
}

// resume takes up the message that waited, unless it was given up meanwhile.
func (s *Session) resume() {
	cause := s.attempt.cancelled
	if cause == notCancelled {
		s.advance(nil)
		return
	}
	s.attempt.cancelled = notCancelled
	s.giveUpMessage(cause)
}

// failBegun fails the transaction that is held back, because no server is to be had for it.
func (s *Session) failBegun(report pgwire.ErrorReport) {
	s.enter(ready)
	s.giveUpWith(report.Code, report.Message)
	s.settle()
}
