package querycache

// slotID is the place of a slot in the table of its shard; 0 is none.
type slotID uint32

// slot is an entry with its place in the shard. Its blob is its only pointer: a garbage collection costs one mark for an entry and
// no walk through lists.
type slot struct {
	entry
	hash        uint64
	fingerprint uint64
	prev, next  slotID // in its queue, towards newer and older; next also in the list of free slots
	asked       uint8  // how often it was asked for lately, up to maxAsked
	inMain      bool   // else in small
}

func newSlot(hash, fingerprint uint64, e *entry) slot {
	return slot{entry: *e, hash: hash, fingerprint: fingerprint}
}

// ask notes that the entry was asked for.
func (s *slot) ask() {
	if s.asked < maxAsked {
		s.asked++
	}
}

const slotsPerChunk = 128

// slotTable holds slots in chunks, so that it grows without copying and its pointers stay. It shrinks only when the shard
// becomes empty: until then it has as many slots as there ever were entries.
type slotTable struct {
	chunks []*[slotsPerChunk]slot
	end    slotID // slots up to here were taken at some time
	free   slotID // the first of those that are free again
}

func (t *slotTable) at(id slotID) *slot { return &t.chunks[id/slotsPerChunk][id%slotsPerChunk] }

// take returns a slot that is free.
func (t *slotTable) take() (slotID, *slot) {
	if id := t.free; id != 0 {
		slot := t.at(id)
		t.free = slot.next
		return id, slot
	}
	t.end++
	if int(t.end/slotsPerChunk) >= len(t.chunks) {
		t.chunks = append(t.chunks, new([slotsPerChunk]slot))
	}
	return t.end, t.at(t.end)
}

func (t *slotTable) release(id slotID) {
	*t.at(id) = slot{next: t.free}
	t.free = id
}
