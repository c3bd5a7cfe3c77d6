package session

import (
	"fmt"

	"overdrive/proxy/postgres/pgwire"
)

// This file is about prepared statements: under which name a client knows one, under which a server does, and how the two
// are brought together before the statement is used.

// clientNames are what the names of one client mean: of prepared statements and of portals.
//
// Invariant: keep is what known keeps in memory.
type clientNames struct {
	known    map[string]prepared // by the client's names
	unnamed  *statement          // by what was sent
	sure     *statement          // the same by what was answered
	portal   *statement          // bound to the unnamed portal
	portals  *portals            // until the transaction ends; nil: there are none with a name
	withheld string              // the name in the last Parse, if that is not answered yet; see acknowledge

	keep ledger
}

// parse takes up a Parse. A named statement goes to the server under a name of ours, or not at all if it is there
// already.
func (s *Session) parse(msg, body []byte) bool {
	name, rest, err := pgwire.SplitParse(body)
	if err != nil {
		s.violation("invalid Parse message")
		return false
	}
	known := len(name) > 0 && s.names.known[string(name)].statement != nil
	if len(name) > maxNameBytes {
		s.reject(ReasonClientProtocol, pgwire.CodeNameTooLong, "name of a prepared statement is too long")
		return false
	}
	st := s.internStatement(name, rest)
	if len(name) > 0 && !known && !s.affords(&s.names.keep, len(name), st) {
		s.tooMuchPrepared()
		return true
	}
	v := s.verdict(st)
	if v == nil {
		return s.await(st.text())
	}
	if len(name) > 0 && st.meaning.own == 0 && executes(v) { // what it executes is the client's own
		st = s.identity.statements.intern(rest, st.scope, meaning{own: s.identity.statements.serial.Add(1)})
	}
	if !known && v.Own != nil {
		return s.parseOwn(string(name), st)
	}
	if s.unanswered() && (known || len(name) > 0 && s.srv.owed.undecided(s.srv.prepared.freedIn)) {
		return s.stall() // the name may yet turn out to be free, or taken
	}
	srv := s.link()
	if srv == nil {
		return false
	}
	if !s.neverSet(v, st.text()) {
		return false
	}
	if len(name) > 0 && s.mustWait(name, st) || !s.lend(v) { // what EXECUTE gives is settled by its Parse
		return s.stall()
	}
	s.batch.open = true
	switch {
	case len(name) == 0:
		e := s.exchange(owedParse, forward, msg)
		e.unnamed, e.statement = true, st
		s.setUnnamed(st)
	case known:
		s.provokeDuplicate(name, rest)
	default:
		s.prepare(string(name), st)
	}
	return true
}

// internStatement finds the shared statement for a Parse message: its name and its tail.
func (s *Session) internStatement(name, rest []byte) *statement {
	scope, meaning := s.scope(rest), s.meaning(name)
	if u := s.names.unnamed; u != nil && string(u.body) == string(rest) && u.scope == scope && u.meaning == meaning && !u.stale.Load() {
		return u
	}
	return s.identity.statements.intern(rest, scope, meaning)
}

// A meaning is what the names in a text stood for when it was parsed: tables, columns and their types. A server that has a statement since
// an earlier time, or from a client with another search_path, has planned it for those. So what is prepared under a name is shared only
// while nothing is known to have changed, and by those who see the same.
type meaning struct {
	lens    *Lens
	version uint64 // of what the lens sees
	own     uint64 // not 0: nobody else's, and of no other Parse
}

// meaning is that of the names in a text that is being parsed. The unnamed statement is parsed anew by every Parse.
func (s *Session) meaning(name []byte) meaning {
	if len(name) == 0 {
		return meaning{}
	}
	l := s.lens()
	if l == nil || s.view.madeCode || s.view.hasLocals() || s.namesDoubtful() || s.pins&pinTemporary != 0 {
		return meaning{own: s.identity.statements.serial.Add(1)}
	}
	return meaning{lens: l, version: l.Classifier.Version()}
}

// prepare gives the client a named statement.
func (s *Session) prepare(name string, st *statement) {
	srv := s.srv
	s.remember(name, st)
	if s.pins&pinPrepare != 0 && !ours(name) {
		s.parseBesideSQL(st, name)
		return
	}
	if srv.prepared.residents.has(st) {
		if srv.status == pgwire.TxFailed {
			s.parseOnce(st, name)
			return
		}
		s.names.withheld = name
		return
	}
	e := s.sendParse(st, forward)
	e.name = name
}

// parseOnce has the server parse a statement that it has already, under a name that is used this once: in a failed
// transaction it may refuse.
func (s *Session) parseOnce(st *statement, name string) {
	ours := serverName(s.identity.statements.serial.Add(1))
	s.srv.addStray(ours)
	e := s.exchange(owedParse, forward, s.space.scratch.parse(ours, st.body))
	e.statement, e.name = noStatement, name
}

// setUnnamed notes what the unnamed statement is once the message that goes out now has been answered.
func (s *Session) setUnnamed(st *statement) {
	s.names.unnamed = st
	s.srv.prepared.unnamed, s.srv.prepared.unnamedIn = st, s.srv.owed.sent
}

// prepared is a statement under a client's name. The name is kept beside its key in the map so that it can be passed on
// without a copy.
type prepared struct {
	name      string
	statement *statement
	batch     uint64 // in which it was prepared, on the server held then
}

