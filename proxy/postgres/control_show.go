package postgres

import (
	"context"
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
			Stats: o.pool.Stats(),
		})
	}
	return list
}

// Databases returns all databases, in order of their names.
func (p *Proxy) Databases() []proxy.DatabaseStatus {
	pools := p.Pools()
	var list []proxy.DatabaseStatus
	for _, name := range p.DatabaseNames() {
		db := p.now().databases[name]
		d := proxy.DatabaseStatus{
			Name: name, Host: db.Target.Hosts(), Port: db.Target.Port, Upstream: db.Target.Database, User: db.Target.User,
			Mode: db.Mode.String(), Limits: db.Pool, CachingEnabled: db.Cache != nil && db.Cache.Enabled,
		}
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

// isListenedTo reports whether a connection listens for sessions of a database, beside those of its pools.
func (p *Proxy) isListenedTo(database string) bool {
	return slices.ContainsFunc(p.allOrigins(), func(o *origin) bool { return o.Database == database && o.upstream.listener.Connected() })
}

// Clients returns all clients that are logged in at the server, in order of their numbers.
func (p *Proxy) Clients(ctx context.Context) []proxy.ClientStatus { return p.server.Clients(ctx) }
