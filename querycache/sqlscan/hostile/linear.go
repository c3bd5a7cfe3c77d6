package hostile

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

const (
	// maxBend is how many times more a byte of a longer text may cost than one of a shorter text of the same kind.
	maxBend = 4

	// maxNoise is how many times as much is certainly no chance.
	maxNoise = 40

	// Below these nobody asks what a byte costs more than in a shorter text: it is little, and would be mostly noise.
	cheapTime  = 100 * time.Nanosecond
	cheapAlloc = 64 // bytes

	// attempts is how often a text is read anew that seems to cost too much, for the cheapest of them to count.
	attempts = 6
)

// reading is what a byte of a text costs to read, on average.
type reading struct {
	time  time.Duration
	alloc uint64 // bytes
}

// CheckLinear has every text read at every size, each twice or more often, and fails if a byte of a longer text costs more
// time or memory than a few times a byte of a shorter one. It logs what they cost.
func CheckLinear(t *testing.T, read func(text []byte)) {
	for _, text := range Texts() {
		t.Run(text.Name, func(t *testing.T) { CheckText(t, text, read) })
	}
}

// CheckText is CheckLinear for one kind of text.
func CheckText(t *testing.T, text Text, read func(text []byte)) {
	t.Helper()
	skipIfShort(t)
	costs := make([]reading, len(Sizes))
	var row strings.Builder
	for i, size := range Sizes {
		b := []byte(text.Make(size))
		costs[i] = least(read, b, reading{1 << 62, 1 << 62})
		for range attempts {
			if bend(costs[:i+1], maxBend) == "" || bend(costs[:i+1], maxNoise) != "" {
				break
			}
			for j := range i + 1 { // the shorter ones may have been too cheap by chance no more than this one too dear
				costs[j] = least(read, []byte(text.Make(Sizes[j])), costs[j])
			}
		}
		if complaint := bend(costs[:i+1], maxBend); complaint != "" {
			t.Fatal(complaint) // longer ones might take for ever
		}
		fmt.Fprintf(&row, " %9.1f µs/KB %5d B/B |", float64(costs[i].time*1024)/float64(time.Microsecond), costs[i].alloc)
	}
	t.Logf("%-34s |%s", text.Name, row.String())
}

// bend tells where the last of the costs is more than so many times an earlier one, or "".
func bend(costs []reading, times uint64) string {
	last := costs[len(costs)-1]
	for i, c := range costs[:len(costs)-1] {
		if last.time > time.Duration(times)*max(c.time, cheapTime) || last.alloc > times*max(c.alloc, cheapAlloc) {
			return fmt.Sprintf("a byte of %d costs %v and %d bytes, one of %d %v and %d bytes", Sizes[len(costs)-1], last.time, last.alloc,
				Sizes[i], c.time, c.alloc)
		}
	}
	return ""
}

// least reads b and returns the cost of a byte, or so much of before as is less.
func least(read func([]byte), b []byte, before reading) reading {
	var from, to runtime.MemStats
	runtime.ReadMemStats(&from)
	// Short texts are read several times: the clock is not that fine.
	times := max(1, 16<<10/len(b))
	spent := cost(func() {
		for range times {
			read(b)
		}
	})
	runtime.ReadMemStats(&to)
	n := times * len(b)
	return reading{
		time:  min(before.time, spent/time.Duration(n)),
		alloc: min(before.alloc, (to.TotalAlloc-from.TotalAlloc)/uint64(n)),
	}
}

// maxTimesPlain is how many times as much as a harmless text of the same length a text may cost. One whose cost bends costs hundreds.
const maxTimesPlain = 100

// CheckTime fails if reading the text, repeated up to a length at which a bend would show, takes much more processor time than
// reading a harmless text of that length on the same machine. It is for fuzzing.
func CheckTime(t *testing.T, text []byte, read func(text []byte)) {
	t.Helper()
	skipIfShort(t)
	if len(text) == 0 {
		return
	}
	const size = 60 << 10
	long := repeated(string(text), size)
	plain := repeated("select name, price from goods where id = 4711 and kind = 'book'; ", len(long))
	var spent, limit time.Duration
	for range attempts {
		limit = maxTimesPlain * cost(func() { read(plain) })
		if spent = cost(func() { read(long) }); spent <= limit {
			return
		}
	}
	t.Fatalf("%d bytes of %.80q took %v, %d times a harmless text took %v", len(long), text, spent, maxTimesPlain, limit)
}

// repeated returns so many copies of text, at least one, as fit into size bytes.
func repeated(text string, size int) []byte {
	return []byte(strings.Repeat(text, max(1, size/len(text))))
}

func skipIfShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
}
