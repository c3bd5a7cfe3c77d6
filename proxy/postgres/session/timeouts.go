package session

import "overdrive/proxy/postgres/pgwire"

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
		s.queuesNoMore()
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

// giveUpMessage answers the message that waited as PostgreSQL answers a statement that is cancelled.
func (s *Session) giveUpMessage(cause cancellation) {
	s.giveUpWith(pgwire.CodeQueryCanceled, cause.words())
}

// giveUpWith answers the message that waited with an error.
func (s *Session) giveUpWith(code, words string) {
	s.giveUpFill()
	s.acknowledge()
	s.attempt.giveUp()
	s.batch.inUnit, s.in.needs = false, 0
	s.waitOver()
	b := s.in.Join(nil)
	h, ok, err := pgwire.PeekHeader(b, s.identity.Limits.Message())
	simple := ok && err == nil && (h.Type == pgwire.Query || h.Type == pgwire.FunctionCall)
	if s.begun != 0 { // as an error fails a transaction
		s.begun |= begunFailed
	}
	if s.srv != nil && (s.srv.status != pgwire.TxIdle || s.busy() || s.srv.owed.open) {
		s.provoke(code, words) // at its place, and with its effect on the transaction
		if simple {
			s.exchange(owedSync, forward, syncMessage)
		}
	} else {
		report := pgwire.ErrorReport{Severity: "ERROR", Code: code, Message: words}
		s.toClient(s.errorOf(report))
		if simple {
			s.readyForNext()
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
