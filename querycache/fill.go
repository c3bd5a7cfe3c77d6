package querycache

import "overdrive/querycache/verdict"

// Fill collects one answer on its way from the server. It belongs to one goroutine. Whoever was given it must end it by
// Commit, Abort or Spoil; all may be called more than once, the first counts. A nil *Fill is one that was ended.
//
//	Ask ──▶ collecting ──Commit──▶ stored, or dropped because a write came between
//	             │ Append over a limit, Spoil: the answer is not for keeping
//	             │ Abort: there is no answer
//	             └──▶ ended
type Fill struct {
	database *Database // nil: ended
	verdict  *verdict.Statement
	hash     uint64
	entry           // as it will be stored
	blob     []byte // dependencies, key and answer so far, while they are small
	large    largeFill
	length   int64 // of the answer so far
	reserved int64 // of the budget, for both

	// Guarded by the mu of its shard:
	head     []byte // dependencies and key
	waiters  waitList
	forgiven bool // by Faults.JoinAnyFlight
}

// firstAnswerBytes is the room for the answer in a new fill.
const firstAnswerBytes = 512

// maxDependencies bounds the cells that one answer depends on.
const maxDependencies = 1000

// cells appends to ids the cells that an answer depends on.
func (l *look) cells(ids []cellID) []cellID {
	table := &l.d.cells
	ids = append(ids, everything, table.query(l.r.Verdict.Fingerprint))
	ids = append(ids, l.terms.tags...)
	if l.r.Hint != nil {
		for _, tag := range l.r.Hint.Tags {
			ids = append(ids, table.tag(tag))
		}
	}
	return table.relations(table.relations(ids, l.r.Verdict.Reads), l.r.Verdict.Names)
}

// begin returns a fill for the statement, or nil if there is no memory for it. It is not settled if something the answer
// depends on is being written: there is no fill then.
func (l *look) begin() (f *Fill, settled bool) {
	d := l.d
	var buf [32]cellID
	ids := l.cells(buf[:0])
	if len(ids) > maxDependencies {
		return nil, true
	}
	var words [32 * dependencyBytes]byte
	deps, settled := d.cells.note(words[:0], ids)
	if !settled {
		return nil, false
	}
	f = &Fill{database: d, verdict: l.r.Verdict, hash: l.hash, entry: entry{
		deps: uint16(len(ids)), keyLen: uint32(len(l.r.Key)), dry: l.p.DryRun,
		born: d.cache.now(), keep: l.terms.window(), tried: never, choice: l.choice,
	}}
	room := len(deps) + len(l.r.Key)
	if !f.dry {
		room += firstAnswerBytes
	}
	if !f.makeRoom(room, len(deps)+len(l.r.Key)) {
		return nil, true
	}
	f.begin(deps, l.r.Key)
	return f, true
}

// dependencies and key shadow those of the entry: they may be called by others, with the mu of the shard held.
func (f *Fill) dependencies() []byte { return f.head[:int(f.deps)*dependencyBytes] }

func (f *Fill) key() []byte { return f.head[int(f.deps)*dependencyBytes:] }

// list makes f the one that others wait for. The caller holds the mu of the shard.
func (f *Fill) list(s *shard) { s.flights[f.hash] = f }

// Append adds b, which it copies, to the answer. It returns false if the answer is too large, now or before: the fill is
// then spoiled and its memory free.
func (f *Fill) Append(b []byte) bool {
	if f == nil || f.database == nil {
		return false
	}
	f.length += int64(len(b))
	limit := f.database.policy.Load().MaxResult
	if limit > 0 && f.length > limit {
		return f.oversize()
	}
	if f.dry {
		return true
	}
	if !f.large.open() {
		need := len(f.blob) + len(b)
		switch {
		case need <= cap(f.blob):
			f.blob = append(f.blob, b...)
			return true
		case need <= maxSmallBlob:
			if !f.grow(min(max(need, 2*cap(f.blob)), maxSmallBlob)) {
				return f.oversize()
			}
			f.blob = append(f.blob, b...)
			return true
		case !f.spill():
			return f.oversize()
		}
	}
	if !f.appendLarge(b) {
		return f.oversize()
	}
	return true
}

func (f *Fill) oversize() bool {
	f.database.stats.oversize.Add(1)
	f.Spoil()
	return false
}

// makeRoom gets memory for a new fill with head bytes of dependencies and key, and with a beginning of the answer room bytes.
func (f *Fill) makeRoom(room, head int) bool {
	if head > maxSmallBlob {
		return f.openLarge(head)
	}
	return f.grow(min(room, maxSmallBlob))
}

// begin notes what the answer depends on, and its key.
func (f *Fill) begin(deps, key []byte) {
	if f.large.open() {
		f.appendLarge(deps) // there is room
		f.appendLarge(key)
		f.head = f.large.spans[0].mem[:len(deps)+len(key)]
		return
	}
	f.blob = append(append(f.blob, deps...), key...)
	f.head = f.blob
}

