package proxy

import (
	"context"
	"sync"

	"overdrive/pool"
	"overdrive/proxy/loop"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache"
)

// newOrigin makes the pool and the view of the cache for one identity at one upstream. Call it with mu held.
func (s *Server) newOrigin(db *Database, user string) (*origin, error) {
	o := &origin{
		server: s, dialer: &upstream.Dialer{Target: db.Target, Wrap: loop.Wrap},
		kick: make(chan struct{}, 1), back: make(chan struct{}, 1), upstream: s.upstreamOf(db.Target),
	}
	o.maxRefreshing = maxRefreshing(db.Pool.Size)
	o.keeper = &catalogKeeper{server: s, origin: o, turn: make(chan struct{}, 1), slot: newSlot(), trust: trust{limit: trustUnder(db.Cache)}}
	o.keeper.grace.most = catalogPatience
	if db.Pool.WaitTimeout > 0 { // a client must be left some time to be served in
		o.keeper.grace.most = min(catalogPatience, db.Pool.WaitTimeout/2)
	}
	o.keeper.grace.begin()
	credential, err := s.credentialFor(db, user)
	if err != nil {
		return nil, err
	}
	o.credential = credential
	o.pool = pool.New(pool.Options[*pooledConn]{
		Name:   db.Name + "/" + user,
		Limits: db.Pool,
		Dial: func(ctx context.Context, home int) (*pooledConn, error) {
			c, err := o.open(ctx, s.workers, home)
			switch {
			case err == nil:
				s.followOnce(o)
				o.mayBeBack()
			case ctx.Err() == nil: // else the pool is closing
				s.log.Warn("upstream login failed", "db", o.Database, "user", o.User, "error", err)
			}
			return c, err
		},
		Opened:    func(l *pool.Lease[*pooledConn]) { l.Conn.lease.Store(l) },
		Close:     closeServer,
		Permanent: upstream.Permanent,
	})
	var cache *querycache.Database
	if db.Cache != nil && db.Cache.Enabled && s.options.Cache != nil {
		cache = s.options.Cache.Database(o.upstream.name, *db.Cache)
	}
	o.Begin(session.IdentityOptions{
		ID: s.ids.Add(1), Database: db.Name, User: user, Mode: db.Mode, MaxMessage: s.options.MaxMessage, MaxPrepared: s.options.MaxPrepared,
		Interner: &s.interner, Tallies: o.upstream.tallies, Cache: cache, Watch: o,
	})
	o.keeper.slot.pool = o.pool
	o.context, o.giveUp = context.WithCancel(s.context)
	o.follow = sync.OnceFunc(func() { s.tasks.Go(func() { s.followCatalog(o) }) })
	return o, nil
}

// maxRefreshing returns how many refreshes of an origin may be under way: they take servers that clients wait for.
func maxRefreshing(poolSize int) int64 { return int64(max(1, poolSize/2)) }

// credentialFor finds the password for the server: that of the target's user, or the client's own if it is known in plain.
func (s *Server) credentialFor(db *Database, user string) (*pgauth.Credential, error) {
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
	secret, _ := s.options.Users(user)
	return pgauth.NewCredential(user, secret), nil
}
