package pgwire

import (
	"bytes"
	"io"
	"testing"
)

// A body takes memory as it comes, not as it is announced.
func TestReadMessage_TakesNoMemoryForWhatIsOnlyAnnounced(t *testing.T) {
	const announced = 64 << 20
	head := AppendHeader(nil, DataRow, announced)
	took := testing.Benchmark(func(b *testing.B) {
		for range b.N {
			if _, _, err := ReadMessage(bytes.NewReader(append(head, make([]byte, 1000)...)), announced); err == nil {
				b.Fatal("half a message was read as a whole one")
			}
		}
	})
	if got := took.AllocedBytesPerOp(); got > 64<<10 {
		t.Errorf("%d bytes were taken for a message of which 1000 came", got)
	}
}

func TestReadMessage_PutsALongBodyTogether(t *testing.T) {
	for _, n := range []int{0, 1, firstRead - 1, firstRead, firstRead + 1, 4 * firstRead, 100_000} {
		want := make([]byte, n)
		for i := range want {
			want[i] = byte(i * 7)
		}
		_, got, err := ReadMessage(io.MultiReader(bytes.NewReader(AppendMessage(nil, DataRow, want))), n)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: got %d, %v", n, len(got), err)
		}
	}
}
