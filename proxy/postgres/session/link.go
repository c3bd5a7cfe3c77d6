package session

import (
	"slices"
	"strings"
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
)

// This file is about the bond between a session and its server connection: how it comes about, what must be true
// before the first message goes out, and how it ends.

// link returns a server that is ready for the client's next message, or nil: then the session waits for one, or for its
// settings to be applied, and takes the message up again afterwards.
func (s *Session) link() *ServerConn {
	if s.srv == nil {
		srv := s.driver.Acquire(s.space.time(s.delay.since), s.errand.fresh)
		if srv == nil {
			s.identity.pins.noteWait()
			s.queues()
			s.standBy(waiting)
			return nil
		}
		s.hold(srv)
	}
	if (s.params.want != s.srv.params.has || s.mustWash()) && !s.applySettings() {
		return nil
	}
	if r := s.params.resets.undone; r != nil && r.repairs != nil && !s.repair() {
		return nil
	}
	if drawn := s.srv.params.drawn; drawn != 0 && drawn != s.login.id {
		s.srv.forgetSequences()
	}
	if s.begun != 0 {
		s.tellBegin()
		return nil
	}
	return s.srv
}

// hold makes the session the holder of srv.
func (s *Session) hold(srv *ServerConn) {
	s.queuesNoMore()
	s.srv, s.errand.applied, s.attempt.leased = srv, nil, true
	s.errand.fresh, s.errand.novelty = false, notAsked
	s.rest()
	srv.holder, srv.voice.spoken = s, false
}

// applySettings starts to bring the server to the client's settings. true: there is nothing to do, or it cannot be done
// now, since replies are owed or the transaction has failed; what the client changed in between is its own doing then.
func (s *Session) applySettings() bool {
	srv, wash := s.srv, s.mustWash()
	switch {
	case srv.owed.len() > 0 || srv.owed.open || srv.status != pgwire.TxIdle:
		if wash {
			s.giveUpFill()
		}
		return true
	case !wash && srv.params.has == s.errand.applied:
		return true
	case s.change():
		s.enter(settling)
		return false
	}
	s.params.want = srv.params.has // equal, and from now on the same pointer
	return true
}

// repair gives the server, in an open transaction, what a RESET has taken too far. It returns false: the message at hand waits.
func (s *Session) repair() bool {
	srv, repairs := s.srv, s.params.resets.repairs
	if srv.owed.len() > 0 || srv.owed.open || srv.status != pgwire.TxOpen {
		return true // replies are owed, or the transaction has failed
	}
	s.params.resets.repairs = nil
	srv.send(applies, false, func(b []byte) []byte { return appendChange(b, nil, repairs, s.params.want.Encoding()) })
	s.enter(settling)
	s.errand.asking = true
	return false
}

// change sends what brings the server to the client's settings, and reports whether there is anything to do.
func (s *Session) change() bool {
	srv, wash := s.srv, s.mustWash()
	has := srv.params.has
	if wash {
		has = srv.params.born
	}
	resets, sets := has.Differences(s.params.want)
	if !wash && len(resets) == 0 && len(sets) == 0 {
		return false
	}
	s.errand.washes = wash
	if slices.ContainsFunc(sets, func(it settings.Setting) bool { return strings.Contains(it.Key, ".") }) {
		srv.setOwn(s.login.id)
	}
	srv.send(applies, s.errand.tries > 0, func(b []byte) []byte {
		if wash {
			b = srv.appendWash(b)
		}
		b = appendChange(b, resets, sets, s.params.want.Encoding())
		if wash {
			b = srv.appendAskLeft(b)
		}
		return b
	})
	return true
}

// settingsApplied notes on both sides what the server has now. What it reports it has told itself, in its own spelling;
// the rest is as it was asked for. In a transaction that may yet be rolled back the rest stays unknown.
func (s *Session) settingsApplied() {
	srv := s.srv
	srv.params.has = s.identity.unreported(srv.params.has, s.params.want, srv.status == pgwire.TxIdle)
	if s.errand.washes {
		srv.washed()
		srv.params.drawn, s.errand.washes = 0, false
	}
	s.errand.tries = 0
	if srv.status == pgwire.TxIdle {
		s.params.want = srv.params.has
	}
	s.errand.applied = srv.params.has
}

