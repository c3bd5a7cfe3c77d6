package querycache

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// The memory of entries is taken from the system and not from the garbage collector: that one lets what it has in its care
// grow to twice its size before it looks, and counts in classes of size of its own. Here every page is accounted for.
//
//	spans ──▶ span of a power of two ──▶ region of a shard's log: many small entries, see log.go
//	                                 ├─▶ a large entry alone, or a large answer on its way, see held.go and fill.go
//	                                 └─▶ a table of a shard, see table.go
//
// A span takes memory for the pages that were written to, so a size that is no power of two costs addresses and no memory.
// A span that is free again keeps its pages for the next one who takes it, as long as all that are free keep no more than
// a limit; the pages of the others go back to the system.
//
// Whoever gives a span back must be sure that nobody reads it any more: the next who reads there would read the answer of
// another client. See Held.

const (
	pageBytes = 4 << 10
	// chunkBytes is what is mapped at once to cut smaller spans from. Spans of half of it and more are mapped one by one.
	chunkBytes  = 4 << 20
	spanClasses = 40
	// Free spans keep one part of the budget in spareShare, and a little where that is small.
	spareShare    = 64
	minSpareBytes = 1 << 20
	// maxTrims is how many spans give their pages back in one step.
	maxTrims = 4
)

// span is a run of memory. A span without mem is none.
type span struct {
	mem      []byte
	resident int // bytes from the front, in whole pages, that may take memory
}

// spans hands out memory by the page and takes it back.
type spans struct {
	poison bool // overwrite what is given back, so that a test sees who reads it later

	resident atomic.Int64 // of all spans, in use and free

	mu    sync.Mutex // guards the fields below
	limit int64      // of spare
	spare int64      // the part of resident that is in free spans
	warm  [spanClasses]shelf
	cold  [spanClasses][]span // without pages
}

// setLimit changes how much memory in free spans stays resident. It holds from the next one that is given back.
func (a *spans) setLimit(n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limit = n
}

func pagesOf(n int) int { return (n + pageBytes - 1) &^ (pageBytes - 1) }

// classOf returns the class of spans that hold n bytes.
func classOf(n int) int { return max(0, bits.Len(uint(n-1))-bits.Len(uint(pageBytes-1))) }

// take returns a span with room for n bytes, which hold anything. It is false where the system has no memory.
func (a *spans) take(n int) (span, bool) {
	class := classOf(n)
	a.mu.Lock()
	defer a.mu.Unlock()
	if sp, ok := pop(&a.warm[class].spans); ok {
		a.warm[class].bytes -= int64(sp.resident)
		a.spare -= int64(sp.resident)
		return sp, true
	}
	if sp, ok := pop(&a.cold[class]); ok {
		return sp, true
	}
	size := pageBytes << class
	if size >= chunkBytes/2 {
		mem, err := mapMemory(size)
		return span{mem: mem}, err == nil
	}
	chunk, err := mapMemory(chunkBytes)
	if err != nil {
		return span{}, false
	}
	for ; len(chunk) > size; chunk = chunk[size:] {
		a.cold[class] = append(a.cold[class], span{mem: chunk[:size:size]})
	}
	return span{mem: chunk}, true
}

func pop(list *[]span) (span, bool) {
	n := len(*list)
	if n == 0 {
		return span{}, false
	}
	sp := (*list)[n-1]
	*list = (*list)[:n-1]
	return sp, true
}

// touch notes that the first n bytes are about to be written to.
func (a *spans) touch(sp *span, n int) {
	if n = pagesOf(n); n > sp.resident {
		a.resident.Add(int64(n - sp.resident))
		sp.resident = n
	}
}

// shrink gives back the pages behind the first n bytes.
func (a *spans) shrink(sp *span, n int) {
	if n = pagesOf(n); n < sp.resident {
		dropPages(sp.mem[n:sp.resident])
		a.resident.Add(int64(n - sp.resident))
		sp.resident = n
	}
}

// give takes a span back.
func (a *spans) give(sp span) {
	if sp.mem == nil {
		return
	}
	if a.poison {
		poison(sp.mem[:sp.resident])
	}
	class := classOf(len(sp.mem))
	a.mu.Lock()
	defer a.mu.Unlock()
	shelf := &a.warm[class]
	shelf.spans = append(shelf.spans, sp)
	shelf.bytes += int64(sp.resident)
	a.spare += int64(sp.resident)
	for trims := 0; a.spare > a.limit && trims < maxTrims; trims++ {
		a.trim()
	}
}

// shelf holds the free spans of a class that have pages. The last one back is the first one out, as it is the likeliest to be in
// the processor's cache.
type shelf struct {
	spans []span
	bytes int64 // that they keep
}

// trim has the span that was free for longest, of the class that keeps most, give its pages back. The caller holds mu.
func (a *spans) trim() {
	class := 0
	for i := range a.warm {
		if a.warm[i].bytes > a.warm[class].bytes {
			class = i
		}
	}
	shelf := &a.warm[class]
	if len(shelf.spans) == 0 {
		return
	}
	sp := shelf.spans[0]
	shelf.spans = slices.Delete(shelf.spans, 0, 1)
	shelf.bytes -= int64(sp.resident)
	a.spare -= int64(sp.resident)
	a.shrink(&sp, 0)
	if len(sp.mem) >= chunkBytes/2 {
		unmapMemory(sp.mem)
	} else {
		a.cold[class] = append(a.cold[class], sp)
	}
}

// poisonByte begins no message of a server, and as a length it is absurd.
const poisonByte = 0xDB

func poison(b []byte) {
	for i := range b {
		b[i] = poisonByte
	}
}
