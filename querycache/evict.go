package querycache

import (
	"math"
	"math/rand/v2"
)

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
	slot := s.log.at(id)
	q := s.queueOf(slot)
	slot.prev, slot.next = 0, q.newest
	if q.newest != 0 {
		s.log.at(q.newest).prev = id
	} else {
		q.oldest = id
	}
	q.newest = id
	q.bytes += s.size(slot)
}

// unlink takes the slot out of its queue.
func (s *shard) unlink(id slotID) {
	slot := s.log.at(id)
	q := s.queueOf(slot)
	if slot.prev != 0 {
		s.log.at(slot.prev).next = slot.next
	} else {
		q.newest = slot.next
	}
	if slot.next != 0 {
		s.log.at(slot.next).prev = slot.prev
	} else {
		q.oldest = slot.prev
	}
	q.bytes -= s.size(slot)
}

// maxHeldSkips is how many entries that somebody is reading are passed over in one search.
const maxHeldSkips = 8

// evict takes out the entry whose turn it is and returns it, unless it takes more than limit bytes or there is none. What somebody
// still reads is passed over as if it was asked for: without it nothing would be gained. It ends because every step takes
// something from a counter or from the small queue.
func (s *shard) evict(limit int64) (gone, bool) {
	skips := 0
	for s.index.n > 0 {
		fromSmall := s.main.oldest == 0 || s.small.oldest != 0 && s.small.bytes*smallShare >= s.small.bytes+s.main.bytes
		id := s.main.oldest
		if fromSmall {
			id = s.small.oldest
		}
		slot := s.log.at(id)
		switch {
		case slot.large != 0 && s.large.at(slot.large).isHeld():
			if skips++; skips > maxHeldSkips {
				return gone{}, false
			}
			s.unlink(id)
			slot.inMain = true
			s.push(id)
		case fromSmall && slot.asked > 0:
			s.unlink(id)
			slot.inMain, slot.asked = true, 0
			s.push(id)
		case !fromSmall && slot.asked > 0:
			s.unlink(id)
			slot.asked--
			s.push(id)
		case s.size(slot) > limit:
			return gone{}, false
		default:
			if fromSmall {
				s.ghost.remember(s.log.spans, slot.hash, s.index.n)
			}
			g := s.remove(id)
			s.tidy()
			return g, true
		}
	}
	return gone{}, false
}

// ghosts remembers the hashes of entries that were evicted lately, one for each place: a later one takes the place of
// an earlier.
type ghosts struct{ table }

const minGhosts = 64

// remember notes the hash. The table has a place for each of the n entries of the shard, and no more than eight times as many.
func (g *ghosts) remember(a *spans, hash uint64, n int) {
	if have := len(g.words); have < n || have > max(minGhosts, 8*n) || have == 0 {
		size := minGhosts
		for size < n {
			size *= 2
		}
		g.free(a)
		g.table = newTable(a, size)
	}
	g.words[g.place(hash)] = mark(hash)
}

// forget reports whether the hash is remembered, and forgets it.
func (g *ghosts) forget(hash uint64) bool {
	if len(g.words) == 0 || g.words[g.place(hash)] != mark(hash) {
		return false
	}
	g.words[g.place(hash)] = 0
	return true
}

func (g *ghosts) place(hash uint64) uint64 { return hash / numShards % uint64(len(g.words)) }

// mark is the part of the hash that tells those of one place apart; never 0.
func mark(hash uint64) uint32 { return uint32(hash>>32) | 1 }

// evict drops an entry of the database, one that takes limit bytes at most, and reports whether there was one. Its shard is
// the fuller of two: that keeps the shards alike in size, so that their queues together come close to one.
func (d *Database) evict(limit int64) bool {
	a, b := &d.shards[rand.Uint32()%numShards], &d.shards[rand.Uint32()%numShards]
	if a.bytes() < b.bytes() {
		a = b
	}
	if d.evictFrom(a, limit) {
		return true
	}
	for i := range d.shards {
		if d.evictFrom(&d.shards[i], limit) {
			return true
		}
	}
	return false
}

func (d *Database) evictFrom(s *shard, limit int64) bool {
	s.mu.Lock()
	g, ok := s.evict(limit)
	s.mu.Unlock()
	if ok {
		d.forget(&g)
		d.stats.evictions.Add(1)
	}
	return ok
}

// bytes returns what the entries take. It takes mu.
func (s *shard) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.small.bytes + s.main.bytes
}

// anySize is a limit that no entry exceeds.
const anySize = math.MaxInt64
