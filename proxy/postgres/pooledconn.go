package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/loop"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
)

// A pooledConn is a server connection with its place in the running program: in the pool, and on an event loop. It is the driver of
// its machine.
type pooledConn struct {
	session.ServerConn
	id      uint64 // for operators
	origin  *origin
	address proxy.Address // how others than its own loop reach it
	conn    *loop.Conn    // the machine's peer
	lease   atomic.Pointer[pool.Lease[*pooledConn]]
	home    *upstream.Dialer // leads to its server, for cancel requests
	secret  []byte           // what a cancel request must name besides the backend's pid
	speaker atomic.Uint32    // the PID, for clients, of the session that has used it last
}

// After and the following are the machine's calls: see ServerDriver.
func (c *pooledConn) After(d time.Duration, f func()) session.Timer {
	return c.address.After(c.address.Here(), d, f)
}

// Release gives the connection back to the pool.
func (c *pooledConn) Release() { c.origin.pool.Release(c.lease.Load(), c.address.Here().Index) }

// BeginReset has the pool know what the connection is busy with.
func (c *pooledConn) BeginReset() { c.origin.pool.BeginReset(c.lease.Load()) }

// Discard takes the connection out of the pool, which closes it.
func (c *pooledConn) Discard(why session.Unfitness) {
	reason := pool.CloseDirty
	if why == session.Aborted {
		reason = pool.CloseAborted
	}
	c.origin.pool.Discard(c.lease.Load(), reason)
}

// Cancel sends a cancel request over a connection of its own.
func (c *pooledConn) Cancel(done func()) {
	s := c.origin.proxy.server
	home, pid, secret := c.home, c.PID, c.secret
	c.origin.cancels.Add(1)
	s.Go(func() {
		defer done()
		defer c.origin.cancels.Add(-1)
		ctx, stop := context.WithTimeout(s.Context(), cancelTimeout)
		defer stop()
		err := home.Cancel(ctx, pid, secret)
		c.address.Post(func() { c.Cancelled(err) })
	})
}

// cancelTimeout bounds one cancel request, from dial to the server's hanging up.
const cancelTimeout = 10 * time.Second

// Dropped takes a connection whose socket is gone out of the pool.
func (c *pooledConn) Dropped(held bool) {
	c.leaves()
	lease := c.lease.Load()
	switch {
	case lease == nil: // it broke before its pool had heard of it; whoever leases it will see
	case held:
		c.origin.pool.Discard(lease, pool.CloseBroken)
	default:
		// If it is not idle it was leased a moment ago, and fetch will find it gone.
		c.origin.pool.DiscardIdle(lease, pool.CloseBroken)
	}
}

// errNoCredential says that a client has no password that could be used at the server.
var errNoCredential = errors.New("no password known for the upstream login")

// open is the pool's way to a new connection: log in, then move in on a loop.
func (o *origin) open(ctx context.Context, workers []*proxy.Worker, home int) (*pooledConn, error) {
	way := o.way.Load()
	if way.credential == nil {
		return nil, fmt.Errorf("user %q: %w", o.User, errNoCredential)
	}
	era := o.Era()
	up, err := way.dialer.Connect(ctx, way.credential)
	if err != nil {
		return nil, err
	}
	o.servedBy(up.Home.Target.Server())
	if home < 0 || home >= len(workers) {
		home = 0
	}
	return o.moveIn(ctx, up, era, workers[home])
}

// servedBy notes which of its hosts serves an origin. One that takes over may lack what the other had committed last, so what the
// other said is given up.
func (o *origin) servedBy(server string) {
	if before := o.servedLast.Swap(&server); before != nil && *before != server {
		if o.Cache != nil {
			o.Cache.Purge()
		}
		o.upstream.listener.ServedBy(server)
	}
}

// moveIn has a connection, whose login began in the era, live on the loop of w. On error, or when ctx ends before it does, it is closed.
func (o *origin) moveIn(ctx context.Context, up *upstream.Conn, era uint64, w *proxy.Worker) (*pooledConn, error) {
	c := &pooledConn{id: o.proxy.server.NextID(), origin: o, home: up.Home, secret: up.Secret}
	c.address.Belong(c)
	c.Begin(c, &o.Identity, session.Backend{
		PID: up.PID, Login: time.Now(), Standby: up.Params["in_hot_standby"] == "on", Era: era,
	}, up.Params)
	result := make(chan error, 1)
	posted := w.Loop.Post(func() {
		conn, err := w.Loop.Adopt(up.NC, c)
		if err == nil {
			c.arrives()
		}
		c.conn = conn
		c.Live(conn, &o.proxy.at(w).Workspace)
		c.address.Arrive(w)
		result <- err
		if err == nil && len(up.Ahead) > 0 {
			c.OnData(up.Ahead)
		}
	})
	if !posted {
		up.NC.Close()
		return nil, proxy.ErrShutdown
	}
	select {
	case err := <-result:
		if err != nil {
			up.NC.Close() // without a descriptor Adopt has left it to us
			return nil, err
		}
		return c, nil
	case <-ctx.Done(): // the pool is closing, and does not hear of it any more
		w.Loop.Post(func() {
			if err := <-result; err != nil {
				up.NC.Close()
				return
			}
			c.leaves()
			c.Goodbye()
		})
		return nil, ctx.Err()
	}
}

// closeServer is the pool's call when a connection has left it.
func closeServer(c *pooledConn, _ pool.CloseReason) {
	c.leaves()
	c.address.Post(c.Goodbye)
}
