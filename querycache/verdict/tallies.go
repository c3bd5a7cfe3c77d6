package verdict

import (
	"cmp"
	"slices"
	"sync"
)

const (
	// maxTallies and maxTallyBytes bound what Tallies remembers, in shapes and in bytes of their texts.
	maxTallies    = 8192
	maxTallyBytes = 8 << 20
)

// Tallies holds what was seen of each shape of one database, whoever asked. All who judge statements of the database share it. All
// methods may be called at any time from any goroutine.
//
// It is bounded: when full it forgets the shapes that were not called since it was last full. A Tally outlives that as
// long as a verdict holds it, but All does not tell of it any more until the shape is judged anew.
type Tallies struct {
	mu    sync.Mutex // guards the fields below
	known map[uint64]*tallied
	bytes int // of all shapes
}

// tallied is a shape that is remembered.
type tallied struct {
	TallyOf
	calls int64 // when Tallies was last full
}

// TallyOf is what is known of one shape: the last verdict on it and the numbers of all.
type TallyOf struct {
	Fingerprint uint64
	Shape       string
	Status      Status
	Reason      string
	Tables      []string
	*Tally
}

// NewTallies returns Tallies that know no shape.
func NewTallies() *Tallies { return &Tallies{known: map[uint64]*tallied{}} }

// All returns what is known of every shape, in no order. The slice is the caller's.
func (t *Tallies) All() []TallyOf {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]TallyOf, 0, len(t.known))
	for _, k := range t.known {
		all = append(all, k.TallyOf)
	}
	return all
}

// Note takes s, which nobody else knows yet, for the last verdict on its shape and gives it the shape's Tally. The caller has set
// its Fingerprint and Shape.
func (t *Tallies) Note(s *Statement) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.known[s.Fingerprint]
	if k == nil {
		if len(t.known) >= maxTallies || t.bytes+len(s.Shape) > maxTallyBytes {
			t.forget(len(s.Shape))
		}
		k = &tallied{TallyOf: TallyOf{Fingerprint: s.Fingerprint, Shape: s.Shape, Tally: &Tally{}}}
		t.known[s.Fingerprint] = k
		t.bytes += len(s.Shape)
	}
	k.Status, k.Reason, k.Tables = s.Status, s.Reason, s.Tables
	s.Tally = k.Tally
}

// forget makes room for a shape of the size, and for many more, so that it is seldom called. It drops the shapes that were
// called least since it was last called.
func (t *Tallies) forget(size int) {
	type used struct {
		*tallied
		since int64
	}
	var all []used
	for _, k := range t.known {
		calls := k.Calls.Load()
		all = append(all, used{k, calls - k.calls})
		k.calls = calls
	}
	slices.SortFunc(all, func(a, b used) int { return cmp.Compare(a.since, b.since) })
	for _, u := range all {
		if u.since > 0 && len(t.known) <= maxTallies/2 && t.bytes+size <= maxTallyBytes/2 {
			return
		}
		delete(t.known, u.Fingerprint)
		t.bytes -= len(u.Shape)
	}
}