// maybeRelease gives the server back if nothing ties it to the client any more. Each of the conditions alone is not
// enough: a pipelining client has several Syncs under way, a copying one sends bytes that no reply is owed for.
func (s *Session) maybeRelease() {
	srv := s.srv
	if srv == nil || !srv.atRest() || s.in.left > 0 || s.batch.open || s.pins != 0 || srv.trouble.doubtful ||
		s.state == settling || s.state == greeting || s.identity.Mode == SessionPooling {
		return
	}
	if s.batch.copied && srv.peer.Pending() > 0 { // the end of a copy that the server gave up: it will be read, and ignored
		if !s.retrying {
			s.retrying = true
			s.driver.After(releaseRetry, func() { s.retrying = false; s.settle() })
		}
		return
	}
	if srv.hasStrays() {
		if s.state == ready || s.state == leaving {
			s.closeStrays()
		}
		return
	}
	s.srv, s.batch.copied = nil, false
	srv.holder = nil
	if srv.params.drawn == s.login.id { // whose next statement may be currval or lastval
		s.driver.Prefer(srv.driver)
	}
	srv.release()
}

// releaseRetry is how soon a release is tried again that had to wait for the socket.
const releaseRetry = 10 * time.Millisecond

// closeStrays frees the statements that are not to be there when the server is released.
func (s *Session) closeStrays() {
	srv := s.srv
	for _, name := range srv.strayNames() {
		srv.exchange(owedClose, skip, s.space.scratch.target(pgwire.Close, pgwire.Statement, name))
	}
	srv.dropStrays()
	if s.state == ready { // what comes next waits, since settings are only applied when nothing is owed
		s.enter(settling)
		s.errand.asking = true
	}
	srv.exchange(owedSync, skip, syncMessage)
}

// handBack parts with the server at the end of the session.
func (s *Session) handBack() {
	srv := s.srv
	s.srv = nil
	srv.holder = nil
	srv.abortFills()
	defer srv.goOn() // who has it now
	switch {
	case s.in.left > 0 && !s.in.drops && s.in.copies:
		srv.finish(amidCopyMessage)
	case s.in.left > 0 && !s.in.drops:
		srv.finish(amidMessage)
	case srv.copying.in:
		srv.finish(amidCopy)
	case s.batch.open || srv.trouble.discarding:
		srv.finish(amidBatch)
	case srv.trouble.doubtful || !srv.owesOnlyUs():
		srv.finish(amidReplies)
	case s.pins&^pinUnlearned != 0 || s.identity.Mode == SessionPooling || srv.hasStrays():
		srv.clean(discardAll)
	case s.pins != 0 || srv.owed.len() > 0: // what it has set is not known, or not any more
		srv.clean(washAway)
	case srv.status != pgwire.TxIdle:
		srv.clean(rollBack)
	default:
		srv.release()
	}
}

// closesLeft has what was left closed before anything else, and says whether there is something. The message at hand waits.
func (s *Session) closesLeft() bool {
	if !s.srv.prepared.left {
		return false
	}
	s.srv.prepared.left = false
	s.closeStrays()
	return true
}

// tellBegin has the server begin the transaction before anything else. The message at hand waits for the answer.
func (s *Session) tellBegin() {
	s.stopIdling()
	text := "BEGIN"
	if s.begun&begunCommitted != 0 {
		text += " ISOLATION LEVEL READ COMMITTED"
	}
	switch {
	case s.begun&begunReadOnly != 0:
		text += " READ ONLY"
	case s.begun&begunReadWrite != 0:
		text += " READ WRITE"
	}
	s.srv.send(begins, false, func(b []byte) []byte { return append(append(b, parseOf(text)...), runOnce...) })
	s.enter(settling)
	s.errand.asking = true
}
