package postgres

import (
	"time"

	"overdrive/proxy"
	"overdrive/querycache"
	"overdrive/querycache/sqlscan"
	"overdrive/querycache/verdict"
)

// cacheOf returns the cache of a database, or nil if there is none or nobody has used it yet.
func (p *Proxy) cacheOf(db *Database) *querycache.Database {
	for _, o := range p.originsOf(db) {
		if o.Cache != nil {
			return o.Cache
		}
	}
	return nil
}

// Caches returns the state of the cache of every database, in order of their names.
func (p *Proxy) Caches() []proxy.CacheStatus {
	var list []proxy.CacheStatus
	for _, name := range p.DatabaseNames() {
		db := p.now().databases[name]
		c := proxy.CacheStatus{Database: name}
		if db.Cache != nil && p.cache != nil {
			c.Enabled, c.DryRun, c.Floor = db.Cache.Enabled, db.Cache.DryRun, db.Cache.Floor
		}
		if cache := p.cacheOf(db); cache != nil {
			count(&c, cache.Stats())
		}
		list = append(list, c)
	}
	return list
}

func count(c *proxy.CacheStatus, s querycache.Stats) {
	c.Entries, c.Bytes = s.Entries, s.Bytes
	c.Hits, c.Stale, c.Coalesced, c.Misses, c.Refreshes = s.Hits, s.Stale, s.Coalesced, s.Misses, s.Refreshes
	c.DryEntries, c.WouldHit = s.DryEntries, s.DryHits
	c.Evictions, c.Invalidations, c.RacesLost, c.Oversize = s.Evictions, s.Invalidations, s.RacesLost, s.Oversize
}

// Queries returns what the cache saw of the statements of a database, by shape, in no order.
func (p *Proxy) Queries(database string) []proxy.QueryStatus {
	db := p.now().databases[database]
	if db == nil {
		return nil
	}
	cache := p.cacheOf(db)
	if cache == nil {
		return nil
	}
	p.mu.Lock()
	seen := p.upstreamOf(db.Target).tallies.All()
	p.mu.Unlock()
	var list []proxy.QueryStatus
	for _, q := range cache.Queries(seen) {
		list = append(list, queryStatus(database, &q))
	}
	return list
}

func queryStatus(database string, q *querycache.QueryStats) proxy.QueryStatus {
	out := proxy.QueryStatus{
		Database: database, Fingerprint: q.Fingerprint, Shape: displayed(q), Status: string(q.Status), Reason: q.Reason,
		Tables: q.Tables, Calls: q.Calls, Hits: q.Hits, Stale: q.Stale, Coalesced: q.Coalesced,
		Misses: q.Misses, WouldHit: q.WouldHit, Entries: q.Entries, Bytes: q.Bytes, Youngest: q.Youngest,
		ServerTime: q.ServerTime, Repeats: q.Repeats,
	}
	if q.Fills > 0 {
		out.MeanMiss = q.FillTime / time.Duration(q.Fills)
	}
	return out
}

// displayed is the shape without anything that may be a value.
func displayed(q *querycache.QueryStats) string {
	return sqlscan.Display(q.Shape, string(q.Status) != string(verdict.ParseError))
}
