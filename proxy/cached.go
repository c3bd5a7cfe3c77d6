package proxy

import (
	"encoding/binary"

	"overdrive/proxy/pgwire"
	"overdrive/querycache"
	"overdrive/querycache/classify"
	"overdrive/querycache/sqlscan"
)

// This file is the session's side of the cache: when it may be asked at all, what the key is made of, and how a hit is
// given to the client at its place. What is kept, for how long, and what writes do to it is querycache's.

// Words of SHOW overdrive.status that only a session knows.
const (
	statusTransaction querycache.Status = "transaction"   // the statement stands in a transaction
	statusSession     querycache.Status = "session-state" // the session has state that answers may depend on
)

// The form of an exchange is part of its key: replies are kept as bytes, and they differ.
const (
	formQuery    byte = 'Q' // simple protocol
	formExecute  byte = 'E' // Bind, Execute, Sync
	formDescribe byte = 'D' // Bind, Describe of the portal, Execute, Sync
)

// barred says why the cache may not be asked for a statement now, or "" if it may.
func (s *session) barred(v *classify.Verdict) querycache.Status {
	switch {
	case s.origin.cache == nil || s.cacheOff || s.localOff:
		return querycache.Disabled
	case s.status() != pgwire.TxIdle || s.midBatch || s.busy() && (!s.onlyReads || s.srv.owed.loose > 0):
		return statusTransaction
	case v.Status != classify.Cacheable:
		return v.Status
	case s.pins != 0 || s.lens() == nil:
		return statusSession
	}
	return ""
}

// cachedQuery answers a simple Query from the cache. Otherwise it leaves the key for beginFill.
func (s *session) cachedQuery(text []byte, v *classify.Verdict) bool {
	s.worker.key = s.worker.key[:0]
	if s.last = s.barred(v); s.last != "" {
		return false
	}
	key := s.appendKey(s.worker.key, formQuery)
	key = append(key, text...)
	s.worker.key = key
	entry, status := s.origin.cache.Get(key, v)
	s.last, s.looked = status, true
	if entry == nil {
		return false
	}
	s.looked = false
	s.deliver(entry.Bytes())
	return true
}

// appendKey starts a key: whose answer it is, under which settings, and in which form. What follows is the statement and
// its parameters as the client sent them.
func (s *session) appendKey(key []byte, form byte) []byte {
	key = binary.BigEndian.AppendUint64(key, s.origin.id)
	key = binary.BigEndian.AppendUint64(key, s.want.id)
	return append(key, form)
}

// sharedFrom is the size from which a reply is handed to the socket by reference, so that a slow client costs no copy of it.
const sharedFrom = 16 << 10

// deliver gives the client a kept reply, ReadyForQuery included, at its place.
//
// Invariant: no byte from the cache is written before every reply owed ahead of it.
func (s *session) deliver(reply []byte) {
	if s.busy() {
		s.srv.owed.push(owedKept, fake).answer = reply
		return
	}
	s.pay(reply)
}

// pay is also the server connection's call, for a fake whose turn has come.
func (s *session) pay(reply []byte) {
	if len(reply) >= sharedFrom {
		s.client.WriteShared(reply)
	} else {
		s.client.Write(reply)
	}
}

// beginFill starts to keep the reply to the message that goes out next, if the cache asked for it. Generations are taken
// here, before the server can have seen the message.
func (s *session) beginFill(v *classify.Verdict) {
	if len(s.worker.key) > 0 && s.last == querycache.Miss {
		s.fill = s.origin.cache.Begin(s.worker.key, v)
	}
	s.worker.key = s.worker.key[:0]
}

// commitFill keeps a reply that came to a clean end.
func (s *session) commitFill(f *querycache.Fill) {
	f.Append(readyIdle)
	f.Commit()
}

var readyIdle = pgwire.AppendReady(nil, pgwire.TxIdle)

// A batch is one run of the extended protocol in the form that the cache knows:
//
//	[Parse] Bind [Describe portal] Execute(all rows) Sync
type batch struct {
	size      int // bytes, from Parse or Bind to Sync
	statement *statement
	name      []byte // of the Parse
	parses    bool
	describes bool
	params    []byte // the tail of the Bind: formats, values, result formats
}

// matching says how far a batch could be recognised.
type matching uint8

const (
	matchNone    matching = iota // it has another form
	matchPartial                 // so far it fits, but its Sync has not arrived
	matchWhole
)

