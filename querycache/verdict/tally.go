package verdict

import "sync/atomic"

// Tally counts what became of the texts of one shape. It outlives the verdicts on the shape. All may count and read at any
// time. Times are in nanoseconds.
type Tally struct {
	Calls     atomic.Int64 // statements that were looked up or passed by
	Hits      atomic.Int64 // answered from the cache; of them
	Stale     atomic.Int64 // - past max_age, while a fresh answer was fetched
	Coalesced atomic.Int64 // - after waiting for the query of somebody else
	Misses    atomic.Int64 // asked from the server though the verdict was Cacheable
	WouldHit  atomic.Int64 // misses that only a dry run kept from being hits
	Fills     atomic.Int64 // answers kept
	FillTime  atomic.Int64 // from Begin to Commit, of all fills together
	FillBytes atomic.Int64 // of answers kept, together
}

// PassBy counts a statement that has no business with the cache. A nil Tally counts nothing.
func (t *Tally) PassBy() {
	if t != nil {
		t.Calls.Add(1)
	}
}
