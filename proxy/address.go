package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"overdrive/proxy/loop"
)

// An Address is that of a session or of a server connection: it knows on which loop the one who owns it lives, and
// brings there whatever others, on any goroutine, have to say to it. The owner may move at any moment, so nobody else may
// look up where the owner lives and then act: Post is the only way.
//
//	        arrive                      move
//	away ──────────▶ living on a loop ──────▶ away ──▶ arrive on the other loop
//
//	Post:  living   queued on that loop; if the owner has moved when its turn comes, it is sent after the owner
//	       away     parked until the owner arrives
//
// Invariant: what is posted runs on the loop on which the owner lives at that moment, and never while it is away.
//
// The zero value is away. It must not be copied.
type Address struct {
	owner Addressee
	// at is nil while the owner is away. Only the loop that it names may change it from a worker to nil.
	at     atomic.Pointer[Worker]
	mu     sync.Mutex // guards parked, and at from nil to a worker
	parked *[]func()  // nil: nothing
}

// An Addressee is who has an address.
type Addressee interface {
	// Fault tells that something that was posted has panicked: the addressee can be in any state and must end.
	Fault(err error)
}

// Belong has the address be that of its owner. It comes before everything else.
func (a *Address) Belong(owner Addressee) { a.owner = owner }

// Here is the worker on whose loop the owner lives. Only the owner itself may ask, on that loop.
func (a *Address) Here() *Worker { return a.at.Load() }

// Post has f run where the owner lives, from any goroutine, and reports whether it will: not when that loop has ended.
// What is posted to an owner who never arrives is dropped.
func (a *Address) Post(f func()) bool {
	if w := a.at.Load(); w != nil {
		return w.post(func() { a.deliver(w, f) })
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := a.at.Load(); w != nil { // it has just arrived
		return w.post(func() { a.deliver(w, f) })
	}
	if a.parked == nil {
		a.parked = new([]func())
	}
	*a.parked = append(*a.parked, f)
	return true
}

// deliver runs f, on the loop of w, if the owner still lives there.
func (a *Address) deliver(w *Worker, f func()) {
	if a.at.Load() != w {
		a.Post(f)
		return
	}
	defer func() {
		if fault := recover(); fault != nil {
			a.owner.Fault(&loop.PanicError{Value: fault})
			panic(fault) // the loop tells of it
		}
	}()
	f()
}

// Arrive makes w, on whose loop it must be called, where the owner lives, and has what was parked run there before anything
// that is posted from now on.
func (a *Address) Arrive(w *Worker) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.parked != nil {
		for _, f := range *a.parked {
			w.post(func() { a.deliver(w, f) })
		}
		a.parked = nil
	}
	a.at.Store(w)
}

// Move takes the owner, whose socket is conn, from the loop on which this is called to that of the worker to. arrived
// runs there, before any callback. false: conn is closed already; the owner stays, and hears of it where it is.
func (a *Address) Move(conn *loop.Conn, to *Worker, arrived func()) bool {
	from := a.at.Swap(nil)
	if conn.Move(to.Loop, func() { a.Arrive(to); a.deliver(to, arrived) }) {
		return true
	}
	a.Arrive(from)
	return false
}

// After has f run once d has passed, on the loop of w, where the owner must live now, or where the owner lives by then.
// Stop is for the loop of w only, so an owner with a timer does not move.
func (a *Address) After(w *Worker, d time.Duration, f func()) Timer {
	return w.alarm(d, func() { a.deliver(w, f) })
}
