package querycache

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"overdrive/querycache/classify"
)

// Defaults of Options.
const (
	DefaultMaxBytes     = 256 << 20
	DefaultSettlePeriod = 10 * time.Minute
)

// Options of a Cache. The zero value is usable.
type Options struct {
	// MaxBytes bounds the memory of all databases together; 0 means DefaultMaxBytes.
	MaxBytes int64
	// SettlePeriod is how long a relation is kept out of the cache after a write whose outcome is not known; 0 means
	// DefaultSettlePeriod.
	SettlePeriod time.Duration
	// Now is a monotonic clock, read as the time since some fixed moment; nil means the system's.
	Now func() time.Duration
}

// Status says what became of a statement; here it is added to the words of package classify.
type Status = classify.Status

// What Get says besides the statuses of verdicts.
const (
	Hit      Status = "hit"
	Miss     Status = "miss"
	Disabled Status = "disabled"
)

// Cache holds the answers of several databases in one budget. All methods may be called at any time from any goroutine.
// No method fails: what cannot be kept is not kept.
type Cache struct {
	maxBytes     int64
	maxFillBytes int64
	settlePeriod time.Duration
	now          func() time.Duration
	seed         maphash.Seed

	used  atomic.Int64 // bytes reserved. Invariant: used <= maxBytes, and at least what entries and fills take
	fills atomic.Int64 // the part of used that fills take. Invariant: fills <= maxFillBytes
	hand  atomic.Uint32
	shard [numShards]shard

	mu        sync.Mutex // guards databases
	databases map[string]*Database
}

// New returns an empty Cache.
func New(o Options) *Cache {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.SettlePeriod <= 0 {
		o.SettlePeriod = DefaultSettlePeriod
	}
	if o.Now == nil {
		start := time.Now()
		o.Now = func() time.Duration { return time.Since(start) }
	}
	c := &Cache{
		maxBytes: o.MaxBytes, maxFillBytes: o.MaxBytes / 2, settlePeriod: o.SettlePeriod, now: o.Now,
		seed: maphash.MakeSeed(), databases: map[string]*Database{},
	}
	for i := range c.shard {
		c.shard[i].init()
	}
	return c
}

// Database returns the part of the cache that belongs to the database of the name, making it if need be, and gives it
// the policy p.
func (c *Cache) Database(name string, p Policy) *Database {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.databases[name]
	if d == nil {
		d = &Database{cache: c, cells: map[classify.RelationID]*cell{}, salt: maphash.String(c.seed, name)}
		c.databases[name] = d
	}
	d.policy.Store(&p)
	return d
}

// all returns every database.
func (c *Cache) all() []*Database {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*Database, 0, len(c.databases))
	for _, d := range c.databases {
		list = append(list, d)
	}
	return list
}

// Purge drops everything. What was begun before it is not stored after it.
func (c *Cache) Purge() {
	for _, d := range c.all() {
		d.all.bump() // first: a fill that commits now is stored dead
	}
	for i := range c.shard {
		c.shard[i].drop(func(*Entry) bool { return true })
	}
}

// Stats returns the sum over all databases.
func (c *Cache) Stats() Stats {
	var sum Stats
	for _, d := range c.all() {
		sum.add(d.Stats())
	}
	return sum
}

// UsedBytes returns the memory reserved for entries and fills in progress; it never exceeds Options.MaxBytes.
func (c *Cache) UsedBytes() int64 { return c.used.Load() }

// reserve takes n bytes of the budget, evicting entries for them, and reports whether it could.
func (c *Cache) reserve(n int64) bool {
	for {
		used := c.used.Load()
		if used+n <= c.maxBytes {
			if c.used.CompareAndSwap(used, used+n) {
				return true
			}
			continue
		}
		if n > c.maxBytes || !c.evictOne() {
			return false
		}
	}
}

func (c *Cache) release(n int64) { c.used.Add(-n) }

// evictOne drops the least recently used entry of the next shard that has any, and reports whether there was one. Going
// round the shards comes close to the least recently used entry of all, without a lock or list for all.
func (c *Cache) evictOne() bool {
	for range numShards {
		if c.shard[c.hand.Add(1)%numShards].evictOldest() {
			return true
		}
	}
	return false
}
