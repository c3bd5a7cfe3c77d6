package proxy

import (
	"errors"
	"fmt"
	"sync/atomic"

	"overdrive/pool"
	"overdrive/proxy/loop"
	"overdrive/proxy/pgwire"
	"overdrive/querycache"
)

// peer is one side's socket as the session machine sees it: *loop.Conn in the program, a recorder in tests. Write borrows
// b until the event that is being handled ends; WriteShared keeps b, which must never change.
type peer interface {
	Write(b []byte)
	WriteShared(b []byte)
	Pending() int
	Congested() bool
	PauseRead()
	ResumeRead()
	Close()
	CloseAfterFlush()
}

// A holder has a server connection to itself: a session that leased it, or a cleaner that resets it. All calls come while
// bytes of the server are being walked.
type holder interface {
	// toClient passes on replies; b is borrowed.
	toClient(b []byte)
	// pay passes on a reply of ours, whose bytes never change.
	pay(b []byte)
	// undone tells that a reply will never come: the message failed, or an error made the server skip it.
	undone(e *owed, failed bool)
	// learned gives the values of a row that was asked for; they are borrowed.
	learned(values [][]byte)
	// tooLarge tells that the answer at hand is larger than is kept.
	tooLarge()
	// completed gives the command tag of a CommandComplete before it is passed on, or nil for a PortalSuspended: what the
	// statement wrote so far stays.
	completed(tag []byte)
	// failed gives an error of the server before it is passed on, and the reply it came into, nil if none was owed.
	failed(r pgwire.ErrorReport, e *owed)
	// parameter tells of a ParameterStatus and decides whether the client sees it.
	parameter(name, value string, injected bool) (pass bool)
	// settled tells that e was answered; a ReadyForQuery is told by ready alone.
	settled(e *owed)
	// skipped tells that all that an error made the server skip is undone.
	skipped()
	// reopened tells that the server read the last Sync in copy mode and ignored it: the batch is still open.
	reopened()
	// ready tells that e, the end of a batch, was answered, before the answer is passed on.
	ready(e *owed)
	// drained tells that the server has read what was congested.
	drained()
	// walked tells that the bytes at hand are dealt with: the time to release, refill or give up.
	walked()
	// lost tells that the connection is gone. It is no longer the holder's.
	lost(err error)
}

// A serverConn is the state of one connection to PostgreSQL: what is owed on it, what lives on it, and who holds it. It
// belongs to the loop of its socket, and changes hands only there.
//
//	                 lease                      clean
//	 pooled ───────────────────▶ held by a ───────────────▶ held by a
//	   ▲  ▲                       session                    cleaner
//	   │  └── release: idle, nothing owed ──┘                   │
//	   └──────────────────── idle, nothing owed ───────────────┘
//
//	every state ──▶ lost (the server closed, or broke the protocol)
//
// Invariant: a pooled serverConn owes no reply, is in no transaction, and has is what its server has.
type serverConn struct {
	origin *origin
	worker *worker // of the loop that owns the socket
	peer   peer
	conn   *loop.Conn // peer, in the running program
	lease  atomic.Pointer[pool.Lease[*serverConn]]
	holder holder // nil while pooled
	gone   bool   // the socket is closed

	pid    uint32 // BackendKeyData: what a cancel request must name
	secret []byte

	owed    replyQueue
	done    owed // the end of the last batch
	in      pgwire.Inbox
	left    int                // bytes still to come of the message being passed
	hide    bool               // what is left is not for the client
	instead []byte             // goes to the client in place of the message at hand
	whole   []*querycache.Fill // answers of the batch at hand that have come to their end
	filling *querycache.Fill   // keeps the message being passed, nil if the cache has no use for it
	status  pgwire.TxStatus

	has       *settings
	residents *residents
	unnamed   *statement // what the unnamed statement is here, if it is known
	unnamedIn uint64     // the batch that made it so

	copyIn     bool // the server reads CopyData until CopyDone or CopyFail
	earlySyncs int  // Syncs sent in copy mode, which the server ignores unless it failed before it read them
	discarding bool // after an error: the server skips everything up to a Sync that the client has not sent yet
	doubtful   bool // the replies owed cannot be known for certain; the connection must not be reused
	dying      bool // the server said FATAL

	strays []string // statements prepared under a client's name to provoke an error

	lastError pgwire.ErrorReport
	cancels   int    // cancel requests on their way to this server
	afterward func() // what waits for the last of them
}

