package proxy

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"overdrive/pool"
	"overdrive/proxy/pgwire"
	"overdrive/proxy/upstream"
	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// loopBroker is the broker of the running program. A connection that is leased to a session of another loop is moved
// there: its old loop lets go of the socket, the new one takes it up, and only then does the session hear of it. An
// idle connection of the session's own loop, which the pool prefers, needs none of that.
type loopBroker struct {
	server   *Server
	worker   *worker
	hintTold time.Time // see misunderstood
}

// acquire is the broker's: see there.
func (b *loopBroker) acquire(s *session) *serverConn {
	if s.waiter.Grantee == nil {
		s.waiter.Home, s.waiter.Grantee = b.worker.index, (*grantee)(s)
	}
	for {
		lease := s.origin.pool.Acquire(&s.waiter)
		switch {
		case lease == nil:
			return nil
		case lease.Conn.worker != b.worker:
			fetch(lease.Conn, s)
			return nil
		case !lease.Conn.gone && !lease.Conn.conn.Signalled(): // a server says nothing to an idle connection but goodbye
			return lease.Conn
		}
		s.origin.pool.Discard(lease, pool.CloseBroken)
	}
}

// judge is the broker's. Each session awaits one verdict at most, so the goroutines are as many as clients at most; only a few
// work at a time.
func (b *loopBroker) judge(s *session, l *lens, text []byte) {
	w, text := s.worker, slices.Clone(text)
	b.server.tasks.Go(func() {
		b.server.judges <- struct{}{}
		v := b.server.judge(l, text)
		<-b.server.judges
		w.loop.Post(func() { s.judged(&awaited{text, v}) })
	})
}

// judge has a lens judge a text. The grammar and the tree that it makes are large, and what is behind them was said by
// clients and servers: should one have found a fault in them, the session fears the worst and the others do not notice.
func (s *Server) judge(l *lens, text []byte) (v *classify.Verdict) {
	defer func() {
		if fault := recover(); fault != nil {
			s.log.Error("a statement could not be judged", "fault", fault, "stack", string(debug.Stack()))
			v = unseen
		}
	}()
	return l.classifier.Judge(text)
}

// refresh is the broker's.
func (b *loopBroker) refresh(s *session, fill *querycache.Fill, message []byte) {
	if s.origin.refreshing.Load() >= s.origin.maxRefreshing || b.server.stopping.Load() {
		fill.Abort()
		return
	}
	w := b.worker
	w.post(func() { // in an event of its own: what is borrowed for this one is the client's
		w.scratch.reset()
		startRefresh(s, fill, message)
	})
}

// hintPause is how long nothing is said of misunderstood hints after something was.
const hintPause = time.Second

// misunderstood is the broker's. An application that has a word wrong has it wrong in every statement, so not each is told of.
func (b *loopBroker) misunderstood(s *session, words []string) {
	now := time.Now()
	if now.Sub(b.hintTold) < hintPause {
		return
	}
	b.hintTold = now
	b.server.log.Warn("words of a cache hint are not known and ignored", "db", s.origin.database, "user", s.user,
		"words", strings.Join(words, " "))
}

// fetch brings a connection that was leased to s to the loop of s. The caller may be on any loop.
func fetch(c *serverConn, s *session) {
	from := c.worker.loop
	from.Post(func() {
		switch {
		case c.gone:
			c.origin.pool.Discard(c.lease.Load(), pool.CloseBroken)
			s.worker.loop.Post(s.tryAgain)
		case c.worker == s.worker:
			s.granted(c)
		default:
			c.conn.Move(s.worker.loop, func() {
				c.worker = s.worker
				s.granted(c)
			})
		}
	})
}

// grantee is a session as the pool sees it.
type grantee session

// Granted is the pool's call, from any goroutine.
func (g *grantee) Granted(l *pool.Lease[*serverConn]) { fetch(l.Conn, (*session)(g)) }

// Refused is the pool's call, from any goroutine.
func (g *grantee) Refused(err error) {
	s := (*session)(g)
	s.worker.loop.Post(func() { s.refused(err) })
}

// abandon is the broker's.
func (b *loopBroker) abandon(s *session) bool { return s.origin.pool.Cancel(&s.waiter) }

// release is the broker's. A server that a cancel request is on its way to is kept back until the request has had its
// effect: it must not hit the next client's query.
func (b *loopBroker) release(c *serverConn) {
	c.holder = nil
	c.conn.ResumeRead()
	whenUncancelled(c, func() { c.origin.pool.Release(c.lease.Load(), c.worker.index) })
}

