package postgres

import (
	"context"
	"sync"

	"overdrive/pool"
	"overdrive/proxy/loop"
	"overdrive/proxy/postgres/catalog"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache"
)

// newOrigin makes the pool and the view of the cache for one identity at one upstream. Call it with mu held.
func (p *Proxy) newOrigin(db *Database, user string) (*origin, error) {
	o := &origin{proxy: p, upstream: p.upstreamOf(db.Target), account: p.accounts.open(originKey{db.Name, user}, len(p.places))}
	o.maxRefreshing.Store(maxRefreshing(db.Pool.Size))
	way, err := p.wayTo(db, user)
	if err != nil {
		return nil, err
	}
	o.way.Store(way)
	o.pool = pool.New(pool.Options[*pooledConn]{
		Name:   db.Name + "/" + user,
		Limits: db.Pool,
		Dial: func(ctx context.Context, home int) (*pooledConn, error) {
			c, err := o.open(ctx, p.server.Workers(), home)
			switch {
			case err == nil:
				o.followOnce()
				o.keeper.MayBeBack()
			case ctx.Err() == nil: // else the pool is closing
				p.server.Log().Warn("upstream login failed", "db", o.Database, "user", o.User, "error", err)
			}
			return c, err
		},
		Opened:    func(l *pool.Lease[*pooledConn]) { l.Conn.lease.Store(l) },
		Close:     closeServer,
		Permanent: upstream.Permanent,
	})
	o.account.pools = append(o.account.pools, o.pool)
	var cache *querycache.Database
	if db.Cache != nil && db.Cache.Enabled && p.cache != nil {
		cache = p.cache.Database(o.upstream.name, *db.Cache)
	}
	o.Begin(session.IdentityOptions{
		ID: p.server.NextID(), Database: db.Name, User: user, Mode: db.Mode, Limits: &p.limits,
		Interner: &p.interner, Tallies: o.upstream.tallies, Cache: cache, Watch: o,
		InTransactions: cache != nil && db.Cache.InTransactions, RefusePins: db.RefusePins && db.Mode != SessionPooling,
		Meter: o.account.meter, Witness: p.witness, Alterations: &o.upstream.alterations, Owned: &o.upstream.owned,
	})
	o.keeper = catalog.New(catalog.Options{
		Identity: &o.Identity, Company: &o.crowd, Shelf: &o.upstream.shelf, Pool: catalog.PoolOf(o.pool), Connect: o.connectOwn,
		WaitTimeout: db.Pool.WaitTimeout, Policy: db.Cache, Logger: p.server.Log(),
	})
	p.stopAtBirth(o)
	o.context, o.giveUp = context.WithCancel(p.server.Context())
	o.follow = sync.OnceFunc(func() { p.server.Go(func() { o.keeper.Run(o.context) }) })
	return o, nil
}

// maxRefreshing returns how many refreshes of an origin may be under way: they take servers that clients wait for.
func maxRefreshing(poolSize int) int64 { return int64(max(1, poolSize/2)) }

// wayTo makes the way of a user to the server of a database.
func (p *Proxy) wayTo(db *Database, user string) (*way, error) {
	credential, err := p.credentialFor(db, user)
	if err != nil {
		return nil, err
	}
	return &way{database: db, dialer: &upstream.Dialer{Target: db.Target, Wrap: loop.Wrap}, credential: credential}, nil
}

// credentialFor finds the password for the server: that of the target's user, or the client's own if it is known in plain.
func (p *Proxy) credentialFor(db *Database, user string) (*pgauth.Credential, error) {
	if db.Target.User != "" {
		if db.Target.Password == "" {
			return pgauth.NewCredential(user, pgauth.Secret{}), nil
		}
		credential, err := db.Target.Credential()
		if err != nil {
			return nil, refuse(pgwire.CodeInternal, "%v", err)
		}
		return credential, nil
	}
	secret, _ := p.now().Users(user)
	return pgauth.NewCredential(user, secret), nil
}
