package proxy

import "overdrive/proxy/pgwire"

// This file is about a session as the holder of a server connection: what it makes of what the server answers.

// undone is the server connection's call: what was noted for a message that the server skipped is taken back.
func (s *session) undone(e *owed, failed bool) {
	switch {
	case e.kind == owedParse && e.name != "" && s.names[e.name].statement == e.statement:
		delete(s.names, e.name)
	case e.kind == owedParse && e.unnamed && e.action != skip && failed:
		s.sure = nil // the server drops the old one before it looks at the new
	case e.kind == owedClose && e.action == fake && !e.unnamed && e.statement != nil:
		s.remember(e.name, e.statement)
	}
}

// settled is the server connection's call.
func (s *session) settled(e *owed) {
	if after, touched := e.unnamedAfter(); touched && e.action != skip {
		s.sure = after
	}
}

// skipped is the server connection's call. The batch is open until a Sync that is still to be sent, even if a Query was to
// end it. The unnamed statement is what it was for certain, changed by what is still to come.
func (s *session) skipped() {
	s.midBatch = s.midBatch || s.srv.discarding
	s.unnamed = s.srv.owed.unnamedAfter(s.sure, false)
}

// toClient is the server connection's call.
func (s *session) toClient(b []byte) { s.client.Write(b) }

// completed is the server connection's call. The tag tells what really happened, where the text only asked.
func (s *session) completed(tag []byte) {
	s.write.completed(tag)
	switch string(tag) {
	case "ROLLBACK":
		s.rolledBack = true
	case "DISCARD ALL":
		s.names, s.portals, s.portal = nil, nil, nil
		s.resets = append(s.resets, "all")
		s.unpin(allPins)
		s.veiled = false
		s.unlearned, s.relearn = nil, false
		s.want = s.origin.interner.without(s.want, "role")
	case "DEALLOCATE ALL":
		s.names = nil
	}
}

// parameter is the server connection's call. What the server reports while the client's own statements run is what the
// client has set; what it reports while ours run is news only if it is not what the client believes.
func (s *session) parameter(name, value string, injected bool) (pass bool) {
	if s.want == nil {
		return false
	}
	if !settable(name) {
		if name == "session_authorization" && s.state != greeting && !s.origin.logsInAs(value) {
			s.pin(pinSetting) // it cannot follow
		}
		return s.state != greeting // its greeting will tell
	}
	s.want = s.origin.interner.with(s.want, name, value)
	if injected || s.state == greeting {
		return false
	}
	s.told = s.origin.interner.with(s.told, name, value)
	return true
}

// failed is the server connection's call. A query of ours that fails is one that applies the client's settings: at login
// they are its own mistake, and later nothing that it does could be trusted to run under them.
func (s *session) failed(r pgwire.ErrorReport, e *owed) {
	switch {
	case e == nil:
		return
	case e.learn:
		s.unlearnable()
		return
	case e.kind == owedQuery && e.action == skip:
		s.refusedSettings = true
		return
	case r.Code == codeFeatureNotSupported && e.statement != nil:
		e.statement.stale.Store(true) // "cached plan must not change result type"
	}
	s.write.failed()
	s.rolledBack = true
	if s.srv.owed.answered == s.resetIn {
		s.resets = nil // what failed has reset nothing
	}
}

// tooLarge is the server connection's call.
func (s *session) tooLarge() {
	s.last, s.why = statusOversized, "the answer is larger than max_result, or than the memory for answers on their way"
}

// reopened is the server connection's call.
func (s *session) reopened() { s.midBatch = true }

// ready is the server connection's call: a batch ended. Writes are over before the client can read that they are.
func (s *session) ready(e *owed) {
	srv := s.srv
	s.settled(e)
	if e.learn && (s.relearn || len(s.unlearned) > 0) { // no row came, or one that is too large
		s.unlearnable()
	}
	if srv.status == pgwire.TxIdle {
		s.portal, s.portals, s.localOff, s.renamed = nil, nil, false, false
		s.write.atRest()
		if srv.owed.len() == 0 {
			s.write.end()
			s.write = nil
			s.onlyReads = true
			s.resetsEnded()
		}
	}
	if e.action == forward && srv.owed.len() == 0 { // what resets is the last under way
		s.bringBack()
	}
}

// walked is the server connection's call after each event.
func (s *session) walked() {
	srv := s.srv
	if srv.doubtful {
		s.pin(pinDoubtful)
	}
	if s.origin.mode == StatementPooling && srv.status == pgwire.TxOpen {
		s.reject(reasonClientProtocol, codeProtocolViolation, "transaction blocks not allowed in statement pooling mode")
		return
	}
	if s.state == stalled && srv.copyIn {
		s.state = ready // the server waits for what the client sends
	}
	if srv.owed.len() == 0 && srv.left == 0 {
		switch {
		case s.refusedSettings:
			s.reject(reasonSettings, srv.lastError.Code, srv.lastError.Message)
			return
		case s.state == settling:
			if !s.asking {
				s.settingsApplied()
			}
			s.state, s.asking = ready, false
			s.advance(nil) // before anybody else can be given the server
		case s.state == stalled:
			s.state = ready
		case s.state == greeting:
			s.startupDone()
		}
		if s.told != s.want && s.state < leaving && s.told != nil {
			s.tell()
		}
		if s.learns() {
			s.learn()
			return
		}
	}
	s.settle()
}

// tell reports to the client what it has to believe and was not told by the server.
func (s *session) tell() {
	for _, it := range s.origin.reported(s.want).items {
		if told, ok := s.told.get(it.key); !ok || told != it.value {
			s.client.Write(s.worker.scratch.parameter(it.name, it.value))
		}
	}
	s.told = s.want
}
