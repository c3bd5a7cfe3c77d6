package querycache

import "unsafe"

// log holds the small entries of a shard, each a slot with its blob behind it, and the slots of large ones. Entries are put one
// behind the other into regions. What goes leaves a gap; when the gaps are more than a share of what there is, the region with
// the most of them is emptied: what still lives in it moves to the front of the log. So no byte is lost to classes of size,
// and none to the shifts of a load from one size to another.
//
//	closed region    [slot blob][gap     ][slot blob][gap ]   ──compact──▶ its slots move to the open one, it is free
//	closed region    [slot blob][slot blob][slot blob][gap]
//	open region      [slot blob][slot blob]→
//
// Entries may move because nobody outside refers to them: their answers are copied while the lock of the shard is held. The
// methods are called with that held.
type log struct {
	spans    *spans
	regions  []region         // by number; the first is never used, so that no slot is 0
	bases    []unsafe.Pointer // where the regions begin: side by side, for a look-up to find in the processor\'s cache
	unused   []int            // numbers of regions that are given back
	open     int              // the region that is being filled; 0: none
	gaps     int64            // bytes of entries that are gone, in all regions
	live     int64            // bytes of those that are there
	openings uint64
}

type region struct {
	span   span
	end    int    // bytes in use from the front
	gaps   int    // of them, those of entries that are gone
	opened uint64 // which opening of a region it was
}

const (
	slotAlign  = 8
	offsetBits = 14 // of a slotID
	maxRegion  = slotAlign << offsetBits
	maxRegions = 1 << (32 - offsetBits)
	// A region is one part in so many of the log, so that the open one counts for little, and has room for a few of the entry
	// that it is opened for.
	regionShare      = 32
	entriesPerRegion = 4
	// gapsShare: the gaps are no more than one part in so many of what lives, and a page.
	gapsShare = 12
	// maxSmallBlob is the size up to which a blob goes to the log: the memory of a larger one is counted in pages.
	maxSmallBlob = 8 << 10
)

// slotSize returns what a slot takes in the log with length bytes of blob.
func slotSize(length int) int { return (slotBytes + length + slotAlign - 1) &^ (slotAlign - 1) }

func (l *log) at(id slotID) *slot {
	return (*slot)(unsafe.Add(l.bases[id>>offsetBits], int(id&(1<<offsetBits-1))*slotAlign))
}

// blob returns the bytes behind the slot.
func (l *log) blob(s *slot) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(s), slotBytes)), int(s.length))
}

// take returns the place of a new slot with length bytes of blob, which the caller must fill. It is 0 where the system has no
// memory.
func (l *log) take(length int) slotID {
	size := slotSize(length)
	if l.open == 0 || l.regions[l.open].end+size > len(l.regions[l.open].span.mem) {
		if !l.openRegion(size) {
			return 0
		}
	}
	r := &l.regions[l.open]
	offset := r.end
	r.end += size
	l.live += int64(size)
	l.spans.touch(&r.span, r.end)
	return slotID(l.open<<offsetBits | offset/slotAlign)
}

// openRegion opens a region that has room for size bytes.
func (l *log) openRegion(size int) bool {
	sp, ok := l.spans.take(min(maxRegion, max(int(l.live/regionShare), entriesPerRegion*size)))
	if !ok {
		return false
	}
	if len(l.regions) == 0 {
		l.regions, l.bases = make([]region, 1, 4), make([]unsafe.Pointer, 1, 4)
	}
	if n := len(l.unused); n > 0 {
		l.open, l.unused = l.unused[n-1], l.unused[:n-1]
	} else if len(l.regions) < maxRegions {
		l.open = len(l.regions)
		l.regions, l.bases = append(l.regions, region{}), append(l.bases, nil)
	} else {
		l.spans.give(sp)
		return false
	}
	l.openings++
	l.regions[l.open] = region{span: sp, opened: l.openings}
	l.bases[l.open] = unsafe.Pointer(&sp.mem[0])
	return true
}

// release makes a gap of the slot.
func (l *log) release(id slotID) {
	s := l.at(id)
	size := slotSize(int(s.length))
	if l.spans.poison {
		blob := l.blob(s)
		*s = slot{length: s.length}
		poison(blob)
	}
	s.dead = true
	l.regions[id>>offsetBits].gaps += size
	l.gaps += int64(size)
	l.live -= int64(size)
}

// crowded reports whether the gaps are too many.
func (l *log) crowded() bool { return l.gaps > l.live/gapsShare+pageBytes }

// tidy compacts the log until its gaps are few enough. Every slot may have moved to a new place afterwards; moved is called for
// each that did, with the old one still readable.
func (l *log) tidy(moved func(from, to slotID)) {
	for l.crowded() {
		worst := 0
		for i := range l.regions {
			if l.regions[i].gaps > l.regions[worst].gaps {
				worst = i
			}
		}
		if !l.empty(worst, moved) {
			return
		}
	}
}

// empty moves what lives in the region to the open one, and gives the region back.
func (l *log) empty(number int, moved func(from, to slotID)) bool {
	if number == l.open {
		l.open = 0
	}
	for offset := 0; offset < l.regions[number].end; {
		from := slotID(number<<offsetBits | offset/slotAlign)
		s := l.at(from)
		offset += slotSize(int(s.length))
		if s.dead {
			continue
		}
		to := l.take(int(s.length))
		if to == 0 {
			return false // the next time more may be free
		}
		n := l.at(to)
		*n = *s
		copy(l.blob(n), l.blob(s))
		moved(from, to)
		l.release(from)
	}
	r := &l.regions[number]
	l.gaps -= int64(r.gaps)
	l.spans.give(r.span)
	*r = region{}
	l.bases[number] = nil
	l.unused = append(l.unused, number)
	return true
}

// cursor is a place between two slots of a log. A region that was given back since is passed over.
type cursor struct {
	region, offset int
	opened         uint64
}

// next moves c behind the next slot and returns that, going round and round; of a place where none lives it returns 0.
func (l *log) next(c *cursor) slotID {
	if c.region >= len(l.regions) || l.regions[c.region].opened != c.opened || c.offset >= l.regions[c.region].end {
		if c.region, c.offset = c.region+1, 0; c.region >= len(l.regions) {
			c.region = min(1, len(l.regions)-1)
		}
		r := &l.regions[c.region]
		c.opened = r.opened
		if r.end == 0 {
			return 0
		}
	}
	id := slotID(c.region<<offsetBits | c.offset/slotAlign)
	s := l.at(id)
	c.offset += slotSize(int(s.length))
	if s.dead {
		return 0
	}
	return id
}

// clear gives all regions back.
func (l *log) clear() {
	for i := range l.regions {
		l.spans.give(l.regions[i].span)
	}
	*l = log{spans: l.spans, openings: l.openings}
}
