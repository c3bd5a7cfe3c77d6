//go:build !race

package querycache

import "testing"

func TestGet_DoesNotAllocate(t *testing.T) {
	d, key, v := benchmarkEntry()
	other := []byte("absent")
	if n := testing.AllocsPerRun(100, func() {
		d.Get(key, v)
		d.Get(other, v)
	}); n != 0 {
		t.Fatalf("got %v allocations, want 0", n)
	}
}
