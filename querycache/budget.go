package querycache

// This file keeps the one budget of all databases. Invariant: c.used <= c.budget, but for a moment after that was lowered, and
// c.used is at least what entries and fills take.

// reserve takes n bytes of the budget for d, evicting entries for them, and reports whether it could. No lock of a shard
// may be held.
func (c *Cache) reserve(d *Database, n int64) bool {
	for {
		used, budget := c.used.Load(), c.budget.Load()
		if used+n <= budget {
			if c.used.CompareAndSwap(used, used+n) {
				return true
			}
			continue
		}
		if n > budget || !c.makeRoom(d, n) {
			return false
		}
	}
}

// SetMaxBytes changes the budget. If it is lowered, entries are dropped until the rest fits; it takes as long as that takes.
func (c *Cache) SetMaxBytes(n int64) {
	if n <= 0 {
		n = DefaultMaxBytes
	}
	c.setBudget(n)
	all := *c.list.Load()
	for len(all) > 0 && c.used.Load() > n && c.makeRoom(all[0], 0) {
	}
}

// MaxBytes returns what Options.MaxBytes is now.
func (c *Cache) MaxBytes() int64 { return c.budget.Load() }

func (c *Cache) setBudget(n int64) {
	c.budget.Store(n)
	c.spans.setLimit(max(minSpareBytes, n/spareShare))
}

// maxFillBytes and maxHeldBytes bound the parts of the budget that fills take, and large answers that somebody reads.
func (c *Cache) maxFillBytes() int64 { return c.budget.Load() / 2 }

func (c *Cache) maxHeldBytes() int64 { return c.budget.Load() / 2 }

func (c *Cache) release(n int64) { c.used.Add(-n) }

// makeRoom drops one entry or a few, so that d may have n bytes, and reports whether there was any. What nobody could be
// served goes first. Then the database that is furthest above its floor gives, and none gives what is below it, but for d
// itself.
func (c *Cache) makeRoom(d *Database, n int64) bool {
	c.evicting.Lock()
	defer c.evicting.Unlock()
	if c.used.Load()+n <= c.budget.Load() {
		return true // somebody else made room
	}
	all := *c.list.Load()
	if c.sweep(all) {
		return true
	}
	richest, most := d, d.spare()
	for _, o := range all {
		if spare := o.spare(); spare > most {
			richest, most = o, spare
		}
	}
	if richest.evict(richest.mayGive(d)) {
		return true
	}
	for _, o := range all { // the richest has but large entries
		if o != richest && o.evict(o.mayGive(d)) {
			return true
		}
	}
	return false
}

// spare returns the bytes of the database above its floor.
func (d *Database) spare() int64 { return d.stats.bytes.Load() - d.policy.Load().Floor }

// mayGive returns the size of the largest entry that d gives for an entry of the other.
func (d *Database) mayGive(to *Database) int64 {
	if d == to {
		return anySize
	}
	return d.spare()
}

// sweepSlots is how many entries are looked at when room is needed.
const sweepSlots = 8

// sweep looks for dead entries at the next few places and reports whether it dropped any.
func (c *Cache) sweep(all []*Database) bool {
	c.sweeper++
	d := all[c.sweeper/numShards%uint(len(all))]
	s := &d.shards[c.sweeper%numShards]
	now := c.now()
	var dead [sweepSlots]gone
	s.mu.Lock()
	n := s.reap(&dead, func(slot *slot) bool {
		return now-slot.born > slot.keep || d.check(slot.dependencies(s.blob(slot))) == changed
	})
	s.mu.Unlock()
	for i := range n {
		d.forget(&dead[i])
	}
	return n > 0
}

// reap looks at the next few entries, takes out those that are dead, and returns how many these were.
func (s *shard) reap(out *[sweepSlots]gone, isDead func(*slot) bool) (n int) {
	var dead [sweepSlots]slotID
	for range min(sweepSlots, s.index.n) {
		id := s.log.next(&s.sweep)
		if id != 0 && isDead(s.log.at(id)) {
			dead[n] = id
			n++
		}
	}
	for i, id := range dead[:n] {
		out[i] = s.remove(id)
	}
	if n > 0 {
		s.tidy()
	}
	return n
}
