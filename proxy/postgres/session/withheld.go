package session

// This file is about the Parse of a statement that the server has already. It is not sent, so the server has not looked whether it
// would take it now: a lock may be in the way, a table gone. Where the client's next message has the server look at the
// statement, the server's word on that counts for both:
//
//	Parse s ──▶ withheld ──▶ Describe s, Bind s ──▶ answered: ParseComplete goes ahead of the answer
//	                │                          └──▶ failed: there is no ParseComplete, and the name is free
//	                └──▶ any other message ──▶ acknowledged: ParseComplete in its turn

// acknowledge gives the client the ParseComplete that was withheld.
func (s *Session) acknowledge() {
	name := s.names.withheld
	if name == "" {
		return
	}
	s.names.withheld = ""
	if e := s.answer(parseComplete, owedParse); e != nil {
		e.statement, e.name = s.names.known[name].statement, name
	}
}

// acknowledgeBut is acknowledge, unless the message at hand has the server look at what was parsed under this name.
func (s *Session) acknowledgeBut(name []byte) {
	if s.names.withheld != "" && s.names.withheld != string(name) {
		s.acknowledge()
	}
}

// decides has the reply behind e decide on the Parse that is withheld, if one is.
func (s *Session) decides(e *owed) {
	if s.names.withheld != "" {
		s.names.withheld, e.answer = "", parseComplete
	}
}

// forgetWithheld is called when e failed: the server would have skipped a Parse that was taken up since, unless a Sync stands between
// the two.
func (s *Session) forgetWithheld(e *owed) {
	if s.names.withheld != "" && !e.kind.endsBatch() && !s.srv.owed.hasSync() {
		s.forgetName(s.names.withheld)
		s.names.withheld = ""
	}
}
