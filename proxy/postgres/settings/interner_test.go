package settings

import (
	"fmt"
	"strings"
	"testing"
)

func TestInterner_KeepsNoMoreThanItsBound(t *testing.T) {
	var in Interner
	first := in.Intern([]Setting{{"app.p", "app.p", "0"}})
	long := strings.Repeat("x", 200_000)
	for i := range 1000 {
		in.Intern([]Setting{{"app.p", "app.p", fmt.Sprint(i, long)}})
		held := 0
		for content, s := range in.sets {
			held += len(content)
			for _, it := range s.items {
				held += len(it.Key) + len(it.Name) + len(it.Value)
			}
		}
		if held > maxSetBytes || held > in.bytes {
			t.Fatalf("after %d sets: %d bytes are held, %d are counted", i, held, in.bytes)
		}
	}
	if again := in.Intern([]Setting{{"app.p", "app.p", "0"}}); again == first {
		t.Error("the table was never begun anew, so this proves nothing")
	}
}
