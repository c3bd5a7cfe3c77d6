package querycache

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// numShards is a power of two far above the number of processors, so that two loops seldom want the same lock.
const numShards = 64

// shard holds the entries whose hash falls to it, in order of use.
type shard struct {
	mu  sync.Mutex // guards lru
	lru *simplelru.LRU[uint64, *Entry]
}

func (s *shard) init() {
	const noLimit = 1 << 40                                   // entries are bounded by bytes
	s.lru, _ = simplelru.NewLRU[uint64, *Entry](noLimit, nil) // fails only on a size of 0
}

// find returns the entry of the database and key and makes it the most recently used one, or returns nil.
func (s *shard) find(hash uint64, d *Database, key []byte) *Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.lru.Get(hash)
	if !ok || e.database != d || string(e.key()) != string(key) {
		return nil
	}
	return e
}

// store puts e in place of whatever has its hash.
func (s *shard) store(e *Entry) {
	s.mu.Lock()
	old, replaced := s.lru.Peek(e.hash)
	s.lru.Add(e.hash, e)
	s.mu.Unlock()
	e.database.stats.entries.Add(1)
	e.database.stats.bytes.Add(e.size)
	if replaced {
		old.free()
	}
}

// remove takes out e, and nothing that has come in its place, and reports whether it was there.
func (s *shard) remove(e *Entry) bool {
	s.mu.Lock()
	found, ok := s.lru.Peek(e.hash)
	ok = ok && found == e
	if ok {
		s.lru.Remove(e.hash)
	}
	s.mu.Unlock()
	if ok {
		e.free()
	}
	return ok
}

func (s *shard) evictOldest() bool {
	s.mu.Lock()
	_, e, ok := s.lru.RemoveOldest()
	s.mu.Unlock()
	if ok {
		e.free()
		e.database.stats.evictions.Add(1)
	}
	return ok
}

// drop takes out every entry that is unwanted.
func (s *shard) drop(unwanted func(*Entry) bool) {
	s.mu.Lock()
	var dropped []*Entry
	for _, hash := range s.lru.Keys() {
		if e, ok := s.lru.Peek(hash); ok && unwanted(e) {
			s.lru.Remove(hash)
			dropped = append(dropped, e)
		}
	}
	s.mu.Unlock()
	for _, e := range dropped {
		e.free()
	}
}
