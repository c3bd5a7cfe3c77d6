package proxy

import "time"

// This file is about a session that waits because somebody else is asking the server the same question. It holds no server, so
// nobody waits for it.

// A sleeper is a session as the cache sees it.
type sleeper session

// Wake is the cache's call, from any goroutine. One that comes late, for a wait that is over, does no harm: who is woken
// asks again.
func (w *sleeper) Wake(alone bool) {
	s := (*session)(w)
	s.worker.post(func() { s.woken(alone) })
}

// woken takes the message up again: the answer is kept by now, or else the first to ask is the next to go to the server. alone
// says that waiting again is of no use, so that each must ask for itself.
func (s *session) woken(alone bool) {
	s.worker.scratch.reset()
	if s.state != joined {
		return
	}
	s.stopWaiting()
	s.waited++
	s.alone = alone
	s.advance(nil)
	s.alone = false
	if s.state != joined {
		s.waited = 0
	}
	s.settle()
}

// stopWaiting ends the wait for somebody else's answer.
func (s *session) stopWaiting() {
	s.ticket.Leave()
	s.ticket = nil
	s.state = ready
}

// fillPatience is how long an answer that others wait for may hang on the client that was the first to ask for it.
const fillPatience = time.Second

// watchFill sees to it that who asks the same does not wait for this session's client: while the client does not read, or
// keeps its batch open, its answer does not become whole. After a while others may ask for themselves.
func (s *session) watchFill() {
	hangs := s.srv != nil && s.origin.cache != nil && (s.midBatch || s.client.Congested())
	switch {
	case hangs && s.fillTimer == nil:
		s.fillTimer = s.worker.after(fillPatience, func() {
			s.fillTimer = nil
			if s.state != gone && s.srv != nil {
				s.srv.abortFills()
			}
		})
	case !hangs && s.fillTimer != nil:
		s.fillTimer.Stop()
		s.fillTimer = nil
	}
}

// giveUpFill ends the wish to keep the answer to a message that will not be sent. Whoever waits for it asks for itself.
func (s *session) giveUpFill() {
	s.fill.Abort()
	s.fill = nil
}
