package session

import (
	"errors"
	"fmt"
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/querycache"
)

// A ServerConn is the state of one connection to PostgreSQL: what is owed on it, what lives on it, and who holds it. It
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
// Invariant: a pooled server connection owes no reply, is in no transaction, and params.has is what its server has.
type ServerConn struct {
	Backend
	identity *Identity
	driver   ServerDriver
	space    *Workspace // of the loop that owns the socket
	peer     Peer
	holder   holder // nil while pooled
	gone     bool   // the socket is closed
	status   pgwire.TxStatus
	opened   begun  // how the open transaction was begun, if nothing has run in it yet
	ran      uint64 // batches that are answered once all is over that was run
	block    block  // what was sent last that begins or leaves one

	in         arriving
	owed       replyQueue
	done       owed  // the end of the last batch
	marks      marks // what it writes
	answers    answers
	params     serverParams
	prepared   preparedHere
	copying    copying
	trouble    trouble
	cancelling cancelling
	voice      voice
	work       work
	tells      bool        // what the holder's RESET has come to is to be told with its answer
	inserted   *insertions // into the Query that is owed an answer; nil: nothing
}

// arriving is what has come of the server and is still to be dealt with, and what becomes of the message at hand.
type arriving struct {
	pgwire.Inbox
	left    int    // bytes still to come of the message being passed
	hide    bool   // what is left is not for the client
	instead []byte // goes to the client in place of the message at hand
	ahead   []byte // goes to the client ahead of it
	halted  bool   // nothing is dealt with until goOn
}

// answers are those that the cache wants of the batch at hand.
type answers struct {
	whole   []*querycache.Fill // have come to their end
	filling *querycache.Fill   // keeps the message being passed, nil if the cache has no use for it
	early   bool               // what is asked is the first of a READ COMMITTED transaction, so it sees what everybody sees
}

// serverParams are what is known of the parameters that the server has.
type serverParams struct {
	has   *settings.Set
	born  *settings.Set // what it reported at login, to which it is washed
	stain ID            // who may have left settings, or a seed, that nobody knows of; 0: nobody
	owner ID            // who may have set parameters of the user's own; 0: nobody
	drawn ID            // who has drawn from sequences last, as currval and lastval tell; 0: nobody
	// called is what pins the holder, where that has a name: at the last look, and the parameters that it has set since.
	called map[pinSet]string
	// rested is what the holder wanted when last no transaction was open and nothing was to be asked; nil: as at its startup.
	rested *settings.Set
	// tried is what a text that is run alone, in the batch triedIn, has pinned the holder by: if it fails it has not.
	tried   pinSet
	triedIn uint64
	// unasked: code may have run PREPARE, and nobody has asked the server.
	unasked bool
}

// preparedHere are the statements that the server has.
type preparedHere struct {
	residents *residents
	unnamed   *statement // what the unnamed statement is here, if it is known
	unnamedIn uint64     // the batch that made it so
	freedIn   uint64     // the batch in which the holder last gave up a name by Close
	// strays and doubted are to be closed before the connection is released: what was prepared to provoke an error, and statements
	// that may be there or not.
	strays  []string
	lent    map[string]bool // those of strays that have a name of the client's: see sqlnames.go
	doubted map[*statement]bool
	// dropping is what each DEALLOCATE of a name that is under way drops, in their order.
	dropping []string
	left     bool // a wash has found some that SQL has prepared, and put them among strays
}

// copying is about COPY FROM STDIN.
type copying struct {
	in         bool // the server reads CopyData until CopyDone or CopyFail
	earlySyncs int  // Syncs sent in copy mode, which the server ignores unless it failed before it read them
}

// trouble is what errors have left of the connection.
type trouble struct {
	discarding bool // after an error: the server skips everything up to a Sync that the client has not sent yet
	doubtful   bool // the replies owed cannot be known for certain; the connection must not be reused
	dying      bool // the server said FATAL
	unheard    bool // in answer to us, so the client has not heard it
	last       pgwire.ErrorReport
}

// cancelling is about cancel requests.
type cancelling struct {
	underWay  int    // on their way to this server
	afterward func() // what waits for the last of them
}

