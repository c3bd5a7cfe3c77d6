package catalog

import (
	"sync"

	"overdrive/querycache/classify"
)

// A Shelf holds the inventory of a database for all keepers of it. The zero value is empty. Safe for concurrent use.
type Shelf struct {
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
