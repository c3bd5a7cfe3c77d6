package proxy

import (
	"fmt"
	"slices"
	"strings"

	"overdrive/proxy/pgwire"
)

// This file is about prepared statements: under which name a client knows one, under which a server does, and how the two
// are brought together before the statement is used.

// parse takes up a Parse. A named statement goes to the server under a name of ours, or not at all if it is there
// already.
func (s *session) parse(msg, body []byte) bool {
	name, rest, err := pgwire.SplitParse(body)
	if err != nil {
		s.violation("invalid Parse message")
		return false
	}
	known := len(name) > 0 && s.names[string(name)].statement != nil
	if len(name) > maxNameBytes {
		s.reject(reasonClientProtocol, codeNameTooLong, "name of a prepared statement is too long")
		return false
	}
	if len(name) > 0 && !known && len(s.names) >= maxNames {
		s.reject(reasonClientProtocol, codeConfigurationLimit, fmt.Sprintf("more than %d prepared statements", maxNames))
		return false
	}
	st := s.internStatement(rest)
	v := s.verdict(st)
	if v == nil {
		return s.await(st.text())
	}
	if !known && v.Own != nil {
		return s.parseOwn(string(name), st)
	}
	if known && s.unanswered() {
		return s.stall() // the name may yet turn out to be free
	}
	srv := s.link()
	if srv == nil {
		return false
	}
	if len(name) > 0 && s.mustWait(name, st) {
		return s.stall()
	}
	s.midBatch = true
	switch {
	case len(name) == 0:
		e := s.owe(owedParse, forward)
		e.unnamed, e.statement = true, st
		s.setUnnamed(st)
		srv.peer.Write(msg)
	case known:
		s.provokeDuplicate(name, msg)
	default:
		s.prepare(string(name), st)
	}
	return true
}

// internStatement finds the shared statement for the tail of a Parse message.
func (s *session) internStatement(rest []byte) *statement {
	if u := s.unnamed; u != nil && string(u.body) == string(rest) && u.scope == s.scope() && !u.stale.Load() {
		return u
	}
	return s.origin.statements.intern(rest, s.scope())
}

// scope is what besides its text decides how a statement is parsed, and that the server does not follow by itself. It is
// empty for everybody whose texts are read as they stand.
func (s *session) scope() string {
	if s.want.legible {
		return ""
	}
	strings, _ := s.want.get("standard_conforming_strings")
	encoding, _ := s.want.get("client_encoding")
	return strings + " " + encoding
}

// prepare gives the client a named statement.
func (s *session) prepare(name string, st *statement) {
	srv := s.srv
	s.remember(name, st)
	if srv.residents.has(st) {
		if srv.status == pgwire.TxFailed {
			s.parseOnce(st, name)
			return
		}
		if !s.busy() {
			s.client.Write(parseComplete)
			return
		}
		e := s.owe(owedParse, fake)
		e.statement, e.name, e.answer = st, name, parseComplete
		return
	}
	e := s.sendParse(st, forward)
	e.name = name
}

// parseOnce has the server parse a statement that it has already, under a name that is used this once: in a failed
// transaction it may refuse.
func (s *session) parseOnce(st *statement, name string) {
	srv := s.srv
	serial := s.origin.statements.serial.Add(1)
	e := s.owe(owedParse, forward)
	e.statement, e.name = noStatement, name
	srv.strays = append(srv.strays, serverName(serial))
	srv.peer.Write(s.worker.scratch.parse(serverName(serial), st.body))
}

// setUnnamed notes what the unnamed statement is once the message that goes out now has been answered.
func (s *session) setUnnamed(st *statement) {
	s.unnamed = st
	s.srv.unnamed, s.srv.unnamedIn = st, s.srv.owed.sent
}

// remember notes the client's name for a statement.
func (s *session) remember(name string, st *statement) {
	var batch uint64
	if s.srv != nil {
		batch = s.srv.owed.sent
	}
	if s.names == nil {
		s.names = make(map[string]prepared)
	}
	s.names[name] = prepared{name, st, batch}
}

// prepared is a statement under a client's name. The name is kept beside its key in the map so that it can be passed on
// without a copy.
type prepared struct {
	name      string
	statement *statement
	batch     uint64 // in which it was prepared, on the server held then
}

// stall puts off the message at hand until all that is owed has come: an error among it may change what the message
// means. The server is told to hold nothing back.
func (s *session) stall() bool {
	s.srv.peer.Write(s.worker.scratch.empty(pgwire.Flush))
	s.state = stalled
	return false
}

// sendParse prepares st on the server, under a name of ours, and returns what is owed for it.
func (s *session) sendParse(st *statement, act action) *owed {
	srv := s.srv
	for old, ok := srv.residents.surplus(len(st.body)); ok; old, ok = srv.residents.surplus(len(st.body)) {
		s.sendClose(old)
	}
	e := s.owe(owedParse, act)
	e.statement = st
	srv.residents.add(st, srv.owed.sent)
	srv.peer.Write(s.worker.scratch.parse(serverName(st.serial), st.body))
	return e
}

