package querycache

import "time"

// entryOverhead estimates what an entry takes besides key and answer: the struct, and its places in list and map.
const entryOverhead = 320

// dependencyBytes is the size of a dependency.
const dependencyBytes = 16

// Entry is one answer kept. It never changes.
type Entry struct {
	database *Database
	hash     uint64
	deps     []dependency // the database's cell first
	born     time.Duration
	size     int64 // reserved in the budget

	data   []byte // the key, then the answer
	keyLen int
}

// Bytes returns the answer. It may be kept and read for ever, also when the entry is dropped meanwhile, and must not be
// written to.
func (e *Entry) Bytes() []byte { return e.data[e.keyLen:] }

func (e *Entry) key() []byte { return e.data[:e.keyLen] }

// free gives back the budget of an entry that was just taken out of its shard.
func (e *Entry) free() {
	e.database.stats.entries.Add(-1)
	e.database.stats.bytes.Add(-e.size)
	e.database.cache.release(e.size)
}
