package session

import (
	"fmt"
	"strings"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/sqlscan"
)

// This file is about a session as the holder of a server connection: what it makes of what the server answers.

// undone is the server connection's call: what was noted for a message that the server skipped is taken back.
func (s *Session) undone(e *owed, failed bool) {
	switch {
	case e.kind == owedParse && e.name != "" && (s.names.known[e.name].statement == e.statement || e.statement == noStatement):
		s.forgetName(e.name)
	case e.decidesParse():
		s.forgetName(e.name)
	case e.kind == owedParse && e.unnamed && e.action != skip && failed:
		s.names.sure = nil // the server drops the old one before it looks at the new
	case e.kind == owedClose && e.action == fake && !e.unnamed && e.statement != nil:
		s.remember(e.name, e.statement)
	}
}

// settled is the server connection's call.
func (s *Session) settled(e *owed) {
	if after, touched := e.unnamedAfter(); touched && e.action != skip {
		s.names.sure = after
	}
	if e.kind == owedQuery && e.action == fake {
		s.turnEnds(s.srv.status, false, s.srv.owed.len() > 0)
	}
}

// skipped is the server connection's call. The batch is open until a Sync that is still to be sent, even if a Query was to
// end it. The unnamed statement is what it was for certain, changed by what is still to come.
func (s *Session) skipped() {
	s.batch.open = s.batch.open || s.srv.trouble.discarding
	s.names.unnamed = s.srv.owed.unnamedAfter(s.names.sure, false)
}

// completed is the server connection's call. The tag tells what really happened, where the text only asked.
func (s *Session) completed(tag []byte) {
	switch string(tag) {
	case "ROLLBACK":
		s.params.resets.rolledBack = true
	case "DISCARD ALL":
		s.forgetNames()
		s.forgetPortals()
		s.params.resets = resets{} // whatever came before, and how it ended
		s.params.resets.reset("all", s.srv.owed.answered)
		s.unpin(allPins)
		s.view.veiled = false
		s.params.inquiry = nil
		if s.hears != nil {
			s.listenNoMore()
		}
		s.params.want = s.identity.Interner.Without(s.params.want, "role")
	case "DEALLOCATE ALL":
		s.forgetNames()
	case "DEALLOCATE":
		if drops := s.srv.prepared.dropping; len(drops) > 0 {
			s.forgetName(drops[0])
			s.srv.prepared.dropping = drops[1:]
		}
	}
}

// parameter is the server connection's call. What the server reports while the client's own statements run is what the
// client has set; what it reports while ours run is news only if it is not what the client believes.
func (s *Session) parameter(name, value string, injected bool) (pass bool) {
	if s.params.want == nil {
		return false
	}
	if !settings.Settable(name) {
		if name == "session_authorization" && s.state != greeting && !s.identity.logsInAs(value) {
			s.pin(pinSetting) // it cannot follow
		}
		return s.state != greeting // its greeting will tell
	}
	ours := injected || s.state == greeting
	switch {
	case sqlscan.IsASCII(value):
		s.params.want = s.identity.Interner.With(s.params.want, name, value)
	case !ours: // told in the client's encoding: what the server has must be asked for
		s.mustAsk(sqlscan.Fold(name))
		s.pin(pinUnlearned)
	}
	if ours {
		return false
	}
	s.params.told = s.identity.Interner.With(s.params.told, name, value)
	return true
}

// failed is the server connection's call.
func (s *Session) failed(r pgwire.ErrorReport, e *owed) {
	switch {
	case e == nil:
		s.identity.Meter.ServerErrors.AddError(r.Code)
		return
	case e.errand == asks:
		if s.params.inquiry != nil {
			s.params.inquiry.failed = true
		}
		return
	case e.errand == probes: // what it says is not known: the text goes out
		return
	case e.errand == lends: // as the statement that needs it will
		return
	case e.errand == hands:
		if s.hears != nil {
			s.hears.turn.failed = true
		}
		return
	case e.errand == applies, e.errand == begins:
		s.errand.failed = true
		return
	case e.errand == discards: // a request to cancel has come at that moment, say
		s.srv.params.drawn = strangers
		return
	case r.Code == pgwire.CodeFeatureNotSupported && e.statement != nil:
		e.statement.stale.Store(true) // "cached plan must not change result type"
	}
	s.identity.Meter.ServerErrors.AddError(r.Code)
	s.accountError(r.Code)
	s.doubtSets()
	if tried := s.srv.params.tried; tried != 0 && s.srv.owed.answered == s.srv.params.triedIn {
		s.unpin(tried)
		s.srv.params.tried = 0
	}
	s.params.resets.rolledBack = true
	s.view.renamed = s.view.renamed || s.view.hasLocals()
	s.forgetWithheld(e)
	if s.batch.discards && s.srv.status == pgwire.TxIdle && s.srv.owed.len() == 1 && halfDone(r.Code) {
		s.forgetNames()
		s.srv.doubtResidents()
	}
	if r := s.params.resets.undone; r != nil && s.srv.owed.answered == r.in {
		s.params.resets.take() // what failed has reset nothing
	}
}

