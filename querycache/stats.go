package querycache

import "sync/atomic"

// Stats counts what happened since the start, and what is there now.
type Stats struct {
	Hits          int64 // answered from the cache; of them
	Stale         int64 // - past MaxAge
	Coalesced     int64 // - after waiting for the query of somebody else
	Misses        int64 // asked from the server though the verdict was Cacheable
	DryHits       int64 // misses that only a dry run kept from being hits
	Refreshes     int64 // queries begun to refresh an answer that aged
	RacesLost     int64 // answers not kept because a write came between
	Oversize      int64 // answers not kept because of their size
	Evictions     int64 // entries dropped for want of memory
	Invalidations int64 // writes ended, and entries found invalidated
	Writing       int64 // now: writes that have begun and not ended
	Abandoned     int64 // now: writes of unknown outcome that keep relations unsettled
	Bytes         int64 // now: of entries, with their overhead
	Entries       int64 // now
	DryEntries    int64 // now: keys kept by a dry run
}

func (s *Stats) add(o Stats) {
	s.Hits += o.Hits
	s.Stale += o.Stale
	s.Coalesced += o.Coalesced
	s.Misses += o.Misses
	s.DryHits += o.DryHits
	s.Refreshes += o.Refreshes
	s.RacesLost += o.RacesLost
	s.Oversize += o.Oversize
	s.Evictions += o.Evictions
	s.Invalidations += o.Invalidations
	s.Writing += o.Writing
	s.Abandoned += o.Abandoned
	s.Bytes += o.Bytes
	s.Entries += o.Entries
	s.DryEntries += o.DryEntries
}

// counters are the Stats of a database, each counted by itself; hits are counted by the shards.
type counters struct {
	stale, coalesced, misses, dryHits, refreshes   atomic.Int64
	racesLost, oversize, evictions, invalidations  atomic.Int64
	writing, abandoned, bytes, entries, dryEntries atomic.Int64
}

// Stats returns the counters of the database.
func (d *Database) Stats() Stats {
	s := &d.stats
	hits := int64(0)
	for i := range d.shards {
		d.shards[i].mu.Lock()
		hits += d.shards[i].hits
		d.shards[i].mu.Unlock()
	}
	return Stats{
		Hits: hits, Stale: s.stale.Load(), Coalesced: s.coalesced.Load(), Misses: s.misses.Load(),
		DryHits: s.dryHits.Load(), Refreshes: s.refreshes.Load(),
		RacesLost: s.racesLost.Load(), Oversize: s.oversize.Load(), Evictions: s.evictions.Load(),
		Invalidations: s.invalidations.Load(), Writing: s.writing.Load(), Abandoned: s.abandoned.Load(),
		Bytes: s.bytes.Load(), Entries: s.entries.Load(), DryEntries: s.dryEntries.Load(),
	}
}
