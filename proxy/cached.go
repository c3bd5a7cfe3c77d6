package proxy

import (
	"encoding/binary"

	"overdrive/proxy/pgwire"
	"overdrive/querycache"
	"overdrive/querycache/classify"
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

// barred says why the cache may not be asked for a statement that begins now, or "" if it may.
//
// Behind a statement that is still to be answered nothing is served: that one may see what was written after the look into
// the cache, and then time would go back.
func (s *session) barred(v *classify.Verdict) querycache.Status {
	why := s.unfit(v)
	if why == "" && (s.busy() || s.midBatch && s.srv != nil && s.sharesSnapshot()) {
		return statusTransaction
	}
	return why
}

// unfit says why the cache has no business with a statement, wherever its messages stand, or "" if it has: it would see more,
// or less, than one that comes alone, because a transaction block is open or the batch at hand does more than read; or
// nobody knows what else its answer depends on.
func (s *session) unfit(v *classify.Verdict) querycache.Status {
	switch {
	case s.origin.cache == nil || s.cacheOff || s.localOff:
		return querycache.Disabled
	case s.status() != pgwire.TxIdle || (s.midBatch || s.busy()) && !s.onlyReads:
		return statusTransaction
	case v.Status != classify.Cacheable:
		return v.Status
	case s.pins != 0 || s.lens() == nil || !s.knows(v.Needs):
		return statusSession
	}
	return ""
}

// passBy notes that a statement goes to the server without a look into the cache, and why. It is told once for each.
func (s *session) passBy(v *classify.Verdict, why querycache.Status) {
	s.last, s.why, s.looked = why, s.reason(v, why), true
	if s.origin.cache != nil {
		v.Tally.PassBy()
	}
}

// sharesSnapshot says whether the statements of a transaction of this session see the same snapshot.
func (s *session) sharesSnapshot() bool {
	if level, ok := s.want.get("default_transaction_isolation"); ok {
		return level != readCommitted
	}
	l := s.lens()
	return l == nil || l.snapshots.Load()
}

// knows says whether the session's values of the parameters are known, and part of its keys.
func (s *session) knows(parameters []string) bool {
	for _, name := range parameters {
		if _, ok := s.want.find(name); !ok || silent[name] {
			return false
		}
	}
	return true
}

// outcome says what the cache makes of a message.
type outcome uint8

const (
	passed   outcome = iota // it is for the server
	answered                // the client has its answer, or will have when its turn comes
	waits                   // it is to be taken up again later
)

// cachedQuery answers a simple Query from the cache. Where it cannot, s.fill may be set.
func (s *session) cachedQuery(text []byte, v *classify.Verdict) outcome {
	if s.looked { // before a server was waited for
		return passed
	}
	if why := s.barred(v); why != "" {
		s.giveUpFill()
		s.passBy(v, why)
		return passed
	}
	if s.fill != nil { // of a refresh, which was asked for already
		s.looked = true
		return passed
	}
	r := s.worker.exact.request(s, text, v)
	s.startKey(r, formQuery)
	out := s.ask(r)
	switch {
	case out == waits:
		return waits
	case out == passed:
		s.looked = true
		return passed
	}
	if fill := s.worker.refresh; fill != nil {
		s.broker.refresh(s, fill, refreshQuery(text))
	}
	s.unnamed, s.sure = nil, nil // a simple Query destroys it
	s.pay(s.worker.answer)
	s.client.Write(s.worker.scratch.ready(pgwire.TxIdle))
	return answered
}

// cachedUnit looks at the front of b for a unit of the extended protocol before any of it is sent. done says that the caller is to
// return n: the size of what was answered, or none, since more must arrive first. Nothing is lost by the wait: before Sync
// or Flush a server would not answer either.
func (s *session) cachedUnit(b []byte) (n int, done bool) {
	if s.inUnit || s.origin.cache == nil {
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
	if why := s.barred(v); why != "" {
		s.giveUpFill()
		s.passBy(v, why)
		s.inUnit = true
		return 0, false
	}
	if m == matchPartial {
		return 0, len(b) <= maxAhead
	}
	if s.fill == nil {
		switch s.askUnit(&u, v) {
		case waits:
			return 0, true
		case answered:
			return s.serve(&u), true
		}
	}
	if s.link() == nil {
		return 0, true
	}
	s.looked, s.inUnit = true, true
	return 0, false
}

// askUnit asks the cache for a unit.
func (s *session) askUnit(u *unit, v *classify.Verdict) outcome {
	if hasSpecialDate(u.params) {
		s.passBy(v, classify.Volatile)
		return passed
	}
	seen := u.statement.seen.Load() // verdict has just seen to it
	r := &s.worker.request
	*r = querycache.Request{Verdict: v, Text: u.statement.text(), Hint: seen.hint}
	s.startKey(r, u.form)
	r.Key = binary.BigEndian.AppendUint32(r.Key, uint32(len(seen.key)))
	r.Key = append(r.Key, seen.key...)
	r.Key = append(r.Key, u.statement.types()...)
	r.Key = append(r.Key, u.params...)
	return s.ask(r)
}

// startKey puts in front of r.Key whose answer it is, under which settings, and in which form. What follows is the statement
// and its parameters.
func (s *session) startKey(r *querycache.Request, form byte) {
	r.User, r.MaxAge, r.Waited = s.user, s.maxAge, int(s.waited)
	key := s.worker.key[:0]
	key = binary.BigEndian.AppendUint64(key, s.origin.id)
	key = binary.BigEndian.AppendUint64(key, s.want.answers)
	key = append(key, form)
	r.Key = append(key, r.Key...)
}

// ask puts a request to the cache. answered: the worker holds the answer. passed: the server must be asked, and if s.fill is set
// the answer is wanted. waits: somebody else asks the server the same.
func (s *session) ask(r *querycache.Request) outcome {
	var w querycache.Waiter
	if s.srv == nil && !s.midBatch && !s.alone {
		w = (*sleeper)(s)
	}
	s.worker.key = r.Key // which may have grown
	out := s.origin.cache.Ask(r, w)
	if out.Ticket == nil {
		s.last, s.why = out.Status, s.reason(r.Verdict, out.Status)
	}
	s.worker.answer, s.worker.refresh = out.Answer, nil
	switch {
	case out.Ticket != nil:
		s.state, s.ticket = joined, out.Ticket
		return waits
	case out.Answer == nil:
		s.fill = out.Fill
		if s.fill != nil && !s.lens().classifier.Current(r.Verdict) { // it has just been overtaken
			s.giveUpFill()
		}
		return passed
	}
	if s.waited > 0 && out.Status == querycache.Hit {
		s.last = statusCoalesced
	}
	s.worker.refresh = out.Fill
	return answered
}

// serve gives the client, to whom nothing is owed, the answer to a unit, and to a Sync behind it, and returns the bytes used.
func (s *session) serve(u *unit) int {
	if fill := s.worker.refresh; fill != nil {
		s.broker.refresh(s, fill, u.messages())
	}
	if u.parses {
		s.parsed(u)
	}
	s.pay(s.worker.answer)
	if u.synced && !s.midBatch {
		s.client.Write(readyIdle)
		return u.size + len(syncMessage)
	}
	s.midBatch = true
	return u.size
}

// parsed notes the Parse of a unit that was answered without a server, and acknowledges it.
func (s *session) parsed(u *unit) {
	if len(u.name) == 0 {
		s.unnamed, s.sure = u.statement, u.statement
	} else {
		s.remember(string(u.name), u.statement)
	}
	s.client.Write(parseComplete)
}

// sharedFrom is the size from which a reply is handed to the socket by reference, so that a slow client costs no copy of it.
const sharedFrom = 16 << 10

// pay gives the client a reply of ours, whose bytes never change. It is also the server connection's call, for a fake whose
// turn has come. What is kept is only asked for when nothing is owed.
//
// Invariant: no byte from the cache is written before every reply owed ahead of it.
func (s *session) pay(reply []byte) {
	if len(reply) >= sharedFrom {
		s.client.WriteShared(reply)
	} else {
		s.client.Write(reply)
	}
}

var (
	readyIdle   = pgwire.AppendReady(nil, pgwire.TxIdle)
	syncMessage = pgwire.AppendEmpty(nil, pgwire.Sync)
)
