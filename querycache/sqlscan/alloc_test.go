//go:build !race

package sqlscan

import "testing"

func TestScan_DoesNotAllocate(t *testing.T) {
	text := []byte(benchText)
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		Shape(text)
		buf, _ = AppendShape(buf[:0], text)
		buf = AppendKey(buf[:0], text)
		Hint(text)
	}); n != 0 {
		t.Fatalf("got %v allocations, want 0", n)
	}
}
