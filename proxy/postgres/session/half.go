package session

import "overdrive/querycache/verdict"

// This file is about a server connection whose client vanished in the middle of a message that was being passed on. Nothing more
// can be said on it, but what was sent whole is answered. When the connection is closed, the server finds the end of it
// where the rest of the message should stand, and rolls back the transaction that is open.

// amidAMessage says whether the server waits for the rest of a message.
func (k *finisher) amidAMessage() bool { return k.where == amidMessage || k.where == amidCopyMessage }

// over says whether all has been answered that the server can still answer.
func (k *finisher) over() bool {
	c := k.conn
	switch {
	case c.in.left > 0:
		return false
	case k.where == amidMessage && c.copying.in: // the copy, and the message that the server will never read
		return c.owed.toCome() <= 2
	case k.where == amidMessage:
		return c.owed.answered >= k.whole
	case k.where == amidCopyMessage && c.copying.in:
		return c.owed.toCome() <= 1
	}
	return c.owed.len() == 0
}

// wholeBatches is how many batches were sent as a whole, if a part of the last message is missing.
func (q *replyQueue) wholeBatches() uint64 {
	if q.count > 0 && q.at(q.count-1).kind.endsBatch() {
		return q.sent - 1
	}
	return q.sent
}

// mayCommit says whether a message that the server has not answered yet, of a batch that it will not see the end of, may end a
// transaction: then it is not known when it does so, and the rest is not certain to be rolled back.
func (c *ServerConn) mayCommit() bool {
	for i := range c.owed.len() {
		e := c.owed.at(i)
		if e.kind != owedExecute {
			continue
		}
		if e.statement == nil || !e.statement.staysOpen() {
			return true
		}
	}
	return false
}

// staysOpen says whether a statement is certain to leave the transaction open that it runs in. How its names are read does not
// matter for that.
func (st *statement) staysOpen() bool {
	seen := st.seen.Load()
	if seen == nil {
		return false
	}
	switch v := seen.verdict; {
	case v.Effect == verdict.EffectRelations:
		return !v.DDL
	case v.Effect == verdict.EffectNone:
		return v.Status == verdict.Cacheable || v.Status == verdict.Uncacheable || v.Status == verdict.Volatile
	}
	return false
}
