package querycache

import (
	"sync"
	"time"
)

// numShards is a power of two far above the number of processors, so that two loops seldom want the same lock.
const numShards = 64

// shard holds the entries of a database whose hash falls to it, and the fills of such entries that are under way. The
// fields are guarded by mu; its methods are called with mu held unless they say otherwise.
type shard struct {
	mu    sync.Mutex
	index map[uint64]slotID // by hash of the key: of two keys with one hash the later one is kept
	slots slotTable
	small queue // entries that came lately; see evict.go
	main  queue // entries that were asked for again
	ghost ghosts
	sweep slotID // where the search for dead entries goes on

	hits    int64            // counted here, where the lock is held anyway
	flights map[uint64]*Fill // by hash of the key: the fill that others may wait for; see flight.go
	spoiled [16]spoiledKey

	_ [64]byte // keeps the locks of two shards off one line of the processor's cache
}

func (s *shard) init() {
	s.clear()
	s.flights = map[uint64]*Fill{}
}

// find copies the entry of the key to e, notes that it was asked for, and reports whether there is one. It takes mu.
func (s *shard) find(hash uint64, key []byte, e *entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := s.lookUp(hash, key)
	if slot == nil {
		return false
	}
	slot.ask()
	*e = slot.entry
	return true
}

// lookUp returns the slot of the key, or nil.
func (s *shard) lookUp(hash uint64, key []byte) *slot {
	id := s.index[hash]
	if id == 0 {
		return nil
	}
	slot := s.slots.at(id)
	if string(slot.key()) != string(key) {
		return nil
	}
	return slot
}

// slotOf returns the slot that holds the very entry e, or nil.
func (s *shard) slotOf(hash uint64, e *entry) *slot {
	if id := s.index[hash]; id != 0 && s.slots.at(id).is(e) {
		return s.slots.at(id)
	}
	return nil
}

// store puts e in place of whatever has its hash, and returns what that was.
func (s *shard) store(hash, fingerprint uint64, e *entry) (old entry) {
	if id := s.index[hash]; id != 0 {
		slot := s.slots.at(id)
		old = slot.entry
		s.queueOf(slot).bytes += e.size() - old.size()
		slot.entry, slot.fingerprint = *e, fingerprint
		return old
	}
	id, slot := s.slots.take()
	*slot = newSlot(hash, fingerprint, e)
	s.index[hash] = id
	if s.ghost.forget(hash) { // it was evicted too early
		slot.inMain = true
	}
	s.push(id)
	return entry{}
}

// remove takes out the entry in the slot id.
func (s *shard) remove(id slotID) entry {
	slot := s.slots.at(id)
	e := slot.entry
	s.unlink(id)
	delete(s.index, slot.hash)
	s.slots.release(id)
	if len(s.index) == 0 && s.slots.end > slotsPerChunk {
		s.clear()
	}
	return e
}

// clear forgets all entries and gives the memory of the tables back.
func (s *shard) clear() {
	s.index = map[uint64]slotID{}
	s.slots = slotTable{}
	s.small, s.main, s.ghost, s.sweep = queue{}, queue{}, nil, 0
}

// retry notes that a refresh of e begins now and reports whether the caller is the one to make it. It takes mu.
func (s *shard) retry(hash uint64, e *entry, now time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := s.slotOf(hash, e)
	if slot == nil || slot.tried != e.tried || s.flights[hash] != nil {
		return false
	}
	slot.tried = now
	return true
}

// rechoose notes what the policy of now says of e. It takes mu.
func (s *shard) rechoose(hash uint64, e *entry, c choice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot := s.slotOf(hash, e); slot != nil {
		slot.choice = c
	}
}

// drain takes out all entries. It takes mu.
func (s *shard) drain() []entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]entry, 0, len(s.index))
	for _, id := range s.index {
		all = append(all, s.slots.at(id).entry)
	}
	s.clear()
	return all
}

// countHit takes mu.
func (s *shard) countHit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hits++
}

// removeEntry takes out e, and nothing that has come in its place, and reports whether it was there. It takes mu.
func (s *shard) removeEntry(hash uint64, e *entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slotOf(hash, e) == nil {
		return false
	}
	s.remove(s.index[hash])
	return true
}
