package postgres

import (
	"time"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/postgres/session"
)

// A place is what the sessions on one event loop share. It belongs to that loop.
type place struct {
	session.Workspace
	hintTold time.Time // see client.Misunderstood
	// waiters are for clients who wait for a server connection: an idle client needs none.
	waiters []*pool.Waiter[*pooledConn]
}

// maxSpareWaiters bounds those that are kept for the next client.
const maxSpareWaiters = 256

// waiter returns one that nobody uses.
func (p *place) waiter() *pool.Waiter[*pooledConn] {
	n := len(p.waiters)
	if n == 0 {
		return new(pool.Waiter[*pooledConn])
	}
	w := p.waiters[n-1]
	p.waiters = p.waiters[:n-1]
	return w
}

// spare takes back one that waits no more.
func (p *place) spare(w *pool.Waiter[*pooledConn]) {
	if len(p.waiters) < maxSpareWaiters {
		w.Grantee, w.Prefer = nil, nil
		p.waiters = append(p.waiters, w)
	}
}

// at is what the sessions on the loop of w share.
func (p *Proxy) at(w *proxy.Worker) *place { return p.places[w.Index] }
