package loop

import (
	"io"
	"net"
	"testing"
	"time"
)

func reset(peer net.Conn) {
	raw := rawConn(peer).(*net.TCPConn)
	raw.SetLinger(0)
	raw.Close()
}

func TestReset_ComesThroughWhilePaused(t *testing.T) {
	for _, tr := range transports {
		if tr.name == "unix" {
			continue // has no reset
		}
		for _, unread := range []string{"", "unread"} {
			t.Run(tr.name+"/"+unread, func(t *testing.T) {
				l := startLoop(t, Options{})
				peer, ours := tr.pair(t)
				failed := make(chan error, 2)
				h := &hears{data: func([]byte) { t.Error("OnData while paused") }, failed: func(err error) { failed <- err }}
				var c *Conn
				on(t, l, func() { c, _ = l.Adopt(ours, h); c.PauseRead() })
				if _, err := io.WriteString(peer, unread); err != nil {
					t.Fatal(err)
				}
				turns(t, l)
				reset(peer)
				await(t, failed)
				turns(t, l)
				if len(failed) > 0 {
					t.Error("OnError twice")
				}
				on(t, l, func() { c.Write([]byte("x")); c.ResumeRead(); c.PauseRead(); c.CloseAfterFlush(); c.Close() })
			})
		}
	}
}

// A Unix socket whose peer has left hangs up at once, but what it said before is still to be read.
func TestHangup_WhilePausedKeepsWhatWasSent(t *testing.T) {
	l := startLoop(t, Options{})
	peer, ours := unixPair(t)
	said, ended := make(chan string, 1), make(chan struct{})
	h := &hears{
		data:   func(b []byte) { said <- string(b) },
		eof:    func() { close(ended) },
		failed: func(err error) {},
	}
	var c *Conn
	on(t, l, func() { c, _ = l.Adopt(ours, h); c.PauseRead() })
	io.WriteString(peer, "last words")
	turns(t, l)
	peer.Close()
	turns(t, l)
	on(t, l, c.ResumeRead)
	if got := await(t, said); got != "last words" {
		t.Errorf("got %q", got)
	}
	await(t, ended)
}

// Having left, it will never take what is pending: that must not wait for ResumeRead.
func TestHangup_WhilePausedWithOutputPendingIsAnError(t *testing.T) {
	l := startLoop(t, Options{})
	peer, ours := unixPair(t)
	failed := make(chan error, 1)
	var c *Conn
	on(t, l, func() {
		c, _ = l.Adopt(ours, &hears{failed: func(err error) { failed <- err }})
		c.PauseRead()
		c.Write(make([]byte, 4<<20))
	})
	turns(t, l)
	peer.Close()
	await(t, failed)
}

// With everything read before the pause there is only the end to be held back.
func TestHangup_WhilePausedIsNoErrorButTheEnd(t *testing.T) {
	l := startLoop(t, Options{})
	peer, ours := unixPair(t)
	heard := make(chan string, 3)
	var c *Conn
	on(t, l, func() {
		c, _ = l.Adopt(ours, &hears{
			data:   func(b []byte) { heard <- string(b); c.PauseRead() },
			eof:    func() { heard <- "end" },
			failed: func(err error) { heard <- err.Error() },
		})
	})
	io.WriteString(peer, "all")
	await(t, heard)
	peer.Close()
	turns(t, l)
	if len(heard) > 0 {
		t.Errorf("while paused: %q", <-heard)
	}
	on(t, l, c.ResumeRead)
	if got := await(t, heard); got != "end" {
		t.Errorf("after ResumeRead: %q, want the end", got)
	}
	turns(t, l)
	if len(heard) > 0 {
		t.Errorf("after the end: %q", <-heard)
	}
	on(t, l, func() { c.Write([]byte("anybody?")) })
	if got := await(t, heard); got == "end" {
		t.Error("the end twice, and no error")
	}
}

