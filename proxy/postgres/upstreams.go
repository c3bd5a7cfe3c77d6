package postgres

import (
	"overdrive/proxy/postgres/catalog"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// An upstreamDatabase is one database at one server, whatever names the configuration has for it. It owns what all its origins share, so
// what passes through one of them is known to the others.
type upstreamDatabase struct {
	name    string           // of server and database
	tallies *verdict.Tallies // of the texts for it
	shelf   catalog.Shelf    // its catalog
	// alterations are the DDL for it that is being committed.
	alterations session.Alterations
	owned       session.Owned
	hearsay
}

// upstreamOf returns the database that a target means. Two targets with one host, port and database mean one. Call it with mu held.
func (p *Proxy) upstreamOf(t upstream.Target) *upstreamDatabase {
	name := t.Server() + "/" + t.Database
	u := p.upstreams[name]
	if u == nil {
		u = &upstreamDatabase{name: name, tallies: verdict.NewTallies()}
		u.listenTo(p)
		p.upstreams[name] = u
	}
	return u
}

// catalogChanged has all origins of the upstream database of one forget its catalog, or where what has changed is shared, all
// origins of its server.
func (p *Proxy) catalogChanged(from *origin, shared bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for o := range p.everyOrigin() {
		if o.upstream == from.upstream || shared && o.sharesServer(from) {
			o.keeper.Forget()
		}
	}
}

// catalogTouched has all origins of the upstream database of one doubt what may have changed.
func (p *Proxy) catalogTouched(from *origin, by []*classify.Touch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for o := range p.everyOrigin() {
		if o.upstream == from.upstream {
			o.keeper.Doubt(by)
		}
	}
}

// sharesServer reports whether two origins are known to be at one server: by the address in the configuration, or by what the
// servers say of themselves.
func (o *origin) sharesServer(p *origin) bool {
	return o.db().Target.Server() == p.db().Target.Server() || o.keeper.SharesServer(p.keeper)
}
