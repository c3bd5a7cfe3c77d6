package loop

import (
	"crypto/tls"
	"errors"
	"io"
	mrand "math/rand/v2"
	"net"
	"testing"
)

// What is written may lie in a buffer that is used again at once after the callback, whether the kernel took it or not.
func TestWrite_BorrowsOnlyUntilReturn(t *testing.T) {
	overEach(t, func(t *testing.T, pair func(testing.TB) (peer, ours net.Conn)) {
		l := startLoop(t, Options{})
		peer, ours := pair(t)
		shrink(peer, ours)
		c := adopt(t, l, ours, &hears{})
		want := noise(1, 2<<20)
		scratch := make([]byte, 200<<10)
		r := mrand.New(mrand.NewPCG(1, 1))
		for rest := want; len(rest) > 0; {
			on(t, l, func() { // several pieces, small ones and large ones, all in scratch
				for free := scratch; len(free) > 0 && len(rest) > 0; {
					n := min(1+r.IntN([]int{50, gatherBytes + 10, 64 << 10}[r.IntN(3)]), len(free), len(rest))
					c.Write(free[:copy(free, rest[:n])])
					free, rest = free[n:], rest[n:]
				}
			})
			on(t, l, func() { clear(scratch) })
		}
		if err := expect(peer, want, 1, 64<<10); err != nil {
			t.Error(err)
		}
	})
}

func TestWrite_KeepsOrderWithWriteShared(t *testing.T) {
	overEach(t, func(t *testing.T, pair func(testing.TB) (peer, ours net.Conn)) {
		l := startLoop(t, Options{})
		peer, ours := pair(t)
		shrink(peer, ours)
		drained := make(chan struct{})
		c := adopt(t, l, ours, &hears{drained: func() { close(drained) }})
		want := noise(2, 3<<20)
		on(t, l, func() {
			r := mrand.New(mrand.NewPCG(2, 2))
			for rest := want; len(rest) > 0; {
				n := min(1+r.IntN([]int{50, 4000, 300 << 10}[r.IntN(3)]), len(rest))
				if r.IntN(2) == 0 {
					c.Write(rest[:n])
				} else {
					c.WriteShared(rest[:n], nil)
				}
				rest = rest[n:]
			}
			if got := c.Pending(); got != len(want) {
				t.Errorf("Pending = %d, want %d", got, len(want))
			}
		})
		if err := expect(peer, want, 1, 64<<10); err != nil {
			t.Error(err)
		}
		await(t, drained)
		on(t, l, func() {
			if got := c.Pending(); got != 0 {
				t.Errorf("when all has arrived, Pending = %d", got)
			}
		})
	})
}

// A large shared answer must not lie around a second time as ciphertext.
func TestWriteShared_IsEncryptedAsThePeerReads(t *testing.T) {
	l := startLoop(t, Options{})
	peer, ours := tlsPair(t, tls.VersionTLS13)
	shrink(peer, ours)
	c := adopt(t, l, ours, &hears{})
	big := noise(1, 8<<20)
	on(t, l, func() { c.WriteShared(big, nil) })
	on(t, l, func() {
		if got := c.tls.wire.size(); got == 0 || got > wireBytes+2*chunkBytes {
			t.Errorf("ciphertext waiting: %d bytes", got)
		}
	})
	if err := expect(peer, big, 1, 1<<20); err != nil {
		t.Error(err)
	}
}

func TestDrained_ComesOnceAfterCongestionAndOnlyThen(t *testing.T) {
	overEach(t, func(t *testing.T, pair func(testing.TB) (peer, ours net.Conn)) {
		l := startLoop(t, Options{HighWater: 1000})
		peer, ours := pair(t)
		shrink(peer, ours)
		drained := make(chan int, 10)
		h := &hears{}
		c := adopt(t, l, ours, h)
		on(t, l, func() { h.drained = func() { drained <- c.Pending() } })

		write := func(n int) (congested bool) {
			on(t, l, func() { c.Write(make([]byte, n)); congested = c.Congested() })
			return congested
		}
		read := func(n int) {
			if _, err := io.ReadFull(peer, make([]byte, n)); err != nil {
				t.Fatal(err)
			}
		}
		if write(1000) {
			t.Error("congested at the high water mark; want above it only")
		}
		read(1000)
		turns(t, l)
		if len(drained) != 0 {
			t.Error("OnDrained without congestion")
		}
		// Taken by the kernel at once, yet Congested was seen true before that.
		if !write(1001) {
			t.Error("not congested above the high water mark")
		}
		read(1001)
		if got := await(t, drained); got != 0 {
			t.Errorf("OnDrained with %d bytes pending", got)
		}
		if !write(4 << 20) {
			t.Error("4 MiB and not congested")
		}
		turns(t, l)
		if len(drained) != 0 {
			t.Error("OnDrained before the peer read anything")
		}
		read(4 << 20)
		if got := await(t, drained); got != 0 {
			t.Errorf("OnDrained with %d bytes pending", got)
		}
		turns(t, l)
		if len(drained) != 0 {
			t.Error("OnDrained twice")
		}
	})
}

