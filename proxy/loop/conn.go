package loop

import (
	"crypto/tls"
	"net"
	"time"
)

// Conn is a connection that lives on a Loop. All its methods are for that loop's goroutine only. While it is idle it
// holds no buffer; over TLS it holds what its tls.Conn keeps.
type Conn struct {
	loop    *Loop
	handler Handler
	id      uint64    // see connTable; zero while on its way between loops
	out     *output   // what Write accepted and send has not taken; nil while empty
	tls     *tlsState // nil on a plain connection
	limit   *Timer    // ends CloseAfterFlush of a peer that does not read
	remote  net.Addr
	sock    socket
	flags   connFlags
	silent  uint8 // rounds in which its peer acknowledged nothing; see askPeer
	adopted int64 // when its loop took it, in nanoseconds of Unix time
}

type connFlags uint16

const (
	flagPaused    connFlags = 1 << iota // PauseRead
	flagEOF                             // the peer's sending side has ended, and the handler knows or will not
	flagDirty                           // in Loop.dirty
	flagVisit                           // in Loop.again
	flagCongested                       // was over the high water mark; OnDrained is owed
	flagClosing                         // Close, CloseAfterFlush or OnError: no more callbacks, writes are dropped
	flagClosed                          // the socket is gone
	flagUnwatched                       // hung up by the peer; see hangup
	flagSent                            // something may be on its way to the peer; see askPeer
)

// Write sends b after everything written before. It never blocks. b is borrowed until the current callback, posted
// function or timer returns: the loop then passes on what the kernel takes, and copies the rest. All that one callback
// writes to a Conn goes out in one system call. After a failure or Close it does nothing; OnError has told, or will.
func (c *Conn) Write(b []byte) { c.accept(b, false, nil) }

// WriteShared is Write of bytes that do not change as long as they are lent: they are not copied, and referred to until they are
// written or dropped. Then loan is released, once in any case; nil means that they never change again.
func (c *Conn) WriteShared(b []byte, loan Releaser) { c.accept(b, true, loan) }

func (c *Conn) accept(b []byte, shared bool, loan Releaser) {
	if len(b) == 0 || c.flags&(flagClosing|flagClosed) != 0 {
		if loan != nil {
			loan.Release()
		}
		return
	}
	if c.out == nil {
		c.out = c.loop.free.output()
	}
	if shared {
		c.out.refer(b, loan)
	} else {
		c.out.borrow(b, &c.loop.free)
	}
	if c.Pending() > c.loop.o.HighWater {
		c.flags |= flagCongested
	}
	c.markDirty()
}

func (c *Conn) markDirty() {
	if c.flags&flagDirty == 0 {
		c.flags |= flagDirty
		c.loop.dirty = append(c.loop.dirty, c.id)
	}
}

// Pending counts the bytes that were written and not yet taken by the kernel. Within a callback that includes what the
// callback wrote.
func (c *Conn) Pending() int {
	n := c.out.size()
	if c.tls != nil {
		n += c.tls.wire.size()
	}
	return n
}

// Congested reports whether Pending is above Options.HighWater. Whoever saw it true may stop feeding the Conn and wait
// for OnDrained, which is certain to come unless OnError does.
func (c *Conn) Congested() bool { return c.Pending() > c.loop.o.HighWater }

// PauseRead holds back OnData and OnEOF until ResumeRead. A reset by the peer still comes through as OnError, and costs
// the bytes that were not read yet; a peer that leaves in good order shows only after ResumeRead.
func (c *Conn) PauseRead() { c.flags |= flagPaused }

// ResumeRead undoes PauseRead. What waits arrives in a later callback, not during this call.
func (c *Conn) ResumeRead() {
	if c.flags&flagPaused == 0 {
		return
	}
	c.flags &^= flagPaused
	if !c.reading() {
		return
	}
	if c.flags&flagUnwatched != 0 {
		c.flags &^= flagUnwatched
		c.sock.interest = 0
		if err := c.loop.poll.add(&c.sock, c.id, readable); err != nil {
			c.loop.fail(c, err)
			return
		}
	}
	c.watch(c.sock.interest | readable)
	if c.flags&flagClosed == 0 && c.tls != nil {
		c.loop.visit(c)
	}
}

