package querycache

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"overdrive/querycache/classify"
)

// Policy says what is kept of a database, and for how long.
type Policy struct {
	Enabled   bool
	MaxAge    time.Duration // counted from Begin, that is from before the query was sent
	MaxResult int64         // bytes of one answer; 0: bounded only by the memory for fills in progress
}

// Database is the part of a Cache that belongs to one database. All methods may be called at any time from any goroutine.
type Database struct {
	cache  *Cache
	salt   uint64 // keeps equal keys of two databases apart
	policy atomic.Pointer[Policy]
	all    cell // written by what may write anything; every entry depends on it
	stats  counters

	mu        sync.RWMutex // guards the fields below
	cells     map[classify.RelationID]*cell
	abandoned []abandoned // in order of deadline
}

// SetPolicy changes the policy, also for what is kept already.
func (d *Database) SetPolicy(p Policy) { d.policy.Store(&p) }

// Get returns the answer kept under key, or nil and why there is none: Disabled, Miss, Unsettled, or the verdict's own
// status if that is not Cacheable. It does not keep key.
func (d *Database) Get(key []byte, v *classify.Verdict) (*Entry, Status) {
	if v.Status != classify.Cacheable {
		return nil, v.Status
	}
	policy := d.policy.Load()
	if !policy.Enabled {
		return nil, Disabled
	}
	hash := d.hash(key)
	s := &d.cache.shard[hash%numShards]
	e := s.find(hash, d, key)
	if e == nil {
		return nil, d.missed(v)
	}
	switch check(e.deps) {
	case beingWritten:
		return nil, d.missed(v)
	case changed:
		if s.remove(e) {
			d.stats.invalidations.Add(1)
		}
		return nil, d.missed(v)
	}
	if d.cache.now()-e.born > policy.MaxAge {
		s.remove(e)
		return nil, d.missed(v)
	}
	d.stats.hits.Add(1)
	return e, Hit
}

func (d *Database) hash(key []byte) uint64 { return maphash.Bytes(d.cache.seed, key) ^ d.salt }

// missed counts a miss and tells whether a fill would be refused.
func (d *Database) missed(v *classify.Verdict) Status {
	d.stats.misses.Add(1)
	d.settle()
	if written(d.all.load()) {
		return classify.Unsettled
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, id := range v.Reads {
		if c := d.cells[id]; c != nil && written(c.load()) {
			return classify.Unsettled
		}
	}
	return Miss
}

// Purge drops everything kept of this database. What was begun before it is not stored after it.
func (d *Database) Purge() {
	d.all.bump()
	for i := range d.cache.shard {
		d.cache.shard[i].drop(func(e *Entry) bool { return e.database == d })
	}
}

// Invalidate makes all that depends on the relations stale, for writes that have ended and are visible already.
func (d *Database) Invalidate(relations ...classify.RelationID) {
	for _, c := range d.cellsOf(relations) {
		c.bump()
	}
}

// cellsOf returns the cells of the relations, making those that are missing. A cell is never taken away, because entries
// point at it: there are as many as the database ever had relations that were read or written here.
func (d *Database) cellsOf(relations []classify.RelationID) []*cell {
	cells := make([]*cell, 0, len(relations)+1)
	d.mu.RLock()
	for _, id := range relations {
		if c := d.cells[id]; c != nil {
			cells = append(cells, c)
		}
	}
	d.mu.RUnlock()
	if len(cells) == len(relations) {
		return cells
	}
	cells = cells[:0]
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range relations {
		c := d.cells[id]
		if c == nil {
			c = new(cell)
			d.cells[id] = c
		}
		cells = append(cells, c)
	}
	return cells
}