// A Backend is the server's process behind a connection.
type Backend struct {
	PID     uint32    // BackendKeyData: what a cancel request must name; 0 if it is not known
	Login   time.Time // when it had logged in
	Standby bool      // the server said then that it was one
	Era     uint64    // of the identity, when the login began
}

// Begin makes c, which is fresh, the connection to a backend that has just logged in and reported params. peer and space are set when
// its socket lives on a loop.
func (c *ServerConn) Begin(d ServerDriver, o *Identity, b Backend, params map[string]string) {
	p := o.profileOf(params)
	if b.Era == o.Era() || !o.Known() {
		o.profile.Store(p)
	}
	base := p.base
	c.driver, c.identity, c.Backend = d, o, b
	c.status, c.params.has, c.params.born, c.prepared.residents = pgwire.TxIdle, base, base, newResidents()
	c.marks.conn = c
}

// Live notes that the connection's socket lives on the loop of w.
func (c *ServerConn) Live(socket Peer, w *Workspace) { c.peer, c.space = socket, w }

// MoveTo notes that the connection, which nobody holds, lives on the loop of w from now on.
func (c *ServerConn) MoveTo(w *Workspace) { c.space, c.work = w, work{} }

// Gone says whether the connection is closed. It is for the loop of the connection.
func (c *ServerConn) Gone() bool { return c.gone }

// Fault is the driver's call: a fault of ours was contained, so the connection can be in any state and must end.
func (c *ServerConn) Fault(err error) {
	if !c.gone {
		c.fail(err)
	}
}

// Goodbye closes a connection that the pool does not know, or knows no more.
func (c *ServerConn) Goodbye() {
	c.gone = true
	c.marks.drop()
	c.write(pgwire.AppendEmpty(nil, pgwire.Terminate))
	c.peer.CloseAfterFlush()
}

// maxHeldReply bounds the server messages that are kept until they are whole, and the parameters that are kept of one
// server together. CommandComplete and ParameterStatus above it break the protocol, and are refused when their header is
// read; an ErrorResponse above it is passed on unread.
const maxHeldReply = 256 << 10

// errDesync says that a server sent what nobody asked for. Its connection cannot be used any further.
var errDesync = errors.New("unexpected message from server")

// OnData is the loop's call: bytes from the server.
func (c *ServerConn) OnData(b []byte) {
	if c.gone {
		return
	}
	c.space.scratch.reset()
	c.lane().FromServers.Add(uint64(len(b)))
	c.take(b)
}

// goOn deals with what has been put off.
func (c *ServerConn) goOn() {
	if c.in.halted {
		c.in.halted = false
		c.take(nil)
	}
}

// take deals with what was kept and b behind it.
func (c *ServerConn) take(b []byte) {
	b = c.in.Join(b)
	if c.in.halted {
		c.in.Keep(b)
		return
	}
	rest, err := c.walk(b)
	if err != nil {
		c.fail(err)
		return
	}
	c.in.Keep(rest)
	switch {
	case c.trouble.dying:
		c.fail(fmt.Errorf("server ended the session: %s", c.trouble.last.Message))
	case c.holder != nil:
		c.holder.walked()
	}
}

// amidReply says whether the client has been given only a part of a message.
func (c *ServerConn) amidReply() bool { return c.in.left > 0 && !c.in.hide }

// walk deals with all whole messages in b, and with those that may pass piece by piece, and returns the tail that must
// be kept until more arrives. Neighbouring replies for the client are passed on as one slice.
func (c *ServerConn) walk(b []byte) (rest []byte, err error) {
	run, i := 0, 0 // b[run:i] is for the client and not yet passed on
	pass := func() {
		if run < i && c.holder != nil {
			c.holder.toClient(b[run:i])
		}
		run = i
	}
	take := func(n int) { // moves on by n bytes of the present message
		if c.answers.filling != nil && !c.answers.filling.Append(b[i:i+n]) {
			c.answers.filling = nil
			c.holder.tooLarge()
		}
		if c.in.hide {
			pass()
			run += n
		}
		i += n
	}
	for i < len(b) {
		if c.in.left > 0 {
			n := min(c.in.left, len(b)-i)
			take(n)
			c.in.left -= n
			continue
		}
		if c.fakeIsDue() {
			pass()
			c.payFakes()
		}
		h, size, err := c.peek(b[i:])
		if err != nil {
			pass()
			return nil, err
		}
		if len(b)-i < size {
			break
		}
		if h.Type == pgwire.ReadyForQuery && c.mustHalt(b[i+pgwire.HeaderLen]) {
			c.in.halted = true
			break
		}
		act, err := c.message(h, b[i+pgwire.HeaderLen:i+size])
		if err != nil {
			pass()
			return nil, err
		}
		if c.in.ahead != nil {
			pass()
			c.holder.pay(c.in.ahead)
			c.in.ahead = nil
		}
		c.in.hide = act == skip || c.holder == nil
		take(size)
		if c.in.instead != nil {
			c.holder.toClient(c.in.instead)
			c.in.instead = nil
		}
		c.in.left = h.Total() - size
	}
	pass()
	if c.in.left == 0 {
		c.payFakes()
	}
	return b[i:], nil
}

