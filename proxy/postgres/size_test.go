package postgres

import (
	"testing"
	"unsafe"
)

// TestClient_FitsItsSizeClass keeps ten thousand idle clients cheap: beyond 768 bytes the allocator takes 896 for each.
func TestClient_FitsItsSizeClass(t *testing.T) {
	if got := unsafe.Sizeof(client{}); got > 768 {
		t.Errorf("a client takes %d bytes, so 896 of the heap; want 768 at most", got)
	}
}