// reading reports whether the handler is to get data now.
func (c *Conn) reading() bool {
	return c.flags&(flagPaused|flagEOF|flagClosing|flagClosed) == 0
}

// Close closes the connection now and drops what is pending. No callback follows. Closing again does nothing.
func (c *Conn) Close() {
	if c.flags&flagClosed == 0 && c.tls != nil && c.Pending() == 0 {
		c.tls.conn.CloseWrite() // puts close_notify, which a stream cut short must not have, into wire
		c.sendOutput(&c.tls.wire)
	}
	c.flags |= flagClosing
	c.release()
}

// CloseAfterFlush closes the connection when the kernel has taken what is pending, but after Options.FlushLimit at the
// latest. No callback follows. What the peer has sent is discarded, lest the kernel answer it with a reset that could
// overtake the last words.
func (c *Conn) CloseAfterFlush() {
	if c.flags&(flagClosing|flagClosed) != 0 {
		return
	}
	c.flags |= flagClosing
	c.markDirty()
}

// release gives everything back that c holds. c is in no table afterwards.
func (c *Conn) release() {
	if c.flags&flagClosed != 0 {
		return
	}
	c.flags |= flagClosed
	l := c.loop
	l.table.remove(c)
	if c.flags&flagUnwatched == 0 {
		l.poll.remove(&c.sock)
	}
	c.sock.close()
	c.dropOutput()
	if c.limit != nil {
		c.limit.Stop()
		c.limit = nil
	}
}

func (c *Conn) dropOutput() {
	l := c.loop
	l.free.drop(c.out)
	c.out = nil
	if c.tls != nil {
		l.free.drop(c.tls.wire)
		c.tls.wire = nil
	}
}

// Signalled says whether the kernel has already reported something of c that its handler will only hear of later in this
// turn: what looks idle may have been closed by its peer. It costs no system call.
func (c *Conn) Signalled() bool {
	for i := c.loop.events.next; i < c.loop.events.end; i++ {
		if id, _ := c.loop.poll.event(i); id == c.id {
			return true
		}
	}
	return false
}

// Loop is the loop c lives on.
func (c *Conn) Loop() *Loop { return c.loop }

// RemoteAddr is the peer's address, also after Close.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Since is when a loop has taken the connection.
func (c *Conn) Since() time.Time { return time.Unix(0, c.adopted) }

// LocalAddr is our own address, nil once c is closed. It costs a system call.
func (c *Conn) LocalAddr() net.Addr {
	if c.flags&flagClosed != 0 {
		return nil
	}
	return c.sock.local()
}

// TLS returns the version and the cipher of a TLS connection as people write them, "" of a plain one.
func (c *Conn) TLS() string {
	if c.tls == nil {
		return ""
	}
	state := c.tls.conn.ConnectionState()
	return tls.VersionName(state.Version) + "/" + tls.CipherSuiteName(state.CipherSuite)
}

// watch sets what the kernel is to report of c, besides errors, which it always does.
func (c *Conn) watch(want readiness) {
	if c.sock.interest == want || c.flags&(flagClosed|flagUnwatched) != 0 {
		return
	}
	if err := c.loop.poll.modify(&c.sock, c.id, want); err != nil {
		c.loop.fail(c, err)
	}
}

// receive fills b with what has arrived: of a plain connection by one read, of a TLS one by as many as it takes.
// n > 0 comes with a nil error on a plain connection.
func (c *Conn) receive(b []byte) (n int, err error) {
	if c.tls != nil {
		return c.tls.receive(b)
	}
	return c.sock.read(b)
}

// send hands output to the kernel until all is out (done) or the kernel takes no more.
func (c *Conn) send() (done bool, err error) {
	if c.tls != nil {
		return c.tls.send()
	}
	return c.sendOutput(&c.out)
}

// sendOutput writes *o, and gives it back when it is empty.
func (c *Conn) sendOutput(o **output) (done bool, err error) {
	if *o == nil {
		return true, nil
	}
	l := c.loop
	for (*o).n > 0 {
		n, full, err := l.poll.write(&c.sock, (*o).waiting())
		if err != nil {
			return false, err
		}
		if c.flags&flagSent == 0 {
			c.sent()
		}
		(*o).consume(n, &l.free)
		if full && (*o).n > 0 {
			return false, nil
		}
	}
	l.free.drop(*o)
	*o = nil
	return true, nil
}