// exchange sends a message to the server, or the beginning of one, and notes the reply that it owes for it: there is never one without
// the other. The caller may add to what is owed, until the next exchange.
func (c *ServerConn) exchange(kind replyKind, act action, msg []byte) *owed {
	if c.owed.len() == 0 {
		c.workBegins()
	}
	e := c.owed.push(kind, act)
	c.write(msg)
	return e
}

// mustHalt says whether a ReadyForQuery for the client is put off, which tells of the status.
func (c *ServerConn) mustHalt(status byte) bool {
	e := c.owed.front()
	return c.holder != nil && status == byte(pgwire.TxIdle) && e != nil && e.action == forward && e.kind.endsBatch() && c.holder.mustHear()
}

// fakeIsDue says whether the next reply for the client is one of ours.
func (c *ServerConn) fakeIsDue() bool {
	e := c.owed.front()
	return e != nil && e.action == fake
}

// payFakes hands out all fakes that have nothing owed ahead of them.
//
// Invariant: no byte of a fake is written before every reply owed ahead of it.
func (c *ServerConn) payFakes() {
	for c.fakeIsDue() {
		var e owed
		c.owed.pop(&e)
		c.holder.settled(&e)
		c.holder.pay(e.answer)
		if e.kind == owedQuery {
			if news := c.newsNow(); news != nil {
				c.holder.pay(news)
			}
			c.holder.toClient(c.space.scratch.ready(c.status))
		}
	}
}

// fail ends the connection: the socket is closed, the pool forgets it, and its holder is told.
func (c *ServerConn) fail(err error) {
	c.peer.Close()
	c.OnError(err)
}

// OnError is the loop's call: the socket is gone.
func (c *ServerConn) OnError(err error) {
	c.space.scratch.reset()
	h := c.holder
	c.holder = nil
	c.abortFills()
	c.marks.drop()
	if h != nil {
		h.lost(err)
	}
	held := h != nil || c.cancelling.afterward != nil
	c.gone, c.cancelling.afterward = true, nil
	c.driver.Dropped(held)
}

// discard takes the connection away from its holder, who has no more use for it, and out of the pool.
func (c *ServerConn) discard(why Unfitness) {
	c.holder, c.gone = nil, true
	c.marks.drop()
	c.driver.Discard(why)
}

// OnEOF is the loop's call: the server will send no more.
func (c *ServerConn) OnEOF() { c.fail(errServerClosed) }

// OnDrained is the loop's call.
func (c *ServerConn) OnDrained() {
	if c.holder != nil {
		c.space.scratch.reset()
		c.holder.drained()
	}
}

// undecided says whether st is on the server only if an earlier batch, still to be answered, goes well. For nil it is about
// the unnamed statement.
func (c *ServerConn) undecided(st *statement) bool {
	if st == nil {
		return c.owed.undecided(c.prepared.unnamedIn)
	}
	batch, ok := c.prepared.residents.since(st)
	return ok && c.owed.undecided(batch)
}

// owesOnlyUs says whether nothing that a client has asked for is still to be answered. Questions of ours belong to the connection and
// not to a client that has left.
func (c *ServerConn) owesOnlyUs() bool {
	for i := range c.owed.len() {
		if e := c.owed.at(i); e.action != skip {
			return false
		}
	}
	return c.in.left == 0 || c.in.hide
}

// errServerClosed says that the server closed its connection without a word.
var errServerClosed = errors.New("server closed the connection unexpectedly")