// halfDone says whether a DISCARD ALL that failed so has dropped the prepared statements, as it does before it drops the temporary
// tables: locks may be in the way of these, or there may be too many of them.
func halfDone(code string) bool {
	switch code {
	case pgwire.CodeQueryCanceled, pgwire.CodeLockNotAvailable, pgwire.CodeDeadlock:
		return true
	}
	return strings.HasPrefix(code, "53") || strings.HasPrefix(code, "58") || strings.HasPrefix(code, "XX")
}

// tooLarge is the server connection's call.
func (s *Session) tooLarge() {
	s.cache.last, s.cache.why = indexOf(statusOversized), "the answer is larger than max_result, or than the memory for answers on their way"
	if t := s.srv.work.shape; t != nil {
		t.Oversized.Add(1)
	}
}

// reopened is the server connection's call.
func (s *Session) reopened() { s.batch.open = true }

// ready is the server connection's call: a batch ended.
func (s *Session) ready(e *owed) {
	srv := s.srv
	s.settled(e)
	if e.errand == probes && s.errand.novelty == notAsked {
		s.errand.novelty = unknownHere
	}
	if e.errand == asks {
		s.adopt()
		s.asked()
	}
	switch e.errand {
	case discards, lends: // ahead of what the client has sent since
		return
	case begins:
		s.begunAtServer()
		return
	case hands:
		if s.hears != nil {
			s.hears.turn.answered = true
		}
		return
	}
	if srv.status == pgwire.TxIdle {
		s.forgetPortals()
		if srv.owed.toCome() == 0 { // else a transaction that was sent since may have begun
			s.cache.localOff, s.view.renamed, s.view.tempPath, s.view.begins = false, false, false, false
			s.batch.onlyReads, s.view.madeCode, s.view.recodes = true, false, false
			if s.view.hasLocals() {
				s.view.names.open = false
			}
			s.resetsEnded()
		}
	}
	s.view.readOnly = s.view.begins && srv.status == pgwire.TxOpen
	if e.action == forward {
		if s.account != nil {
			s.account.Upstream += srv.work.took
		}
		s.turnEnds(srv.status, true, srv.owed.len() > 0)
		s.heardOut()
		if srv.owed.toCome() == 0 { // what resets is the last under way
			s.bringBack()
		}
	}
}

// walked is the server connection's call after each event.
func (s *Session) walked() {
	srv := s.srv
	if srv.trouble.doubtful {
		s.pin(pinDoubtful)
	}
	if s.identity.Mode == StatementPooling && srv.status == pgwire.TxOpen {
		s.reject(ReasonClientProtocol, pgwire.CodeProtocolViolation, "transaction blocks not allowed in statement pooling mode")
		return
	}
	if s.boundNews(); s.state == gone {
		return
	}
	if s.state == stalled && srv.copying.in {
		s.enter(ready) // the server waits for what the client sends
	}
	if !srv.busy() {
		switch {
		case s.errand.failed:
			s.errandFailed()
			return
		case s.errand.unanswerable:
			s.reject(ReasonServerLost, pgwire.CodeConnectionFailure,
				"what the session has set could not be asked from the server: "+s.words(srv.trouble.last.Message, srv))
			return
		case s.state == settling && s.handing():
			return
		case s.state == settling:
			if !s.errand.asking {
				s.settingsApplied()
			}
			s.enter(ready)
			s.errand.asking = false
			if s.closesLeft() {
				return
			}
			if s.learns() { // the rest of a question
				s.learn()
				return
			}
			s.resume() // before anybody else can be given the server
		case s.state == stalled:
			s.enter(ready)
		case s.state == greeting:
			s.startupDone()
		}
		s.tell()
		if s.misheard() {
			s.lendAll()
		}
		if s.learns() {
			s.learn()
			return
		}
	}
	s.settle()
}

