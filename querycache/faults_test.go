package querycache

import "testing"

// Each fault must be seen by a look at what is served, else it proves nothing about who looks.
func TestFaults_EachServesWhatItShouldNot(t *testing.T) {
	v := reading(1)
	overtaken := func(f Faults) *Database {
		c := New(Options{Faults: f})
		d := c.Database("shop", defaultPolicy)
		fill(t, d, "k", "old", v)
		d.BeginWrite(writing(1)).End()
		return d
	}
	expect(t, "no fault", get(overtaken(Faults{}), "k", v), "miss")
	skip := true
	expect(t, "skipped invalidation", get(overtaken(Faults{SkipInvalidation: func() bool { return skip }}), "k", v), "hit:old")
	skip = false
	expect(t, "one not skipped", get(overtaken(Faults{SkipInvalidation: func() bool { return skip }}), "k", v), "miss")
	expect(t, "no check", get(overtaken(Faults{SkipGenerationCheck: true}), "k", v), "hit:old")
	expect(t, "served stale", get(overtaken(Faults{ServeStaleInvalidated: true}), "k", v), "hit:old")

	d := New(Options{Faults: Faults{JoinAnyFlight: true}}).Database("shop", defaultPolicy)
	f := begin(d, "k", v)
	d.BeginWrite(writing(1)).End()
	s, _ := wait(t, d, "k", v)
	f.Append([]byte("old"))
	f.Commit()
	expect(t, "joined after a write", s.String(), "again")
	expect(t, "and was served", get(d, "k", v), "hit:old")
}
