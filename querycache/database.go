package querycache

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"overdrive/querycache/verdict"
)

// Database is the part of a Cache that belongs to one database. All methods may be called at any time from any goroutine.
type Database struct {
	cache  *Cache
	cells  cellTable
	policy atomic.Pointer[policy]
	stats  counters
	shards [numShards]shard

	mu        sync.Mutex   // guards the fields below
	versions  uint32       // of the policy
	abandoned []*Abandoned // the oldest first
	joined    *Abandoned   // those beyond maxAbandoned; nil: none
}

func newDatabase(c *Cache, p Policy) *Database {
	d := &Database{cache: c}
	d.cells.init(c.seed)
	for i := range d.shards {
		d.shards[i].init(&c.spans)
	}
	d.SetPolicy(p)
	return d
}

func (d *Database) hash(key []byte) uint64 { return maphash.Bytes(d.cache.seed, key) }

func (d *Database) shard(hash uint64) *shard { return &d.shards[hash%numShards] }

// check compares the dependencies of an entry or a fill with what their cells hold now.
func (d *Database) check(deps []byte) standing {
	if d.cache.faults.SkipGenerationCheck {
		return unchanged
	}
	return d.cells.check(deps)
}

// Purge drops everything kept of this database. What was begun before it is not stored after it.
func (d *Database) Purge() {
	d.cells.at(everything).bump() // first: a fill that commits now is stored dead
	for i := range d.shards {
		all := d.shards[i].drain()
		d.stats.entries.Add(-all.entries)
		d.stats.dryEntries.Add(-all.dry)
		d.stats.bytes.Add(-all.bytes)
		d.cache.release(all.small)
		for _, h := range all.held {
			h.drop()
		}
	}
}

// PurgeTag invalidates all that has the tag. When it returns, nothing with the tag that was begun before is served any more,
// nor kept. This holds for every method that purges or invalidates.
func (d *Database) PurgeTag(tag string) { d.cells.at(d.cells.tag(tag)).bump() }

// PurgeQuery invalidates all answers to texts of the shape.
func (d *Database) PurgeQuery(fingerprint uint64) { d.cells.at(d.cells.query(fingerprint)).bump() }

// Invalidate invalidates all that depends on the relations, for writes that have ended and are visible already. All go
// together: at no moment is one of the relations fresh and another one as it was before.
func (d *Database) Invalidate(relations ...verdict.RelationID) {
	ids := d.cells.relations(nil, relations)
	for _, id := range ids {
		d.cells.at(id).enter()
	}
	for _, id := range ids {
		d.cells.at(id).leave()
	}
}

// count enters or, with sign -1, strikes off an entry of the size in what is there now.
func (d *Database) count(size int64, dry bool, sign int64) {
	if dry {
		d.stats.dryEntries.Add(sign)
	} else {
		d.stats.entries.Add(sign)
	}
	d.stats.bytes.Add(sign * size)
}

// forget gives back the budget of an entry that was just taken out of its shard, or leaves that to those who still read it.
func (d *Database) forget(g *gone) {
	d.count(g.size, g.dry, -1)
	if g.held != nil {
		g.held.drop()
	} else {
		d.cache.release(g.size)
	}
}
