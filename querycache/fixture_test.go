package querycache

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"overdrive/querycache/verdict"
)

// clock is a clock that stands still until told.
type clock struct{ now time.Duration }

func newTestCache(maxBytes int64) (*Cache, *clock) {
	c := &clock{}
	return New(Options{MaxBytes: maxBytes, Poison: true, Now: func() time.Duration { return c.now }}), c
}

var defaultPolicy = Policy{Enabled: true, MaxAge: time.Minute, MaxResult: 1 << 20}

func reading(ids ...verdict.RelationID) *verdict.Statement {
	return &verdict.Statement{Status: verdict.Cacheable, Reads: ids}
}

func writing(ids ...verdict.RelationID) *verdict.Statement {
	return &verdict.Statement{Status: verdict.NotAQuery, Effect: verdict.EffectRelations, Writes: ids}
}

var writesAll = &verdict.Statement{Status: verdict.NotAQuery, Effect: verdict.EffectEverything}

// ask asks for the key on behalf of nobody in particular.
func ask(d *Database, key string, v *verdict.Statement) Outcome {
	return d.Ask(&Request{Key: []byte(key), Verdict: v}, nil)
}

// begin asks for a key that is not kept, and returns the fill; nil if it may not be filled.
func begin(d *Database, key string, v *verdict.Statement) *Fill { return ask(d, key, v).Fill }

// fill keeps answer under the key, in place of what is there.
func fill(t *testing.T, d *Database, key, answer string, v *verdict.Statement) {
	t.Helper()
	f := d.Ask(&Request{Key: []byte(key), Verdict: v, Hint: &Hint{Refresh: true}}, nil).Fill
	if f == nil || !f.Append([]byte(answer)) || !f.Commit() {
		t.Fatalf("fill of %q failed", key)
	}
}

// get says what is served under the key, or why nothing is. It fills nothing.
func get(d *Database, key string, v *verdict.Statement) string {
	o := ask(d, key, v)
	o.Fill.Abort()
	if o.Held != nil {
		defer o.Held.Release()
		o.Answer = slices.Concat(o.Held.Pieces()...)
	}
	if o.Answer == nil {
		return string(o.Status)
	}
	return string(o.Status) + ":" + string(o.Answer)
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

// sleeper is a Waiter that notes how it was woken.
type sleeper struct{ woken []bool }

func (s *sleeper) Wake(alone bool) { s.woken = append(s.woken, alone) }

func (s *sleeper) String() string {
	switch {
	case len(s.woken) == 0:
		return "asleep"
	case len(s.woken) > 1:
		return fmt.Sprint("woken more than once: ", s.woken)
	case s.woken[0]:
		return "alone"
	}
	return "again"
}

// wait asks for the key and must be made to wait.
func wait(t *testing.T, d *Database, key string, v *verdict.Statement) (*sleeper, *Ticket) {
	t.Helper()
	s := new(sleeper)
	o := d.Ask(&Request{Key: []byte(key), Verdict: v}, s)
	if o.Status != Waiting || o.Ticket == nil || o.Fill != nil || o.Answer != nil {
		t.Fatalf("got %+v, want to wait", o)
	}
	return s, o.Ticket
}

func ptr[T any](v T) *T { return &v }

// onlySlot returns the slot of the only entry.
func onlySlot(t *testing.T, d *Database) *slot {
	t.Helper()
	var found []*slot
	d.eachEntry(func(_ *shard, s *slot) { found = append(found, s) })
	if len(found) != 1 {
		t.Fatalf("%d entries", len(found))
	}
	return found[0]
}

// lookUp returns an Ask that has just begun.
func lookUp(d *Database, r *Request) *look {
	hash := d.hash(r.Key)
	return &look{d: d, r: *r, p: d.policy.Load(), s: d.shard(hash), hash: hash, now: d.cache.now()}
}
