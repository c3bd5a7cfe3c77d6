package querycache

import (
	"time"

	"overdrive/querycache/verdict"
)

// QueryStats is what is known of the texts of one shape.
type QueryStats struct {
	Fingerprint uint64
	Shape       string
	Tables      []string
	Status      Status // the last verdict's
	Reason      string // the last verdict's

	Calls, Hits, Stale, Coalesced, Misses, WouldHit, Fills int64 // see verdict.Tally
	FillTime                                               time.Duration
	FillBytes                                              int64

	ServerTime time.Duration
	Repeats    int64
	Missed

	Entries  int64         // now: answers that would be served, or in a dry run their keys
	Bytes    int64         // now: of them, with their overhead
	Youngest time.Duration // age of the youngest of them; -1 if there is none
}

// Missed is what verdict.Missed counts.
type Missed struct {
	Disabled, Hinted, Begun, Stateful, Expired, Oversized int64

	State      uint32
	ExpiredAge time.Duration
}

func missedOf(m *verdict.Missed) Missed {
	return Missed{
		Disabled: m.Disabled.Load(), Hinted: m.Hinted.Load(), Begun: m.Begun.Load(), Stateful: m.Stateful.Load(), State: m.State.Load(),
		Expired: m.Expired.Load(), ExpiredAge: time.Duration(m.ExpiredAge.Load()), Oversized: m.Oversized.Load(),
	}
}

// Queries returns what is known of every shape that was seen, in their order. It looks at every entry, so it is not for every
// second.
func (d *Database) Queries(seen []verdict.TallyOf) []QueryStats {
	list := make([]QueryStats, len(seen))
	place := make(map[uint64]int, len(seen))
	for i, t := range seen {
		list[i] = statsOf(t)
		place[t.Fingerprint] = i
	}
	now := d.cache.now()
	d.eachEntry(func(in *shard, s *slot) {
		i, known := place[s.fingerprint]
		age := now - s.born
		if !known || age > s.keep || d.check(s.dependencies(in.blob(s))) == changed {
			return
		}
		q := &list[i]
		q.Entries++
		q.Bytes += in.size(s)
		if q.Youngest < 0 || age < q.Youngest {
			q.Youngest = age
		}
	})
	return list
}

func statsOf(t verdict.TallyOf) QueryStats {
	return QueryStats{
		Fingerprint: t.Fingerprint, Shape: t.Shape, Tables: t.Tables, Status: t.Status, Reason: t.Reason, Youngest: -1,
		Calls: t.Calls.Load(), Hits: t.Hits.Load(), Stale: t.Stale.Load(), Coalesced: t.Coalesced.Load(),
		Misses: t.Misses.Load(), WouldHit: t.WouldHit.Load(), Fills: t.Fills.Load(),
		FillTime: time.Duration(t.FillTime.Load()), FillBytes: t.FillBytes.Load(),
		ServerTime: time.Duration(t.ServerTime.Load()), Repeats: t.Repeats.Load(), Missed: missedOf(&t.Missed),
	}
}

// eachEntry calls f for every entry, with the lock of its shard held.
func (d *Database) eachEntry(f func(*shard, *slot)) {
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		s.each(func(slot *slot) { f(s, slot) })
		s.mu.Unlock()
	}
}
