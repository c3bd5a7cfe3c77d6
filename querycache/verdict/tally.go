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

	ServerTime atomic.Int64 // that servers worked on batches whose last statement was of the shape
	Repeats    atomic.Int64 // sent to the server by a session right behind another of the shape, with other values
	Missed                  // why calls of a shape whose answers could be kept were none of Hits
}

// Missed counts reasons why an answer that might be kept, by its verdict, did not come from the cache.
type Missed struct {
	Disabled   atomic.Int64  // the configuration or the session says so
	Hinted     atomic.Int64  // the statement's own comment does
	Begun      atomic.Int64  // it was the first statement behind a BEGIN that could have been held back
	Stateful   atomic.Int64  // the session has state that answers may depend on
	State      atomic.Uint32 // of what kinds that was; the bits are the machine's
	Expired    atomic.Int64  // there was an answer, but it was too old; of Misses
	ExpiredAge atomic.Int64  // how old those were, together
	Oversized  atomic.Int64  // the answer was larger than is kept
}

// PassBy counts a statement that has no business with the cache. A nil Tally counts nothing.
func (t *Tally) PassBy() {
	if t != nil {
		t.Calls.Add(1)
	}
}
