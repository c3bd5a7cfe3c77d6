package catalog

import (
	"sync"
	"sync/atomic"

	"overdrive/proxy/traffic"
	"overdrive/querycache/classify"
)

// A Shelf holds the inventory of a database for all keepers of it, and counts what they do. The zero value is empty. Safe for concurrent use.
type Shelf struct {
	counters
	mu          sync.Mutex // guards the fields below
	fingerprint string     // of the catalog then; empty: there is none
	inventory   *classify.Inventory
}

// find returns the inventory if it is of the catalog with the fingerprint.
func (s *Shelf) find(fingerprint string) (*classify.Inventory, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inventory, s.fingerprint == fingerprint
}

// put has the inventory of the catalog with the fingerprint be the one that is found.
func (s *Shelf) put(fingerprint string, inventory *classify.Inventory) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fingerprint, s.inventory = fingerprint, inventory
}

// counters count what the keepers of a database do.
type counters struct {
	looks, loads traffic.Times
	failures     atomic.Uint64
}

// Counts are what the keepers of a database have done.
type Counts struct {
	Looks    traffic.Distribution // of the times that it took to ask whether the catalog has changed, and to read it if it has
	Loads    traffic.Distribution // of the times that it took to read the catalog anew
	Failures uint64               // looks that came to nothing
}

// Counts returns what the keepers have done up to now.
func (s *Shelf) Counts() Counts {
	return Counts{Looks: s.looks.Distribution(), Loads: s.loads.Distribution(), Failures: s.failures.Load()}
}