func TestEOF_LeavesTheConnWritable(t *testing.T) {
	overEach(t, func(t *testing.T, pair func(testing.TB) (peer, ours net.Conn)) {
		l := startLoop(t, Options{})
		peer, ours := pair(t)
		h := &hears{}
		c := adopt(t, l, ours, h)
		var got int
		on(t, l, func() {
			h.data = func(b []byte) { got += len(b) }
			h.eof = func() {
				if got != 5 {
					t.Errorf("%d bytes before the end, want 5", got)
				}
				c.Write([]byte("answer"))
				c.CloseAfterFlush()
			}
			h.failed = func(err error) { t.Errorf("OnError: %v", err) }
		})
		peer.Write([]byte("hello"))
		if err := peer.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(peer); string(b) != "answer" || err != nil {
			t.Errorf("peer reads %q, %v; want the answer and the end", b, err)
		}
	})
}

func TestPauseRead_HoldsBackDataAndEnd(t *testing.T) {
	overEach(t, func(t *testing.T, pair func(testing.TB) (peer, ours net.Conn)) {
		l := startLoop(t, Options{ReadBuffer: 4096}) // records are larger: plaintext stays inside the tls.Conn
		peer, ours := pair(t)
		h := &hears{}
		var c *Conn
		var got []byte
		calls, ended := 0, make(chan struct{})
		on(t, l, func() {
			c, _ = l.Adopt(ours, h)
			c.PauseRead()
			h.data = func(b []byte) {
				got = append(got, b...)
				calls++
				c.PauseRead()
			}
			h.eof = func() { close(ended) }
		})
		data := noise(1, 60<<10)
		if _, err := peer.Write(data); err != nil {
			t.Fatal(err)
		}
		peer.(interface{ CloseWrite() error }).CloseWrite()
		for i := 1; len(got) < len(data); i++ {
			resume := make(chan struct{})
			on(t, l, func() {
				old := h.data
				h.data = func(b []byte) { old(b); h.data = old; close(resume) }
				c.ResumeRead()
				c.ResumeRead()
			})
			await(t, resume)
			turns(t, l)
			if calls != i {
				t.Fatalf("%d calls of OnData after %d of ResumeRead", calls, i)
			}
		}
		if string(got) != string(data) {
			t.Error("bytes differ")
		}
		select {
		case <-ended:
			t.Error("OnEOF while paused")
		default:
		}
		on(t, l, c.ResumeRead)
		await(t, ended)
	})
}

// Closing a conn of which an event has been fetched, and adopting one that gets its descriptor and its slot, must not
// give the newcomer the event.
func TestAdopt_NewTenantOfADescriptorHearsNothingOfTheOld(t *testing.T) {
	l := startLoop(t, Options{})
	peers, heard := [2]net.Conn{}, make(chan string, 4)
	newPeer, newOurs := tcpPair(t)
	conns := [2]*Conn{}
	for i := range conns {
		peer, ours := tcpPair(t)
		peers[i] = peer
		conns[i] = adopt(t, l, ours, &hears{data: func(b []byte) {
			other := conns[1-i]
			other.Close()
			if _, err := l.Adopt(newOurs, &hears{
				data:   func(b []byte) { heard <- "new: " + string(b) },
				eof:    func() { heard <- "new: end" },
				failed: func(err error) { heard <- "new: " + err.Error() },
			}); err != nil {
				t.Error(err)
			}
			heard <- "old"
		}})
	}
	on(t, l, func() { // both ends speak while the loop is here, so that one wait fetches both events
		peers[0].Write([]byte("x"))
		peers[1].Write([]byte("x"))
	})
	if got := await(t, heard); got != "old" {
		t.Fatalf("heard %q first", got)
	}
	turns(t, l)
	newPeer.Write([]byte("hello"))
	if got := await(t, heard); got != "new: hello" {
		t.Errorf("heard %q, want the new peer's hello", got)
	}
}

func TestHandlerPanic_ClosesTheConnAndNothingElse(t *testing.T) {
	told := make(chan *PanicError, 2)
	l := startLoop(t, Options{Panicked: func(err *PanicError) { told <- err; panic("in the log, too") }})
	peer, ours := tcpPair(t)
	failed := make(chan error, 2)
	adopt(t, l, ours, &hears{
		data:   func([]byte) { panic("boom") },
		failed: func(err error) { failed <- err; panic("again") },
	})
	otherPeer, other := tcpPair(t)
	h := &hears{}
	c := adopt(t, l, other, h)
	on(t, l, func() { h.data = c.Write })

	peer.Write([]byte("x"))
	var pe *PanicError
	if err := await(t, failed); !errors.As(err, &pe) || pe.Value != "boom" || len(pe.Stack) == 0 {
		t.Errorf("OnError(%v), want the panic with its stack", err)
	}
	if n, err := peer.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("the conn of the panic is still open")
	}
	if got := await(t, told).Value; got != "boom" {
		t.Errorf("Panicked was told %v", got)
	}
	if got := await(t, told).Value; got != "again" {
		t.Errorf("Panicked was told %v of OnError", got)
	}
	l.Post(func() { panic("posted") })
	await(t, told)
	together(t, func() error { otherPeer.Write([]byte("ping")); return expect(otherPeer, []byte("ping"), 1, 10) })
	if len(failed) > 0 {
		t.Error("OnError twice")
	}
}
