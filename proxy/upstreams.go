package proxy

import (
	"sync"

	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// An upstreamDatabase is one database at one server, whatever names the configuration has for it. It owns what all its origins share, so
// what passes through one of them is known to the others.
type upstreamDatabase struct {
	name    string           // of server and database
	tallies *verdict.Tallies // of the texts for it
	shelf   shelf            // its catalog
}

// A shelf holds the inventory of a database for all origins of it. Safe for concurrent use.
type shelf struct {
	mu          sync.Mutex
	fingerprint string // of the catalog then; empty: there is none
	inventory   *classify.Inventory
}

// upstreamOf returns the database that a target means. Two targets with one host, port and database mean one. Call it with mu held.
func (s *Server) upstreamOf(t upstream.Target) *upstreamDatabase {
	name := t.Server() + "/" + t.Database
	u := s.upstreams[name]
	if u == nil {
		u = &upstreamDatabase{name: name, tallies: verdict.NewTallies()}
		s.upstreams[name] = u
	}
	return u
}

// catalogChanged has all origins of the upstream database of one forget its catalog, or where what has changed is shared, all
// origins of its server.
func (s *Server) catalogChanged(from *origin, shared bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.origins {
		if o.upstream == from.upstream || shared && o.sharesServer(from) {
			o.forgetCatalog()
		}
	}
}
