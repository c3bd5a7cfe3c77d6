package proxy

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"overdrive/pool"
	"overdrive/proxy/loop"
	"overdrive/proxy/postgres/session"
	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// A client is a session with its place in the running program: in the pool's queue, on an event loop, and in the lists there. It is the
// driver of its session.
type client struct {
	session.Session
	origin    *origin
	address   address // how others than its own loop reach it
	next      *client // in a list of the worker
	prev      *client
	refreshes bool               // it has no socket: it asks anew what somebody was answered with
	judgeStop context.CancelFunc // while a verdict is on its way: nobody waits for it any more
	waiter    pool.Waiter[*pooledConn]
}

// newClient returns a client whose session is to be begun. It lives nowhere yet.
func newClient(o *origin, home int) *client {
	c := &client{origin: o}
	c.address.owner = c
	c.waiter.Home, c.waiter.Grantee = home, (*grantee)(c)
	return c
}

// Post, After and the following are the session's calls: see Driver.
func (c *client) Post(f func()) bool { return c.address.post(f) }

func (c *client) After(d time.Duration, f func()) session.Timer {
	return c.address.after(c.address.here(), d, f)
}

// Acquire has a connection that is leased to a client of another loop moved there: its old loop lets go of the socket, the new one
// takes it up, and only then does the session hear of it. An idle connection of the client's own loop, which the pool prefers, needs
// none of that.
func (c *client) Acquire(since time.Time) *session.ServerConn {
	c.waiter.Since = since
	for {
		lease := c.origin.pool.Acquire(&c.waiter)
		switch {
		case lease == nil:
			return nil
		case lease.Conn.address.here() != c.address.here():
			fetch(lease.Conn, c)
			return nil
		case !lease.Conn.Gone() && !lease.Conn.conn.Signalled(): // a server says nothing to an idle connection but goodbye
			return &lease.Conn.ServerConn
		}
		c.origin.pool.Discard(lease, pool.CloseBroken)
	}
}

// Abandon takes the client out of the pool's queue.
func (c *client) Abandon() bool { return c.origin.pool.Cancel(&c.waiter) }

// WaitTimeout is that of the pool.
func (c *client) WaitTimeout() time.Duration { return c.origin.pool.WaitTimeout() }

// Judge has a text judged in a goroutine. Each session awaits one verdict at most, and only a few texts are judged at a time. A text
// that would wait behind too many others is not looked into. One whose session has ended is not judged, nor is any when the server
// has stopped.
func (c *client) Judge(l *session.Lens, text []byte) {
	s := c.address.here().server
	text = slices.Clone(text)
	tell := func(v *classify.Verdict) {
		c.address.post(func() {
			c.judgeStop = nil
			c.Judged(text, v)
		})
	}
	t := s.judges.queue(len(text))
	if t == nil {
		tell(session.Unseen)
		return
	}
	ctx, stop := context.WithCancel(s.context)
	c.judgeStop = stop
	s.tasks.Go(func() {
		defer stop()
		defer t.leave()
		t.judge(ctx.Done(), func() { tell(s.judge(l, text)) })
	})
}

// judge has a lens judge a text. The grammar and the tree that it makes are large, and what is behind them was said by
// clients and servers: should one have found a fault in them, the session fears the worst and the others do not notice.
func (s *Server) judge(l *session.Lens, text []byte) (v *classify.Verdict) {
	defer func() {
		if fault := recover(); fault != nil {
			s.log.Error("a statement could not be judged", "fault", fault, "stack", string(debug.Stack()))
			v = session.Unseen
		}
	}()
	return l.Classifier.Judge(text)
}

// Refresh has a client that is nobody's ask again, unless too many do.
func (c *client) Refresh(fill *querycache.Fill, message []byte) {
	o, s := c.origin, c.address.here().server
	if o.refreshing.Load() >= o.maxRefreshing || s.stopping.Load() {
		fill.Abort()
		return
	}
	posted := c.address.post(func() { // in an event of its own: what is borrowed for this one is the client's
		w := c.address.here()
		w.Begin()
		r := newClient(o, w.index)
		r.refreshes = true
		r.address.arrive(w)
		o.refreshing.Add(1)
		w.refreshes.add(r)
		r.StartRefresh(r, session.ID(s.ids.Add(1)), &c.Session, fill, message)
	})
	if !posted {
		fill.Abort()
	}
}

// hintPause is how long nothing is said of misunderstood hints after something was.
const hintPause = time.Second

// Misunderstood tells the log. An application that has a word wrong has it wrong in every statement, so not each is told of.
func (c *client) Misunderstood(words []string) {
	now := time.Now()
	w := c.address.here()
	if now.Sub(w.hintTold) < hintPause {
		return
	}
	w.hintTold = now
	w.server.log.Warn("words of a cache hint are not known and ignored", "db", c.origin.Database, "user", c.User(),
		"words", strings.Join(words, " "))
}

// Ended takes the client off the books.
func (c *client) Ended(why session.Reason, err error) {
	w := c.address.here()
	if c.judgeStop != nil {
		c.judgeStop()
	}
	if c.refreshes {
		w.refreshes.remove(c)
		c.origin.refreshing.Add(-1)
		return
	}
	w.remove(c)
	w.server.forget(c)
	w.server.logEnd(c, why, err)
}

// OnError is the loop's call: the client's socket is gone, or a fault of ours was contained.
func (c *client) OnError(err error) {
	var p *loop.PanicError
	if errors.As(err, &p) {
		c.Fault(err)
		return
	}
	c.Session.OnError(err)
}

// faulty is the call of the address.
func (c *client) faulty(err error) { c.Fault(err) }

// grantee is a client as the pool sees it.
type grantee client

// Granted is the pool's call, from any goroutine.
func (g *grantee) Granted(l *pool.Lease[*pooledConn]) { fetch(l.Conn, (*client)(g)) }

// Refused is the pool's call, from any goroutine.
func (g *grantee) Refused(err error) {
	c := (*client)(g)
	c.address.post(func() { c.Refused(reportOf(err)) })
}
