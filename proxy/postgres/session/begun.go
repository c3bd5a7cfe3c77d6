package session

import (
	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache/classify"
)

// This file holds back the BEGIN of a client where its database has cache.in_transactions. The client is told that its transaction has
// begun, and reads that the cache has are answered, since the first statements of a READ COMMITTED transaction see what a statement
// alone would see. The first message that needs a server has the transaction begun there, and from then on nothing is served.
//
//	none ── BEGIN ──▶ held ── a message needs a server ──▶ begun at the server (none)
//	                   │ └──── no server is to be had ───▶ failed ── COMMIT, ROLLBACK ──▶ none
//	                   └────── COMMIT, ROLLBACK ─────────▶ none
type begun uint8

const (
	begunHeld      begun = 1 << iota // the client was told, and no server
	begunCommitted                   // the BEGIN named READ COMMITTED
	begunReadOnly                    // READ ONLY
	begunReadWrite                   // READ WRITE
	begunMoved                       // a server has begun it, and was given up before it did more: see neverset.go
	begunFailed                      // no server was to be had: all but the end of the transaction is refused
)

// begunBy returns what a plain BEGIN says.
func begunBy(v *classify.Verdict) begun {
	b := begunHeld
	if v.Session.Has(classify.Committed) {
		b |= begunCommitted
	}
	switch {
	case v.Session.Has(classify.ReadOnly):
		b |= begunReadOnly
	case v.Session.Has(classify.Writes):
		b |= begunReadWrite
	}
	return b
}

// first says whether the statement at hand is the first of its transaction that a server hears of, or would be.
func (s *Session) first() bool {
	if s.begun != 0 {
		return s.begun&(begunMoved|begunFailed) == 0
	}
	return s.attempt.fill != nil && s.srv != nil && s.srv.answers.early
}

// runs is called before a text is sent to be run. alone: all that was run before it is over, and no transaction is open. It notes whether
// the text begins one and does nothing else.
func (c *ServerConn) runs(v *classify.Verdict) (alone bool) {
	alone = c.status == pgwire.TxIdle && c.ran <= c.owed.answered
	c.ran, c.opened = c.owed.sent+1, 0
	if alone && v.Session.Has(classify.PlainBegin) {
		c.opened = begunBy(v)
	}
	return alone
}
