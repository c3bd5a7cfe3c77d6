package querycache

// pieceBytes is the size of the spans that a large answer is in. It is in several, so that it grows without a copy and the pages of one
// that is gone fit every other.
const pieceBytes = 64 << 10

// maxWaste: the last span keeps up to one part in so many of pages that it does not need. To give them back costs more.
const maxWaste = 8

// largeFill is the memory of a fill that has outgrown the collector's.
type largeFill struct {
	spans []span
	end   int // bytes in use of the last of them
}

func (l *largeFill) open() bool { return len(l.spans) > 0 }

// spill moves the blob to a span.
func (f *Fill) spill() bool {
	small := f.reserved
	if !f.openLarge(len(f.blob)) {
		return false
	}
	f.appendLarge(f.blob) // there is room
	f.moveHead(f.large.spans[0].mem)
	f.blob = nil
	f.give(small)
	return true
}

// openLarge opens the next span, with at least n bytes of pages that are paid for, and reports whether there was room in the budget.
// A span may come with more pages than that: they are paid for too, or given back.
func (f *Fill) openLarge(n int) bool {
	n = pagesOf(n)
	if !f.charge(n) {
		return false
	}
	a := &f.database.cache.spans
	sp, ok := a.take(max(n, pieceBytes))
	switch {
	case !ok:
		return false
	case sp.resident <= n:
		a.touch(&sp, n)
	case !f.charge(sp.resident - n):
		a.shrink(&sp, n)
	}
	f.large.spans = append(f.large.spans, sp)
	f.large.end = 0
	return true
}

// appendLarge adds b to the spans, and reports whether there was room in the budget.
func (f *Fill) appendLarge(b []byte) bool {
	for len(b) > 0 {
		sp := &f.large.spans[len(f.large.spans)-1]
		if f.large.end == len(sp.mem) {
			if !f.openLarge(min(len(b), pieceBytes)) {
				return false
			}
			continue
		}
		n := min(len(b), len(sp.mem)-f.large.end)
		if more := pagesOf(f.large.end+n) - sp.resident; more > 0 {
			if !f.charge(more) {
				return false
			}
			f.database.cache.spans.touch(sp, sp.resident+more)
		}
		f.large.end += copy(sp.mem[f.large.end:], b[:n])
		b = b[n:]
	}
	return true
}

// largeCost returns what a large answer takes of the budget when it is kept. Pages that it does not need it gives back.
func (f *Fill) largeCost() int64 {
	last := &f.large.spans[len(f.large.spans)-1]
	if pages := pagesOf(f.large.end); last.resident-pages > pages/maxWaste {
		f.database.cache.spans.shrink(last, pages)
	}
	cost := smallCost(0) + heldBytes
	for i := range f.large.spans {
		cost += int64(f.large.spans[i].resident) + spanBytes
	}
	return cost
}

// toHeld makes an answer that can be handed out of what has come.
func (f *Fill) toHeld(cost int64) *Held {
	spans := f.large.spans
	h := &Held{cache: f.database.cache, spans: spans, head: f.head, size: cost}
	for i := range spans {
		b := spans[i].mem
		if i == len(spans)-1 {
			b = b[:f.large.end]
		}
		if i == 0 {
			b = b[len(f.head):]
		}
		if len(b) > 0 {
			h.pieces = append(h.pieces, b[:len(b):len(b)])
		}
	}
	h.refs.Store(ofEntry)
	f.large = largeFill{}
	return h
}
