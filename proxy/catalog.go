package proxy

import (
	"context"
	"fmt"
	"time"

	"overdrive/proxy/upstream"
	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// This file keeps the classifiers' picture of the catalog fresh, over a connection of its own beside the pool. Without a
// picture nothing is cached, so a failure costs speed and nothing else.

// How often the catalog is looked at.
const (
	catalogPause = 200 * time.Millisecond // between two loads that were asked for
	catalogPoll  = 5 * time.Second        // between two looks for DDL and GRANT that went around the proxy
	catalogRetry = time.Minute            // at most, after a failure
	catalogLimit = 30 * time.Second       // for one load
)

// A catalogKeeper loads the catalog of one origin, through each of its lenses. It belongs to one goroutine.
type catalogKeeper struct {
	server *Server
	origin *origin
	conn   *upstream.Conn // nil: none is open

	fingerprint string // of the catalog when it was last loaded; empty: never
	defaults    string // what a login came with then, as far as the server does not report it
	path        string
}

// followCatalog runs until the server stops.
func (s *Server) followCatalog(o *origin) {
	k := &catalogKeeper{server: s, origin: o}
	defer k.hangUp()
	pause := catalogPause
	for {
		if err := k.look(); err == nil {
			pause = catalogPause
		} else if s.context.Err() == nil {
			k.hangUp()
			pause = min(2*pause, catalogRetry)
			s.log.Warn("catalog could not be read, nothing is cached", "db", o.database, "user", o.user, "error", err,
				"retry_in", pause)
			o.askCatalog()
		}
		if !wait(s.context, pause, nil) || !wait(s.context, catalogPoll, o.kick) {
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

// look loads the catalog where that is due. While nobody is logged in there is no connection, and what was known then is
// looked at anew before it is trusted again.
func (k *catalogKeeper) look() error {
	o := k.origin
	if o.sessions.Load() == 0 && k.fingerprint != "" {
		k.hangUp()
		return nil
	}
	ctx, stop := context.WithTimeout(k.server.context, catalogLimit)
	defer stop()
	if k.conn != nil {
		changed, err := k.changed(ctx)
		if err != nil {
			return err
		}
		if !changed && !k.unsettled() {
			return nil
		}
		k.hangUp() // what a login comes with may have changed, too
	}
	return k.load(ctx)
}

// unsettled reports whether some lens in use lacks a picture.
func (k *catalogKeeper) unsettled() bool {
	for _, l := range k.origin.everyLens() {
		if l.classifier.Catalog() == nil {
			return true
		}
	}
	return false
}

// changed asks whether the catalog is another than that of the last load.
func (k *catalogKeeper) changed(ctx context.Context) (bool, error) {
	defer k.bound(ctx)()
	now, err := k.value(classify.FingerprintQuery())
	if err != nil {
		return false, err
	}
	return now != k.fingerprint, nil
}

// bound has the connection closed when ctx ends, until the function that it returns is called.
func (k *catalogKeeper) bound(ctx context.Context) func() bool {
	nc := k.conn.NC
	return context.AfterFunc(ctx, func() { nc.Close() })
}

func (k *catalogKeeper) hangUp() {
	if k.conn != nil {
		k.conn.NC.Close()
		k.conn = nil
	}
}

// value returns the one value that a query of ours gives.
func (k *catalogKeeper) value(sql string) (string, error) {
	rows, err := k.conn.Query(sql)
	switch {
	case err != nil:
		return "", fmt.Errorf("read catalog: %w", err)
	case len(rows) != 1 || len(rows[0]) != 1:
		return "", fmt.Errorf("read catalog: got %d rows, want one value", len(rows))
	}
	return rows[0][0], nil
}

// load reads the catalog over a new connection, which has what every login has now. The fingerprint is taken first: what
// changes while the catalog is read makes it be read again.
func (k *catalogKeeper) load(ctx context.Context) error {
	conn, err := k.origin.dialer.Connect(ctx, k.origin.credential)
	if err != nil {
		return fmt.Errorf("read catalog: %w", err)
	}
	k.conn = conn
	defer k.bound(ctx)()
	fingerprint, err := k.value(classify.FingerprintQuery())
	if err != nil {
		return err
	}
	for i, l := range k.origin.everyLens() {
		generation := l.classifier.Generation()
		catalog, err := k.read(l)
		if err != nil && i > 0 {
			k.server.log.Debug("catalog could not be read", "db", k.origin.database, "search_path", l.path, "role", l.role, "error", err)
			continue // that session alone cannot use the cache: the server refuses it the role, say
		}
		if err != nil {
			return err
		}
		if i == 0 {
			k.compare(fingerprint, catalog)
		}
		l.classifier.SetCatalog(catalog, generation)
	}
	return nil
}

// compare notes what was loaded. If anything has changed that the proxy may not have seen, every answer is given up; and if
// a login comes with other settings than before (ALTER ROLE or ALTER DATABASE), the connections in the pool are replaced.
func (k *catalogKeeper) compare(fingerprint string, catalog *classify.Catalog) {
	o := k.origin
	if k.fingerprint != "" && fingerprint != k.fingerprint {
		o.cache.Purge()
	}
	if k.fingerprint != "" && (catalog.SearchPath() != k.path || catalog.Defaults() != k.defaults) {
		o.pool.Reconnect()
	}
	k.fingerprint, k.path, k.defaults = fingerprint, catalog.SearchPath(), catalog.Defaults()
}

// read asks for the catalog as the sessions of a lens see it.
func (k *catalogKeeper) read(l *lens) (*classify.Catalog, error) {
	if _, err := k.conn.Query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return nil, fmt.Errorf("read catalog: %w", err)
	}
	defer k.conn.Query("ROLLBACK") //nolint:errcheck // the next query would fail too
	isolation, err := k.value("SHOW default_transaction_isolation")
	if err != nil {
		return nil, err
	}
	l.snapshots.Store(isolation != readCommitted)
	if sql := l.assume(); sql != "" {
		if _, err := k.conn.Query(sql); err != nil {
			return nil, fmt.Errorf("read catalog: %w", err)
		}
	}
	var results [][][]string
	for _, sql := range classify.CatalogQueries() {
		rows, err := k.conn.Query(sql)
		if err != nil {
			return nil, fmt.Errorf("read catalog: %w", err)
		}
		results = append(results, rows)
	}
	catalog, err := classify.NewCatalog(results)
	if err != nil {
		return nil, fmt.Errorf("read catalog: %w", err)
	}
	return catalog, nil
}

// readCommitted is the isolation level in which each statement has a snapshot of its own.
const readCommitted = "read committed"

// assume returns the SQL that gives a transaction the search_path and role of a lens, or "" if it has them.
func (k lensKey) assume() string {
	sql := ""
	if k.path != "" {
		sql += "SELECT pg_catalog.set_config('search_path', " + quoteLiteral(k.path) + ", true);"
	}
	if k.role != "" {
		sql += "SELECT pg_catalog.set_config('role', " + quoteLiteral(k.role) + ", true);"
	}
	return sql
}

// catalogChanged has all origins of an upstream database forget its catalog.
func (s *Server) catalogChanged(cache *querycache.Database) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.origins {
		if o.cache == cache {
			o.forgetCatalog()
		}
	}
}

// forgetCatalog has the catalog loaded anew before anything is cached again.
func (o *origin) forgetCatalog() {
	for _, l := range o.everyLens() {
		l.classifier.Stale()
	}
	o.askCatalog()
}

// askCatalog has the catalog loaded soon.
func (o *origin) askCatalog() {
	select {
	case o.kick <- struct{}{}:
	default:
	}
}
