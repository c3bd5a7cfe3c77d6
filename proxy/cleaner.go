package proxy

import (
	"overdrive/pool"
	"overdrive/proxy/pgwire"
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
func (nobody) skipped()                           {}
func (nobody) ready(*owed)                        {}
func (nobody) drained()                           {}

// A cleaner holds a connection while it is rolled back and reset.
type cleaner struct {
	nobody
	broker *loopBroker
	conn   *serverConn
	write  *transaction
	limit  stopper
	// reset asks for DISCARD ALL; started says that the cancel requests under way, if any, have had their effect.
	reset, started, broken bool
}

func newCleaner(b *loopBroker, c *serverConn, write *transaction, reset bool) *cleaner {
	k := &cleaner{broker: b, conn: c, write: write, reset: reset}
	c.holder = k
	return k
}

// start sends what cleans.
func (k *cleaner) start() {
	c := k.conn
	k.started = true
	c.conn.ResumeRead()
	if c.status != pgwire.TxIdle {
		k.send("ROLLBACK")
	}
	if k.reset {
		k.send("DISCARD ALL")
		c.strays = nil
	}
	k.limit = c.worker.after(cleanLimit, k.giveUp)
	k.walked()
}

func (k *cleaner) send(sql string) {
	k.conn.unnamed = nil
	k.conn.owed.push(owedQuery, skip)
	k.conn.peer.Write(k.conn.worker.scratch.text(pgwire.Query, sql))
}

func (k *cleaner) failed(pgwire.ErrorReport, *owed) { k.broken = true }

// walked returns the connection to the pool once all is answered.
func (k *cleaner) walked() {
	c := k.conn
	if !k.started || c.owed.len() > 0 || c.left > 0 {
		return
	}
	k.write.end()
	k.limit.Stop()
	if k.broken || c.status != pgwire.TxIdle {
		k.discard(pool.CloseDirty)
		return
	}
	k.broker.release(c)
}

func (k *cleaner) giveUp() {
	k.write.abandon()
	k.discard(pool.CloseDirty)
}

func (k *cleaner) discard(why pool.CloseReason) {
	k.conn.holder, k.conn.gone = nil, true
	k.conn.origin.pool.Discard(k.conn.lease.Load(), why)
}

func (k *cleaner) lost(error) {
	if k.limit != nil {
		k.limit.Stop()
	}
	k.write.abandon()
}

// A finisher holds a connection that works for a client that is gone. It has the work cancelled and waits for its end, so
// that it is known when the client's writes are decided; then the connection is closed.
type finisher struct {
	nobody
	conn  *serverConn
	write *transaction
	limit stopper
}

func startFinishing(b *loopBroker, c *serverConn, write *transaction, where amid) {
	k := &finisher{conn: c, write: write}
	c.holder = k
	c.conn.ResumeRead()
	switch where {
	case amidMessage:
		if c.owed.len() <= 1 {
			k.write.end() // half a message has no effect, and all before it is answered
		}
		k.giveUp()
		return
	case amidCopy:
		c.copyIn = false
		c.peer.Write(c.worker.scratch.text(pgwire.CopyFail, "client is gone"))
		k.sync()
	case amidBatch:
		k.failBatch()
		k.sync()
	case amidReplies:
	}
	k.limit = c.worker.after(finishLimit, k.giveUp)
	if c.owed.len() > 0 {
		b.cancel(c, func() {})
	}
	k.walked()
}

// failBatch makes the batch that the client left open fail, so that ending it does not commit what stood before: a server
// whose client is gone rolls it back.
func (k *finisher) failBatch() {
	k.conn.owed.push(owedExecute, skip)
	k.conn.peer.Write(runNothing)
}

// runNothing executes a portal that does not exist.
var runNothing = pgwire.AppendMessage(nil, pgwire.Execute, []byte(serverPrefix+"\x00\x00\x00\x00\x00"))

// sync ends the batch that the client left open.
func (k *finisher) sync() {
	c := k.conn
	c.discarding = false
	c.owed.push(owedSync, skip)
	c.peer.Write(c.worker.scratch.empty(pgwire.Sync))
}

func (k *finisher) failed(pgwire.ErrorReport, *owed) {}

// walked closes the connection once it is at rest. A transaction that is still open ends with it, without effect.
func (k *finisher) walked() {
	if c := k.conn; c.owed.len() == 0 && c.left == 0 {
		k.limit.Stop()
		k.write.end()
		k.discard()
	}
}

func (k *finisher) giveUp() {
	k.write.abandon()
	k.discard()
}

func (k *finisher) discard() {
	k.conn.holder, k.conn.gone = nil, true
	k.conn.origin.pool.Discard(k.conn.lease.Load(), pool.CloseAborted)
}

func (k *finisher) lost(error) {
	if k.limit != nil {
		k.limit.Stop()
	}
	k.write.abandon()
}
