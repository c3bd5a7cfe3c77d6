package verdict

import (
	"fmt"
	"strings"
	"testing"
)

func TestTallies_ForgetWhatIsNotCalledWhenFull(t *testing.T) {
	tallies := NewTallies()
	note := func(i int, shape string) *Statement {
		v := &Statement{Fingerprint: uint64(i), Shape: shape}
		tallies.Note(v)
		return v
	}
	often := note(1, "often")
	for i := range 3 * maxTallies {
		often.Tally.Calls.Add(1)
		note(i+2, fmt.Sprint("seldom ", i))
	}
	if n := len(tallies.known); n > maxTallies {
		t.Errorf("got %d shapes, want at most %d", n, maxTallies)
	}
	if note(1, "often").Tally != often.Tally {
		t.Error("a shape that is called was forgotten")
	}
	for i := range 300 {
		note(i+1e6, strings.Repeat("x", 64<<10))
	}
	sum := 0
	for _, k := range tallies.known {
		sum += len(k.Shape)
	}
	if tallies.bytes != sum || sum > maxTallyBytes {
		t.Errorf("counted %d bytes, there are %d", tallies.bytes, sum)
	}
}
