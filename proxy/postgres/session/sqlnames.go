package session

import (
	"iter"
	"slices"
	"strings"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache/classify"
)

// This file is about statements that the client has prepared by protocol and names in SQL. On a server such a statement has a name of
// ours, which clients share. PostgreSQL has one namespace for both, so before a text that names one is run, the server is lent the
// statement under the client's own name as well: it is a stray, which is closed before anybody else has the server.
//
//	EXECUTE name      runs what was lent
//	DEALLOCATE name   drops it, and the session forgets the name when its tag arrives; what follows waits for the tag
//	PREPARE name      fails, since the name is taken

// ours says whether a name is one that the proxy gives to statements on servers.
func ours(name string) bool { return strings.HasPrefix(name, serverPrefix) }

// saysNames says whether a text names a statement that the client has prepared by protocol.
func (s *Session) saysNames(v *classify.Verdict) bool {
	if len(s.names.known) == 0 {
		return false
	}
	for _, n := range v.Prepared {
		if s.names.known[n.Name].statement != nil && !ours(n.Name) {
			return true
		}
	}
	return false
}

// executes says whether a text runs a prepared statement.
func executes(v *classify.Verdict) bool {
	return slices.ContainsFunc(v.Prepared, func(n classify.PreparedName) bool { return n.Executed })
}

// lend lends the server, in the batch at hand, what a statement names that the client is about to bind or to have described. false:
// what its names mean is still to be decided.
func (s *Session) lend(v *classify.Verdict) bool {
	if !s.saysNames(v) || s.amidCopy() {
		return true
	}
	if s.unanswered() {
		return false
	}
	s.eachLoan(v, func(msg []byte, kind replyKind) {
		if e := s.exchange(kind, skip, msg); kind == owedParse {
			e.statement = noStatement
		}
	})
	return true
}

// lendToQuery is lend for a simple Query, ahead of which nothing may fail and have the server skip it: so it is a batch of its own. In a
// failed transaction nothing is lent. In an open batch, which that would end, only what cannot fail is.
//
// It returns the verdict by which the text is to be noted. Of an EXECUTE of what was just lent, that is but what it does besides: noteExecuted notes
// the statement that it runs. Else anything may go by that name on the server.
func (s *Session) lendToQuery(v *classify.Verdict) *classify.Verdict {
	switch {
	case !s.saysNames(v) || s.amidCopy() || s.srv.status == pgwire.TxFailed:
	case !s.batch.open:
		lent := true
		s.srv.send(lends, false, func(b []byte) []byte {
			lent = s.eachLoan(v, func(msg []byte, _ replyKind) { b = append(b, msg...) })
			return b
		})
		if lent && v.Bare != nil {
			bare := *v
			bare.Effect, bare.Writes, bare.Runs, bare.Session = v.Bare.Effect, v.Bare.Writes, v.Bare.Runs, v.Bare.Session
			return &bare
		}
	case !executes(v):
		s.lend(v)
	}
	return v
}

// maxLoan bounds the bytes of statements that are lent for one text, which may name the same long one many times.
const maxLoan = 1 << 20

// eachLoan makes the messages that lend what a text names. A statement that is not run is lent as an empty one, which no server refuses. It reports
// whether all that the text runs goes by its name on the server then, or nothing does, should the server refuse it.
func (s *Session) eachLoan(v *classify.Verdict, message func(msg []byte, kind replyKind)) (all bool) {
	left := maxLoan
	all = true
	for _, n := range v.Prepared {
		st := s.names.known[n.Name].statement
		if st == nil || st.body == nil || ours(n.Name) { // without a body it is on the server under the client's name
			all = all && !n.Executed
			continue
		}
		if n.Executed && (st.stale.Load() || s.parsesElsewhere(st)) { // it would be another now
			all = false
			continue
		}
		body := noStatement.body
		if n.Executed {
			body = st.body
		}
		if left -= len(body); left < 0 {
			return false
		}
		if s.srv.lendUnder(n.Name) || n.Executed { // code may have prepared another by the name
			message(pgwire.AppendTarget(nil, pgwire.Close, pgwire.Statement, n.Name), owedClose)
		}
		message(pgwire.AppendParse(nil, n.Name, body), owedParse)
	}
	return all
}

// takeBack has the server drop what was lent to it under a name that is free now.
func (s *Session) takeBack(name string) {
	if s.srv != nil && s.srv.prepared.lent[name] {
		s.exchange(owedClose, skip, s.space.scratch.target(pgwire.Close, pgwire.Statement, name))
	}
}

// parseBesideSQL prepares a statement in a session that has others from PREPARE: under the client's own name, since one of these may
// have it. What follows waits, to know. What is then bound is prepared under a name of ours besides.
func (s *Session) parseBesideSQL(st *statement, name string) {
	s.srv.lendUnder(name)
	e := s.exchange(owedParse, forward, s.space.scratch.parse(name, st.body))
	e.statement, e.name = noStatement, name
	s.batch.naming = true
}

// unjudged returns the text of a statement that a text runs by EXECUTE and of which it is not known yet what it does, nil if there is none.
func (s *Session) unjudged(v *classify.Verdict) []byte {
	for st := range s.executed(v) {
		if s.verdict(st) == nil {
			return st.text()
		}
	}
	return nil
}

// executed yields the statements of the client's that a text runs by EXECUTE.
func (s *Session) executed(v *classify.Verdict) iter.Seq[*statement] {
	return func(yield func(*statement) bool) {
		if !s.saysNames(v) {
			return
		}
		for _, n := range v.Prepared {
			if st := s.names.known[n.Name].statement; st != nil && n.Executed && !yield(st) {
				return
			}
		}
	}
}

// noteExecuted is called behind noteText: what is lent and run by EXECUTE leaves behind what its own text does.
func (s *Session) noteExecuted(v *classify.Verdict) {
	if !s.saysNames(v) {
		return
	}
	for st := range s.executed(v) {
		run := s.verdict(st)
		if run == nil { // the catalog has changed since it was parsed
			run = Unseen
		}
		s.noteEffects(s.srv, run)
	}
	s.batch.naming = true
}
