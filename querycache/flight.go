package querycache

import "time"

// A fill that others may wait for is a flight: it is listed in its shard under the hash of its key. Of several fills of one
// key at most one is listed.
//
//	A: Ask ──▶ Fill, listed ── query ─────────────────▶ Commit ──▶ stored, B woken
//	B:      Ask ──▶ Waiting ······································▶ Ask ──▶ Hit
//	C:                 BeginWrite … End
//	D:                                  Ask ──▶ the listed fill was overtaken: D fills, and is listed in place of A
//
// Waiting is about sparing the server and never about what is served: B is not given A's answer, it asks again, and what it
// is served then passed every check that a hit passes.

// Ticket is the place of one who waits for the fill of somebody else.
type Ticket struct {
	shard  *shard
	waiter Waiter
	until  time.Duration // when the answer is too old for the waiter

	// Guarded by shard.mu:
	fill       *Fill // nil: woken or left
	left       bool
	prev, next *Ticket
}

// Leave takes the wait back and reports whether Wake will not be called any more. If not it was called or is about to
// be.
func (t *Ticket) Leave() bool {
	t.shard.mu.Lock()
	defer t.shard.mu.Unlock()
	if t.fill != nil {
		t.fill.waiters.remove(t)
		t.fill, t.left = nil, true
	}
	return t.left
}

// waitList is a list of tickets, the oldest first.
type waitList struct{ first, last *Ticket }

func (l *waitList) add(t *Ticket) {
	t.prev = l.last
	if l.last != nil {
		l.last.next = t
	} else {
		l.first = t
	}
	l.last = t
}

func (l *waitList) remove(t *Ticket) {
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		l.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		l.last = t.prev
	}
	t.prev, t.next = nil, nil
}

// take empties the list and returns its first ticket. None of them can leave any more.
func (l *waitList) take() *Ticket {
	first := l.first
	for t := first; t != nil; t = t.next {
		t.fill = nil
	}
	*l = waitList{}
	return first
}

// wake wakes the tickets from first on, and returns how many were told to ask again.
func wake(first *Ticket, alone bool, now time.Duration) (asking int64) {
	for t := first; t != nil; {
		next := t.next
		t.next = nil
		single := alone || now > t.until
		if !single {
			asking++
		}
		t.waiter.Wake(single)
		t = next
	}
	return asking
}

// join makes w wait for the fill of the key that is listed, if w may wait and the fill is of use to it. Otherwise it
// lists f, where that is not nil and another fill does not stand in the way. Again says that the entry that find saw
// was replaced meanwhile.
func (l *look) join(w Waiter, f *Fill) (t *Ticket, again bool) {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot := s.lookUp(l.hash, l.r.Key); slot != nil && slot.serial != l.serial && w != nil {
		return nil, true
	}
	listed := s.flights[l.hash]
	if listed == nil || string(listed.key()) != string(l.r.Key) {
		if listed == nil && f != nil {
			f.list(s)
		}
		return nil, false
	}
	lives := l.d.check(listed.dependencies()) == unchanged
	if w != nil && !lives && l.d.cache.faults.JoinAnyFlight {
		lives, listed.forgiven = true, true
	}
	if !lives {
		if f != nil {
			f.list(s) // in its place; those who wait for it are woken at its end
		}
		return nil, false
	}
	until := listed.born + l.terms.window()
	if w == nil || l.now > until || s.wasSpoiled(l.hash, l.now) {
		return nil, false
	}
	t = &Ticket{shard: s, waiter: w, until: until, fill: listed}
	listed.waiters.add(t)
	return t, false
}

// spoiledKey is a key whose answer was of a kind that is not kept.
type spoiledKey struct {
	hash  uint64
	until time.Duration
}

// spoiledPeriod is how long nobody is made to wait for such a key.
const spoiledPeriod = 10 * time.Second

// spoil notes that nobody is to wait for the key until then.
func (s *shard) spoil(hash uint64, until time.Duration) {
	s.spoiled[hash/numShards%uint64(len(s.spoiled))] = spoiledKey{hash, until}
}

func (s *shard) wasSpoiled(hash uint64, now time.Duration) bool {
	k := s.spoiled[hash/numShards%uint64(len(s.spoiled))]
	return k.hash == hash && now < k.until
}
