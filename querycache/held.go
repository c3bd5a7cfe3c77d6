package querycache

import "sync/atomic"

// Held is a large answer in memory of its own. The entry refers to it, and so does everybody to whom Ask has handed it out, until
// he calls Release. Its memory counts against the budget until the last of them is done with it, however long the entry is
// gone by then: only then may somebody else write there.
type Held struct {
	cache  *Cache
	spans  []span
	head   []byte   // dependencies and key, at the front of the first span
	pieces [][]byte // of the answer, behind it and in the other spans
	size   int64    // of the budget

	// refs is the number of those who hold the answer, plus ofEntry while the entry refers to it. Once refs is zero it stays zero:
	// whoever adds himself has the lock of the shard, and has found the entry there.
	refs atomic.Int64
}

const (
	ofEntry = int64(1) << 32
	// heldBytes and spanBytes are what a Held takes besides its pages and its slot, and for each of its spans.
	heldBytes = 192
	spanBytes = 64
)

// Pieces returns the answer: the bytes of all, one behind the other. They must not be written to, nor read after Release.
func (h *Held) Pieces() [][]byte { return h.pieces }

// hold adds a holder, unless those who hold answers hold too much already: those who do not read what they asked for must not keep the
// memory from the others. The caller holds the lock of the shard.
func (h *Held) hold() bool {
	c := h.cache
	if h.refs.Load() == ofEntry { // nobody holds it, and nobody but the caller can begin to
		if held := c.held.Add(h.size); held > c.maxHeldBytes() && held > h.size {
			c.held.Add(-h.size)
			return false
		}
		h.refs.Add(1)
		return true
	}
	if h.refs.Add(1) == ofEntry+1 { // the last one left just now
		c.held.Add(h.size)
	}
	return true
}

// isHeld reports whether anybody holds it besides the entry.
func (h *Held) isHeld() bool { return h.refs.Load() > ofEntry }

// Release ends the use of the answer. It is called once for each time that it was handed out, from any goroutine. To release nil does nothing.
func (h *Held) Release() {
	if h == nil {
		return
	}
	n := h.refs.Add(-1)
	if n%ofEntry == 0 {
		h.cache.held.Add(-h.size)
	}
	if n == 0 {
		h.free()
	}
}

// drop ends the use by the entry.
func (h *Held) drop() {
	if h.refs.Add(-ofEntry) == 0 {
		h.free()
	}
}

func (h *Held) free() {
	for _, sp := range h.spans {
		h.cache.spans.give(sp)
	}
	h.cache.release(h.size)
	h.spans, h.head, h.pieces = nil, nil, nil
}

// heldList gives numbers to the large answers of a shard, which slots can hold in place of pointers; 0 is none.
type heldList struct {
	all    []*Held
	unused []uint32
}

func (l *heldList) at(n uint32) *Held { return l.all[n] }

func (l *heldList) add(h *Held) uint32 {
	if k := len(l.unused); k > 0 {
		n := l.unused[k-1]
		l.unused = l.unused[:k-1]
		l.all[n] = h
		return n
	}
	if l.all == nil {
		l.all = make([]*Held, 1)
	}
	l.all = append(l.all, h)
	return uint32(len(l.all) - 1)
}

func (l *heldList) remove(n uint32) *Held {
	h := l.all[n]
	l.all[n] = nil
	l.unused = append(l.unused, n)
	return h
}