// tell reports to the client what it has to believe and was not told by the server.
func (s *Session) tell() {
	if b := s.untold(); len(b) > 0 {
		s.toClient(b)
	}
}

// untold are the messages by which a client is told what it has to believe and was not told by the server. It is told with them.
func (s *Session) untold() []byte {
	if s.params.told == s.params.want || s.state >= leaving || s.params.told == nil {
		return nil
	}
	told := s.params.told
	s.params.told = s.params.want
	return s.space.scratch.add(func(b []byte) []byte {
		for _, it := range s.identity.reported(s.params.want).Items() {
			if value, ok := told.Get(it.Key); (!ok || value != it.Value) && s.tellable(it.Value) {
				b = pgwire.AppendParameterStatus(b, it.Name, it.Value)
			}
		}
		return b
	})
}

// lost is the server connection's call: it is gone. If it was only given the client's settings, or asked what they are, the session
// goes on with another, unless it had state there. Else it ends. If the server gave a reason, the client has it already.
func (s *Session) lost(err error) {
	srv := s.srv
	s.srv = nil
	if h := s.hears; h != nil {
		h.gated, h.round = false, 0
	}
	ours := (s.state == settling || s.state == greeting) && srv.status == pgwire.TxIdle && srv.owesOnlyUs()
	switch {
	case ours && s.replaceable():
		s.restart()
	case srv.trouble.unheard:
		s.reject(ReasonServerLost, srv.trouble.last.Code, s.words(srv.trouble.last.Message, srv))
	case srv.trouble.dying || srv.amidReply():
		s.end(ReasonServerLost, err)
	default:
		s.reject(ReasonServerLost, pgwire.CodeConnectionFailure, fmt.Sprintf("server connection lost: %v", err))
	}
}

// replaceable says whether all that the session has set is known, so that it can go on with any server.
func (s *Session) replaceable() bool {
	return s.pins == 0 && s.params.inquiry == nil && s.identity.Mode != SessionPooling && s.errand.restarts+1 < maxTries
}

// restart takes up again what the server was lost for, in an event of its own: the pool must hear of the loss first.
func (s *Session) restart() {
	s.errand.lost()
	s.driver.Post(func() {
		s.space.scratch.reset()
		switch {
		case s.srv != nil:
		case s.state == greeting:
			s.tryStartup()
		case s.state == settling: // the message at hand waits, or has been given up meanwhile
			s.enter(ready)
			s.resume()
			s.settle()
		}
	})
}

// errandFailed is called when all is answered that was owed with an errand that gives the server the client's settings. At login they are
// the client's own mistake, and later nothing that it does could be trusted to run under them; unless the error may pass.
func (s *Session) errandFailed() {
	washed := s.errand.washes
	s.errand.failed, s.errand.washes = false, false
	srv := s.srv
	switch {
	case srv.status != pgwire.TxIdle:
	case passing(srv.trouble.last.Code) && s.errand.tries+1 < maxTries:
		if s.errand.tries++; s.change() {
			return
		}
	case washed && srv.params.unasked: // perhaps it withholds its view of them
		if srv.params.unasked = false; s.change() {
			return
		}
	case !washed && srv.params.has != srv.params.born: // perhaps it refuses to take back what another client has set, or tried to
		if srv.params.stain = strangers; s.change() {
			return
		}
	}
	last := &srv.trouble.last
	s.rejectFor(ReasonSettings, last.Code, s.words(last.Message, srv), fmt.Errorf("the server refuses what the client has set: SQLSTATE %s", last.Code))
}

// pay is the server connection's call when the turn of a fake has come: it gives the client a reply of ours, whose bytes never
// change. Answers of the cache are no fakes; see giveAnswer.
//
// Invariant: no byte of ours is written before every reply owed ahead of it.
func (s *Session) pay(reply []byte) {
	if len(reply) >= sharedFrom {
		s.shareWithClient(reply, nil)
	} else {
		s.toClient(reply)
	}
}

// begunAtServer is called when the server has answered the BEGIN.
func (s *Session) begunAtServer() {
	if s.errand.failed {
		return
	}
	s.srv.answers.early = s.attempt.fill != nil
	s.view.begins = s.begun&begunReadOnly != 0
	s.view.readOnly = s.view.begins
	s.begun, s.srv.opened = 0, s.begun
}
