package postgres

import (
	"time"

	"overdrive/proxy/postgres/pgwire"
)

// This file says which origins there are. Where the target names no user and everybody is trusted, peers choose the names: each
// name has a pool and a view of the cache, so those that are of no use must go.

// maxIdentities bounds the users of one database at a time.
const maxIdentities = 2000

const (
	unusedLimit = time.Minute      // for a name under which no login at the server has succeeded
	unusedLook  = 20 * time.Second // between two looks for them
)

// originFor finds or makes the identity at the upstream under which a client works. letGo must be called for it.
func (p *Proxy) originFor(database, user string) (*origin, error) {
	db, ok := p.now().databases[database]
	if !ok {
		return nil, refuse(pgwire.CodeInvalidCatalogName, "database %q does not exist", database)
	}
	if p.isDisabled(database) {
		return nil, refuse(codeNotInState, "database %q does not allow connections", database)
	}
	if !db.admits(user) {
		return nil, refuse(pgwire.CodeInvalidAuthorization, "user %q is not permitted to connect to database %q", user, database)
	}
	return p.originOf(db, user)
}

// originOf is originFor for whoever may act for user on the database.
func (p *Proxy) originOf(db *Database, user string) (*origin, error) {
	key := originKey{db.Name, user}
	if db.Target.User != "" {
		key.user = db.Target.User
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.origins[key]; o != nil {
		o.held++
		return o, nil
	}
	if err := p.roomForOrigin(db); err != nil {
		return nil, err
	}
	o, err := p.newOrigin(db, key.user)
	if err != nil {
		return nil, err
	}
	o.held++
	p.origins[key] = o
	return o, nil
}

// letGo gives back what originOf returned. Whoever uses an origin for longer is counted in another way: sessions, or connections.
func (p *Proxy) letGo(o *origin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.held--; o.held == 0 {
		delete(p.noRoom, o.Database)
	}
}

// roomPause is how long it is not looked again for users of a database who can be given up, after none was found: each look takes
// the locks of all their pools.
const roomPause = 100 * time.Millisecond

// roomForOrigin refuses one more user of a database if there are too many, none of whom can be given up. Call it with mu held.
func (p *Proxy) roomForOrigin(db *Database) error {
	n := 0
	for key := range p.origins {
		if key.database == db.Name {
			n++
		}
	}
	if n < maxIdentities {
		return nil
	}
	full := refuse(pgwire.CodeTooManyConnections, "database %q has %d users already", db.Name, maxIdentities)
	now := time.Now()
	if now.Sub(p.noRoom[db.Name]) < roomPause {
		return full
	}
	for _, accepted := range []bool{false, true} { // first those who never got in at the server
		for key, o := range p.origins {
			if key.database == db.Name && o.Known() == accepted && o.isUnused() {
				p.retire(o)
				n--
			}
		}
		if n < maxIdentities {
			return nil
		}
	}
	p.noRoom[db.Name] = now
	return full
}

// isUnused says whether nobody uses the origin, and nothing is open or under way at the server. Call it with Proxy.mu held.
func (o *origin) isUnused() bool {
	if o.held != 0 || o.sessions.Load() != 0 || o.refreshing.Load() != 0 {
		return false
	}
	stats := o.pool.Stats()
	return stats.Open == 0 && stats.Reserved == 0
}

// retire gives an origin up that nobody uses. Call it with mu held.
func (p *Proxy) retire(o *origin) {
	delete(p.origins, originKey{o.Database, o.User})
	p.accounts.leave(o.account, o.pool)
	o.giveUp()
	o.pool.Close(nil) // which has nothing to close, and nobody to refuse
}

// lookForUnused runs until the server stops.
func (p *Proxy) lookForUnused() {
	look := time.NewTicker(unusedLook)
	defer look.Stop()
	for {
		select {
		case now := <-look.C:
			p.retireUnused(now)
		case <-p.server.Context().Done():
			return
		}
	}
}

// retireUnused gives up the origins of names under which no login at the server ever succeeded, when nobody has used them for a
// while. Origins under whose names a login has succeeded stay, unless roomForOrigin needs their place: they are as many as the server
// has roles, and their numbers are shown.
func (p *Proxy) retireUnused(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.origins {
		switch {
		case o.Known() || !o.isUnused():
			o.unused = time.Time{}
		case o.unused.IsZero():
			o.unused = now
		case now.Sub(o.unused) >= unusedLimit:
			p.retire(o)
		}
	}
}
