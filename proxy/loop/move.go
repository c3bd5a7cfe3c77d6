package loop

// Move takes c to another loop: pending output and a pause travel along, no byte is lost or changes place, and there is
// no callback between. From the return of Move on, c belongs to the other loop; arrived runs there once c is
// registered, before any of its callbacks; also if it cannot be registered, and OnError follows. If that loop is closed
// by then, c is closed and arrived does not run.
//
// Move reports whether c is on its way. A conn that is closed, or has failed, stays: its OnError, if due, comes on this
// loop.
func (c *Conn) Move(to *Loop, arrived func()) bool {
	if c.flags&flagClosed != 0 {
		return false
	}
	l := c.loop
	l.table.remove(c)
	if c.flags&flagUnwatched == 0 {
		l.poll.remove(&c.sock)
	}
	c.id = 0
	c.flags &^= flagDirty | flagVisit | flagUnwatched
	c.out.settle(&l.free)
	if c.limit != nil {
		c.limit.Stop()
		c.limit = nil
	}
	c.loop = to
	if !to.posts.put(func() { to.arrive(c, arrived) }, to.poll) {
		c.abandon()
	}
	return true
}

// arrive is the end of Move, on the loop moved to.
func (l *Loop) arrive(c *Conn, arrived func()) {
	if l.closing {
		c.abandon()
		return
	}
	owed := c.flags & flagCongested
	c.sock.interest = 0
	if err := l.register(c); err != nil {
		c.abandon()
		if arrived != nil {
			arrived()
		}
		if c.flags&flagClosing == 0 {
			l.failed = append(l.failed, failure{c, err})
		}
		return
	}
	if c.flags&flagEOF != 0 {
		c.watch(0)
	}
	if c.flags&flagSent != 0 {
		c.sent()
	}
	if owed != 0 {
		l.visit(c) // drained on the way out of the other loop, perhaps, and OnDrained still owed
	}
	if c.flags&flagClosed == 0 && arrived != nil {
		arrived()
	}
}

// abandon closes a conn that is in no table.
func (c *Conn) abandon() {
	c.flags |= flagClosed
	c.sock.close()
	c.out.release()
	c.out = nil // left to the collector: the free lists belong to the loops
	if c.tls != nil {
		c.tls.wire = nil
	}
}
