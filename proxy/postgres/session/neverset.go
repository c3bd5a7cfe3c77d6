package session

import (
	"slices"
	"strings"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// This file is about parameters of the user's own, such as app.tenant, that a client has never set. PostgreSQL knows such a parameter
// from when somebody first sets it, if only for a transaction, and cannot forget it again: what was NULL, or an error of SHOW, is the
// empty string from then on. So before a text that reads one which its client has not set, a server connection on which others have set
// any is asked whether it knows that one. If it does it is closed, and the client is given one that nobody has had before.
//
//	reads app.tenant ──▶ others have set such here ──▶ asked: is it NULL? ──▶ yes: the text is sent
//	                                                                     └──▶ no: a fresh connection
//
// In a transaction that has done nothing since a plain BEGIN, the BEGIN moves to the fresh connection. Later it is too late for another one.

// neverSet sees to it that what the client has never set does not exist at its server, if a text that is about to be sent reads it. false:
// the message at hand waits.
func (s *Session) neverSet(v *classify.Verdict, text []byte) bool {
	srv := s.srv
	switch owner := srv.params.owner; {
	case owner == 0, owner == s.login.id, s.errand.novelty == unknownHere:
		return true
	case srv.status != pgwire.TxIdle && srv.opened == 0, s.batch.open, s.pins != 0, s.identity.Mode == SessionPooling:
		return true
	}
	names, others := s.ownRead(v, text)
	switch {
	case len(names) == 0 && !others:
		return true
	case s.unanswered():
		return s.stall()
	case others, s.errand.novelty == knownHere:
		s.freshen()
		return s.link() != nil
	}
	srv.send(probes, false, func(b []byte) []byte { return appendEach(b, parseProbe, names[:min(len(names), maxPerErrand)]) })
	s.enter(settling)
	s.errand.asking = true
	return false
}

// ownRead returns the parameters of the user's own that a text reads and its client has not set. others: it may read any.
func (s *Session) ownRead(v *classify.Verdict, text []byte) (names []string, others bool) {
	add := func(v *classify.Verdict, text []byte) {
		if v.Session.Has(classify.ReadsOwn) {
			read, more := classify.OwnRead(text)
			names, others = append(names, read...), others || more
		}
		names = append(names, v.Needs...)
		if l := s.lens(); v.Effect != verdict.EffectNone || v.Within || v.Status != verdict.NotAQuery {
			if l == nil || l.Classifier.Catalog() == nil { // a view or a policy may read one
				names = s.identity.Owned.add(names)
			}
		}
	}
	add(v, text)
	for st := range s.executed(v) {
		if run := s.verdict(st); run != nil {
			add(run, st.text())
		}
	}
	return slices.DeleteFunc(names, func(name string) bool {
		_, set := s.params.want.Get(name)
		return set || !strings.Contains(name, ".")
	}), others
}

// freshen parts with the server connection, which is at rest or has only begun a transaction, for one that nobody has had before.
func (s *Session) freshen() {
	srv := s.srv
	if srv.status != pgwire.TxIdle {
		s.begun = srv.opened | begunMoved
	}
	s.srv, s.errand.fresh, s.errand.novelty = nil, true, notAsked
	srv.abortFills()
	srv.discard(Dirty)
}
