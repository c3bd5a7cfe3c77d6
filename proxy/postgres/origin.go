package postgres

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"overdrive/pool"
	"overdrive/proxy/postgres/catalog"
	"overdrive/proxy/postgres/session"
	"overdrive/querycache/classify"
)

// An origin is one identity at one upstream database as the driver has it: what its sessions share, with the pool of connections that
// are logged in as it, the way to its server, and the keeper of its catalog. Safe for concurrent use.
type origin struct {
	session.Identity
	pool       *pool.Pool[*pooledConn]
	way        atomic.Pointer[way]
	keeper     *catalog.Keeper // of the catalogs of its lenses
	follow     func()          // starts the keeper, once
	proxy      *Proxy
	upstream   *upstreamDatabase
	servedLast atomic.Pointer[string] // which of the hosts served it last
	account    *account
	crowd

	context context.Context // ends when the origin is given up, or the server has stopped
	giveUp  context.CancelFunc
	holds
}

// A crowd is who is there of an origin: its sessions, counted, and its server connections.
type crowd struct {
	sessions      atomic.Int64  // alive, with a client
	arrived       atomic.Uint64 // with a client, ever
	refreshing    atomic.Int64  // without a client
	maxRefreshing atomic.Int64  // bounds those
	cancels       atomic.Int64  // cancel requests on their way
	servers       servers       // connections to the server, but for our own
}

// Present and Arrived are the keeper's calls: see catalog.Company.
func (c *crowd) Present() int64 { return c.sessions.Load() }

func (c *crowd) Arrived() uint64 { return c.arrived.Load() }

// holds are the fields of an origin that are guarded by Proxy.mu.
type holds struct {
	held   int       // by those who have got the origin from originOf
	unused time.Time // since when nobody has used the origin, at the last look
}

// Follow, Ask, Changed and Touched are the machine's calls: see Watch.
func (o *origin) Follow() { o.follow() }

func (o *origin) Ask() { o.keeper.Ask() }

// Changed forgets what is known of the catalog, under whatever name and user, until it was looked at again. shared says
// that something has changed which all databases of the server have in common.
func (o *origin) Changed(shared bool) {
	o.proxy.catalogChanged(o, shared)
}

// Touched is Changed where it is known what may have changed.
func (o *origin) Touched(by []*classify.Touch) { o.proxy.catalogTouched(o, by) }

// visit has the origin know its server and its catalog, as if a client had been there.
func (o *origin) visit(ctx context.Context) error {
	if o.pool.Stats().Paused {
		if o.Usual.Classifier.Catalog() == nil {
			return errPaused
		}
		return nil // what is known has to do
	}
	if err := o.keeper.Visit(ctx); err != nil {
		return err
	}
	o.followOnce()
	return nil
}

// errPaused refuses a question of our own where nobody is to speak with the server.
var errPaused = errors.New("the database is paused")

// followOnce begins to look after the catalog, once a login has succeeded: before, there is nothing that could be cached, and the
// server may refuse the name for ever.
func (o *origin) followOnce() {
	if o.Cache != nil {
		o.follow()
	}
}