// cachedBatch looks at a batch of the extended protocol before any of it is sent. done says that the caller is to return
// n: the size of a batch that was answered, or none, since more must arrive first. Nothing is lost by the wait: up to
// the Sync a server would not answer either.
func (s *session) cachedBatch(b []byte) (n int, done bool) {
	if s.origin.cache == nil {
		return 0, false
	}
	bt, m := s.match(b)
	if m == matchNone {
		return 0, false
	}
	v := s.verdict(bt.statement)
	if v == nil {
		s.await(bt.statement.text())
		return 0, true
	}
	if s.last = s.barred(v); s.last != "" {
		return 0, false
	}
	if m == matchPartial {
		return 0, len(b) <= maxAhead
	}
	if sqlscan.HasSpecialDate(bt.params) {
		s.last = classify.Volatile
		return 0, false
	}
	key := s.batchKey(&bt)
	entry, status := s.origin.cache.Get(key, v)
	s.last = status
	if entry == nil {
		if s.link() == nil {
			return 0, true
		}
		s.looked = true
		if s.beginFill(v); s.fill != nil {
			s.fill.Append(bindComplete)
		}
		return 0, false
	}
	if bt.parses {
		s.parsed(&bt)
	}
	s.deliver(entry.Bytes())
	return bt.size, true
}

// parsed notes the Parse of a batch that was answered without a server, and acknowledges it.
func (s *session) parsed(bt *batch) {
	if len(bt.name) == 0 {
		s.unnamed = bt.statement
	} else {
		s.remember(string(bt.name), bt.statement)
	}
	s.answer(parseComplete, owedParse)
}

// batchKey makes the key of a batch: text and parameter types, then formats and values.
func (s *session) batchKey(bt *batch) []byte {
	form := formExecute
	if bt.describes {
		form = formDescribe
	}
	key := s.appendKey(s.worker.key[:0], form)
	key = binary.BigEndian.AppendUint32(key, uint32(len(bt.statement.body)))
	key = append(key, bt.statement.body...)
	key = append(key, bt.params...)
	s.worker.key = key
	return key
}

// match recognises a batch at the front of b.
func (s *session) match(b []byte) (bt batch, m matching) {
	msg, body, typ, ok := cutMessage(b)
	if !ok {
		return bt, matchNone
	}
	if typ == pgwire.Parse {
		name, rest, err := pgwire.SplitParse(body)
		if err != nil || s.names[string(name)].statement != nil || len(s.names) >= maxNames {
			return bt, matchNone
		}
		bt.parses, bt.name, bt.statement = true, name, s.internStatement(rest)
		if v := s.verdict(bt.statement); v != nil && v.Status != classify.Cacheable {
			return bt, matchNone
		}
		bt.size = len(msg)
		if msg, body, typ, ok = cutMessage(b[bt.size:]); !ok {
			return bt, matchPartial
		}
	}
	portal, name, params, ok := pgwire.SplitBind(body)
	if typ != pgwire.Bind || !ok || len(portal) > 0 || bt.parses && string(name) != string(bt.name) {
		return bt, matchNone
	}
	if !bt.parses {
		_, bt.statement = s.lookup(name)
	}
	if bt.statement == nil {
		return bt, matchNone
	}
	bt.params = params
	bt.size += len(msg)
	return s.matchTail(b, bt)
}

// matchTail recognises what follows the Bind of a batch.
func (s *session) matchTail(b []byte, bt batch) (batch, matching) {
	for {
		msg, body, typ, ok := cutMessage(b[bt.size:])
		if !ok {
			return bt, matchPartial
		}
		bt.size += len(msg)
		switch typ {
		case pgwire.Describe:
			what, name, err := pgwire.SplitTarget(body)
			if err != nil || bt.describes || what != pgwire.Portal || len(name) > 0 {
				return bt, matchNone
			}
			bt.describes = true
			continue
		case pgwire.Execute:
			portal, maxRows, err := pgwire.SplitExecute(body)
			if err != nil || len(portal) > 0 || maxRows != 0 {
				return bt, matchNone
			}
		default:
			return bt, matchNone
		}
		msg, _, typ, ok = cutMessage(b[bt.size:])
		switch {
		case !ok:
			return bt, matchPartial
		case typ != pgwire.Sync:
			return bt, matchNone
		}
		bt.size += len(msg)
		return bt, matchWhole
	}
}

// cutMessage cuts a whole message off the front of b. Larger ones than are ever held count as not whole.
func cutMessage(b []byte) (msg, body []byte, typ byte, ok bool) {
	h, ok, err := pgwire.PeekHeader(b, maxHeld)
	if !ok || err != nil || len(b) < h.Total() {
		return nil, nil, 0, false
	}
	msg = b[:h.Total()]
	return msg, msg[pgwire.HeaderLen:], h.Type, true
}
