package proxy

import (
	"net"
	"sync"
	"testing"

	"overdrive/proxy/loop"
)

// A nomad moves between two loops, and counts without any lock what is brought to it: the race detector finds whatever is
// brought to the wrong place.
type nomad struct {
	t       *testing.T
	address Address
	conn    *loop.Conn
	workers [2]*Worker
	at      int
	heard   []bool
	faults  int
}

func (n *nomad) OnData([]byte)     {}
func (n *nomad) OnEOF()            {}
func (n *nomad) OnDrained()        {}
func (n *nomad) OnError(err error) { n.t.Errorf("OnError: %v", err) }
func (n *nomad) Fault(error)       { n.faults++ }

// move goes to the other loop, for good as soon as over is closed.
func (n *nomad) move(over <-chan struct{}, done chan<- struct{}) {
	select {
	case <-over:
		close(done)
		return
	default:
	}
	moved := n.address.Move(n.conn, n.workers[1-n.at], func() {
		n.at = 1 - n.at
		n.address.Post(func() { n.move(over, done) })
	})
	if !moved {
		n.t.Error("did not move")
	}
}

// newNomad starts two loops and settles a nomad on the first.
func newNomad(t *testing.T) *nomad {
	n := &nomad{t: t}
	n.address.Belong(n)
	for i := range n.workers {
		l, err := loop.New(loop.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- l.Run() }()
		t.Cleanup(func() {
			l.Close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		n.workers[i] = NewWorker(i, l)
	}
	ours, theirs := tcpPair(t)
	t.Cleanup(func() { theirs.Close() })
	settled := make(chan error, 1)
	n.workers[0].post(func() {
		var err error
		n.conn, err = n.workers[0].Loop.Adopt(ours, n)
		n.address.Arrive(n.workers[0])
		settled <- err
	})
	if err := <-settled; err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAddress_APanicOnArrivalEndsTheOwner(t *testing.T) {
	n := newNomad(t)
	faults := make(chan int, 1)
	n.workers[0].post(func() {
		n.address.Move(n.conn, n.workers[1], func() { panic("on arrival") })
		n.address.Post(func() { faults <- n.faults })
	})
	if got := <-faults; got != 1 {
		t.Errorf("the owner heard of %d faults, want 1", got)
	}
}

func tcpPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestAddress_BringsEverythingOnceToWhereItsOwnerLives(t *testing.T) {
	t.Parallel()
	const posters, each = 4, 5000
	n := newNomad(t)
	n.heard = make([]bool, posters*each)
	over, done := make(chan struct{}), make(chan struct{})
	n.address.Post(func() { n.move(over, done) })
	var all, heard sync.WaitGroup
	for p := range posters {
		all.Go(func() {
			for i := range each {
				what := p*each + i
				heard.Add(1)
				n.address.Post(func() {
					if n.heard[what] {
						t.Errorf("%d was brought twice", what)
					}
					n.heard[what] = true
					heard.Done()
				})
			}
		})
	}
	all.Wait()
	heard.Wait()
	close(over)
	<-done
}

func TestAddress_EndsWhoeverAPostedFunctionPanicsFor(t *testing.T) {
	t.Parallel()
	n := newNomad(t)
	n.address.Post(func() { panic("a fault of ours") })
	faults := make(chan int)
	n.address.Post(func() { faults <- n.faults })
	if got := <-faults; got != 1 {
		t.Errorf("the owner was told %d times, want once", got)
	}
}