func TestWriteFailure_IsToldOnce(t *testing.T) {
	l := startLoop(t, Options{})
	peer, ours := tcpPair(t)
	failed := make(chan error, 2)
	c := adopt(t, l, ours, &hears{failed: func(err error) { failed <- err }})
	on(t, l, c.PauseRead)
	reset(peer)
	on(t, l, func() { c.Write([]byte("into the void")) })
	if err := await(t, failed); err == nil {
		t.Error("nil error")
	}
	turns(t, l)
	if len(failed) > 0 {
		t.Error("OnError twice")
	}
}

// Two conns break at once, and the first to be told closes the other.
func TestClose_OfABrokenConnSparesItTheError(t *testing.T) {
	l := startLoop(t, Options{})
	peerA, a := tcpPair(t)
	peerB, b := tcpPair(t)
	failed := make(chan error, 2)
	ha, hb := &hears{}, &hears{}
	ca, cb := adopt(t, l, a, ha), adopt(t, l, b, hb)
	on(t, l, func() {
		ha.failed = func(err error) { cb.Close(); failed <- err }
		hb.failed = func(err error) { ca.Close(); failed <- err }
		reset(peerA)
		reset(peerB)
		ca.Write([]byte("x"))
		cb.Write([]byte("x"))
	})
	await(t, failed)
	turns(t, l)
	if len(failed) > 0 {
		t.Error("a conn that was closed was told of its error")
	}
}

func TestClose_IsTheLastTheHandlerHears(t *testing.T) {
	overEach(t, func(t *testing.T, pair func(testing.TB) (peer, ours net.Conn)) {
		for name, closeIt := range map[string]func(*Conn){"Close": (*Conn).Close, "CloseAfterFlush": (*Conn).CloseAfterFlush} {
			l := startLoop(t, Options{})
			peer, ours := pair(t)
			h := &hears{}
			c := adopt(t, l, ours, h)
			over := make(chan struct{})
			on(t, l, func() {
				silent := func() { t.Errorf("callback after %s", name) }
				h.data = func([]byte) {
					closeIt(c)
					h.data = func([]byte) { silent() }
					h.eof, h.drained, h.failed = silent, silent, func(error) { silent() }
					c.Write([]byte("never sent"))
					close(over)
				}
			})
			peer.Write([]byte("one"))
			await(t, over)
			peer.Write([]byte("two")) // may fail
			if b, _ := io.ReadAll(peer); len(b) > 0 {
				t.Errorf("peer reads %q", b)
			}
			turns(t, l)
		}
	})
}

func TestCloseAfterFlush_DeliversEverythingThenEnds(t *testing.T) {
	overEach(t, func(t *testing.T, pair func(testing.TB) (peer, ours net.Conn)) {
		l := startLoop(t, Options{})
		peer, ours := pair(t)
		shrink(peer, ours)
		c := adopt(t, l, ours, &hears{data: func([]byte) { t.Error("OnData after CloseAfterFlush") }})
		data := noise(1, 2<<20)
		on(t, l, func() { c.WriteShared(data[:1<<20], nil); c.Write(data[1<<20:]); c.CloseAfterFlush() })
		peer.Write([]byte("nobody reads this"))
		if err := expect(peer, data, 1, 64<<10); err != nil {
			t.Fatal(err)
		}
		if n, err := peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("then peer reads %d, %v; want EOF", n, err)
		}
		// Over TLS the peer knows of the end before the loop knows that all went out.
		stopped := false
		for end := time.Now().Add(DefaultFlushLimit / 2); !stopped && time.Now().Before(end); {
			on(t, l, func() { stopped = len(l.timers) == 0 })
		}
		if !stopped {
			t.Error("the limit's timer stayed")
		}
	})
}

func TestCloseAfterFlush_GivesUpOnAPeerThatDoesNotRead(t *testing.T) {
	l := startLoop(t, Options{FlushLimit: 10 * time.Millisecond})
	peer, ours := tcpPair(t)
	shrink(peer, ours)
	gone := make(chan struct{})
	on(t, l, func() {
		c, _ := l.Adopt(ours, &hears{})
		c.Write(make([]byte, 8<<20))
		c.CloseAfterFlush()
		var look func()
		look = func() {
			if l.table.get(c.id) != c {
				close(gone)
				return
			}
			l.AfterFunc(time.Millisecond, look)
		}
		look()
	})
	await(t, gone)
}
