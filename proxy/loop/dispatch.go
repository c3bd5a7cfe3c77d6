package loop

import "io"

// failure is a conn already closed whose OnError is still due.
type failure struct {
	c   *Conn
	err error
}

// dispatch acts on what the kernel said of c. Reading goes first: a peer that says why and then hangs up is heard
// before a failing write closes the conn.
func (l *Loop) dispatch(c *Conn, r readiness) {
	id := c.id
	if r&(readable|broken) != 0 {
		switch {
		case c.reading():
			l.read(c)
		case r&broken != 0:
			l.hangup(c)
		default:
			c.watch(c.sock.interest &^ readable) // paused: asked only now, so that short pauses cost nothing
		}
		l.settle()
	}
	if r&writable != 0 && l.table.get(id) == c {
		l.flush(c)
		l.settle()
	}
}

// read takes one buffer from c and tells its handler. More than that waits for the next turn, so that no conn starves
// the others.
func (l *Loop) read(c *Conn) {
	id := c.id
	n, err := c.receive(l.buf)
	if n > 0 {
		l.call(c, onData, l.buf[:n], nil)
		l.settle()
		if l.table.get(id) != c || !c.reading() {
			return // an err is kept by the TLS state, and found again after ResumeRead
		}
	}
	switch err {
	case nil:
		if c.tls != nil {
			l.visit(c)
		}
	case errWouldBlock:
	case io.EOF:
		c.flags |= flagEOF
		c.watch(c.sock.interest &^ readable)
		if l.table.get(id) == c {
			l.call(c, onEOF, nil, nil)
		}
	default:
		l.fail(c, err)
	}
}

// hangup acts on an error or a full hang-up of a conn that is not being read.
//
// A hang-up without an error is a Unix socket's whose peer left in good order. TCP shows nothing of the kind, so neither
// do we: what the peer said before, and that it left, is for after ResumeRead; who still writes will fail. As a hang-up
// cannot be masked, the socket is not watched at all from here on.
func (l *Loop) hangup(c *Conn) {
	if err := c.sock.broken(); err != nil {
		l.fail(c, err)
		return
	}
	l.poll.remove(&c.sock)
	c.flags |= flagUnwatched
	l.flush(c) // fails if there is anything to flush, of which nothing would tell us later
}

// flush hands c's output to the kernel, sees to what is left, and calls no handler.
func (l *Loop) flush(c *Conn) {
	done, err := c.send()
	switch {
	case err != nil:
		l.fail(c, err)
	case !done:
		c.out.settle(&l.free)
		c.watch(c.sock.interest | writable)
		if c.flags&flagClosing != 0 && c.limit == nil {
			c.limit = l.AfterFunc(l.o.FlushLimit, c.Close)
		}
	case c.flags&flagClosing != 0:
		c.sock.discard(l.poll)
		c.release()
	default:
		if c.sock.interest&writable != 0 {
			c.watch(c.sock.interest &^ writable)
		}
		if c.flags&flagCongested != 0 {
			l.visit(c)
		}
	}
}

// settle is what follows every callback: everything written is flushed or copied, and only then, one by one, the
// handlers of conns that broke are told.
func (l *Loop) settle() {
	for len(l.dirty) > 0 || len(l.failed) > 0 {
		for i := 0; i < len(l.dirty); i++ {
			if c := l.table.get(l.dirty[i]); c != nil {
				c.flags &^= flagDirty
				l.flush(c)
			}
		}
		l.dirty = l.dirty[:0]
		if n := len(l.failed); n > 0 {
			f := l.failed[0]
			l.failed = append(l.failed[:0], l.failed[1:]...)
			l.failed[:n][n-1] = failure{}
			l.call(f.c, onError, nil, f.err)
		}
	}
}

// fail closes c and has its handler told, unless nobody wants to hear.
func (l *Loop) fail(c *Conn, err error) {
	tell := c.flags&flagClosing == 0
	c.release()
	if tell {
		l.failed = append(l.failed, failure{c, err})
	}
}

// visit has revisit look at c in the next turn.
func (l *Loop) visit(c *Conn) {
	if c.flags&flagVisit == 0 {
		c.flags |= flagVisit
		l.again = append(l.again, c.id)
	}
}

// revisit looks at the conns that asked for it: those drained after congestion, and those whose tls.Conn may hold bytes
// of which the kernel knows nothing. Who asks again meanwhile waits for the next turn.
func (l *Loop) revisit() {
	if len(l.again) == 0 {
		return
	}
	l.again, l.visited = l.visited[:0], l.again
	for _, id := range l.visited {
		c := l.table.get(id)
		if c == nil {
			continue
		}
		c.flags &^= flagVisit
		if c.flags&flagCongested != 0 && c.Pending() == 0 {
			c.flags &^= flagCongested
			l.call(c, onDrained, nil, nil)
			l.settle()
		}
		if l.table.get(id) == c && c.tls != nil && c.tls.more && c.reading() {
			l.read(c)
			l.settle()
		}
	}
}
