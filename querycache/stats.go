package querycache

import "sync/atomic"

// Stats counts what happened since the start, and what is there now.
type Stats struct {
	Hits, Misses  int64
	RacesLost     int64 // answers not kept because a write came between
	Oversize      int64 // answers not kept because of their size
	Evictions     int64 // entries dropped for want of memory
	Invalidations int64 // writes ended, and entries found stale
	Abandoned     int64 // now: writes of unknown outcome that keep relations unsettled
	Bytes         int64 // now: of entries, with their overhead
	Entries       int64 // now
}

func (s *Stats) add(o Stats) {
	s.Hits += o.Hits
	s.Misses += o.Misses
	s.RacesLost += o.RacesLost
	s.Oversize += o.Oversize
	s.Evictions += o.Evictions
	s.Invalidations += o.Invalidations
	s.Abandoned += o.Abandoned
	s.Bytes += o.Bytes
	s.Entries += o.Entries
}

// counters are the Stats of a database, each counted by itself.
type counters struct {
	hits, misses, racesLost, oversize, evictions, invalidations, abandoned, bytes, entries atomic.Int64
}

// Stats returns the counters of the database.
func (d *Database) Stats() Stats {
	s := &d.stats
	return Stats{
		Hits: s.hits.Load(), Misses: s.misses.Load(), RacesLost: s.racesLost.Load(), Oversize: s.oversize.Load(),
		Evictions: s.evictions.Load(), Invalidations: s.invalidations.Load(), Abandoned: s.abandoned.Load(),
		Bytes: s.bytes.Load(), Entries: s.entries.Load(),
	}
}
