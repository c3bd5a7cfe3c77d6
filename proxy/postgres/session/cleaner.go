package session

import (
	"math"
	"time"

	"overdrive/proxy/postgres/pgwire"
)

// This file is about server connections whose client has gone: one that is at rest is cleaned and used again, one that
// still works is brought to rest and closed.

// nobody is the part of a holder that has no client: it listens to nothing.
type nobody struct{}

func (nobody) toClient([]byte)                    {}
func (nobody) pay([]byte)                         {}
func (nobody) undone(*owed, bool)                 {}
func (nobody) completed([]byte)                   {}
func (nobody) tooLarge()                          {}
func (nobody) learned([][]byte)                   {}
func (nobody) parameter(_, _ string, _ bool) bool { return false }
func (nobody) reopened()                          {}
func (nobody) settled(*owed)                      {}
func (nobody) notified(uint32, []byte) []byte     { return nil }
func (nobody) news() []byte                       { return nil }
func (nobody) untold() []byte                     { return nil }
func (nobody) mustHear() bool                     { return false }
func (nobody) skipped()                           {}
func (nobody) ready(*owed)                        {}
func (nobody) drained()                           {}

// Limits of the work that is done on a connection whose client has gone.
const (
	cleanLimit  = 10 * time.Second // for ROLLBACK and DISCARD ALL
	finishLimit = 10 * time.Second // for a query that was told to stop
)

// cleaning says how far a connection is brought back.
type cleaning uint8

const (
	rollBack   cleaning = iota // an open transaction
	washAway                   // and all settings
	discardAll                 // and all else that a session can have
)

// A cleaner holds a connection while it is rolled back and reset. Errands that were under way when the client left are
// awaited.
type cleaner struct {
	nobody
	conn  *ServerConn
	limit Timer
	depth cleaning
	// started says that the cancel requests under way, if any, have had their effect.
	started, broken bool
}

// clean rolls back what a client left open, resets the session state as far as it is asked to, and returns the connection
// to the pool. Errands of the client's session may be under way.
func (c *ServerConn) clean(depth cleaning) {
	c.driver.BeginReset()
	k := &cleaner{conn: c, depth: depth}
	c.holder = k
	if c.cancelling.underWay > 0 {
		c.cancelling.afterward = k.start
		return
	}
	k.start()
}

// start sends what cleans.
func (k *cleaner) start() {
	c := k.conn
	k.started = true
	c.peer.ResumeRead()
	if c.status != pgwire.TxIdle {
		k.send("ROLLBACK")
	}
	switch k.depth {
	case rollBack:
	case washAway:
		c.send(washes, true, func(b []byte) []byte { return c.appendAskLeft(c.appendWash(b)) })
	case discardAll:
		k.send("DISCARD ALL")
		c.dropStrays()
	}
	k.limit = c.driver.After(cleanLimit, k.giveUp)
	k.walked()
}

func (k *cleaner) send(sql string) {
	k.conn.prepared.unnamed = nil
	k.conn.exchange(owedQuery, skip, k.conn.space.scratch.text(pgwire.Query, sql))
}

// failed is the server connection's call. An errand that the client's session had sent changes nothing when it fails.
func (k *cleaner) failed(_ pgwire.ErrorReport, e *owed) {
	k.broken = k.broken || e == nil || e.errand == noErrand
}

// walked returns the connection to the pool once all is answered.
func (k *cleaner) walked() {
	c := k.conn
	if !k.started || c.owed.len() > 0 || c.in.left > 0 {
		return
	}
	k.limit.Stop()
	if k.broken || c.status != pgwire.TxIdle || c.prepared.left {
		c.discard(Dirty)
		return
	}
	if k.depth == washAway {
		c.params.has = c.identity.reported(c.params.has)
		c.washed()
	}
	c.release()
}

func (k *cleaner) giveUp() { k.conn.discard(Dirty) }

func (k *cleaner) lost(error) {
	if k.limit != nil {
		k.limit.Stop()
	}
}

// A finisher holds a connection that works for a client that is gone. It has the work cancelled and waits for its end, so
// that it is known when the client's writes are decided; then the connection is closed.
type finisher struct {
	nobody
	conn  *ServerConn
	where amid
	whole uint64 // amidMessage: the number of batches that were sent whole, all in all
	limit Timer
}

// finish stops the work that a connection still does for a client that is gone, and closes it.
func (c *ServerConn) finish(where amid) {
	k := &finisher{conn: c, where: where}
	c.holder = k
	c.peer.ResumeRead()
	switch where {
	case amidMessage:
		k.whole = c.owed.wholeBatches()
	case amidCopyMessage:
	case amidCopy:
		k.failCopy()
	case amidBatch:
		if !c.trouble.discarding { // else it has failed, and the server answers nothing before the Sync
			k.failBatch()
		}
		k.sync()
	case amidReplies:
	}
	k.limit = c.driver.After(finishLimit, k.giveUp)
	if !k.over() {
		c.cancel(func() {})
	}
	k.walked()
}

// failCopy ends the copy that the server waits for the rest of.
func (k *finisher) failCopy() {
	c := k.conn
	c.copying.in = false
	c.write(c.space.scratch.text(pgwire.CopyFail, "client is gone"))
	k.sync()
}

// failBatch makes the batch that the client left open fail, so that ending it does not commit what stood before: a server
// whose client is gone rolls it back.
func (k *finisher) failBatch() {
	k.conn.exchange(owedExecute, skip, runNothing)
}

// runNothing executes a portal that does not exist.
var runNothing = pgwire.AppendMessage(nil, pgwire.Execute, []byte(serverPrefix+"\x00\x00\x00\x00\x00"))

// sync ends the batch that the client left open.
func (k *finisher) sync() {
	c := k.conn
	c.trouble.discarding = false
	c.exchange(owedSync, skip, syncMessage)
}

func (k *finisher) failed(pgwire.ErrorReport, *owed) {}

// walked closes the connection once it is at rest. A transaction that is still open ends with it, without effect.
func (k *finisher) walked() {
	c := k.conn
	if c.copying.in && !k.amidAMessage() { // the client left before it could know
		k.failCopy()
	}
	if !k.over() {
		return
	}
	k.limit.Stop()
	if k.amidAMessage() && (c.copying.in || !c.mayCommit()) {
		c.marks.settle(math.MaxUint64)
		c.marks.end(len(c.marks.open), false)
	}
	k.giveUp()
}

func (k *finisher) giveUp() { k.conn.discard(Aborted) }

func (k *finisher) lost(error) {
	if k.limit != nil {
		k.limit.Stop()
	}
}

// amid tells where in the protocol a client vanished, which decides how its server is brought to rest.
type amid uint8

const (
	amidReplies     amid = iota // all was sent, answers are still due
	amidBatch                   // the Sync is missing
	amidCopy                    // the end of the copied data is missing
	amidMessage                 // half a message was sent: nothing more can be said on this connection
	amidCopyMessage             // the same with a part of a copy, which no reply is owed for
)
