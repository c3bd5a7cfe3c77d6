package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	catalogRest  = time.Minute            // without a client, until the keeper hangs up
)

// A catalogKeeper loads the catalog of one origin, through each of its lenses. While some lens has a catalog it has a
// connection, over which it is looked after.
type catalogKeeper struct {
	server *Server
	origin *origin

	turn chan struct{}  // holds one while somebody uses the fields below, for as long as the server takes
	conn *upstream.Conn // nil: none is open

	fingerprint string // of the catalog when it was last loaded; empty: never
	login       string // what a login came with then

	arrived uint64    // sessions, at the last look
	busy    time.Time // when there last was one
	aside   []aside   // while the keeper rests
}

// An aside is a catalog that nobody looks after for the time being.
type aside struct {
	lens       *lens
	catalog    *classify.Catalog
	generation uint64 // by which it may be put back
}

// followCatalog runs until the server stops.
func (s *Server) followCatalog(o *origin) {
	defer o.keeper.close()
	pause := catalogPause
	for {
		if err := o.keeper.attend(s.context); err == nil {
			pause = catalogPause
		} else if s.context.Err() == nil {
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

// attend loads the catalog where that is due, unless nobody needs it. When it fails nothing is cached.
func (k *catalogKeeper) attend(ctx context.Context) error {
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	if k.idle() {
		k.rest()
		return nil
	}
	err := k.look(ctx)
	if err != nil {
		k.rest()
	}
	return err
}

// visit has the origin know its server and its catalog, as if a client had been there.
func (k *catalogKeeper) visit(ctx context.Context) error {
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for the catalog: %w", ctx.Err())
	}
	defer func() { <-k.turn }()
	k.busy = time.Now()
	o := k.origin
	if o.usual.classifier.Catalog() == nil {
		if err := k.look(ctx); err != nil {
			k.rest()
			return err
		}
	}
	if o.profile.Load() == nil {
		o.introduce(k.conn.Params)
	}
	return nil
}

// look asks whether the catalog is still the same, and loads it if not. Call it with turn held.
func (k *catalogKeeper) look(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, catalogLimit)
	defer stop()
	if k.conn == nil {
		return k.greet(ctx)
	}
	changed, err := k.differs(ctx)
	if err != nil {
		return err
	}
	if !changed && !k.unsettled() {
		return nil
	}
	k.hangUp() // what a login comes with may have changed, too
	if err := k.connect(ctx); err != nil {
		return err
	}
	return k.load(ctx)
}

// greet begins to look after the catalog, for the first time or after a rest: then what was set aside holds if nothing
// that it depends on has changed.
func (k *catalogKeeper) greet(ctx context.Context) error {
	if err := k.connect(ctx); err != nil {
		return err
	}
	if k.fingerprint == "" {
		return k.load(ctx)
	}
	changed, err := k.differs(ctx)
	if err != nil {
		return err
	}
	if changed {
		return k.load(ctx)
	}
	for _, a := range k.aside {
		a.lens.classifier.SetCatalog(a.catalog, a.generation)
	}
	k.aside = nil
	if k.unsettled() {
		return k.load(ctx)
	}
	return nil
}

// idle reports whether nobody was logged in for so long that the server is to be left in peace.
func (k *catalogKeeper) idle() bool {
	o := k.origin
	arrived := o.arrived.Load()
	if o.sessions.Load() > 0 || arrived != k.arrived {
		k.arrived, k.busy = arrived, time.Now()
	}
	return k.fingerprint != "" && time.Since(k.busy) >= catalogRest
}

// rest hangs up. What changes from now on is not noticed, so the catalog is not trusted before the next look.
func (k *catalogKeeper) rest() {
	k.hangUp()
	for _, l := range k.origin.everyLens() {
		if catalog, generation := l.classifier.Suspend(); catalog != nil {
			k.aside = append(k.aside, aside{l, catalog, generation})
		}
	}
}

// unsettled reports whether some lens in use lacks a picture that it could have.
func (k *catalogKeeper) unsettled() bool {
	for _, l := range k.origin.everyLens() {
		if l.classifier.Catalog() == nil && l.refused != k.fingerprint {
			return true
		}
	}
	return false
}

// connect opens a connection, which has what every login has now.
func (k *catalogKeeper) connect(ctx context.Context) error {
	conn, err := k.origin.dialer.Connect(ctx, k.origin.credential)
	if err != nil {
		return fmt.Errorf("read catalog: %w", err)
	}
	k.conn = conn
	return nil
}

// differs asks whether the catalog, or what a login comes with, is another than when it was loaded. A session takes over
// what a reload of the server's configuration brings; what ALTER ROLE and ALTER DATABASE set is in the fingerprint, too.
func (k *catalogKeeper) differs(ctx context.Context) (bool, error) {
	changed, err := k.changed(ctx, k.fingerprint, classify.FingerprintQuery())
	if err == nil && !changed {
		changed, err = k.changed(ctx, k.login, classify.LoginQuery())
	}
	return changed, err
}

// changed asks whether a query of ours gives another value than before.
func (k *catalogKeeper) changed(ctx context.Context, before, sql string) (bool, error) {
	defer k.bound(ctx)()
	now, err := k.value(sql)
	return now != before, err
}

// close hangs up for good.
func (k *catalogKeeper) close() {
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	k.rest()
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

// load reads the catalog over a fresh connection. The fingerprint is taken first: what changes while the catalog is read
// makes it be read again.
func (k *catalogKeeper) load(ctx context.Context) error {
	defer k.bound(ctx)()
	fingerprint, err := k.value(classify.FingerprintQuery())
	if err != nil {
		return err
	}
	login, err := k.value(classify.LoginQuery())
	if err != nil {
		return err
	}
	type fresh struct {
		*lens
		catalog    *classify.Catalog
		generation uint64
	}
	var all []fresh
	for i, l := range k.origin.everyLens() {
		generation := l.classifier.Generation()
		catalog, err := k.read(l)
		if i > 0 && refuses(err) {
			k.server.log.Debug("catalog could not be read", "db", k.origin.database, "search_path", l.path, "role", l.role, "error", err)
			l.classifier.Stale()
			l.refused = fingerprint
			continue // that session alone cannot use the cache: the server refuses it the role, say
		}
		if err != nil {
			return err
		}
		all = append(all, fresh{l, catalog, generation})
	}
	for _, f := range all {
		f.classifier.SetCatalog(f.catalog, f.generation)
	}
	k.renew(fingerprint, login)
	return nil
}

// refuses reports whether the server will say the same until its catalog changes: the role, or a right of it, is gone.
func refuses(err error) bool {
	var e *upstream.ServerError
	return errors.As(err, &e) && (strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "42"))
}

// renew notes what was loaded. If anything has changed that the proxy may not have seen, every answer is given up; and if a
// login comes with other settings than before (ALTER ROLE or ALTER DATABASE), the connections in the pool are replaced.
//
// Invariant: no lens has the catalog of another fingerprint than is noted. Hence it is noted when all have theirs.
func (k *catalogKeeper) renew(fingerprint, login string) {
	o, known := k.origin, k.fingerprint != ""
	k.aside = nil
	if known && (fingerprint != k.fingerprint || login != k.login) {
		o.cache.Purge()
	}
	if known && login != k.login {
		o.pool.Reconnect()
	}
	k.fingerprint, k.login = fingerprint, login
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
