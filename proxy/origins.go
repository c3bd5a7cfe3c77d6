package proxy

import (
	"context"
	"fmt"

	"overdrive/pool"
	"overdrive/proxy/loop"
	"overdrive/proxy/pgauth"
	"overdrive/proxy/upstream"
	"overdrive/querycache/classify"
)

// newOrigin makes the pool and the view of the cache for one identity at one upstream. Call it with mu held.
func (s *Server) newOrigin(db *Database, user string) (*origin, error) {
	o := &origin{
		id: s.ids.Add(1), database: db.Name, user: user, mode: db.Mode,
		maxMessage: s.options.MaxMessage, interner: &s.interner, statements: newStatementTable(),
		tallies: s.talliesOf(cacheName(db.Target)), dialer: &upstream.Dialer{Target: db.Target, Wrap: loop.Wrap},
		kick: make(chan struct{}, 1), maxRefreshing: maxRefreshing(db.Pool.Size),
	}
	o.usual = &lens{classifier: classify.New(o.tallies)}
	o.keeper = &catalogKeeper{server: s, origin: o, turn: make(chan struct{}, 1)}
	credential, err := s.credentialFor(db, user)
	if err != nil {
		return nil, err
	}
	o.credential = credential
	o.dropped, o.ddl = dropped, s.catalogChanged
	o.pool = pool.New(pool.Options[*serverConn]{
		Name:   db.Name + "/" + user,
		Limits: db.Pool,
		Dial: func(ctx context.Context, home int) (*serverConn, error) {
			c, err := o.open(ctx, s.workers, home)
			if err != nil {
				s.log.Warn("upstream login failed", "db", o.database, "user", o.user, "error", err)
			}
			return c, err
		},
		Opened:    func(l *pool.Lease[*serverConn]) { l.Conn.lease.Store(l) },
		Close:     closeServer,
		Permanent: upstream.Permanent,
	})
	if db.Cache != nil && db.Cache.Enabled && s.options.Cache != nil {
		o.cache = s.options.Cache.Database(cacheName(db.Target), *db.Cache)
		s.tasks.Go(func() { s.followCatalog(o) })
	}
	return o, nil
}

// talliesOf returns what was seen of the texts for one upstream database. Call it with mu held.
func (s *Server) talliesOf(cacheName string) *classify.Tallies {
	t := s.tallies[cacheName]
	if t == nil {
		t = classify.NewTallies()
		s.tallies[cacheName] = t
	}
	return t
}

// cacheName names an upstream database: two names for it in the configuration share one cache, so that a write
// through either is seen by both.
func cacheName(t upstream.Target) string {
	return fmt.Sprintf("%s:%d/%s", t.Host, t.Port, t.Database)
}

// credentialFor finds the password for the server: that of the target's user, or the client's own if it is known in plain.
func (s *Server) credentialFor(db *Database, user string) (*pgauth.Credential, error) {
	if db.Target.User != "" {
		if db.Target.Password == "" {
			return pgauth.NewCredential(user, pgauth.Secret{}), nil
		}
		credential, err := db.Target.Credential()
		if err != nil {
			return nil, refuse(codeInternal, "%v", err)
		}
		return credential, nil
	}
	secret, _ := s.options.Users(user)
	return pgauth.NewCredential(user, secret), nil
}
