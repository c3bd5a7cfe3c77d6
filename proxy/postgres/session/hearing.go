package session

import (
	"strings"

	"overdrive/proxy/postgres/pgwire"
)

// This file is about a session as the receiver of notifications: what it makes of what its server says, and the listener. PostgreSQL tells a client of
// what it has notified itself ahead of the ReadyForQuery that ends the transaction.

// notified is the server connection's call: a notification has come, whose tail is borrowed. It returns what the client gets.
func (s *Session) notified(pid uint32, tail []byte) []byte {
	channel, payload, _ := strings.Cut(string(tail[:len(tail)-1]), "\x00")
	h := s.hears
	switch {
	case strings.HasPrefix(channel, NoticeChannelPrefix):
		if h != nil && payload == h.turn.marker {
			h.turn.here = true
		}
		return nil
	case h == nil:
	case h.keeps():
		h.kept.add(s.noteOf(pid, s.driver.Sender(pid), true, tail))
		return nil
	case h.channels[channel] && !h.turn.here: // the listener says so, too
		return nil
	}
	n := s.noteOf(pid, s.driver.Sender(pid), true, tail)
	if h != nil && h.step == stepMarking { // what waits comes behind the marker, and this ahead of it
		return appendNote(nil, &n)
	}
	if h != nil && len(h.waiting.notes) > 0 && s.client.Congested() {
		h.waiting.add(n)
		return nil
	}
	return appendNote(s.news(), &n)
}

// mustHear is the server connection's call: whether a ReadyForQuery that leaves no transaction open must wait until the listener has told
// of all that was committed before.
func (s *Session) mustHear() bool {
	h := s.hears
	if h == nil || h.sub == nil || h.passed {
		return false
	}
	if !h.undecided(s.srv) && !(s.srv.voice.spoken && len(h.channels) > 0 && !h.turn.here) {
		return false
	}
	if h.round == 0 {
		s.askRound()
	}
	return true
}

// heardOut is called when a batch of the client's was answered.
func (s *Session) heardOut() {
	if s.srv.status == pgwire.TxIdle && s.srv.owed.toCome() == 0 {
		s.srv.voice.spoken = false
	}
	if s.hears != nil {
		s.hears.passed = false
	}
}

// Hear is the driver's call on the session's loop: what the listener has told the subscription, in its order.
func (s *Session) Hear(from Subscription, events []Heard) {
	s.space.scratch.reset()
	for i := range events {
		h := s.hears
		if s.state == gone || h == nil || h.sub != from {
			return
		}
		s.heard(h, &events[i])
	}
	switch {
	case s.state == gone:
	case s.srv != nil && s.learns():
		s.learn()
	default:
		s.settle()
	}
}

func (s *Session) heard(h *hearing, e *Heard) {
	switch e.Kind {
	case Notified:
		h.waiting.add(s.noteOf(e.PID, e.Sender, false, e.Tail))
		s.boundNews()
	case Prepared:
		if h.step == stepAsking && e.Number == h.prepares {
			h.step = stepReady
		}
	case Refused:
		if h.step == stepAsking && e.Number == h.prepares {
			s.refuseHandOver(true)
		}
	case Turned:
		if e.Text == h.turn.marker {
			s.turned()
		}
	case Passed:
		if e.Number == h.round {
			s.roundOver()
		}
	case Overrun:
		s.overrun()
	case Unheard:
		s.loseListener()
	}
}

// boundNews ends the session if its client cannot be told of what has come, and too much has.
func (s *Session) boundNews() {
	h := s.hears
	if h == nil || h.waiting.bytes+h.kept.bytes <= MaxHeard {
		return
	}
	if s.lull() {
		s.tellNews()
	}
	if h.waiting.bytes+h.kept.bytes > MaxHeard {
		s.overrun()
	}
}

// roundOver lets go on what has waited for the round.
func (s *Session) roundOver() {
	h := s.hears
	h.round = 0
	switch {
	case h.gated:
		h.gated = false
		if s.srv != nil {
			s.srv.voice.by = 0
		}
		s.settledAgain()
	case s.srv != nil && s.srv.in.halted:
		if h.undecided(s.srv) {
			if s.decideLoan(); s.state == gone {
				return
			}
		}
		h.passed = true
		s.srv.goOn()
	}
}

// turned is called when the listener has seen the marker: it hears for the session from now on, or does so no more.
func (s *Session) turned() {
	h := s.hears
	h.turn.there, h.turn.before = true, len(h.waiting.notes)
	switch {
	case h.step != stepMarking:
		h.waiting.addAll(&h.kept)
	case h.turn.answered && s.srv != nil:
		s.dropChannels()
	}
}

// decideLoan is called when the transaction in which the server was lent the channels is over, and the listener has not seen the marker.
func (s *Session) decideLoan() {
	h := s.hears
	if h.turn.here { // the server has seen it, so the listener is not what it was
		s.loseListener()
		return
	}
	h.sub.Forget(h.turn.marker) // it was rolled back, and so was all that it did to the channels
	h.step, h.turn = stepCalm, turn{}
}

// overrun ends a session whose client does not take in what it listens to.
func (s *Session) overrun() {
	s.reject(ReasonListenerLost, "53400", "terminating connection: the client does not read its notifications, or is in a transaction for too long")
}
