package session

import "time"

// This file is about a session that waits because somebody else is asking the server the same question. It holds no server, so
// nobody waits for it.

// A sleeper is a session as the cache sees it.
type sleeper Session

// stopWaiting ends the wait for somebody else's answer.
func (s *Session) stopWaiting() {
	s.attempt.ticket.Leave()
	s.attempt.ticket = nil
	s.enter(ready)
}

// fillPatience is how long an answer that others wait for may hang on the client that was the first to ask for it.
const fillPatience = time.Second

// watchFill sees to it that who asks the same does not wait for this session's client: while the client does not read, or
// keeps its batch open, its answer does not become whole. After a while others may ask for themselves.
func (s *Session) watchFill() {
	hangs := s.srv != nil && s.identity.Cache != nil && (s.batch.open || s.client.Congested())
	switch {
	case hangs && s.attempt.fillTimer == nil:
		s.attempt.fillTimer = s.driver.After(fillPatience, func() {
			s.attempt.fillTimer = nil
			if s.state != gone && s.srv != nil {
				s.srv.abortFills()
			}
		})
	case !hangs && s.attempt.fillTimer != nil:
		s.attempt.fillTimer.Stop()
		s.attempt.fillTimer = nil
	}
}

// giveUpFill ends the wish to keep the answer to a message that will not be sent. Whoever waits for it asks for itself.
func (s *Session) giveUpFill() {
	s.attempt.fill.Abort()
	s.attempt.fill = nil
}
