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
	mu     sync.Mutex
	index  index // by hash of the key: of two keys with one hash the later one is kept
	log    log   // the slots
	large  heldList
	small  queue // entries that came lately; see evict.go
	main   queue // entries that were asked for again
	ghost  ghosts
	sweep  cursor // where the search for dead entries goes on
	serial uint64 // of the entry that came last

	hits    int64            // counted here, where the lock is held anyway
	flights map[uint64]*Fill // by hash of the key: the fill that others may wait for; see flight.go
	spoiled [16]spoiledKey

	_ [64]byte // keeps the locks of two shards off one line of the processor's cache
}

func (s *shard) init(a *spans) {
	s.log = log{spans: a}
	s.flights = map[uint64]*Fill{}
}

// lookUp returns the slot of the key, or nil.
func (s *shard) lookUp(hash uint64, key []byte) *slot {
	id := s.index.find(&s.log, hash)
	if id == 0 {
		return nil
	}
	slot := s.log.at(id)
	if string(slot.key(s.blob(slot))) != string(key) {
		return nil
	}
	return slot
}

// blob returns dependencies, key and answer of the entry in the slot, of a large one dependencies and key. What it returns is
// good while mu is held.
func (s *shard) blob(slot *slot) []byte {
	if slot.large != 0 {
		return s.large.at(slot.large).head
	}
	return s.log.blob(slot)
}

// size returns the bytes of the budget that the entry in the slot takes.
func (s *shard) size(slot *slot) int64 {
	if slot.large != 0 {
		return s.large.at(slot.large).size
	}
	return smallCost(int(slot.length))
}

// smallCost returns the bytes of the budget that an entry in the log takes, with its part of the gaps that others leave.
func smallCost(length int) int64 {
	size := slotSize(length)
	return int64(size + size/gapsShare + tablesPerEntry)
}

// idOf returns the place of the very entry with the serial, or 0.
func (s *shard) idOf(hash, serial uint64) slotID {
	if id := s.index.find(&s.log, hash); id != 0 && s.log.at(id).serial == serial {
		return id
	}
	return 0
}

// gone is what is to be given back of an entry that was taken out of its shard, when mu is free again.
type gone struct {
	size int64 // 0: there was none
	dry  bool
	held *Held // of a large one: it gives back the memory when nobody reads it any more
}

// store puts an entry in place of whatever has its hash, and returns what that was. The blob is that of held or, where that is nil, is
// copied. It is false where there is no memory.
func (s *shard) store(hash, fingerprint uint64, e *entry, blob []byte, held *Held) (old gone, ok bool) {
	length := len(blob)
	if held != nil {
		length = 0
	}
	id := s.log.take(length)
	if id == 0 {
		return gone{}, false
	}
	s.serial++
	slot := s.log.at(id)
	*slot = s.newSlot(hash, fingerprint, e, length)
	if held != nil {
		slot.large = s.large.add(held)
	} else {
		copy(s.log.blob(slot), blob)
	}
	if was := s.index.find(&s.log, hash); was != 0 {
		old = s.replace(was, id)
	} else {
		slot.inMain = s.ghost.forget(hash) // it was evicted too early
		s.index.add(&s.log, id)
		s.push(id)
	}
	s.tidy()
	return old, true
}

// replace puts the slot id in the place of another with its hash, and takes that out.
func (s *shard) replace(was, id slotID) gone {
	old, slot := s.log.at(was), s.log.at(id)
	slot.chain, slot.prev, slot.next, slot.asked, slot.inMain = old.chain, old.prev, old.next, old.asked, old.inMain
	s.moved(was, id)
	s.queueOf(slot).bytes += s.size(slot) - s.size(old)
	return s.release(was)
}

func (s *shard) newSlot(hash, fingerprint uint64, e *entry, length int) slot {
	return slot{entry: *e, serial: s.serial, hash: hash, fingerprint: fingerprint, length: uint32(length)}
}

// remove takes out the entry in the slot id. Whoever removes calls tidy when he holds no place of a slot any more.
func (s *shard) remove(id slotID) gone {
	s.unlink(id)
	s.index.remove(&s.log, id)
	return s.release(id)
}

// release frees the slot, which nothing refers to any more.
func (s *shard) release(id slotID) gone {
	slot := s.log.at(id)
	g := gone{size: s.size(slot), dry: slot.dry}
	if slot.large != 0 {
		g.held = s.large.remove(slot.large)
	}
	s.log.release(id)
	return g
}

// tidy gives memory back that the entries need no more. Slots may move.
func (s *shard) tidy() {
	switch {
	case s.index.n == 0:
		s.clear()
	case s.log.crowded():
		s.log.tidy(s.moved)
	}
}

// moved has everybody who refers to the slot refer to its new place.
func (s *shard) moved(from, to slotID) {
	s.index.relink(&s.log, from, to)
	slot := s.log.at(to)
	q := s.queueOf(slot)
	if slot.prev != 0 {
		s.log.at(slot.prev).next = to
	} else {
		q.newest = to
	}
	if slot.next != 0 {
		s.log.at(slot.next).prev = to
	} else {
		q.oldest = to
	}
}

// clear forgets all entries and gives the memory of the tables back.
func (s *shard) clear() {
	s.log.clear()
	s.index.buckets.free(s.log.spans)
	s.ghost.free(s.log.spans)
	s.index, s.large, s.small, s.main = index{}, heldList{}, queue{}, queue{}
}

// retry notes that a refresh of the entry begins now and reports whether the caller, who saw it last tried then, is the one to
// make it. It takes mu.
func (s *shard) retry(hash, serial uint64, tried, now time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.idOf(hash, serial)
	if id == 0 || s.log.at(id).tried != tried || s.flights[hash] != nil {
		return false
	}
	s.log.at(id).tried = now
	return true
}

// drained is what was taken out of a shard at once.
type drained struct {
	entries, dry int64
	bytes        int64 // of all
	small        int64 // of them, those of small entries
	held         []*Held
}

// drain takes out all entries. It takes mu.
func (s *shard) drain() (all drained) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.each(func(slot *slot) {
		size := s.size(slot)
		all.bytes += size
		if slot.dry {
			all.dry++
		} else {
			all.entries++
		}
		if slot.large != 0 {
			all.held = append(all.held, s.large.at(slot.large))
		} else {
			all.small += size
		}
	})
	s.clear()
	return all
}

// each calls f for every slot.
func (s *shard) each(f func(*slot)) {
	for _, q := range []*queue{&s.small, &s.main} {
		for id := q.newest; id != 0; {
			slot := s.log.at(id)
			id = slot.next
			f(slot)
		}
	}
}
