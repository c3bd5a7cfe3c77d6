package querycache

import "encoding/binary"

// Faults are for tests only. Each makes the cache serve answers that it must not, so that whoever checks it can prove that
// he would notice.
type Faults struct {
	// SkipInvalidation is asked by every Write.End; where it says true the write counts as rolled back. May be nil.
	SkipInvalidation func() bool
	// SkipGenerationCheck takes every dependency for unchanged.
	SkipGenerationCheck bool
	// ServeStaleInvalidated takes an answer that a write has overtaken for one that merely aged.
	ServeStaleInvalidated bool
	// JoinAnyFlight lets a statement wait for a query that was sent before a write, and be given its answer.
	JoinAnyFlight bool
}

// forgive takes every write for undone that came since the fill, if JoinAnyFlight made somebody wait for it all the same.
func (f *Fill) forgive() {
	s := f.database.shard(f.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !f.forgiven {
		return
	}
	for deps := f.dependencies(); len(deps) > 0; deps = deps[dependencyBytes:] {
		word := f.database.cells.at(cellID(binary.LittleEndian.Uint32(deps))).load()
		binary.LittleEndian.PutUint64(deps[4:], word&^writersMask)
	}
}
