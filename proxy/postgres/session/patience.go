package session

import (
	"time"

	"overdrive/proxy/postgres/pgwire"
)

// This file is about how long a message may wait in the proxy before it is sent: for its verdict, for somebody else's
// answer, for a server and for settings. It has one deadline, whatever it waits for and however often:
//
//	message ─▶ judging ─▶ joined ─▶ (again) ─▶ waiting ─▶ settling ─▶ sent
//	         └────────────── statement_timeout: 57014 ────────────┘
//	         └── pool.wait_timeout: no more joined ──▶ refused ┘
//
// At the server statement_timeout begins anew, for that has its own clock.

// A delay is how long the message at hand has waited, whatever for. end is its one reset.
type delay struct {
	since             time.Time // zero: it does not wait
	joins             uint8     // how often it has waited for somebody else's answer
	alone             bool      // it must not do so again
	timeout, patience Timer     // the client's statement_timeout, and the pool's wait_timeout; see standBy
}

// end is called when the message has gone, or is given up: the next one's time is its own.
func (d *delay) end() {
	d.since, d.alone, d.joins = time.Time{}, false, 0
	for _, t := range []*Timer{&d.timeout, &d.patience} {
		if *t != nil {
			(*t).Stop()
			*t = nil
		}
	}
}

// standBy has the message at hand wait in the given state. The clock runs from the first time on.
func (s *Session) standBy(state sessionState) {
	s.enter(state)
	s.startClock()
	if state != joined || s.delay.patience != nil {
		return
	}
	if limit := s.driver.WaitTimeout(); limit > 0 {
		s.delay.patience = s.driver.After(limit-s.space.now().Sub(s.delay.since), s.impatient)
	}
}

// startClock notes that the message at hand waits, from now on or already.
func (s *Session) startClock() {
	if s.waits() {
		return
	}
	s.delay.since = s.space.now()
	if limit := s.statementTimeout(); limit > 0 {
		s.delay.timeout = s.driver.After(limit, s.timedOut)
	}
}

// waits says whether the message at hand waits, or has waited.
func (s *Session) waits() bool { return !s.delay.since.IsZero() }

// asksForWork says whether b begins with a message that a statement_timeout holds for, and that has arrived.
func asksForWork(b []byte) bool {
	h, ok, err := pgwire.PeekHeader(b, len(b))
	if !ok || err != nil || len(b) < h.Total() {
		return false
	}
	switch h.Type {
	case pgwire.Query, pgwire.FunctionCall, pgwire.Parse, pgwire.Bind, pgwire.Describe, pgwire.Execute, pgwire.Close:
		return true
	}
	return false
}

// waitOver is called when the message at hand has gone or is given up.
func (s *Session) waitOver() {
	if s.waits() {
		s.delay.end()
	}
}

// timedOut is the timer's call: the statement_timeout of the message at hand is over.
func (s *Session) timedOut() {
	s.space.scratch.reset()
	s.delay.timeout = nil
	if s.state == settling && s.waits() { // the server has a question of ours to answer first
		s.attempt.cancelled = byTimeout
		return
	}
	s.interrupt(byTimeout)
	s.settle()
}

// impatient is the timer's call: the pool's wait_timeout is over, so nobody else is waited for any more. If no server is
// free at once, the pool refuses.
func (s *Session) impatient() {
	s.delay.patience = nil
	s.delay.alone = true
	if s.state == joined {
		s.woken(true)
	}
}

// interrupt gives up the message that waits, if one does, for the reason that cause gives, and reports whether it did.
func (s *Session) interrupt(cause cancellation) bool {
	switch s.state {
	case waiting:
		if !s.driver.Abandon() { // a server is on its way
			s.attempt.cancelled = cause
			return true
		}
		s.enter(ready)
	case joined:
		s.stopWaiting()
	case judging:
		s.enter(ready)
	default:
		return false
	}
	s.giveUpMessage(cause)
	return true
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

// giveUpMessage answers the message that waited as PostgreSQL answers a statement that is cancelled.
func (s *Session) giveUpMessage(cause cancellation) {
	s.giveUpFill()
	s.acknowledge()
	s.attempt.giveUp()
	s.batch.inUnit, s.in.needs = false, 0
	s.waitOver()
	b := s.in.Join(nil)
	h, ok, err := pgwire.PeekHeader(b, s.identity.MaxMessage)
	simple := ok && err == nil && (h.Type == pgwire.Query || h.Type == pgwire.FunctionCall)
	if s.srv != nil && (s.srv.status != pgwire.TxIdle || s.busy() || s.srv.owed.open) {
		s.provoke(pgwire.CodeQueryCanceled, cause.words()) // at its place, and with its effect on the transaction
		if simple {
			s.exchange(owedSync, forward, syncMessage)
		}
	} else {
		report := pgwire.ErrorReport{Severity: "ERROR", Code: pgwire.CodeQueryCanceled, Message: cause.words()}
		s.client.Write(pgwire.AppendError(nil, report))
		if simple {
			s.client.Write(s.space.scratch.ready(pgwire.TxIdle))
		}
		s.batch.skips = !simple
	}
	s.batch.open = !simple
	if ok && err == nil {
		n := min(len(b), h.Total())
		s.in.left, s.in.drops = h.Total()-n, true
		b = b[n:]
	}
	s.in.Keep(b)
	s.advance(nil)
}

// statementTimeout is how long the client allows a statement to take, 0 for ever.
func (s *Session) statementTimeout() time.Duration {
	if s.params.want != nil {
		if limit, ok := s.params.want.StatementTimeout(); ok {
			return limit
		}
	}
	limit, _ := s.identity.freshTimeout() // before it is known, the server keeps watch alone
	return limit
}
