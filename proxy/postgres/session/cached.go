package session

import (
	"encoding/binary"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// This file is the session's side of the cache: when it may be asked at all, what the key is made of, and how a hit is
// given to the client at its place. What is kept, for how long, and what writes do to it is querycache's.

// Words of SHOW overdrive.status that only a session knows.
const (
	statusTransaction querycache.Status = "transaction"     // the statement stands in a transaction
	statusSession     querycache.Status = "session-state"   // the session has state that answers may depend on
	statusOversized   querycache.Status = "oversizedresult" // the answer is larger than is kept
	statusCoalesced   querycache.Status = "coalesced"       // a hit that somebody else's query was waited for
)

// outcome says what the cache makes of a message.
type outcome uint8

const (
	passed   outcome = iota // it is for the server
	answered                // the client has its answer, or will have when its turn comes
	waits                   // it is to be taken up again later
)

// cachedQuery answers a simple Query from the cache. Where it cannot, s.attempt.fill may be set.
func (s *Session) cachedQuery(text []byte, v *classify.Verdict, known *exactText) outcome {
	if s.attempt.looked { // before a server was waited for
		return passed
	}
	if why := s.barred(v); why != "" {
		s.giveUpFill()
		s.passBy(v, why)
		return passed
	}
	if s.attempt.fill != nil { // of a refresh, which was asked for already
		s.attempt.looked = true
		return passed
	}
	r := s.space.exact.request(s, text, v, known)
	s.startKey(r, formQuery)
	out, f := s.ask(r, v)
	switch {
	case out == waits:
		return waits
	case out == passed:
		s.attempt.looked = true
		return passed
	}
	if f.refresh != nil {
		s.driver.Refresh(f.refresh, refreshQuery(text))
	}
	s.giveAnswer(f)
	s.endQuery()
	return answered
}

// cachedUnit looks at the front of b for a unit of the extended protocol before any of it is sent. done says that the caller is to
// return n: the size of what was answered, or none, since more must arrive first. Nothing is lost by the wait: before Sync
// or Flush a server would not answer either.
func (s *Session) cachedUnit(b []byte) (n int, done bool) {
	if s.batch.inUnit || s.identity.Cache == nil {
		return 0, false
	}
	u, m := s.matchUnit(b)
	if m == matchNone {
		return 0, false
	}
	v := s.verdict(u.statement)
	if v == nil {
		s.await(u.statement.text())
		return 0, true
	}
	if v.Own != nil {
		return 0, false
	}
	s.accountFor(v, u.statement.text())
	if s.holdsBack(v) && m == matchWhole {
		return s.serveTransaction(&u, v), true
	}
	if why := s.barred(v); why != "" && (m == matchWhole || !s.holdsBack(v)) {
		s.giveUpFill()
		s.passBy(v, why)
		s.batch.inUnit = true
		return 0, false
	}
	if m == matchPartial {
		if len(b) > maxAhead {
			return 0, false
		}
		s.in.needs = int32(min(u.needs, maxAhead+1))
		return 0, true
	}
	if s.attempt.fill == nil {
		switch out, f := s.askUnit(&u, v); out {
		case waits:
			return 0, true
		case answered:
			return s.serve(&u, f), true
		}
	}
	if s.link() == nil {
		return 0, true
	}
	s.attempt.looked, s.batch.inUnit = true, true
	return 0, false
}

// askUnit asks the cache for a unit.
func (s *Session) askUnit(u *unit, v *classify.Verdict) (outcome, found) {
	if hasSpecialDate(u.params, u.statement.types(), v) {
		s.passBy(v, verdict.Volatile)
		return passed, found{}
	}
	// verdict has just seen to it, but not for a text of an encoding of its own; and somebody on another loop may have seen it
	// through a lens by which its answer may not be kept.
	seen := u.statement.seen.Load()
	if seen == nil || seen.key == nil {
		seen = newSighting(s.lens(), v, u.statement.text())
	}
	r := &s.space.request
	*r = querycache.Request{Verdict: &v.Statement, Text: u.statement.text(), Hint: seen.hint}
	s.startKey(r, u.form)
	if u.limit != 0 {
		r.Key = binary.BigEndian.AppendUint32(r.Key, u.limit)
	}
	r.Key = binary.BigEndian.AppendUint32(r.Key, uint32(len(seen.key)))
	r.Key = append(r.Key, seen.key...)
	r.Key = append(r.Key, u.statement.types()...)
	r.Key = append(r.Key, u.params...)
	return s.ask(r, v)
}

// startKey puts in front of r.Key whose answer it is, under which settings, and in which form. What follows is the statement
// and its parameters.
func (s *Session) startKey(r *querycache.Request, form byte) {
	r.User, r.MaxAge, r.Waited = s.login.user, s.cache.maxAge, int(s.attempt.joins)
	key := s.space.key[:0]
	key = binary.BigEndian.AppendUint64(key, s.identity.ID)
	key = binary.BigEndian.AppendUint64(key, s.params.want.Answers())
	key = append(key, form)
	r.Key = append(key, r.Key...)
}

// found is what the cache has for a request.
type found struct {
	answer  []byte           // if it is small; it is good for the event at hand
	held    *querycache.Held // if it is large: to give it to a client releases it
	refresh *querycache.Fill // by whom the answer is to be fetched anew; nil: it need not be
}

// ask puts a request for a statement with this verdict to the cache. answered: here is the answer. passed: the server must
// be asked, and if attempt.fill is set the answer is wanted. waits: somebody else asks the server the same.
func (s *Session) ask(r *querycache.Request, v *classify.Verdict) (outcome, found) {
	var w querycache.Waiter
	if s.srv == nil && !s.batch.open && !s.attempt.alone && s.begun == 0 {
		w = (*sleeper)(s)
	}
	s.space.key = r.Key // which may have grown
	r.Room = s.space.scratch.buf
	out := s.identity.Cache.Ask(r, w)
	s.space.scratch.buf = r.Room
	if out.Ticket == nil {
		s.cache.why = s.reason(v, out.Status)
		if s.attempt.joins > 0 && out.Status == querycache.Hit {
			out.Status = statusCoalesced
		}
		s.noteStatus(out.Status)
	}
	switch {
	case out.Ticket != nil:
		s.attempt.ticket = out.Ticket
		s.standBy(joined)
		return waits, found{}
	case out.Answer == nil && out.Held == nil:
		s.attempt.fill = out.Fill
		if s.attempt.fill != nil && !s.lens().Classifier.Current(v) { // it has just been overtaken
			s.giveUpFill()
		}
		return passed, found{}
	}
	return answered, found{out.Answer, out.Held, out.Fill}
}

// serve gives the client, to whom nothing is owed, the answer to a unit, and to a Sync behind it, and returns the bytes used.
func (s *Session) serve(u *unit, f found) int {
	s.acknowledge()
	if f.refresh != nil {
		s.driver.Refresh(f.refresh, u.messages())
	}
	if u.parses {
		s.parsed(u)
	}
	s.giveAnswer(f)
	return s.endUnit(u)
}

// endUnit follows the answer to a unit that no server has seen, and returns the bytes that are dealt with.
func (s *Session) endUnit(u *unit) int {
	if u.closes {
		s.toClient(closeComplete)
	}
	if u.synced && !s.batch.open {
		s.readyForNext()
		return u.size + len(syncMessage)
	}
	s.batch.open = true
	return u.size
}

// parsed notes the Parse of a unit that was answered without a server, and acknowledges it.
func (s *Session) parsed(u *unit) {
	if len(u.name) == 0 {
		s.names.unnamed, s.names.sure = u.statement, u.statement
	} else {
		s.remember(string(u.name), u.statement)
	}
	s.toClient(parseComplete)
}

// giveAnswer gives the client the answer that ask found. A large one stays where it is, so that a slow client costs no copy of it, and
// counts against the memory of the cache until the client has read it.
func (s *Session) giveAnswer(f found) {
	s.fromCache = true
	if f.held == nil {
		s.toClient(f.answer)
		return
	}
	held := f.held
	pieces := held.Pieces()
	for i, b := range pieces {
		if i < len(pieces)-1 {
			s.shareWithClient(b, nil) // what is lent with the last piece is there until all are sent
		} else {
			s.shareWithClient(b, held)
		}
	}
	if len(pieces) == 0 {
		held.Release()
	}
}

// sharedFrom is the size from which a reply is handed to the socket by reference, so that a slow client costs no copy of it.
const sharedFrom = 16 << 10

// serveTransaction answers a unit of the extended protocol that begins or ends a transaction that is held back.
func (s *Session) serveTransaction(u *unit, v *classify.Verdict) int {
	s.noteOwn()
	s.acknowledge()
	if u.parses {
		s.parsed(u)
	}
	if u.form&formDescribeStatement != 0 {
		s.toClient(noParameters)
		s.toClient(noData)
	}
	s.toClient(bindComplete)
	if u.form&formDescribePortal != 0 {
		s.toClient(noData)
	}
	s.toClient(s.space.scratch.text(pgwire.CommandComplete, s.holdBack(v)))
	return s.endUnit(u)
}