// grow makes the capacity of the blob n bytes and reports whether there was room in the budget.
func (f *Fill) grow(n int) bool {
	if !f.charge(n) {
		return false
	}
	blob := make([]byte, len(f.blob), n)
	copy(blob, f.blob)
	f.blob = blob
	f.moveHead(blob)
	f.give(f.reserved - int64(n))
	return true
}

// moveHead has others read dependencies and key at the front of b: the old memory is not to be kept by them, nor given back before.
func (f *Fill) moveHead(b []byte) {
	if f.head != nil {
		s := f.database.shard(f.hash)
		s.mu.Lock()
		f.head = b[:len(f.head)]
		s.mu.Unlock()
	}
}

// charge takes n bytes of the budget for the fill, and reports whether there was room.
func (f *Fill) charge(n int) bool {
	c := f.database.cache
	if c.fills.Add(int64(n)) > c.maxFillBytes() || !c.reserve(f.database, int64(n)) {
		c.fills.Add(-int64(n))
		return false
	}
	f.reserved += int64(n)
	return true
}

// give gives n bytes back to the budget.
func (f *Fill) give(n int64) {
	f.reserved -= n
	f.database.cache.fills.Add(-n)
	f.database.cache.release(n)
}

// Commit keeps the answer, unless a write of what it depends on has begun since the fill. Call it only for an answer that
// is whole and clean. It reports whether the answer was kept. Whoever waits for it is told to ask again.
func (f *Fill) Commit() bool {
	if f == nil || f.database == nil {
		return false
	}
	d := f.database
	if d.cache.faults.JoinAnyFlight {
		f.forgive()
	}
	if d.check(f.dependencies()) != unchanged {
		d.stats.racesLost.Add(1)
		f.end(nil, false)
		return false
	}
	var k *kept
	if p := d.policy.Load(); !p.never && p.DryRun == f.dry {
		k = f.keep()
	}
	return f.end(k, k == nil)
}

// keep turns what the fill has reserved into what the entry takes, and returns nil if there is no room for that.
func (f *Fill) keep() *kept {
	c := f.database.cache
	cost := smallCost(len(f.blob))
	if f.large.open() {
		cost = f.largeCost()
	}
	if cost > f.reserved && !c.reserve(f.database, cost-f.reserved) {
		return nil
	}
	c.fills.Add(-f.reserved)
	c.release(max(0, f.reserved-cost))
	f.reserved = 0 // the entry has it now
	if t := f.verdict.Tally; t != nil {
		t.Fills.Add(1)
		t.FillTime.Add(int64(c.now() - f.born))
		t.FillBytes.Add(f.length)
	}
	k := &kept{cost: cost}
	if f.large.open() {
		k.held = f.toHeld(cost)
	}
	return k
}

// kept is what the entry of a fill takes.
type kept struct {
	cost int64
	held *Held // nil: the blob goes to the log
}

// Abort ends the fill because whoever was to fill it fell away. The first of those who wait for it will fill in his
// place.
func (f *Fill) Abort() {
	if f != nil && f.database != nil {
		f.end(nil, false)
	}
}

// Spoil ends the fill because the answer is of a kind that is not kept: an error, one with a notice, one too large. Each of
// those who wait for it asks the server himself.
func (f *Fill) Spoil() {
	if f != nil && f.database != nil {
		f.end(nil, true)
	}
}

// end stores the answer, where k is not nil, wakes those who wait, and reports whether it was stored.
func (f *Fill) end(k *kept, alone bool) (stored bool) {
	d, s := f.database, f.database.shard(f.hash)
	now := d.cache.now()
	var old gone
	s.mu.Lock()
	switch {
	case k != nil:
		old, stored = s.store(f.hash, f.verdict.Fingerprint, &f.entry, f.blob, k.held)
		s.spoil(f.hash, never)
	case alone:
		s.spoil(f.hash, now+spoiledPeriod)
	}
	if s.flights[f.hash] == f {
		delete(s.flights, f.hash)
	}
	first := f.waiters.take()
	if stored { // before others can take it out
		d.count(k.cost, f.dry, +1)
	}
	s.mu.Unlock()
	if old.size > 0 {
		d.forget(&old)
	}
	if k != nil && !stored {
		k.drop(d.cache)
	}
	t := f.verdict.Tally
	f.drop()
	asking := wake(first, alone, now)
	if stored && asking > 0 {
		d.stats.coalesced.Add(asking)
		if t != nil {
			t.Coalesced.Add(asking)
		}
	}
	return stored
}

// drop gives back what was not stored.
func (k *kept) drop(c *Cache) {
	if k.held != nil {
		k.held.drop()
	} else {
		c.release(k.cost)
	}
}

// drop frees what f holds. Nobody waits for it, and it is not listed.
func (f *Fill) drop() {
	for _, sp := range f.large.spans {
		f.database.cache.spans.give(sp)
	}
	f.give(f.reserved)
	*f = Fill{}
}
