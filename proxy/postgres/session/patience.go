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
	since             instant // none: it does not wait
	timeout, patience Timer   // the client's statement_timeout, and the pool's wait_timeout; see standBy
}

// end is called when the message has gone, or is given up: the next one's time is its own.
func (d *delay) end() {
	d.since = 0
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
		s.delay.patience = s.driver.After(limit-time.Duration(s.space.instant()-s.delay.since), s.impatient)
	}
}

// startClock notes that the message at hand waits, from now on or already.
func (s *Session) startClock() {
	if s.waits() {
		return
	}
	s.delay.since = s.space.instant()
	if limit := s.statementTimeout(); limit > 0 {
		s.delay.timeout = s.driver.After(limit, s.timedOut)
	}
}

// waits says whether the message at hand waits, or has waited.
func (s *Session) waits() bool { return s.delay.since != 0 }

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
		s.attempt.joins, s.attempt.alone = 0, false
	}
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
