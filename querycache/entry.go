package querycache

import "time"

// entryOverhead is what an entry takes besides its blob: its slot, and its places in the index and among the ghosts of
// eviction, which grow by doubling.
const entryOverhead = 160

// entry is one answer kept, or in a dry run the key alone. Everything behind its blob never changes.
type entry struct {
	blob   []byte // dependencies, key, answer; nil: no entry
	keyLen uint32
	deps   uint16 // number of dependencies, the database's cell first: it decides most often
	dry    bool   // of a dry run: the answer was not kept

	born  time.Duration // the moment before the query was sent
	keep  time.Duration // nobody was known to want it when it is older than this
	tried time.Duration // when a refresh of it was last begun
	choice
}

// never is a moment before all others.
const never = time.Duration(-1 << 62)

func (e *entry) dependencies() []byte { return e.blob[:int(e.deps)*dependencyBytes] }

func (e *entry) key() []byte { return e.blob[int(e.deps)*dependencyBytes:][:e.keyLen] }

// answer returns what the server said. It stays when the entry goes.
func (e *entry) answer() []byte {
	start := int(e.deps)*dependencyBytes + int(e.keyLen)
	return e.blob[start:len(e.blob):len(e.blob)]
}

// size returns the bytes of the budget that the entry takes.
func (e *entry) size() int64 { return entryOverhead + int64(cap(e.blob)) }

// is reports whether e is the very entry o, and not one that came in its place.
func (e *entry) is(o *entry) bool {
	return len(e.blob) > 0 && len(o.blob) > 0 && &e.blob[0] == &o.blob[0]
}
