package postgres

import (
	"iter"

	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/upstream"
)

// This file is what the configuration says now, as those see it who go by it.

// given is what the configuration says now. It never changes: see Reconfigure.
type given struct {
	Options
	databases map[string]*Database
}

// now returns what the configuration says now.
func (p *Proxy) now() *given { return p.given.Load() }

// A way is how an origin comes to its server: as the configuration says now.
type way struct {
	database   *Database
	dialer     *upstream.Dialer
	credential *pgauth.Credential
}

// db is the origin's database as the configuration has it, or had it when it went.
func (o *origin) db() *Database { return o.way.Load().database }

// aliases are the names of the upstream database that a name means, this one among them.
func (g *given) aliases(name string) (names []string) {
	means := g.databases[name]
	for other, db := range g.databases {
		if db.Target.Server() == means.Target.Server() && db.Target.Database == means.Target.Database {
			names = append(names, other)
		}
	}
	return names
}

// everyOrigin yields the origins there are, and those whose clients are still to go. Call it with mu held.
func (p *Proxy) everyOrigin() iter.Seq[*origin] {
	return func(yield func(*origin) bool) {
		for _, o := range p.origins {
			if !yield(o) {
				return
			}
		}
		for o := range p.leaving {
			if !yield(o) {
				return
			}
		}
	}
}