// sendClose frees a statement on the server. The server has read every message that names it by then, since it reads
// them in order.
func (s *session) sendClose(st *statement) {
	s.owe(owedClose, skip).statement = st
	s.srv.peer.Write(s.worker.scratch.target(pgwire.Close, pgwire.Statement, serverName(st.serial)))
}

// provokeDuplicate makes the server raise the error that the client earned by preparing a name twice, with the right
// words and the right effect on an open transaction: the name is really prepared there, and then once more.
func (s *session) provokeDuplicate(name, msg []byte) {
	srv := s.srv
	msg = s.disarm(msg, name, pgwire.HeaderLen)
	name = msg[pgwire.HeaderLen : pgwire.HeaderLen+len(name)]
	if !slices.Contains(srv.strays, string(name)) {
		s.owe(owedParse, skip).statement = noStatement
		srv.peer.Write(s.worker.scratch.parse(string(name), noStatement.body))
		srv.strays = append(srv.strays, string(name))
	}
	s.owe(owedParse, forward).statement = noStatement
	srv.peer.Write(msg)
}

// noStatement stands for what is prepared only to provoke an error.
var noStatement = &statement{body: []byte{0, 0, 0}}

// largeParse passes on a Parse that is too large to keep. It cannot be repeated elsewhere, so the session keeps its
// server, where the statement lives under its own name.
func (s *session) largeParse(h pgwire.Header, b []byte) int {
	front := b[pgwire.HeaderLen:min(len(b), h.Total())]
	name, _, ok := pgwire.CutString(front)
	if !ok {
		if len(front) > maxHeld {
			s.violation("name in Parse message is too long")
		}
		return 0
	}
	srv := s.link()
	if srv == nil {
		return 0
	}
	s.midBatch = true
	s.noteText(srv, unseen)
	st := &statement{}
	e := s.owe(owedParse, forward)
	if e.statement = st; len(name) == 0 {
		e.unnamed = true
		s.setUnnamed(st)
	} else {
		delete(s.names, string(name)) // from now on the server's own
	}
	srv.peer.Write(b[:pgwire.HeaderLen])
	s.stream(h, pgwire.HeaderLen)
	return pgwire.HeaderLen
}

// lookup finds what the client means by a statement name, nil if it means nothing, and returns the name to keep.
func (s *session) lookup(name []byte) (string, *statement) {
	if len(name) == 0 {
		return "", s.unnamed
	}
	p := s.names[string(name)]
	return p.name, p.statement
}

// undecided says whether st is on the server only if an earlier batch, still to be answered, goes well. For nil it is about
// the unnamed statement.
func (c *serverConn) undecided(st *statement) bool {
	if st == nil {
		return c.owed.undecided(c.unnamedIn)
	}
	batch, ok := c.residents.since(st)
	return ok && c.owed.undecided(batch)
}

// makeResident sees to it that a named statement is on the server.
func (s *session) makeResident(st *statement) {
	switch {
	case s.srv.residents.has(st):
	case st.stale.Load():
		s.provokeStale()
	default:
		s.sendParse(st, skip)
	}
}

// provokeStale makes the server raise the error that it would raise had it planned the statement when the client
// prepared it. Parsed only now, the statement would run without complaint and give columns that the client was never
// told of.
func (s *session) provokeStale() {
	const raise = "DO $$BEGIN RAISE EXCEPTION 'cached plan must not change result type' USING ERRCODE = '0A000'; END$$"
	srv := s.srv
	name := serverName(s.origin.statements.serial.Add(1))
	srv.strays = append(srv.strays, name)
	s.owe(owedParse, skip).statement = noStatement
	srv.peer.Write(s.worker.scratch.parse(name, []byte(raise+"\x00\x00\x00")))
	s.owe(owedBind, skip)
	srv.peer.Write(s.worker.scratch.bindHead(nil, name, len(noFormats)))
	srv.peer.Write(noFormats)
	s.owe(owedExecute, forward)
	srv.peer.Write(runAll)
}

var (
	noFormats = make([]byte, 6)                                                  // no parameter formats, no parameters, no result formats
	runAll    = pgwire.AppendMessage(nil, pgwire.Execute, []byte{0, 0, 0, 0, 0}) // the unnamed portal, all rows
)

// makeUnnamed sees to it that the server's unnamed statement is the client's, if that is what name asks for.
func (s *session) makeUnnamed(name []byte) {
	srv := s.srv
	if len(name) > 0 || srv.unnamed == s.unnamed && s.unnamed != nil {
		return
	}
	if s.unnamed == nil { // the server may hold another client's
		s.owe(owedClose, skip).unnamed = true
		srv.peer.Write(s.worker.scratch.target(pgwire.Close, pgwire.Statement, ""))
		s.setUnnamed(nil)
		return
	}
	e := s.owe(owedParse, skip)
	e.unnamed, e.statement = true, s.unnamed
	s.setUnnamed(s.unnamed)
	srv.peer.Write(s.worker.scratch.parse("", s.unnamed.body))
}

// disarm keeps a client from naming a statement that the proxy prepared for others: such a name, which stands at the given
// place of msg, is changed into one that does not exist.
func (s *session) disarm(msg, name []byte, at int) []byte {
	if !strings.HasPrefix(string(name), serverPrefix) {
		return msg
	}
	altered := append([]byte(nil), msg...)
	altered[at] = '-'
	return altered
}
