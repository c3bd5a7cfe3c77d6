package querycache

import "time"

// tablesPerEntry is what an entry takes at most in the index and among the ghosts of eviction, which grow by doubling.
const tablesPerEntry = 16

// entry is what is known of an answer kept, or in a dry run of the key alone. Its bytes are one blob: dependencies, key, answer.
type entry struct {
	born  time.Duration // the moment before the query was sent
	keep  time.Duration // nobody was known to want it when it is older than this
	tried time.Duration // when a refresh of it was last begun
	choice

	keyLen uint32
	deps   uint16 // number of dependencies, the database's cell first: it decides most often
	dry    bool   // of a dry run: the answer was not kept
}

// never is a moment before all others.
const never = time.Duration(-1 << 62)

func (e *entry) dependencies(blob []byte) []byte { return blob[:int(e.deps)*dependencyBytes] }

func (e *entry) key(blob []byte) []byte { return blob[int(e.deps)*dependencyBytes:][:e.keyLen] }

// answer returns what the server said.
func (e *entry) answer(blob []byte) []byte {
	start := int(e.deps)*dependencyBytes + int(e.keyLen)
	return blob[start:len(blob):len(blob)]
}