// sendParse prepares st on the server, under a name of ours, and returns what is owed for it.
func (s *Session) sendParse(st *statement, act action) *owed {
	srv := s.srv
	for old, ok := srv.prepared.residents.surplus(len(st.body)); ok; old, ok = srv.prepared.residents.surplus(len(st.body)) {
		s.sendClose(old)
	}
	if srv.prepared.doubted[st] {
		s.exchange(owedClose, skip, s.space.scratch.target(pgwire.Close, pgwire.Statement, st.serverName))
	}
	e := s.exchange(owedParse, act, s.space.scratch.parse(st.serverName, st.body))
	e.statement = st
	srv.prepared.residents.add(st, srv.owed.sent)
	return e
}

// sendClose frees a statement on the server. The server has read every message that names it by then, since it reads
// them in order.
func (s *Session) sendClose(st *statement) {
	s.exchange(owedClose, skip, s.space.scratch.target(pgwire.Close, pgwire.Statement, st.serverName)).statement = st
}

// provokeDuplicate makes the server raise the error that the client earned by preparing a name twice, with the right
// words and the right effect on an open transaction: a name of ours is prepared there, and then once more. The client's own name must
// not come to be known to the server.
func (s *Session) provokeDuplicate(name []byte, rest []byte) {
	ours := serverName(s.identity.statements.serial.Add(1))
	s.srv.addStray(ours)
	s.exchange(owedParse, skip, s.space.scratch.parse(ours, noStatement.body)).statement = noStatement
	s.exchange(owedParse, forward, s.space.scratch.parse(ours, rest)).name = s.names.known[string(name)].name
}

// noStatement stands for what is prepared only to provoke an error.
var noStatement = &statement{body: []byte{0, 0, 0}}

// largeParse passes on a Parse that is too large to keep. It cannot be repeated elsewhere, so the session keeps its
// server, where the statement lives under its own name.
func (s *Session) largeParse(h pgwire.Header, b []byte) int {
	front := b[pgwire.HeaderLen:min(len(b), h.Total())]
	name, _, ok := pgwire.CutString(front)
	if !ok {
		if len(front) > MaxHeld {
			s.violation("name in Parse message is too long")
		}
		s.needsName(b)
		return 0
	}
	srv := s.link()
	if srv == nil {
		return 0
	}
	known := s.names.known[string(name)].statement != nil
	if known && s.unanswered() {
		s.stall()
		return 0
	}
	s.batch.open = true
	if known {
		s.provokeDuplicate(name, noStatement.body)
		return s.drop(h)
	}
	s.noteText(srv, Unseen)
	st := &statement{}
	e := s.exchange(owedParse, forward, b[:pgwire.HeaderLen])
	if e.statement = st; len(name) == 0 { // else the name is the server's own
		e.unnamed = true
		s.setUnnamed(st)
	}
	s.stream(h, pgwire.HeaderLen)
	return pgwire.HeaderLen
}

// lookup finds what the client means by a statement name, nil if it means nothing, and returns the name to keep.
func (s *Session) lookup(name []byte) (string, *statement) {
	if len(name) == 0 {
		return "", s.names.unnamed
	}
	p := s.names.known[string(name)]
	return p.name, p.statement
}

// makeResident sees to it that a named statement is on the server.
func (s *Session) makeResident(st *statement) {
	switch {
	case s.srv.prepared.residents.has(st):
	case st.stale.Load(), s.parsesElsewhere(st):
		s.provokeStale()
	default:
		s.sendParse(st, skip)
	}
}

// provokeStale makes the server raise the error that it would raise had it planned the statement when the client
// prepared it. Parsed only now, the statement would run without complaint and give columns that the client was never
// told of.
func (s *Session) provokeStale() {
	s.provoke(pgwire.CodeFeatureNotSupported, "cached plan must not change result type")
}

// makeUnnamed sees to it that the server's unnamed statement is the client's, if that is what name asks for.
func (s *Session) makeUnnamed(name []byte) {
	srv := s.srv
	if len(name) > 0 || srv.prepared.unnamed == s.names.unnamed && s.names.unnamed != nil {
		return
	}
	if s.names.unnamed == nil { // the server may hold another client's
		s.exchange(owedClose, skip, s.space.scratch.target(pgwire.Close, pgwire.Statement, "")).unnamed = true
		s.setUnnamed(nil)
		return
	}
	if s.parsesElsewhere(s.names.unnamed) {
		s.provokeStale()
		return
	}
	e := s.exchange(owedParse, skip, s.space.scratch.parse("", s.names.unnamed.body))
	e.unnamed, e.statement = true, s.names.unnamed
	s.setUnnamed(s.names.unnamed)
}

// disarm keeps a client from naming a statement that the proxy prepared for others: such a name, which stands at the given
// place of msg, is changed into one that does not exist.
func (s *Session) disarm(msg, name []byte, at int) []byte {
	if !ours(string(name)) {
		return msg
	}
	altered := append([]byte(nil), msg...)
	altered[at] = '-'
	return altered
}

// mustWait says whether what a name stands for on the server depends on a batch that is still to be answered.
func (s *Session) mustWait(name []byte, st *statement) bool {
	if !s.unanswered() {
		return false
	}
	if len(name) == 0 {
		return s.srv.undecided(nil)
	}
	return st != nil && s.srv.undecided(st)
}

// tooMuchPrepared refuses the Parse at hand.
func (s *Session) tooMuchPrepared() {
	s.refuse(pgwire.CodeConfigurationLimit, fmt.Sprintf(
		"prepared statements of one session take more than %d bytes (limits.max_prepared_bytes)", s.identity.Limits.Prepared()))
}
