package querycache

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
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
	// Epoch is the time of day when Now was 0; the zero value means that it is 0 now.
	Epoch time.Time
	// Poison has memory overwritten when it becomes free, so that a test sees who reads there later.
	Poison bool
	// Faults makes the cache wrong, for tests of tests.
	Faults Faults
}

// Cache holds the answers of several databases in one budget. All methods may be called at any time from any goroutine.
// No method fails: what cannot be kept is not kept.
type Cache struct {
	budget       atomic.Int64 // Options.MaxBytes, as it is now
	settlePeriod time.Duration
	now          func() time.Duration
	epoch        time.Duration // from 1970-01-01 UTC to when now was 0
	seed         maphash.Seed
	faults       Faults

	used  atomic.Int64 // bytes reserved, see budget.go
	fills atomic.Int64 // the part of used that fills take. Invariant: fills <= maxFillBytes, but for a moment
	held  atomic.Int64 // the part of used that is in answers that somebody reads, kept or gone; see held.go
	spans spans        // where entries are

	evicting sync.Mutex // guards sweeper; makes evictions one after the other. No lock of a shard may be held when it is taken
	sweeper  uint

	list      atomic.Pointer[[]*Database] // the databases; a new slice for every change
	mu        sync.Mutex                  // guards databases, and changes of list
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
	if o.Epoch.IsZero() {
		o.Epoch = time.Now().Add(-o.Now())
	}
	c := &Cache{
		epoch: time.Duration(o.Epoch.UnixNano()), settlePeriod: o.SettlePeriod, now: o.Now, faults: o.Faults,
		seed: maphash.MakeSeed(), databases: map[string]*Database{},
	}
	c.spans.poison = o.Poison
	c.setBudget(o.MaxBytes)
	c.list.Store(new([]*Database))
	return c
}

// Database returns the part of the cache that belongs to the database of the name, making it if need be, and gives it
// the policy p.
func (c *Cache) Database(name string, p Policy) *Database {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.databases[name]
	if d == nil {
		d = newDatabase(c, p)
		c.databases[name] = d
		old := *c.list.Load()
		list := append(old[:len(old):len(old)], d) // a copy: others read the old one
		c.list.Store(&list)
		return d
	}
	d.SetPolicy(p)
	return d
}

// Purge drops everything. What was begun before it is not stored after it.
func (c *Cache) Purge() {
	for _, d := range *c.list.Load() {
		d.Purge()
	}
}

// Stats returns the sum over all databases.
func (c *Cache) Stats() Stats {
	var sum Stats
	for _, d := range *c.list.Load() {
		sum.add(d.Stats())
	}
	return sum
}

// UsedBytes returns the memory reserved for entries, fills in progress, and answers that are gone but still read by somebody; it
// never exceeds Options.MaxBytes.
func (c *Cache) UsedBytes() int64 { return c.used.Load() }

// HeldBytes returns the part of UsedBytes that is in large answers that somebody reads, kept or gone.
func (c *Cache) HeldBytes() int64 { return c.held.Load() }
