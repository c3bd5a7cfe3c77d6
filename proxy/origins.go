package proxy

import (
	"context"
	"fmt"
	"time"

	"overdrive/pool"
	"overdrive/proxy/loop"
	"overdrive/proxy/pgauth"
	"overdrive/proxy/upstream"
	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// newOrigin makes the pool and the view of the cache for one identity at one upstream. Call it with mu held.
func (s *Server) newOrigin(db *Database, user string) (*origin, error) {
	o := &origin{
		id: s.ids.Add(1), database: db.Name, user: user, mode: db.Mode,
		maxMessage: s.options.MaxMessage, interner: &s.interner, statements: newStatementTable(),
		classifier: classify.New(nil), dialer: &upstream.Dialer{Target: db.Target, Wrap: loop.Wrap},
		kick: make(chan struct{}, 1),
	}
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

// How often the catalog is loaded: soon after DDL has passed, and now and then for DDL that went around the proxy.
const (
	catalogPause  = 200 * time.Millisecond // between two loads that were asked for
	catalogMaxAge = time.Minute
	catalogLimit  = 30 * time.Second // for one load
)

// followCatalog keeps the classifier's picture of the catalog fresh until the server stops. Without one nothing is
// cached, so a failure costs speed and nothing else.
func (s *Server) followCatalog(o *origin) {
	pause := catalogPause
	var path string // search_path as the last catalog had it
	for {
		if o.sessions.Load() > 0 || o.classifier.Catalog() == nil {
			if err := o.loadCatalog(s.context, &path); err == nil {
				pause = catalogPause
			} else if s.context.Err() == nil {
				pause = min(2*pause, catalogMaxAge)
				s.log.Warn("catalog could not be read, nothing is cached", "db", o.database, "user", o.user, "error", err,
					"retry_in", pause)
				o.askCatalog()
			}
		}
		if !wait(s.context, pause, nil) || !wait(s.context, catalogMaxAge, o.kick) {
			return
		}
	}
}

// wait returns true when the time is up or the signal came, false when ctx ended.
func wait(ctx context.Context, d time.Duration, signal <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-signal:
		return true
	case <-ctx.Done():
		return false
	}
}

// catalogChanged has all origins of an upstream database forget its catalog.
func (s *Server) catalogChanged(cache *querycache.Database) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.origins {
		if o.cache == cache {
			o.classifier.Stale()
			o.askCatalog()
		}
	}
}

// askCatalog has the catalog loaded soon.
func (o *origin) askCatalog() {
	select {
	case o.kick <- struct{}{}:
	default:
	}
}

// loadCatalog asks the server for its catalog over a connection of its own. If that came with another search_path than
// the last one (ALTER ROLE or ALTER DATABASE), those in the pool are replaced: names mean other tables there.
func (o *origin) loadCatalog(ctx context.Context, path *string) error {
	ctx, stop := context.WithTimeout(ctx, catalogLimit)
	defer stop()
	generation := o.classifier.Generation()
	up, err := o.dialer.Connect(ctx, o.credential)
	if err != nil {
		return fmt.Errorf("read catalog: %w", err)
	}
	defer up.NC.Close()
	unblock := context.AfterFunc(ctx, func() { up.NC.Close() })
	defer unblock()
	if _, err := up.Query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return fmt.Errorf("read catalog: %w", err)
	}
	var results [][][]string
	for _, sql := range classify.CatalogQueries() {
		rows, err := up.Query(sql)
		if err != nil {
			return fmt.Errorf("read catalog: %w", err)
		}
		results = append(results, rows)
	}
	catalog, err := classify.NewCatalog(results)
	if err != nil {
		return fmt.Errorf("read catalog: %w", err)
	}
	if now := catalog.SearchPath(); now != *path {
		if *path != "" {
			o.pool.Reconnect()
		}
		*path = now
	}
	o.classifier.SetCatalog(catalog, generation)
	return nil
}
