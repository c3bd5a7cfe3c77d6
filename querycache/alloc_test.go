//go:build !race

package querycache

import "testing"

func TestAsk_HitDoesNotAllocate(t *testing.T) {
	d, key, v := benchmarkEntry()
	room := make([]byte, 0, 1<<10)
	if n := testing.AllocsPerRun(100, func() {
		d.Ask(&Request{Key: key, Verdict: v, Room: room}, nil)
	}); n != 0 {
		t.Fatalf("got %v allocations, want 0", n)
	}
}
