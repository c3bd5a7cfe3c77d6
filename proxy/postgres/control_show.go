package postgres

import (
	"context"
	"iter"
	"maps"
	"slices"

	"overdrive/proxy"
)

// Pools returns the pools there are, in order of database and user. A pool exists from a user's first login on.
func (p *Proxy) Pools() []proxy.PoolStatus {
	var list []proxy.PoolStatus
	for _, o := range p.allOrigins() {
		pinned, waits := o.Pinned()
		list = append(list, proxy.PoolStatus{
			Database: o.Database, User: o.User, Mode: o.Mode.String(), Clients: o.sessions.Load(), Pinned: pinned, PinnedWaits: waits,
			Cancels: o.cancels.Load(), Stats: o.pool.Stats(),
		})
	}
	return list
}

// Databases returns all databases, in order of their names.
func (p *Proxy) Databases() []proxy.DatabaseStatus {
	pools := p.Pools()
	var list []proxy.DatabaseStatus
	for name, db := range p.configured() {
		d := proxy.DatabaseStatus{
			Name: name, Host: db.Target.Hosts(), Port: db.Target.Port, Upstream: db.Target.Database, User: db.Target.User,
			Mode: db.Mode.String(), Limits: db.Pool, CachingEnabled: db.Cache != nil && db.Cache.Enabled,
		}
		p.mu.Lock()
		d.Paused, d.Disabled = p.paused[name] != 0, p.disabled[name]
		p.mu.Unlock()
		for _, in := range pools {
			if in.Database == name {
				d.Servers += in.Open
				d.Clients += in.Clients
			}
		}
		if p.isListenedTo(name) {
			d.Servers++
		}
		list = append(list, d)
	}
	return list
}

// configured yields the databases of now, in order of their names.
func (p *Proxy) configured() iter.Seq2[string, *Database] {
	databases := p.now().databases
	return func(yield func(string, *Database) bool) {
		for _, name := range slices.Sorted(maps.Keys(databases)) {
			if !yield(name, databases[name]) {
				return
			}
		}
	}
}

// LoggingIn returns how many connections are not logged in yet.
func (p *Proxy) LoggingIn() int { return p.server.LoggingIn() }

// IsShut reports whether nobody new is let in, because the end has begun.
func (p *Proxy) IsShut() bool { return p.server.IsShut() }

// Memory returns what the cache takes.
func (p *Proxy) Memory() []proxy.MemoryStatus {
	if p.cache == nil {
		return nil
	}
	used, held := p.cache.UsedBytes(), p.cache.HeldBytes()
	return []proxy.MemoryStatus{
		{Name: "cache", Used: used, Free: max(p.cache.MaxBytes()-used, 0)},
		{Name: "cache_answers_being_read", Used: held},
	}
}

// isListenedTo reports whether a connection listens for sessions of a database, beside those of its pools.
func (p *Proxy) isListenedTo(database string) bool {
	return slices.ContainsFunc(p.allOrigins(), func(o *origin) bool { return o.Database == database && o.upstream.listener.Connected() })
}

// Clients returns all clients that are logged in at the server, in order of their numbers.
func (p *Proxy) Clients(ctx context.Context) []proxy.ClientStatus { return p.server.Clients(ctx) }
