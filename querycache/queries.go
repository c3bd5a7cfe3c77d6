package querycache

import (
	"sync"
	"sync/atomic"
	"time"

	"overdrive/querycache/classify"
)

// QueryStats is what is known of the texts of one shape.
type QueryStats struct {
	Fingerprint uint64
	Shape       string
	Tables      []string
	Status      Status // the last verdict's
	Reason      string // the last verdict's

	Calls, Hits, Stale, Coalesced, Misses, WouldHit, Fills int64 // see classify.Tally
	FillTime                                               time.Duration
	FillBytes                                              int64

	Entries  int64         // now: answers that would be served, or in a dry run their keys
	Bytes    int64         // now: of them, with their overhead
	Youngest time.Duration // age of the youngest of them; -1 if there is none
}

// The shapes that are known lie in sets by their fingerprint. A set that is full forgets the shape that was called least.
const (
	shapeSets = 1024
	shapeWays = 4
)

// shapes holds the last verdict on each shape. Reading takes no lock.
type shapes struct {
	mu  sync.Mutex // is held to change a set
	set [shapeSets][shapeWays]atomic.Pointer[classify.Verdict]
}

// Note counts a statement that is not looked up at all, because its session must not be answered from the cache.
func (d *Database) Note(v *classify.Verdict) {
	d.meet(v)
	d.passedBy(v, v.Status)
}

// meet makes the shape of v known.
func (d *Database) meet(v *classify.Verdict) {
	if v.Fingerprint == 0 {
		return
	}
	set := &d.shapes.set[v.Fingerprint%shapeSets]
	for i := range set {
		known := set[i].Load()
		if known == v {
			return
		}
		if known != nil && known.Fingerprint == v.Fingerprint {
			if known.Status != v.Status || known.Reason != v.Reason || len(known.Tables) != len(v.Tables) {
				set[i].Store(v)
			}
			return
		}
	}
	d.introduce(v)
}

// introduce gives a shape that is new a place in its set.
func (d *Database) introduce(v *classify.Verdict) {
	d.shapes.mu.Lock()
	defer d.shapes.mu.Unlock()
	set := &d.shapes.set[v.Fingerprint%shapeSets]
	least, place := int64(-1), 0
	for i := range set {
		known := set[i].Load()
		if known == nil || known.Fingerprint == v.Fingerprint {
			place = i
			break
		}
		calls := int64(0)
		if known.Tally != nil {
			calls = known.Tally.Calls.Load()
		}
		if least < 0 || calls < least {
			least, place = calls, i
		}
	}
	set[place].Store(v)
}

// Queries returns what is known of every shape, in no order. It looks at every entry, so it is not for every second.
func (d *Database) Queries() []QueryStats {
	var list []QueryStats
	place := map[uint64]int{}
	for i := range d.shapes.set {
		for j := range d.shapes.set[i] {
			if v := d.shapes.set[i][j].Load(); v != nil {
				place[v.Fingerprint] = len(list)
				list = append(list, statsOf(v))
			}
		}
	}
	now := d.cache.now()
	d.eachEntry(func(s *slot) {
		i, known := place[s.fingerprint]
		age := now - s.born
		if !known || age > s.keep || d.check(s.dependencies()) == changed {
			return
		}
		q := &list[i]
		q.Entries++
		q.Bytes += s.size()
		if q.Youngest < 0 || age < q.Youngest {
			q.Youngest = age
		}
	})
	return list
}

func statsOf(v *classify.Verdict) QueryStats {
	q := QueryStats{
		Fingerprint: v.Fingerprint, Shape: v.Shape, Tables: v.Tables, Status: v.Status, Reason: v.Reason, Youngest: -1,
	}
	if t := v.Tally; t != nil {
		q.Calls, q.Hits, q.Stale, q.Coalesced = t.Calls.Load(), t.Hits.Load(), t.Stale.Load(), t.Coalesced.Load()
		q.Misses, q.WouldHit, q.Fills = t.Misses.Load(), t.WouldHit.Load(), t.Fills.Load()
		q.FillTime, q.FillBytes = time.Duration(t.FillTime.Load()), t.FillBytes.Load()
	}
	return q
}

// eachEntry calls f for every entry, with the lock of its shard held.
func (d *Database) eachEntry(f func(*slot)) {
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		for _, id := range s.index {
			f(s.slots.at(id))
		}
		s.mu.Unlock()
	}
}
