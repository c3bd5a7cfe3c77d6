package session

import (
	"errors"
	"time"

	"overdrive/proxy/postgres/pgwire"
)

// Fault is the driver's call: a fault of ours was contained, so the session can be in any state and must end.
func (s *Session) Fault(err error) { s.end(ReasonPanic, err) }

// leave lets the server finish what it was asked, then ends the session. A grace of zero sets no limit.
func (s *Session) leave(grace time.Duration) {
	s.enter(leaving)
	s.stopIdling()
	if grace > 0 {
		s.endTimer = s.driver.After(grace, func() { s.end(ReasonClientClosed, nil) })
	}
	s.settle()
}

// reject ends the session with an error that the client gets to read.
func (s *Session) reject(why Reason, code, message string) {
	s.rejectFor(why, code, message, errors.New(message))
}

// rejectFor is reject where the log is told something else than the client, whose values may stand in the message.
func (s *Session) rejectFor(why Reason, code, message string, err error) {
	if s.state == gone {
		return
	}
	if s.srv == nil || !s.srv.amidReply() { // else the client could not tell it from the rest of a row
		report := pgwire.ErrorReport{Severity: "FATAL", Code: code, Message: message}
		s.toClient(s.errorOf(report))
	}
	s.end(why, err)
}

// violation ends the session because its client broke the protocol.
func (s *Session) violation(message string) {
	s.reject(ReasonClientProtocol, pgwire.CodeProtocolViolation, message)
}

// end is the one way out. The server connection is released, cleaned or given up, whatever state it is in.
func (s *Session) end(why Reason, err error) {
	if s.state == gone {
		return
	}
	switch {
	case s.state == waiting, s.state == greeting && s.srv == nil:
		s.driver.Abandon()
	case s.state == joined:
		s.stopWaiting()
	}
	s.enter(gone)
	s.waitOver()
	s.queuesNoMore()
	if s.endTimer != nil {
		s.endTimer.Stop()
	}
	if s.attempt.fillTimer != nil {
		s.attempt.fillTimer.Stop()
	}
	s.in.Keep(nil)
	s.giveUpFill()
	if s.pins != 0 {
		s.identity.pins.now.Add(-1)
	}
	if s.hears != nil {
		s.hearNoMore()
	}
	if s.srv != nil {
		s.handBack()
	}
	s.client.CloseAfterFlush()
	s.driver.Ended(why, err)
}
