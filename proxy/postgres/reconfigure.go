package postgres

import (
	"fmt"
	"reflect"
	"time"

	"overdrive/proxy"
)

// This file is what becomes of the origins when the configuration changes.
//
//	stays ──▶ pool sizes, cache policy, the way to the server (password, TLS, timeouts) and who may log in change in place
//	goes, or is another ──▶ its clients finish their transactions and are told; whoever comes gets what is configured now

// Reconfigure has the proxy follow other options; Cache and Console stay those of New. Clients of databases that have not changed notice
// nothing. Those of a database that is gone, or whose clients cannot go on as they are, may finish their transactions, for at
// most patience. It does not wait for them.
func (p *Proxy) Reconfigure(o Options, patience time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.take(o)
	p.keepStops(g)
	for _, o := range p.origins {
		db := g.databases[o.Database]
		if why := o.whyLeave(db); why != "" {
			p.dismiss(o, why, patience)
			continue
		}
		p.follow(o, db)
	}
}

// whyLeave says why the clients of an origin cannot go on under what its database is now; empty: they can.
func (o *origin) whyLeave(db *Database) string {
	before := o.db()
	switch {
	case db == nil:
		return "database %q is not served any more"
	case db.Target.Server() != before.Target.Server(), db.Target.Database != before.Target.Database, db.Target.User != before.Target.User:
		return "database %q is at another place now: connect again"
	case db.Mode != before.Mode, db.RefusePins != before.RefusePins, db.caches() != before.caches(), db.holdsBack() != before.holdsBack():
		return "database %q is served in another way now: connect again"
	}
	return ""
}

func (db *Database) caches() bool { return db.Cache != nil && db.Cache.Enabled }

func (db *Database) holdsBack() bool { return db.Cache != nil && db.Cache.InTransactions }

// follow changes in place what has changed of an origin. Call it with mu held.
func (p *Proxy) follow(o *origin, db *Database) {
	before := o.way.Load()
	after, err := p.wayTo(db, o.User)
	if err != nil { // the password cannot be one
		p.server.Log().Error("the upstream login stays as it was", "db", o.Database, "user", o.User, "error", err)
		after = &way{database: db, dialer: before.dialer, credential: before.credential}
	}
	o.way.Store(after)
	if db.Pool != before.database.Pool {
		o.pool.Reconfigure(db.Pool)
		o.maxRefreshing.Store(maxRefreshing(db.Pool.Size))
	}
	if !reflect.DeepEqual(db.Target, before.database.Target) {
		o.pool.Reconnect()
	}
	if o.Cache != nil {
		o.Cache.SetPolicy(*db.Cache)
	}
	o.keeper.Reconfigure(db.Pool.WaitTimeout, db.Cache)
}

// dismiss has the clients of an origin go, and closes it when they have. Call it with mu held.
func (p *Proxy) dismiss(o *origin, why string, patience time.Duration) {
	delete(p.origins, originKey{o.Database, o.User})
	p.leaving[o] = struct{}{}
	words := fmt.Sprintf(why, o.Database)
	o.Part(words)
	p.server.Log().Info("clients are asked to leave", "db", o.Database, "user", o.User, "clients", o.sessions.Load(), "limit", patience, "reason", words)
	p.server.Go(func() {
		p.eachClient(o, (*client).Drain)
		p.waitUntil(patience, func() bool { return !p.isHeld(o) })
		p.eachClient(o, (*client).Drain) // those who were on their way in
		gone := func() bool { return o.sessions.Load() == 0 }
		if !p.waitUntil(patience, gone) {
			p.eachClient(o, func(c *client) { c.ShutDown(words) })
			p.waitUntil(closeLimit, gone)
		}
		o.giveUp()
		o.pool.Close(proxy.ErrShutdown)
		if o.Cache != nil {
			o.Cache.Purge()
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.leaving, o)
		if p.accounts.leave(o.account, o.pool); p.now().databases[o.Database] == nil {
			p.accounts.drop(o.Database)
		}
	})
}

// eachClient has f called for each client of an origin, on its loop.
func (p *Proxy) eachClient(o *origin, f func(*client)) {
	p.server.EachSession(func(s proxy.Session) {
		if c, ok := s.(*client); ok && c.origin == o {
			f(c)
		}
	})
}

// waitUntil waits for something, for at most limit or until the server has stopped, and reports whether it came about.
func (p *Proxy) waitUntil(limit time.Duration, ok func() bool) bool {
	const look = 50 * time.Millisecond
	for ; !ok(); limit -= look {
		if limit <= 0 {
			return false
		}
		select {
		case <-time.After(look):
		case <-p.server.Context().Done():
			return false
		}
	}
	return true
}

// isHeld says whether somebody is about to use an origin.
func (p *Proxy) isHeld(o *origin) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return o.held > 0
}