// whenUncancelled runs f once no cancel request for c is under way.
func whenUncancelled(c *serverConn, f func()) {
	if c.cancels == 0 {
		f()
		return
	}
	c.afterward = f
}

// cancel is the broker's.
func (b *loopBroker) cancel(c *serverConn, done func()) {
	if c.cancels > 0 || c.pid == 0 {
		done()
		return
	}
	c.cancels++
	w, pid, secret := c.worker, c.pid, c.secret
	b.server.tasks.Go(func() {
		defer done()
		ctx, stop := context.WithTimeout(b.server.context, cancelTimeout)
		defer stop()
		err := c.origin.dialer.Cancel(ctx, pid, secret)
		w.loop.Post(func() { cancelled(c, err) })
	})
}

// cancelTimeout bounds one cancel request, from dial to the server's hanging up.
const cancelTimeout = 10 * time.Second

// cancelled notes that a cancel request for c is over. After one that failed half-way nobody knows whether it will still
// take effect, so the connection is not used again.
func cancelled(c *serverConn, err error) {
	c.worker.scratch.reset()
	c.cancels--
	if c.gone {
		return
	}
	if err != nil {
		c.doubtful = true
	}
	f := c.afterward
	switch {
	case f == nil:
	case err != nil: // with afterward still set, so that it counts as held
		c.fail(fmt.Errorf("cancel request: %w", err))
	default:
		c.afterward = nil
		f()
	}
}

// dropped takes a connection whose socket is gone out of the pool.
func dropped(c *serverConn, held bool) {
	c.gone = true
	lease := c.lease.Load()
	switch {
	case lease == nil: // it broke before its pool had heard of it; whoever leases it will see
	case held || c.afterward != nil:
		c.afterward = nil
		c.origin.pool.Discard(lease, pool.CloseBroken)
	default:
		// If it is not idle it was leased a moment ago, and fetch will find it gone.
		c.origin.pool.DiscardIdle(lease, pool.CloseBroken)
	}
}

// errNoCredential says that a client has no password that could be used at the server.
var errNoCredential = errors.New("no password known for the upstream login")

// open is the pool's way to a new connection: log in, then move in on a loop.
func (o *origin) open(ctx context.Context, workers []*worker, home int) (*serverConn, error) {
	if o.credential == nil {
		return nil, fmt.Errorf("user %q: %w", o.user, errNoCredential)
	}
	up, err := o.dialer.Connect(ctx, o.credential)
	if err != nil {
		return nil, err
	}
	if home < 0 || home >= len(workers) {
		home = 0
	}
	w := workers[home]
	c := o.newServerConn(up)
	result := make(chan error, 1)
	posted := w.loop.Post(func() {
		conn, err := w.loop.Adopt(up.NC, c)
		c.worker, c.conn, c.peer = w, conn, conn
		result <- err
	})
	if !posted {
		up.NC.Close()
		return nil, errShutdown
	}
	select {
	case err := <-result:
		return c, err
	case <-ctx.Done(): // the loop is ending, and its sockets with it
		return nil, ctx.Err()
	}
}

// newServerConn describes a connection that has just logged in.
func (o *origin) newServerConn(up *upstream.Conn) *serverConn {
	return &serverConn{
		origin:    o,
		pid:       up.PID,
		secret:    up.Secret,
		status:    pgwire.TxIdle,
		has:       o.introduce(up.Params),
		residents: newResidents(),
	}
}

// closeServer is the pool's call when a connection has left it.
func closeServer(c *serverConn, _ pool.CloseReason) {
	c.worker.loop.Post(func() {
		c.gone = true
		c.conn.Write(pgwire.AppendEmpty(nil, pgwire.Terminate))
		c.conn.CloseAfterFlush()
	})
}

// ended is the broker's.
func (b *loopBroker) ended(s *session, why reason, err error) {
	if s.refreshes {
		b.worker.refreshes.remove(s)
		s.origin.refreshing.Add(-1)
		return
	}
	b.worker.remove(s)
	b.server.forget(s)
	b.server.logEnd(s, why, err)
}

// Limits of the work that is done on a connection whose client has gone.
const (
	cleanLimit  = 10 * time.Second // for ROLLBACK and DISCARD ALL
	finishLimit = 10 * time.Second // for a query that was told to stop
)

// clean is the broker's.
func (b *loopBroker) clean(c *serverConn, write *transaction, reset bool) {
	c.origin.pool.BeginReset(c.lease.Load())
	whenUncancelled(c, newCleaner(b, c, write, reset).start)
}

// finish is the broker's.
func (b *loopBroker) finish(c *serverConn, write *transaction, where amid) {
	startFinishing(b, c, write, where)
}
