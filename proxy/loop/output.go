package loop

// chunkBytes is the size of the buffers that hold output copied from borrowed bytes: one TLS record.
const chunkBytes = 16 << 10

// gatherBytes: what is written second to the same conn within one callback is copied next to the first if it is no
// longer than this, and referred to otherwise. Copying a kilobyte costs less than one more entry in a vector.
const gatherBytes = 1 << 10

// The free lists of a loop hold at most so many buffers; what comes back on top goes to the collector.
const (
	freeChunks  = 64
	freeOutputs = 64
)

type chunk [chunkBytes]byte

// segment is a run of bytes to send.
type segment struct {
	b      []byte
	own    *chunk   // what b lies in, if it is ours
	loan   Releaser // told when b is sent or dropped; may be nil
	shared bool     // b is immutable, and may be referred to for as long as it takes, or until loan is released
}

// A Releaser is told when bytes that were lent are no longer referred to. It is called on the loop.
type Releaser = interface{ Release() }

// done gives back what the segment refers to.
func (s *segment) done(free *freeList) {
	free.putChunk(s.own)
	if s.loan != nil {
		s.loan.Release()
	}
	*s = segment{}
}

// output is a queue of bytes, held by a conn only while there are some.
//
// Invariants: n is the sum of the segments' lengths from head on, none of which is empty. Between callbacks no segment
// is borrowed: each is shared or own.
type output struct {
	segments []segment
	head     int
	n        int
}

// size is the number of bytes in o, which may be nil.
func (o *output) size() int {
	if o == nil {
		return 0
	}
	return o.n
}

// waiting is what is to be sent.
func (o *output) waiting() []segment { return o.segments[o.head:] }

// refer appends b, which is immutable until loan is released.
func (o *output) refer(b []byte, loan Releaser) {
	o.segments = append(o.segments, segment{b: b, loan: loan, shared: true})
	o.n += len(b)
}

// borrow appends b, which is ours until settle. The first piece is referred to, small ones behind it are gathered.
func (o *output) borrow(b []byte, free *freeList) {
	if o.n == 0 || len(b) > gatherBytes {
		o.segments = append(o.segments, segment{b: b})
		o.n += len(b)
		return
	}
	last := &o.segments[len(o.segments)-1]
	if last.own == nil && !last.shared && len(last.b) <= gatherBytes {
		last.own = free.chunk()
		last.b = last.own[:copy(last.own[:], last.b)]
	}
	o.copy(b, free)
}

// copy appends a copy of b.
func (o *output) copy(b []byte, free *freeList) {
	o.n += len(b)
	if k := len(o.segments); k > o.head {
		if last := &o.segments[k-1]; last.own != nil {
			room := min(cap(last.b)-len(last.b), len(b))
			last.b = append(last.b, b[:room]...)
			b = b[room:]
		}
	}
	for len(b) > 0 {
		own := free.chunk()
		n := copy(own[:], b)
		o.segments = append(o.segments, segment{b: own[:n], own: own})
		b = b[n:]
	}
}

// settle ends every loan: what is still borrowed is copied. o may be nil.
func (o *output) settle(free *freeList) {
	if o == nil {
		return
	}
	borrowed := false
	for _, s := range o.waiting() {
		borrowed = borrowed || s.own == nil && !s.shared
	}
	if !borrowed {
		return
	}
	old := *o
	*o = output{segments: make([]segment, 0, len(old.segments)+4)}
	for _, s := range old.waiting() {
		if s.own != nil || s.shared {
			o.segments = append(o.segments, s)
			o.n += len(s.b)
		} else {
			o.copy(s.b, free)
		}
	}
}

// consume takes n bytes, of those in o, off its front.
func (o *output) consume(n int, free *freeList) {
	o.n -= n
	for n > 0 {
		s := &o.segments[o.head]
		if n < len(s.b) {
			s.b = s.b[n:]
			return
		}
		n -= len(s.b)
		s.done(free)
		o.head++
	}
	if o.n == 0 {
		o.segments, o.head = o.segments[:0], 0
	}
}

// release gives back what is lent to o, which may be nil, and leaves the rest to the collector.
func (o *output) release() {
	if o == nil {
		return
	}
	for i := range o.segments {
		if loan := o.segments[i].loan; loan != nil {
			loan.Release()
		}
		o.segments[i] = segment{}
	}
}

// freeList keeps a loop's empty outputs and chunks for the next conn that needs one. The last one back is the first one
// out, as it is the likeliest to be in the processor's cache.
type freeList struct {
	outputs []*output
	chunks  []*chunk
}

func (f *freeList) output() *output {
	if n := len(f.outputs); n > 0 {
		o := f.outputs[n-1]
		f.outputs = f.outputs[:n-1]
		return o
	}
	return &output{segments: make([]segment, 0, 4)}
}

func (f *freeList) chunk() *chunk {
	if n := len(f.chunks); n > 0 {
		c := f.chunks[n-1]
		f.chunks = f.chunks[:n-1]
		return c
	}
	return new(chunk)
}

func (f *freeList) putChunk(c *chunk) {
	if c != nil && len(f.chunks) < freeChunks {
		f.chunks = append(f.chunks, c)
	}
}

// drop takes o, which may be nil, back with all it holds.
func (f *freeList) drop(o *output) {
	if o == nil {
		return
	}
	for i := range o.segments {
		o.segments[i].done(f)
	}
	if cap(o.segments) > 64 || len(f.outputs) >= freeOutputs {
		return
	}
	*o = output{segments: o.segments[:0]}
	f.outputs = append(f.outputs, o)
}
