package postgres

import (
	"context"
	"errors"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/loop"
	"overdrive/proxy/postgres/session"
	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// A client is a session with its place in the running program: on an event loop, and in the pool's queue. It is the driver of its
// session, and what the server keeps: see session.Driver and proxy.Session.
type client struct {
	session.Session
	proxy.Seat
	origin    *origin
	judgeStop context.CancelFunc        // while a verdict is on its way: nobody waits for it any more
	waiter    *pool.Waiter[*pooledConn] // while it waits for a server connection
}

// newClient returns a client whose session is to be begun. It lives nowhere yet.
func newClient(o *origin) *client {
	c := &client{origin: o}
	c.Sit(c)
	return c
}

// moveIn hands a client that is logged in to an event loop, where its session begins.
func (p *Proxy) moveIn(nc net.Conn, o *origin, user string, entry *session.Entry) {
	c := newClient(o)
	c.Begin(c, session.ID(p.server.NextID()), &o.Identity, user, entry)
	o.arrived.Add(1)
	o.Meter.Logins.Add(1)
	if o.sessions.Add(1) == 1 {
		o.keeper.Come()
		o.keeper.MayBeBack()
	}
	p.server.MoveIn(nc, c)
}

// Enter is the server's call: the session begins.
func (c *client) Enter(conn *loop.Conn, w *proxy.Worker) {
	c.Start(conn, c.space(w))
	if c.origin.proxy.server.Stopping() {
		c.Session.Drain()
	}
}

// GiveUp is the server's call: the session cannot begin.
func (c *client) GiveUp(nc net.Conn, why error) {
	c.Session.GiveUp()
	c.origin.sessions.Add(-1)
	if nc != nil {
		c.origin.proxy.server.Go(func() { c.origin.proxy.Part(nc, proxy.ErrNoDescriptor) })
	}
}

// Conn is the socket of the client.
func (c *client) Conn() *loop.Conn { return c.Socket().(*loop.Conn) }

// Moved is the server's call: the session lives on another loop now.
func (c *client) Moved(to *proxy.Worker) { c.MoveTo(c.space(to)) }

// Drain is the server's call: the session is to end soon.
func (c *client) Drain() {
	c.space(c.Here()).Begin()
	c.Session.Drain()
}

// ShutDown is the server's call: the session is to end now.
func (c *client) ShutDown(words string) {
	c.space(c.Here()).Begin()
	if c.refreshes() {
		c.Stop()
		return
	}
	c.Session.ShutDown(words)
}

// kill ends the session and the server connection that it holds, unless that is as good as new. It is for the client's loop.
func (c *client) kill(words string) {
	c.space(c.Here()).Begin()
	held := c.Held()
	c.Session.Kill(words)
	if held != nil {
		if conn := held.(*pooledConn); !conn.Idle() {
			conn.Sever(errKilled)
		}
	}
}

// refreshes says whether it has no client, and refreshes one entry of the cache. Only clients have keys.
func (c *client) refreshes() bool { return c.Seat.Key().Number == 0 }

// space is what the sessions on the loop of w share.
func (c *client) space(w *proxy.Worker) *session.Workspace { return &c.origin.proxy.at(w).Workspace }

// After and the following are the session's calls: see session.Driver. Post is that of the Seat.
func (c *client) After(d time.Duration, f func()) session.Timer {
	return c.Seat.After(c.Here(), d, f)
}

// Key is that of the Seat: the number is the PID of a backend to the client.
func (c *client) Key() session.CancelKey {
	k := c.Seat.Key()
	return session.CancelKey{PID: k.Number, Secret: k.Secret}
}

// Acquire has a connection that is leased to a client of another loop moved there: its old loop lets go of the socket, the new one
// takes it up, and only then does the session hear of it. An idle connection of the client's own loop, which the pool prefers, needs
// none of that.
func (c *client) Acquire(since time.Time, fresh bool) *session.ServerConn {
	here := c.origin.proxy.at(c.Here())
	if c.waiter == nil {
		c.waiter = here.waiter()
	}
	c.waiter.Home, c.waiter.Grantee, c.waiter.Since, c.waiter.Fresh = c.Here().Index, (*grantee)(c), since, fresh
	for {
		lease := c.origin.pool.Acquire(c.waiter)
		switch {
		case lease == nil:
			return nil
		case lease.Conn.address.Here() != c.Here():
			fetch(lease.Conn, c)
			return nil
		case !lease.Conn.Gone() && !lease.Conn.conn.Signalled(): // a server says nothing to an idle connection but goodbye
			c.waited()
			return &lease.Conn.ServerConn
		}
		c.origin.pool.Discard(lease, pool.CloseBroken)
	}
}

// waited ends the wait for a server connection. It is called on the client's loop, before the session hears of the outcome.
func (c *client) waited() {
	if c.waiter != nil {
		c.origin.proxy.at(c.Here()).spare(c.waiter)
		c.waiter = nil
	}
}

// granted has the session hear that a connection is its own.
func (c *client) granted(s *session.ServerConn) {
	c.waited()
	c.Granted(s)
}

// Prefer has the client keep a waiter that knows of the connection.
func (c *client) Prefer(s session.ServerDriver) {
	if c.waiter == nil {
		c.waiter = c.origin.proxy.at(c.Here()).waiter()
	}
	c.waiter.Prefer = s.(*pooledConn).lease.Load()
}

// Abandon takes the client out of the pool's queue.
func (c *client) Abandon() bool {
	if c.waiter == nil || !c.origin.pool.Cancel(c.waiter) { // it was answered
		return false
	}
	c.waited()
	return true
}

// WaitTimeout is that of the pool.
func (c *client) WaitTimeout() time.Duration { return c.origin.pool.WaitTimeout() }

// Judge has a text judged in a goroutine. Each session awaits one verdict at most, and only a few texts are judged at a time. A text
// that would wait behind too many others is not looked into. One whose session has ended is not judged, nor is any when the server
// has stopped.
func (c *client) Judge(l *session.Lens, text []byte) {
	p := c.origin.proxy
	text = slices.Clone(text)
	tell := func(v *classify.Verdict) {
		c.Post(func() {
			c.judgeStop = nil
			c.Judged(text, v)
		})
	}
	if c.judgeStop = p.server.Judge(len(text), func() { tell(p.judge(l, text)) }); c.judgeStop == nil {
		tell(session.Unseen)
	}
}

// judge has a lens judge a text. The grammar and the tree that it makes are large, and what is behind them was said by
// clients and servers: should one have found a fault in them, the session fears the worst and the others do not notice.
func (p *Proxy) judge(l *session.Lens, text []byte) (v *classify.Verdict) {
	defer func() {
		if fault := recover(); fault != nil {
			p.server.Log().Error("a statement could not be judged", "value", fault, "stack", string(debug.Stack()))
			v = session.Unseen
		}
	}()
	return l.Classifier.Judge(text)
}

// Refresh has a client that is nobody's ask again, unless too many do.
func (c *client) Refresh(fill *querycache.Fill, message []byte) {
	o := c.origin
	if o.refreshing.Load() >= o.maxRefreshing.Load() || o.proxy.server.Stopping() {
		fill.Abort()
		return
	}
	posted := c.Post(func() { // in an event of its own: the scratch memory of the present event is the client's
		w := c.Here()
		c.space(w).Begin()
		r := newClient(o)
		o.refreshing.Add(1)
		w.TakeOn(r)
		r.StartRefresh(r, session.ID(o.proxy.server.NextID()), &c.Session, fill, message)
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
	here := c.origin.proxy.at(c.Here())
	if now.Sub(here.hintTold) < hintPause {
		return
	}
	here.hintTold = now
	c.origin.proxy.server.Log().Warn("words of a cache hint are not known and ignored", "db", c.origin.Database, "user", c.User(),
		"words", strings.Join(words, " "))
}

// Ended takes the client off the books.
func (c *client) Ended(why session.Reason, err error) {
	p := c.origin.proxy
	if c.judgeStop != nil {
		c.judgeStop()
	}
	if c.refreshes() {
		c.Here().LetGo(c)
		c.origin.refreshing.Add(-1)
		return
	}
	c.origin.sessions.Add(-1)
	c.origin.Meter.Ends.Add(int(why))
	p.server.Forget(c)
	p.logEnd(c, why, err)
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

// grantee is a client as the pool sees it.
type grantee client

// Granted is the pool's call, from any goroutine.
func (g *grantee) Granted(l *pool.Lease[*pooledConn]) { fetch(l.Conn, (*client)(g)) }

// Refused is the pool's call, from any goroutine.
func (g *grantee) Refused(err error) {
	c := (*client)(g)
	c.Post(func() {
		c.waited()
		db := c.origin.db()
		c.Refused(reportOf(err, db.Name, db.Target.User))
	})
}

// Status is what operators see of the client.
func (c *client) Status() proxy.ClientStatus {
	s := c.Show()
	status := proxy.ClientStatus{
		ID: uint64(c.ID()), Database: c.origin.Database, User: c.User(), State: s.Doing, Application: s.Application, Server: s.Server,
		Prepared: s.Prepared, Pinned: s.Pinned, Waits: s.Waits,
	}
	if held := c.Held(); held != nil {
		status.Link = held.(*pooledConn).id
	}
	if conn, ok := c.Socket().(*loop.Conn); ok {
		status.Wire, status.Since = proxy.WireOf(conn), conn.Since()
	}
	status.Asked, status.Kept, status.Left, status.Pending = s.Asked, s.Kept, s.Buffers.Left, s.Buffers.Pending
	return status
}

// fetch brings a connection that was leased to s to the loop of s, who waits for it and so does not move. The caller may
// be on any loop.
func fetch(c *pooledConn, s *client) {
	c.address.Post(func() {
		to := s.Here()
		switch {
		case !c.Gone() && c.address.Here() == to:
			s.granted(&c.ServerConn)
		case !c.Gone() && c.address.Move(c.conn, to, func() { c.MoveTo(s.space(to)); s.granted(&c.ServerConn) }):
		default:
			c.origin.pool.Discard(c.lease.Load(), pool.CloseBroken)
			s.Post(s.TryAgain)
		}
	})
}
