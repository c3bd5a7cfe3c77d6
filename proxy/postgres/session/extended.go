package session

import (
	"errors"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache/classify"
)

// bind takes up a Bind, of which msg holds at least the names.
func (s *Session) bind(h pgwire.Header, msg, body []byte) bool {
	portal, name, rest, ok := pgwire.SplitBind(body)
	if !ok {
		s.violation("invalid Bind message")
		return false
	}
	s.acknowledgeBut(name)
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
		s.batch.open = true
		s.answer(bindComplete, owedBind)
		return true
	}
	srv := s.link()
	if srv == nil {
		return false
	}
	if st != nil && !s.neverSet(v, st.text()) {
		return false
	}
	if !s.hearsItself(v) {
		return false
	}
	srv = s.srv
	if s.mustWait(name, st) || !s.lend(v) {
		return s.stall()
	}
	s.batch.open = true
	s.noteBound(v, st, rest)
	s.notePortal(portal, v)
	s.noteBoundNames(v, portal, st, rest, len(msg) == h.Total())
	s.bindPortal(portal, st)
	if st != nil && len(name) > 0 {
		s.makeResident(st)
		tail := h.Body - (len(body) - len(rest))
		e := s.exchange(owedBind, forward, s.space.scratch.bindHead(portal, st.serverName, tail))
		e.statement, e.name = st, own
		s.decides(e)
		srv.write(rest)
	} else {
		s.makeUnnamed(name)
		s.exchange(owedBind, forward, s.disarm(msg, name, pgwire.HeaderLen+len(portal)+1))
	}
	if len(msg) < h.Total() {
		s.stream(h, len(msg))
	}
	return true
}

// running finds the statement that a portal runs, nil if the session did not see it bound.
func (s *Session) running(portal []byte) *statement {
	if len(portal) == 0 {
		return s.names.portal
	}
	return s.names.portals.find(portal)
}

// verdictOf is verdict for what may not be known: a portal that the session did not see bound may be a cursor, which was judged
// when it was declared, but may write when it is run.
func (s *Session) verdictOf(st *statement) *classify.Verdict {
	if st == nil {
		return unseenRun
	}
	return s.verdict(st)
}

// describe takes up a Describe.
func (s *Session) describe(msg, body []byte) bool {
	what, name, err := pgwire.SplitTarget(body)
	switch {
	case errors.Is(err, pgwire.ErrSubtype):
		return s.passOn(owedDescribe, msg)
	case err != nil:
		s.violation("invalid Describe message")
		return false
	}
	own, st := "", s.running(name)
	if what != pgwire.Statement {
		s.acknowledge()
	} else {
		s.acknowledgeBut(name)
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
		s.batch.open = true
		s.describeOwn(v, what)
		return true
	}
	srv := s.link()
	if srv == nil {
		return false
	}
	if what == pgwire.Statement && (s.mustWait(name, st) || !s.lend(v)) {
		return s.stall()
	}
	s.batch.open = true
	if what == pgwire.Statement && st != nil && len(name) > 0 {
		s.makeResident(st)
		e := s.exchange(owedDescribe, forward, s.space.scratch.target(pgwire.Describe, what, st.serverName))
		e.statement, e.name = st, own
		s.decides(e)
		return true
	}
	if what == pgwire.Statement {
		s.makeUnnamed(name)
		msg = s.disarm(msg, name, pgwire.HeaderLen+1)
	}
	s.exchange(owedDescribe, forward, msg)
	return true
}

// execute takes up an Execute. What the statement may do counts from here on, not from its Parse or Bind.
func (s *Session) execute(msg, body []byte) bool {
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
		s.batch.open = true
		s.executeOwn(v.Own)
		return true
	}
	if executed := s.unjudged(v); executed != nil {
		return s.await(executed)
	}
	if st != nil {
		s.accountFor(v, st.text())
	}
	srv := s.link()
	if srv == nil {
		return false
	}
	if !s.hearsItself(v) {
		return false
	}
	s.batch.open = true
	if why := s.forbids(v); why != 0 {
		s.provokeBy(raisingPin(why))
		return true
	}
	if v.Locals != nil && len(portal) == 0 {
		v = s.setsNames(v, st)
	}
	s.noteText(srv, v)
	s.noteExecuted(v)
	s.exchange(owedExecute, forward, msg).statement = st
	if r := s.params.resets.undone; r != nil && len(v.Resets) > 0 && !v.Session.Has(classify.DiscardAll) {
		r.last = v.Resets
	}
	s.attempt.fill, s.batch.inUnit = nil, false
	return true
}

// passOn has the server refuse a message in its own words.
func (s *Session) passOn(kind replyKind, msg []byte) bool {
	srv := s.link()
	if srv == nil {
		return false
	}
	s.acknowledge()
	s.batch.open = true
	s.exchange(kind, forward, msg)
	return true
}

// closeObject takes up a Close. A statement stays on the server for others, so only the client's name for it goes.
func (s *Session) closeObject(msg, body []byte) bool {
	what, name, err := pgwire.SplitTarget(body)
	switch {
	case errors.Is(err, pgwire.ErrSubtype):
		return s.passOn(owedClose, msg)
	case err != nil:
		s.violation("invalid Close message")
		return false
	}
	if what == pgwire.Portal {
		return s.closePortal(msg, name)
	}
	_, st := s.lookup(name)
	if s.unanswered() && (st == nil || s.srv.owed.undecided(s.names.known[string(name)].batch)) {
		return s.stall()
	}
	s.batch.open = true
	if st == nil && len(name) > 0 && s.pins != 0 && s.srv != nil { // it may be one of SQL, or too large to be shared
		s.exchange(owedClose, forward, s.disarm(msg, name, pgwire.HeaderLen+1))
		return true
	}
	if len(name) == 0 {
		s.names.unnamed = nil
	} else {
		s.forgetName(string(name))
		s.takeBack(string(name))
	}
	switch e := s.answer(closeComplete, owedClose); {
	case e != nil:
		e.statement, e.name, e.unnamed = st, string(name), len(name) == 0
		s.srv.prepared.freedIn = s.srv.owed.sent
	case len(name) == 0:
		s.names.sure = nil
	}
	return true
}

func (s *Session) closePortal(msg, name []byte) bool {
	st := s.running(name)
	v := s.verdictOf(st)
	if v == nil {
		return s.await(st.text())
	}
	if v.Own != nil {
		s.batch.open = true
		s.bindPortal(name, nil)
		s.answer(closeComplete, owedClose)
		return true
	}
	srv := s.link()
	if srv == nil {
		return false
	}
	s.batch.open = true
	if len(name) == 0 {
		s.names.portal = nil
	} else {
		s.forgetPortal(string(name))
	}
	s.exchange(owedClose, forward, msg)
	return true
}
