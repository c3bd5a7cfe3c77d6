//go:build !race

package querycache

import "testing"

func TestAsk_HitDoesNotAllocate(t *testing.T) {
	d, key, v := benchmarkEntry()
	if n := testing.AllocsPerRun(100, func() {
		d.Ask(&Request{Key: key, Verdict: v}, nil)
	}); n != 0 {
		t.Fatalf("got %v allocations, want 0", n)
	}
}
