package querycache

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"overdrive/querycache/verdict"
)

// cell is the generation and the number of writers of one thing that answers depend on: a relation, a tag, a shape, or the
// database as a whole.
type cell struct{ word atomic.Uint64 }

const (
	oneWriter     = 1
	oneGeneration = 1 << 24
	writersMask   = oneGeneration - 1
)

// load returns the word of the cell now.
func (c *cell) load() uint64 { return c.word.Load() }

// written reports whether a cell with this word has a writer.
func written(word uint64) bool { return word&writersMask != 0 }

func (c *cell) enter() { c.word.Add(oneWriter) }

// leave undoes enter and invalidates all that depends on the cell. One addition does both: at no moment is there neither a writer
// nor a new generation.
func (c *cell) leave() { c.word.Add(oneGeneration - oneWriter) }

// withdraw undoes enter: what was fresh before it is fresh again.
func (c *cell) withdraw() { c.word.Add(^uint64(oneWriter - 1)) }

// bump invalidates all that depends on the cell.
func (c *cell) bump() { c.word.Add(oneGeneration) }

// cellID is the place of a cell in the table of its database. Entries hold it in place of a pointer, so that the garbage
// collector need not follow a million of them.
type cellID uint32

// Tags and shapes come from clients and are without number, so they share a fixed set of cells by their hash: a purge may
// take a little too much and never too little. Relations have a cell each.
const (
	everything    cellID = 0 // the database as a whole
	firstTag      cellID = 1
	numTags              = 2047
	firstQuery    cellID = firstTag + numTags
	numQueries           = 2048
	firstRelation        = firstQuery + numQueries

	cellsPerChunk = 256
)

// cellTable holds the cells of a database. Cells are never taken away, because entries refer to them: there are as
// many as the database ever had relations that were read or written here.
type cellTable struct {
	seed   maphash.Seed
	chunks atomic.Pointer[[]*[cellsPerChunk]cell]

	mu  sync.RWMutex // guards ids, and adding to chunks
	ids map[verdict.RelationID]cellID
}

func (t *cellTable) init(seed maphash.Seed) {
	t.seed, t.ids = seed, map[verdict.RelationID]cellID{}
	chunks := make([]*[cellsPerChunk]cell, firstRelation/cellsPerChunk)
	for i := range chunks {
		chunks[i] = new([cellsPerChunk]cell)
	}
	t.chunks.Store(&chunks)
}

func (t *cellTable) at(id cellID) *cell {
	return &(*t.chunks.Load())[id/cellsPerChunk][id%cellsPerChunk]
}

// tag returns the cell of a tag.
func (t *cellTable) tag(name string) cellID {
	return firstTag + cellID(maphash.String(t.seed, name)%numTags)
}

// query returns the cell of the shape with the fingerprint.
func (t *cellTable) query(fingerprint uint64) cellID {
	return firstQuery + cellID(fingerprint%numQueries)
}

// relations appends the cells of the relations to ids, making those that are missing.
func (t *cellTable) relations(ids []cellID, relations []verdict.RelationID) []cellID {
	start := len(ids)
	t.mu.RLock()
	for _, r := range relations {
		if id, ok := t.ids[r]; ok {
			ids = append(ids, id)
		}
	}
	t.mu.RUnlock()
	if len(ids)-start == len(relations) {
		return ids
	}
	ids = ids[:start]
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range relations {
		id, ok := t.ids[r]
		if !ok {
			id = t.add()
			t.ids[r] = id
		}
		ids = append(ids, id)
	}
	return ids
}

// add returns a new cell. The caller holds mu.
func (t *cellTable) add() cellID {
	id := firstRelation + cellID(len(t.ids))
	if chunks := *t.chunks.Load(); int(id/cellsPerChunk) == len(chunks) {
		more := append(chunks[:len(chunks):len(chunks)], new([cellsPerChunk]cell)) // a copy: others read the old one
		t.chunks.Store(&more)
	}
	return id
}

// A dependency is a cell with the word it must still hold, written into the entry as id and word.
const dependencyBytes = 4 + 8

// note appends to b the cells with their words of now, and reports whether none has a writer.
func (t *cellTable) note(b []byte, ids []cellID) (deps []byte, settled bool) {
	for _, id := range ids {
		word := t.at(id).load()
		if written(word) {
			return b, false
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	return b, true
}

// standing says how dependencies stand.
type standing uint8

const (
	unchanged standing = iota
	beingWritten
	changed
)

// check compares all dependencies with what their cells hold now. Changed outranks being written.
func (t *cellTable) check(deps []byte) standing {
	result := unchanged
	chunks := *t.chunks.Load()
	for ; len(deps) >= dependencyBytes; deps = deps[dependencyBytes:] {
		id := binary.LittleEndian.Uint32(deps)
		noted := binary.LittleEndian.Uint64(deps[4:])
		switch word := chunks[id/cellsPerChunk][id%cellsPerChunk].load(); {
		case word == noted:
		case word/oneGeneration == noted/oneGeneration:
			result = beingWritten
		default:
			return changed
		}
	}
	return result
}

// dependsOn reports whether deps has the cell.
func dependsOn(deps []byte, id cellID) bool {
	for ; len(deps) >= dependencyBytes; deps = deps[dependencyBytes:] {
		if cellID(binary.LittleEndian.Uint32(deps)) == id {
			return true
		}
	}
	return false
}
