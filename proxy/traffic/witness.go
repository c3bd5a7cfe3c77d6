package traffic

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// A Witness is told of single batches of clients: of those that took long, and of those that are traced. The nil Witness is told of none. Safe for
// concurrent use.
type Witness struct {
	slow    atomic.Int64 // nanoseconds from which on a batch is slow; 0: none is
	share   atomic.Int64 // of a million batches that nobody has decided about, how many are traced; below 0: nothing is traced
	testify func(*Testimony)
}

// A Testimony is what is known of a batch that has ended: of what a client has sent up to the point where all is answered.
type Testimony struct {
	Session        uint64
	Database, User string // by the name clients use; at the server
	Began          time.Time
	Took           time.Duration // until the last answer was handed to the socket
	Waited         time.Duration // of that, for a server connection
	Upstream       time.Duration // of that, while a server had something to do for the batch
	Statements     int
	Fingerprint    uint64 // of the last statement; 0: it was not looked at
	Status         string // what the cache made of it
	Code           string // SQLSTATE of the last error; empty: there was none
	Parent         Parent // of the trace that the batch belongs to

	Slow, Traced bool // why it is told
}

// Parent is who asked for a batch, as a traceparent header of W3C's Trace Context tells. The zero value is nobody.
type Parent struct {
	Trace   [16]byte
	Span    [8]byte
	Sampled bool
}

// IsZero says whether p is nobody.
func (p *Parent) IsZero() bool { return p.Trace == [16]byte{} }

// NewWitness returns a Witness that hands on what it is told of, at first nothing. testify is called on event loops: it must not block, and may keep
// the Testimony.
func NewWitness(testify func(*Testimony)) *Witness {
	w := &Witness{testify: testify}
	w.Watch(0, -1)
	return w
}

// Watch says what is told from now on: batches that took slow or longer, unless slow is 0; and that share of batches, between 0 and 1, whose
// client says nothing of a trace, and all whose client has its own sampled. Below 0 nothing is traced.
func (w *Witness) Watch(slow time.Duration, share float64) {
	w.slow.Store(int64(slow))
	w.share.Store(int64(share * million))
}

const million = 1_000_000

// Awake says whether there is anything to be told.
func (w *Witness) Awake() bool { return w != nil && (w.slow.Load() > 0 || w.share.Load() >= 0) }

// Traces says whether a Parent is of interest.
func (w *Witness) Traces() bool { return w.share.Load() >= 0 }

// Tell hands a copy of t on if there is a reason to, and notes that in t. Where there is none it allocates nothing.
func (w *Witness) Tell(t *Testimony) {
	slow, share := w.slow.Load(), w.share.Load()
	t.Slow = slow > 0 && int64(t.Took) >= slow
	t.Traced = share >= 0 && (t.Parent.Sampled || t.Parent.IsZero() && rand.Int64N(million) < share)
	if t.Slow || t.Traced {
		told := *t
		w.testify(&told)
	}
}
