//go:build !race

package classify

import "testing"

func TestJudge_OfAKnownShapeDoesNotAllocate(t *testing.T) {
	c := settled(t)
	texts := [][]byte{[]byte("select * from t where a = 1"), []byte("select * from t where a = 'today'"), []byte("begin"), []byte("select 'x")}
	for _, text := range texts {
		c.Judge(text)
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, text := range texts {
			c.Judge(text)
		}
	}); n != 0 {
		t.Fatalf("got %v allocations, want 0", n)
	}
}
