package querycache

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"overdrive/querycache/classify"
)

// Database is the part of a Cache that belongs to one database. All methods may be called at any time from any goroutine.
type Database struct {
	cache  *Cache
	cells  cellTable
	policy atomic.Pointer[policy]
	stats  counters
	shards [numShards]shard

	mu        sync.Mutex // guards the fields below
	versions  uint32     // of the policy
	abandoned []abandoned
}

func newDatabase(c *Cache, p Policy) *Database {
	d := &Database{cache: c}
	d.cells.init(c.seed)
	for i := range d.shards {
		d.shards[i].init()
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
		for _, e := range d.shards[i].drain() {
			d.forget(&e)
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
func (d *Database) Invalidate(relations ...classify.RelationID) {
	ids := d.cells.relations(nil, relations)
	for _, id := range ids {
		d.cells.at(id).enter()
	}
	for _, id := range ids {
		d.cells.at(id).leave()
	}
}

// count enters or, with sign -1, strikes off an entry in what is there now.
func (d *Database) count(e *entry, sign int64) {
	if e.dry {
		d.stats.dryEntries.Add(sign)
	} else {
		d.stats.entries.Add(sign)
	}
	d.stats.bytes.Add(sign * e.size())
}

// forget gives back the budget of an entry that was just taken out of its shard.
func (d *Database) forget(e *entry) {
	d.count(e, -1)
	d.cache.release(e.size())
}
