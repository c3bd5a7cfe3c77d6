package postgres

import (
	"testing"
	"unsafe"
)

// TestClient_FitsItsSizeClass keeps ten thousand idle clients cheap: beyond 576 bytes the allocator takes 640 for each.
func TestClient_FitsItsSizeClass(t *testing.T) {
	if got := unsafe.Sizeof(client{}); got > 576 {
		t.Errorf("a client takes %d bytes, so 640 of the heap or more; want 576 at most", got)
	}
}
