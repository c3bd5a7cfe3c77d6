package consistency_test

import (
	"sync/atomic"
	"testing"
	"time"

	"overdrive/querycache"
)

// faultTime bounds the search for one seeded fault. On a quiet machine it takes a few seconds; it takes as many reads everywhere.
const faultTime = 4 * time.Minute

// seldom returns what says true once in n times.
func seldom(n int64) func() bool {
	var calls atomic.Int64
	return func() bool { return calls.Add(1)%n == 0 }
}

// A checker that finds nothing proves something only if it finds what is there.
func TestConsistency_FindsEverySeededFault(t *testing.T) {
	t.Parallel()
	for _, fault := range []struct {
		name   string
		faults querycache.Faults
		policy querycache.Policy
	}{
		{"every invalidation is skipped", querycache.Faults{SkipInvalidation: func() bool { return true }}, patient},
		{"one invalidation in fifty is skipped", querycache.Faults{SkipInvalidation: seldom(50)}, patient},
		{"generations are not compared", querycache.Faults{SkipGenerationCheck: true}, patient},
		{"invalidated answers are served stale", querycache.Faults{ServeStaleInvalidated: true}, hasty},
	} {
		t.Run(fault.name, func(t *testing.T) {
			c := newChecker(t, "consistency_faults", seedOf(t), fault.policy)
			serve(t, querycache.Options{Faults: fault.faults}, c)
			began := time.Now()
			c.run(faultTime)
			c.report()
			found := c.world.violated()
			if len(found) == 0 {
				t.Fatalf("not found in %v", faultTime)
			}
			t.Logf("found after %v:\n%s", time.Since(began).Round(time.Millisecond), found[0])
		})
	}
}
