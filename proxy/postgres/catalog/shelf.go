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
	mu        sync.Mutex          // guards inventory
	inventory *classify.Inventory // the latest that was loaded; nil: none was
}

// latest returns the inventory that was loaded last, or nil.
func (s *Shelf) latest() *classify.Inventory {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inventory
}

// put has the inventory be the latest.
func (s *Shelf) put(inventory *classify.Inventory) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inventory = inventory
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
