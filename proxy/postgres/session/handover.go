package session

import (
	"slices"
	"time"

	"overdrive/proxy/postgres/pgwire"
)

// This file is about how the channels of a session come from its server to the listener, so that the session needs no server to hear of
// them. All of it goes by a marker: PostgreSQL gives all who listen the same notifications in the same order, so who hears is changed
// between two of them. See decision 26.

// Limits of what is handed over.
const (
	maxListened   = 1000            // channels of a session
	handOverLimit = 2 * time.Second // for the listener to see the marker that the server has seen
	handOverRetry = 2 * time.Second // until it is tried again, and twice as long after each time
	maxDoublings  = 7
)

// takeChannels takes in to what the server listens for the session, at rest.
func (s *Session) takeChannels(on listening) {
	h := s.hears
	if h == nil {
		if len(on.names) == 0 && !on.marked || s.identity.Mode == SessionPooling {
			if len(on.names) == 0 {
				s.unpin(pinListen)
			}
			return
		}
		h = &hearing{}
		s.hears = h
	}
	if h.step == stepLent {
		if h.turn.here || h.turn.there { // it was committed: the server knows all
			h.channels = nil
		}
		h.step = stepCalm
	}
	wanted := on.names
	for name := range h.channels {
		if !slices.Contains(on.names, name) {
			wanted = append(wanted, name)
		}
	}
	switch {
	case len(on.names) > 0 || on.marked:
		s.beginHandOver(wanted)
	case len(wanted) == 0:
		s.listenNoMore()
	default: // the listener hears all of them, as before
		h.step = stepCalm
		s.unpin(pinListen)
	}
}

// listenNoMore ends the hearing: the session has no channels.
func (s *Session) listenNoMore() {
	h := s.hears
	s.hears = nil
	s.unpin(pinListen)
	h.stopTimer()
	if h.sub != nil {
		h.sub.Close()
	}
	h.waiting.addAll(&h.kept)
}

// beginHandOver has the listener listen to the channels, too. Until it has been done the session is pinned.
func (s *Session) beginHandOver(wanted []string) {
	h := s.hears
	s.pin(pinListen)
	h.stopTimer()
	h.wanted = wanted
	pinned := s.pins&^(pinListen|pinUnlearned) != 0 && len(h.channels) == 0 && len(wanted) > 0 // for other reasons as well, so it would gain nothing
	if pinned || len(wanted) > maxListened || !s.identity.sameBytes(s.params.want) {
		s.refuseHandOver(false)
		return
	}
	if h.sub == nil {
		h.sub = s.driver.Subscribe()
	}
	switch {
	case h.sub == nil:
		s.refuseHandOver(false)
	case len(wanted) == 0:
		h.step = stepReady
	default:
		h.step = stepAsking
		h.serial++
		h.prepares = h.serial
		h.sub.Prepare(h.prepares, wanted)
	}
}

// refuseHandOver leaves it to the server to listen. What the listener hears for the session already it goes on hearing.
func (s *Session) refuseHandOver(again bool) {
	h := s.hears
	h.stopTimer()
	h.step = stepRefused
	if len(h.channels) == 0 {
		h.turn = turn{}
		h.waiting.addAll(&h.kept)
		if h.sub != nil {
			h.sub.Close()
			h.sub = nil
		}
	}
	if !again {
		return
	}
	h.refusals = min(h.refusals+1, maxDoublings)
	h.timer = s.driver.After(handOverRetry<<(h.refusals-1), func() {
		h.timer = nil
		if s.state != gone && s.hears == h && h.step == stepRefused {
			s.space.scratch.reset()
			s.beginHandOver(h.wanted)
			s.settle()
		}
	})
}

// settleHearing follows every event: it tells the client, or sends the marker, if this is the moment.
func (s *Session) settleHearing() {
	if s.lull() {
		s.tellNews()
	}
	if s.handsOver() {
		s.handOver()
	}
}

// lull says whether the client can be told of notifications.
func (s *Session) lull() bool {
	return s.state == ready && !s.batch.open && !s.batch.skips && s.status() == pgwire.TxIdle && (s.srv == nil || s.srv.atRest())
}

// handsOver says whether the marker can be sent now.
func (s *Session) handsOver() bool {
	h := s.hears
	return h != nil && h.step == stepReady && s.params.inquiry == nil && s.srv != nil && s.atRest() && (h.turn.marker == "" || h.turn.there)
}