// maxHeldReply bounds the server messages that are kept until they are whole. CommandComplete and ParameterStatus above
// it break the protocol; an ErrorResponse above it is passed on unread.
const maxHeldReply = 256 << 10

// errDesync says that a server sent what nobody asked for. Its connection cannot be used any further.
var errDesync = errors.New("unexpected message from server")

// OnData is the loop's call: bytes from the server.
func (c *serverConn) OnData(b []byte) {
	if c.gone {
		return
	}
	c.worker.scratch.reset()
	b = c.in.Join(b)
	rest, err := c.walk(b)
	if err != nil {
		c.fail(err)
		return
	}
	c.in.Keep(rest)
	switch {
	case c.dying:
		c.fail(fmt.Errorf("server ended the session: %s", c.lastError.Message))
	case c.holder != nil:
		c.holder.walked()
	}
}

// amidReply says whether the client has been given only a part of a message.
func (c *serverConn) amidReply() bool { return c.left > 0 && !c.hide }

// walk deals with all whole messages in b, and with those that may pass piece by piece, and returns the tail that must
// be kept until more arrives. Neighbouring replies for the client are passed on as one slice.
func (c *serverConn) walk(b []byte) (rest []byte, err error) {
	run, i := 0, 0 // b[run:i] is for the client and not yet passed on
	pass := func() {
		if run < i && c.holder != nil {
			c.holder.toClient(b[run:i])
		}
		run = i
	}
	take := func(n int) { // moves on by n bytes of the present message
		if c.filling != nil && !c.filling.Append(b[i:i+n]) {
			c.filling = nil
			c.holder.tooLarge()
		}
		if c.hide {
			pass()
			run += n
		}
		i += n
	}
	for i < len(b) {
		if c.left > 0 {
			n := min(c.left, len(b)-i)
			take(n)
			c.left -= n
			continue
		}
		if c.fakeIsDue() {
			pass()
			c.payFakes()
		}
		h, ok, err := pgwire.PeekHeader(b[i:], c.origin.maxMessage)
		if err != nil {
			pass()
			return nil, err
		}
		if !ok {
			break
		}
		size := pgwire.HeaderLen
		if mustBeWhole(h) || c.learns(h) {
			if size = h.Total(); len(b)-i < size {
				break
			}
		}
		act, err := c.message(h, b[i+pgwire.HeaderLen:i+size])
		if err != nil {
			pass()
			return nil, err
		}
		c.hide = act == skip || c.holder == nil
		take(size)
		if c.instead != nil {
			c.holder.toClient(c.instead)
			c.instead = nil
		}
		c.left = h.Total() - size
	}
	pass()
	if c.left == 0 {
		c.payFakes()
	}
	return b[i:], nil
}

// fakeIsDue says whether the next reply for the client is one of ours.
func (c *serverConn) fakeIsDue() bool {
	e := c.owed.front()
	return e != nil && e.action == fake
}

// payFakes hands out all fakes that have nothing owed ahead of them.
//
// Invariant: no byte of a fake is written before every reply owed ahead of it.
func (c *serverConn) payFakes() {
	for c.fakeIsDue() {
		e := c.owed.pop()
		c.holder.settled(&e)
		c.holder.pay(e.answer)
		if e.kind == owedQuery {
			c.holder.toClient(c.worker.scratch.ready(c.status))
		}
	}
}

// fail ends the connection: the socket is closed, the pool forgets it, and its holder is told.
func (c *serverConn) fail(err error) {
	c.peer.Close()
	c.OnError(err)
}

// OnError is the loop's call: the socket is gone.
func (c *serverConn) OnError(err error) {
	c.worker.scratch.reset()
	h := c.holder
	c.holder = nil
	c.abortFills()
	if h != nil {
		h.lost(err)
	}
	c.origin.dropped(c, h != nil)
}

// OnEOF is the loop's call: the server will send no more.
func (c *serverConn) OnEOF() { c.fail(errServerClosed) }

// OnDrained is the loop's call.
func (c *serverConn) OnDrained() {
	if c.holder != nil {
		c.worker.scratch.reset()
		c.holder.drained()
	}
}
