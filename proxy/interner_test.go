package proxy

import (
	"fmt"
	"strings"
	"testing"
)

func TestInterner_KeepsNoMoreThanItsBound(t *testing.T) {
	var in interner
	first := in.intern([]setting{{"app.p", "app.p", "0"}})
	long := strings.Repeat("x", 200_000)
	for i := range 1000 {
		in.intern([]setting{{"app.p", "app.p", fmt.Sprint(i, long)}})
		held := 0
		for content, s := range in.sets {
			held += len(content)
			for _, it := range s.items {
				held += len(it.key) + len(it.name) + len(it.value)
			}
		}
		if held > maxSetBytes || held > in.bytes {
			t.Fatalf("after %d sets: %d bytes are held, %d are counted", i, held, in.bytes)
		}
	}
	if again := in.intern([]setting{{"app.p", "app.p", "0"}}); again == first {
		t.Error("the table was never begun anew, so this proves nothing")
	}
}
