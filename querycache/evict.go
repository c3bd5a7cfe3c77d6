package querycache

import "math"

// Entries are evicted by S3-FIFO (Yang and others, "FIFO queues are all you need for cache eviction", SOSP 2023). A new entry
// enters the small queue. If it was asked for again by the time it comes to the end of that, it moves to the main queue, else
// it goes, and only its hash is remembered; a key that is remembered enters the main queue at once. The end of the main
// queue goes to its front as often as it was asked for, up to three times.
//
//	new ──▶ [ small: a tenth ] ──asked again──▶ [ main ] ──not asked──▶ out
//	              │ not asked                      ▲  └──asked──▶ front
//	              └──▶ out, hash to ghosts ──new──┘
//
// A scan of keys that are asked for once passes through the small queue and leaves the main one alone. A hit costs one
// counter and moves nothing.

const (
	maxAsked   = 3
	smallShare = 10 // the small queue has one part in ten
)

// queue is a FIFO of slots.
type queue struct {
	newest, oldest slotID
	bytes          int64
}

func (s *shard) queueOf(slot *slot) *queue {
	if slot.inMain {
		return &s.main
	}
	return &s.small
}

// push makes the slot the newest of its queue.
func (s *shard) push(id slotID) {
	slot := s.slots.at(id)
	q := s.queueOf(slot)
	slot.prev, slot.next = 0, q.newest
	if q.newest != 0 {
		s.slots.at(q.newest).prev = id
	} else {
		q.oldest = id
	}
	q.newest = id
	q.bytes += slot.size()
}

// unlink takes the slot out of its queue.
func (s *shard) unlink(id slotID) {
	slot := s.slots.at(id)
	q := s.queueOf(slot)
	if slot.prev != 0 {
		s.slots.at(slot.prev).next = slot.next
	} else {
		q.newest = slot.next
	}
	if slot.next != 0 {
		s.slots.at(slot.next).prev = slot.prev
	} else {
		q.oldest = slot.prev
	}
	q.bytes -= slot.size()
}

// evict takes out the entry whose turn it is and returns it, unless it takes more than limit bytes or there is none. It
// ends because every step takes something from a counter or from the small queue.
func (s *shard) evict(limit int64) (entry, bool) {
	for len(s.index) > 0 {
		fromSmall := s.main.oldest == 0 || s.small.oldest != 0 && s.small.bytes*smallShare >= s.small.bytes+s.main.bytes
		id := s.main.oldest
		if fromSmall {
			id = s.small.oldest
		}
		slot := s.slots.at(id)
		switch {
		case fromSmall && slot.asked > 0:
			s.unlink(id)
			slot.inMain, slot.asked = true, 0
			s.push(id)
		case !fromSmall && slot.asked > 0:
			s.unlink(id)
			slot.asked--
			s.push(id)
		case slot.size() > limit:
			return entry{}, false
		default:
			if fromSmall {
				s.ghost.remember(slot.hash, len(s.index))
			}
			return s.remove(id), true
		}
	}
	return entry{}, false
}

// ghosts remembers the hashes of entries that were evicted lately, one for each place: a later one takes the place of
// an earlier.
type ghosts []uint32

const minGhosts = 64

// remember notes the hash. The table has a place for each of the n entries of the shard.
func (g *ghosts) remember(hash uint64, n int) {
	if len(*g) < n || len(*g) == 0 {
		size := minGhosts
		for size < n {
			size *= 2
		}
		*g = make(ghosts, size)
	}
	(*g)[g.place(hash)] = mark(hash)
}

// forget reports whether the hash is remembered, and forgets it.
func (g ghosts) forget(hash uint64) bool {
	if len(g) == 0 || g[g.place(hash)] != mark(hash) {
		return false
	}
	g[g.place(hash)] = 0
	return true
}

func (g ghosts) place(hash uint64) uint64 { return hash / numShards % uint64(len(g)) }

// mark is the part of the hash that tells those of one place apart; never 0.
func mark(hash uint64) uint32 { return uint32(hash>>32) | 1 }

// evict drops an entry of the database, one that takes limit bytes at most, and reports whether there was one. It goes
// round the shards, which comes close to one order for all.
func (d *Database) evict(limit int64) bool {
	for range numShards {
		s := &d.shards[d.hand%numShards]
		d.hand++
		s.mu.Lock()
		e, ok := s.evict(limit)
		s.mu.Unlock()
		if ok {
			d.forget(&e)
			d.stats.evictions.Add(1)
			return true
		}
	}
	return false
}

// anySize is a limit that no entry exceeds.
const anySize = math.MaxInt64
