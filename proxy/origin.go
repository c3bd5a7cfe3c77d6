package proxy

import (
	"context"
	"sync/atomic"
	"time"

	"overdrive/pool"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
)

// An origin is one identity at one upstream database as the driver has it: what its sessions share, with the pool of connections that
// are logged in as it, the way to its server, and the keeper of its catalog. Safe for concurrent use.
type origin struct {
	session.Identity
	pool       *pool.Pool[*pooledConn]
	dialer     *upstream.Dialer
	credential *pgauth.Credential
	keeper     *catalogKeeper // of the catalogs of its lenses
	follow     func()         // has the catalog be known from now on
	kick       chan struct{}  // asks for the catalog to be looked at
	back       chan struct{}  // holds one if the server, which could not be reached, may be back
	server     *Server
	upstream   *upstreamDatabase
	servedLast atomic.Pointer[string] // which of the hosts served it last
	system     atomic.Pointer[string] // what the server says it is; empty if it does not say, nil if it was not asked
	crowd

	context context.Context // ends when the origin is given up, or the server has stopped
	giveUp  context.CancelFunc
	holds
}

// A crowd counts the sessions of an origin.
type crowd struct {
	sessions      atomic.Int64  // alive, with a client
	arrived       atomic.Uint64 // with a client, ever
	refreshing    atomic.Int64  // without a client
	maxRefreshing int64         // bounds those
}

// holds are the fields of an origin that are guarded by Server.mu.
type holds struct {
	held   int       // by those who have got the origin from originOf
	unused time.Time // since when nobody has used the origin, at the last look
}

// Follow, Ask and Changed are the machine's calls: see Watch.
func (o *origin) Follow() { o.follow() }

func (o *origin) Ask() { o.askCatalog() }

// Changed forgets what is known of the catalog, under whatever name and user, until it was looked at again. shared says
// that something has changed which all databases of the server have in common.
func (o *origin) Changed(shared bool) {
	o.server.catalogChanged(o, shared)
}
