package querycache

import (
	"time"

	"overdrive/querycache/classify"
)

// Fill collects one answer on its way from the server. It belongs to one goroutine. The caller must end it by Commit or
// Abort; both may be called more than once, the first counts. A nil *Fill is one that was abandoned.
//
//	Begin ──▶ collecting ──Commit──▶ stored, or dropped because a write came between
//	              │ Append over a limit, Abort
//	              └──▶ abandoned
type Fill struct {
	database *Database // nil: ended
	hash     uint64
	deps     []dependency
	born     time.Duration
	data     []byte // the key, then what has come of the answer
	keyLen   int
	reserved int64 // of the budget, for data
}

// firstAnswerBytes is the room for the answer in a new fill.
const firstAnswerBytes = 512

// Begin starts to collect the answer to be kept under key, or returns nil if it could not be kept: the verdict or the
// policy forbids it, a relation it reads is being written, or memory is short. Call it before the query is sent, since
// it notes the state of the relations. It copies key.
func (d *Database) Begin(key []byte, v *classify.Verdict) *Fill {
	if v.Status != classify.Cacheable || !d.policy.Load().Enabled {
		return nil
	}
	d.settle()
	deps, settled := note(append(d.cellsOf(v.Reads), &d.all))
	if !settled {
		return nil
	}
	deps[0], deps[len(deps)-1] = deps[len(deps)-1], deps[0] // the database's cell first: it decides most often
	f := &Fill{database: d, hash: d.hash(key), deps: deps, born: d.cache.now(), keyLen: len(key)}
	if !f.grow(len(key) + firstAnswerBytes) {
		return nil
	}
	f.data = append(f.data, key...)
	return f
}

// Append adds b, which it copies, to the answer. It returns false if the answer is too large, now or before: the fill is
// then abandoned and its memory free.
func (f *Fill) Append(b []byte) bool {
	if f == nil || f.database == nil {
		return false
	}
	limit := f.database.policy.Load().MaxResult
	if limit > 0 && int64(len(f.data)-f.keyLen)+int64(len(b)) > limit {
		f.database.stats.oversize.Add(1)
		f.Abort()
		return false
	}
	if need := len(f.data) + len(b); need > cap(f.data) {
		room := 2 * cap(f.data)
		if limit > 0 {
			room = min(room, f.keyLen+int(limit))
		}
		if !f.grow(max(need, room)) {
			f.database.stats.oversize.Add(1)
			f.Abort()
			return false
		}
	}
	f.data = append(f.data, b...)
	return true
}

// grow makes the capacity of data n bytes and reports whether there was room in the budget.
func (f *Fill) grow(n int) bool {
	c := f.database.cache
	if c.fills.Add(int64(n)) > c.maxFillBytes || !c.reserve(int64(n)) {
		c.fills.Add(-int64(n))
		return false
	}
	data := make([]byte, len(f.data), n)
	copy(data, f.data)
	f.data = data
	f.give(f.reserved)
	f.reserved = int64(n)
	return true
}

// give gives n bytes back to the budget.
func (f *Fill) give(n int64) {
	f.database.cache.fills.Add(-n)
	f.database.cache.release(n)
}

// Commit keeps the answer, unless a write of what it depends on has begun since Begin. Call it only for an answer that
// is whole and clean. It reports whether the answer was kept.
func (f *Fill) Commit() bool {
	if f == nil || f.database == nil {
		return false
	}
	defer f.Abort()
	d := f.database
	if check(f.deps) != unchanged {
		d.stats.racesLost.Add(1)
		return false
	}
	if !d.policy.Load().Enabled {
		return false
	}
	if waste := cap(f.data) - len(f.data); waste > len(f.data)/8 {
		f.grow(len(f.data)) // else it is kept with the waste, which is paid for
	}
	overhead := entryOverhead + int64(len(f.deps))*dependencyBytes
	if !d.cache.reserve(overhead) {
		return false
	}
	e := &Entry{
		database: d, hash: f.hash, deps: f.deps, born: f.born, size: f.reserved + overhead,
		data: f.data, keyLen: f.keyLen,
	}
	d.cache.fills.Add(-f.reserved)
	f.reserved = 0 // the entry has it now
	d.cache.shard[e.hash%numShards].store(e)
	return true
}

// Abort ends the fill and keeps nothing.
func (f *Fill) Abort() {
	if f == nil || f.database == nil {
		return
	}
	f.give(f.reserved)
	*f = Fill{}
}