// handOver sends the marker. What the client sends meanwhile waits.
func (s *Session) handOver() {
	h := s.hears
	h.turn = turn{}
	if len(h.wanted) == 0 { // but for the channel of markers
		s.dropChannels()
	} else {
		h.step, h.turn.marker = stepMarking, h.sub.Marker()
		h.sub.TurnOn(h.turn.marker, h.wanted)
		s.srv.send(hands, false, func(b []byte) []byte { return h.appendMarker(b) })
	}
	s.enter(settling)
	s.errand.asking = true
}

// appendMarker adds what has the server listen for the marker, and send it.
func (h *hearing) appendMarker(b []byte) []byte {
	b = append(b, once("LISTEN "+h.sub.Channel())...)
	return append(b, once("NOTIFY "+h.sub.Channel()+", '"+h.turn.marker+"'")...)
}

// dropChannels has the server listen no more.
func (s *Session) dropChannels() {
	h := s.hears
	h.stopTimer()
	h.step, h.turn.answered, h.turn.failed = stepDropping, false, false
	s.srv.send(hands, h.turn.tries > 0, func(b []byte) []byte { return append(b, unlisten...) })
}

var unlisten = once("UNLISTEN *")

// handing says whether a session that settles must go on settling: for the listener's sake, with nothing owed by the server.
func (s *Session) handing() bool {
	h := s.hears
	switch {
	case h == nil:
	case h.gated:
		return true
	case h.step == stepMarking && (h.turn.failed || !h.turn.here): // the server has not done what it was told
		s.giveUpTurn()
		return s.state != settling
	case h.step == stepMarking && h.turn.there:
		s.dropChannels()
		return true
	case h.step == stepMarking:
		h.stopTimer()
		h.timer = s.driver.After(handOverLimit, func() {
			h.timer = nil
			if s.state != gone && s.hears == h && h.step == stepMarking {
				s.space.scratch.reset()
				s.giveUpTurn()
				s.settledAgain()
			}
		})
		return true
	case h.step == stepDropping && h.turn.failed && h.turn.tries+1 < maxTries:
		h.turn.tries++
		s.dropChannels()
		return true
	case h.step == stepDropping:
		s.handedOver()
	}
	return false
}

// giveUpTurn is called when the server has sent the marker, or was told to, and the listener does not see it.
func (s *Session) giveUpTurn() {
	h := s.hears
	if len(h.channels) > 0 { // it has heard before, and is deaf now, or as good as
		s.loseListener()
		return
	}
	s.refuseHandOver(true)
}

// handedOver is called when the server has been told to listen no more.
func (s *Session) handedOver() {
	h := s.hears
	if h.turn.failed { // who has the server next washes it
		s.srv.params.stain = strangers
	}
	h.turn, h.kept = turn{}, backlog{} // the listener tells of these
	if len(h.wanted) == 0 {
		s.listenNoMore()
		return
	}
	h.step, h.refusals, h.channels = stepCalm, 0, make(map[string]bool, len(h.wanted))
	for _, name := range h.wanted {
		h.channels[name] = true
	}
	h.wanted = nil
	s.unpin(pinListen)
}

// settledAgain takes up the message that waited while the session settled for the listener's sake.
func (s *Session) settledAgain() {
	if s.state != settling {
		return
	}
	s.enter(ready)
	s.errand.asking = false
	s.resume()
	s.settle()
}

// deaf says whether something may be lost with the listener: it hears what no server hears, or has yet to tell what came before that.
func (h *hearing) deaf() bool {
	switch h.step {
	case stepLent:
		return !h.turn.there
	case stepDropping:
		return len(h.wanted) > 0
	}
	return len(h.channels) > 0
}

// loseListener is called when nothing more comes from the listener. A session for which only it has heard is told, and ends.
func (s *Session) loseListener() {
	h := s.hears
	if h.deaf() {
		s.reject(ReasonListenerLost, pgwire.CodeAdminShutdown,
			"terminating connection because the proxy's connection that listens for this session is lost")
		return
	}
	if h.step == stepMarking && h.turn.there { // the server has said so, too
		h.waiting.cut(h.turn.before)
	}
	h.sub = nil
	waits := h.step == stepMarking || h.gated
	h.gated, h.round = false, 0
	// Where the server was lent the channels it will be asked for what it hears. Until then it is known by them what the listener has told
	// already: the server may be behind it.
	if h.step != stepLent {
		s.refuseHandOver(true)
	}
	switch {
	case s.srv != nil && s.srv.in.halted:
		h.passed = true
		s.srv.goOn()
	case waits && !s.busy():
		s.settledAgain()
	}
}
