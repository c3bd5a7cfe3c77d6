package proxy

import (
	"overdrive/proxy/pgwire"
	"overdrive/querycache/classify"
)

// bind takes up a Bind, of which msg holds at least the names.
func (s *session) bind(h pgwire.Header, msg, body []byte) bool {
	portal, name, rest, ok := pgwire.SplitBind(body)
	if !ok {
		s.violation("invalid Bind message")
		return false
	}
	own, st := s.lookup(name)
	if st == nil && s.unanswered() {
		return s.stall()
	}
	v := s.verdictOf(st)
	if v == nil {
		return s.await(st.text())
	}
	if v.Own != nil {
		s.bindPortal(portal, st)
		s.midBatch = true
		s.answer(bindComplete, owedBind)
		return true
	}
	srv := s.link()
	if srv == nil {
		return false
	}
	if s.mustWait(name, st) {
		return s.stall()
	}
	s.midBatch = true
	s.notePortal(portal, v)
	s.bindPortal(portal, st)
	if st != nil && len(name) > 0 {
		s.makeResident(st)
		e := s.owe(owedBind, forward)
		e.statement, e.name = st, own
		tail := h.Body - (len(body) - len(rest))
		srv.peer.Write(s.worker.scratch.bindHead(portal, serverName(st.serial), tail))
		srv.peer.Write(rest)
	} else {
		s.makeUnnamed(name)
		s.owe(owedBind, forward)
		srv.peer.Write(s.disarm(msg, name, pgwire.HeaderLen+len(portal)+1))
	}
	if len(msg) < h.Total() {
		s.stream(h, len(msg))
	}
	return true
}

// mustWait says whether what a name stands for on the server depends on a batch that is still to be answered.
func (s *session) mustWait(name []byte, st *statement) bool {
	if !s.unanswered() {
		return false
	}
	if len(name) == 0 {
		return s.srv.undecided(nil)
	}
	return st != nil && s.srv.undecided(st)
}

// bindPortal notes which statement a portal runs; nil if it is not known.
func (s *session) bindPortal(portal []byte, st *statement) {
	if len(portal) == 0 {
		s.portal = st
		return
	}
	if len(portal) > maxNameBytes {
		return
	}
	if s.portals == nil {
		s.portals = make(map[string]*statement)
	}
	if _, bound := s.portals[string(portal)]; bound || len(s.portals) < maxNames {
		s.portals[string(portal)] = st
	}
}

// running finds the statement that a portal runs, nil if the session did not see it bound.
func (s *session) running(portal []byte) *statement {
	if len(portal) == 0 {
		return s.portal
	}
	return s.portals[string(portal)]
}

// verdictOf is verdict for what may not be known: a portal that the session did not see bound may be a cursor, which was judged
// when it was declared, but may write when it is run.
func (s *session) verdictOf(st *statement) *classify.Verdict {
	if st == nil {
		return unseenRun
	}
	return s.verdict(st)
}

// describe takes up a Describe.
func (s *session) describe(msg, body []byte) bool {
	what, name, err := pgwire.SplitTarget(body)
	if err != nil {
		s.violation("invalid Describe message")
		return false
	}
	own, st := "", s.running(name)
	if what == pgwire.Statement {
		own, st = s.lookup(name)
		if st == nil && s.unanswered() {
			return s.stall()
		}
	}
	v := s.verdictOf(st)
	if v == nil {
		return s.await(st.text())
	}
	if v.Own != nil {
		s.midBatch = true
		s.describeOwn(v, what)
		return true
	}
	srv := s.link()
	if srv == nil {
		return false
	}
	if what == pgwire.Statement && s.mustWait(name, st) {
		return s.stall()
	}
	s.midBatch = true
	if what == pgwire.Statement && st != nil && len(name) > 0 {
		s.makeResident(st)
		s.owe(owedDescribe, forward).name = own
		srv.peer.Write(s.worker.scratch.target(pgwire.Describe, what, serverName(st.serial)))
		return true
	}
	if what == pgwire.Statement {
		s.makeUnnamed(name)
		msg = s.disarm(msg, name, pgwire.HeaderLen+1)
	}
	s.owe(owedDescribe, forward)
	srv.peer.Write(msg)
	return true
}

// execute takes up an Execute. What the statement may do counts from here on, not from its Parse or Bind.
func (s *session) execute(msg, body []byte) bool {
	portal, _, err := pgwire.SplitExecute(body)
	if err != nil {
		s.violation("invalid Execute message")
		return false
	}
	st := s.running(portal)
	v := s.verdictOf(st)
	if v == nil {
		return s.await(st.text())
	}
	if v.Own != nil {
		s.midBatch = true
		s.executeOwn(v.Own)
		return true
	}
	srv := s.link()
	if srv == nil {
		return false
	}
	s.midBatch = true
	s.noteText(srv, v)
	s.owe(owedExecute, forward).statement = st
	s.fill, s.inUnit = nil, false
	srv.peer.Write(msg)
	return true
}

// closeObject takes up a Close. A statement stays on the server for others, so only the client's name for it goes.
func (s *session) closeObject(msg, body []byte) bool {
	what, name, err := pgwire.SplitTarget(body)
	if err != nil {
		s.violation("invalid Close message")
		return false
	}
	if what == pgwire.Portal {
		return s.closePortal(msg, name)
	}
	_, st := s.lookup(name)
	if s.unanswered() && (st == nil || s.srv.owed.undecided(s.names[string(name)].batch)) {
		return s.stall()
	}
	s.midBatch = true
	if len(name) == 0 {
		s.unnamed = nil
	} else {
		delete(s.names, string(name))
	}
	if !s.busy() {
		if len(name) == 0 {
			s.sure = nil
		}
		s.client.Write(closeComplete)
		return true
	}
	e := s.owe(owedClose, fake)
	e.answer = closeComplete
	e.statement, e.name, e.unnamed = st, string(name), len(name) == 0
	return true
}

func (s *session) closePortal(msg, name []byte) bool {
	st := s.running(name)
	v := s.verdictOf(st)
	if v == nil {
		return s.await(st.text())
	}
	if v.Own != nil {
		s.midBatch = true
		s.bindPortal(name, nil)
		s.answer(closeComplete, owedClose)
		return true
	}
	srv := s.link()
	if srv == nil {
		return false
	}
	s.midBatch = true
	if len(name) == 0 {
		s.portal = nil
	} else {
		delete(s.portals, string(name))
	}
	s.owe(owedClose, forward)
	srv.peer.Write(msg)
	return true
}

// The acknowledgements that are given without asking the server.
var (
	parseComplete = pgwire.AppendEmpty(nil, pgwire.ParseComplete)
	bindComplete  = pgwire.AppendEmpty(nil, pgwire.BindComplete)
	closeComplete = pgwire.AppendEmpty(nil, pgwire.CloseComplete)
)
