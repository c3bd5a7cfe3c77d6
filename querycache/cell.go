package querycache

import "sync/atomic"

// cell is the generation and the number of writers of one relation, or of a whole database.
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

// leave undoes enter and makes all that depends on the cell stale. One addition does both: at no moment is there neither a writer
// nor a new generation.
func (c *cell) leave() { c.word.Add(oneGeneration - oneWriter) }

// bump makes all that depends on the cell stale.
func (c *cell) bump() { c.word.Add(oneGeneration) }

// dependency is a cell with the word it must still hold.
type dependency struct {
	cell *cell
	word uint64
}

// note returns the cells with their words of now, and whether none has a writer.
func note(cells []*cell) (deps []dependency, settled bool) {
	deps = make([]dependency, len(cells))
	for i, c := range cells {
		deps[i] = dependency{c, c.load()}
		if written(deps[i].word) {
			return nil, false
		}
	}
	return deps, true
}

// outcome says how a dependency stands.
type outcome uint8

const (
	unchanged outcome = iota
	beingWritten
	changed
)

// check compares all dependencies with what their cells hold now. Changed outranks being written.
func check(deps []dependency) outcome {
	result := unchanged
	for _, d := range deps {
		switch word := d.cell.load(); {
		case word == d.word:
		case word/oneGeneration == d.word/oneGeneration:
			result = beingWritten
		default:
			return changed
		}
	}
	return result
}
