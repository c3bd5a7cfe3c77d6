package querycache

import "unsafe"

// table is a run of numbers in a span of its own or, while it is small, in the collector's memory.
type table struct {
	words []uint32
	span  span
}

// newTable returns n zeros; n is a power of two. Without memory it is smaller.
func newTable(a *spans, n int) table {
	if n*4 >= pageBytes {
		if sp, ok := a.take(n * 4); ok {
			a.touch(&sp, n*4)
			t := table{words: unsafe.Slice((*uint32)(unsafe.Pointer(&sp.mem[0])), n), span: sp}
			clear(t.words)
			return t
		}
		n = pageBytes / 4
	}
	return table{words: make([]uint32, n)}
}

// free gives the memory of t back.
func (t *table) free(a *spans) {
	a.give(t.span)
	*t = table{}
}

const minIndex = 16

// index finds the slots of a shard by their hashes, of which no two are equal: a bucket holds the first of those that fell
// to it, and each the next. The slots themselves are in the log.
type index struct {
	buckets table
	n       int // slots
}

func (x *index) bucket(hash uint64) *uint32 {
	return &x.buckets.words[hash/numShards&uint64(len(x.buckets.words)-1)]
}

// find returns the slot with the hash, or 0.
func (x *index) find(l *log, hash uint64) slotID {
	if x.n == 0 {
		return 0
	}
	id := slotID(*x.bucket(hash))
	for id != 0 {
		slot := l.at(id)
		if slot.hash == hash {
			break
		}
		id = slot.chain
	}
	return id
}

// add enters a slot, whose hash is not there.
func (x *index) add(l *log, id slotID) {
	x.fit(l, x.n+1)
	slot := l.at(id)
	b := x.bucket(slot.hash)
	slot.chain, *b = slotID(*b), uint32(id)
	x.n++
}

// remove strikes a slot off.
func (x *index) remove(l *log, id slotID) {
	x.relink(l, id, l.at(id).chain)
	x.n--
	x.fit(l, x.n)
}

// relink puts to in the place of the slot id of its chain.
func (x *index) relink(l *log, id, to slotID) {
	b := x.bucket(l.at(id).hash)
	if *b == uint32(id) {
		*b = uint32(to)
		return
	}
	slot := l.at(slotID(*b))
	for slot.chain != id {
		slot = l.at(slot.chain)
	}
	slot.chain = to
}

// fit makes the buckets as many as n slots need: they are no fewer than these, and no more than eight times as many.
func (x *index) fit(l *log, n int) {
	size := len(x.buckets.words)
	switch {
	case n > size:
		size = max(minIndex, 2*size)
	case size > minIndex && n < size/8:
		size /= 4
	default:
		return
	}
	old := x.buckets
	x.buckets = newTable(l.spans, size)
	for _, first := range old.words {
		for id := slotID(first); id != 0; {
			slot := l.at(id)
			next := slot.chain
			b := x.bucket(slot.hash)
			slot.chain, *b = slotID(*b), uint32(id)
			id = next
		}
	}
	old.free(l.spans)
}
