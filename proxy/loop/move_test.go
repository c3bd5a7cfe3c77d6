package loop

import (
	"errors"
	"io"
	"testing"
	"time"
)

// wanderer echoes, and moves to the other loop every few callbacks.
type wanderer struct {
	t     testing.TB
	c     *Conn
	loops [2]*Loop
	at    int
	calls int
	moves int
	away  bool
}

func (w *wanderer) OnData(b []byte) {
	if w.away || w.c.Loop() != w.loops[w.at] {
		w.t.Error("OnData between two loops")
	}
	w.c.Write(b[:len(b)/2])
	w.c.Write(b[len(b)/2:])
	if w.c.Congested() {
		w.c.PauseRead()
	}
	if w.calls++; w.calls%3 == 0 {
		w.move()
	}
}

func (w *wanderer) move() {
	w.away = true
	w.moves++
	if !w.c.Move(w.loops[1-w.at], func() { w.at, w.away = 1-w.at, false }) {
		w.t.Error("did not move")
	}
}

func (w *wanderer) OnDrained()        { w.c.ResumeRead() }
func (w *wanderer) OnEOF()            {}
func (w *wanderer) OnError(err error) { w.t.Errorf("OnError: %v", err) }

func TestMove_UnderTrafficLosesAndReordersNothing(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			w := &wanderer{t: t, loops: [2]*Loop{startLoop(t, Options{HighWater: 10_000}), startLoop(t, Options{HighWater: 10_000})}}
			peer, ours := tr.pair(t)
			shrink(peer, ours)
			on(t, w.loops[0], func() { w.c, _ = w.loops[0].Adopt(ours, w) })
			data := noise(1, 4<<20)
			together(t,
				func() error { return sendSplit(peer, data, 1, 100<<10) },
				func() error { return expect(peer, data, 2, 30<<10) },
			)
			turns(t, w.loops[0])
			turns(t, w.loops[1])
			on(t, w.loops[0], func() {})
			on(t, w.loops[1], func() {
				if w.moves < 10 {
					t.Errorf("moved %d times only", w.moves)
				}
			})
		})
	}
}

func TestMove_TakesPauseAndPendingOutputAlong(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			from, to := startLoop(t, Options{}), startLoop(t, Options{})
			peer, ours := tr.pair(t)
			shrink(peer, ours)
			heard, drained := make(chan string, 1), make(chan struct{})
			h := &hears{data: func(b []byte) { heard <- string(b) }, drained: func() { close(drained) }}
			data, arrived := noise(1, 2<<20), make(chan struct{})
			var c *Conn
			on(t, from, func() {
				c, _ = from.Adopt(ours, h)
				c.PauseRead()
				buf := append([]byte{}, data...)
				c.Write(buf)
				c.Move(to, func() {
					if c.Loop() != to {
						t.Error("arrived, but on another loop")
					}
					close(arrived)
				})
				clear(buf) // the loan ended with this function
			})
			peer.Write([]byte("hello"))
			await(t, arrived)
			if err := expect(peer, data, 1, 64<<10); err != nil {
				t.Fatal(err)
			}
			await(t, drained)
			turns(t, to)
			if len(heard) > 0 {
				t.Error("OnData while paused")
			}
			on(t, to, c.ResumeRead)
			if got := await(t, heard); got != "hello" {
				t.Errorf("heard %q", got)
			}
		})
	}
}

// The output went out on the old loop, and the conn moves before it is told.
func TestMove_TakesAnOwedDrainedAlong(t *testing.T) {
	from, to := startLoop(t, Options{HighWater: 1000}), startLoop(t, Options{})
	_, ours := tcpPair(t)
	drained := make(chan *Loop, 1)
	h := &hears{}
	c := adopt(t, from, ours, h)
	on(t, from, func() {
		h.drained = func() { drained <- c.Loop() }
		from.Post(func() { c.Write(make([]byte, 2000)) })
		from.Post(func() { c.Move(to, nil) })
	})
	if await(t, drained) != to {
		t.Error("OnDrained on the loop that was left")
	}
}

func TestMove_ToAClosedLoopClosesTheConn(t *testing.T) {
	for _, tr := range transports {
		from := startLoop(t, Options{})
		to, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		peer, ours := tr.pair(t)
		c := adopt(t, from, ours, &hears{failed: func(err error) { t.Errorf("OnError: %v", err) }})
		to.Close()
		on(t, from, func() { c.Move(to, func() { t.Error("arrived") }) })
		if _, err := peer.Read(make([]byte, 1)); err == nil || isTimeout(err) {
			t.Errorf("%s: the conn is open still", tr.name)
		}
	}
}

// Accepted, but never run: the conn is on its way when the loop it goes to ends.
func TestMove_ToALoopThatEndsMeanwhileClosesTheConn(t *testing.T) {
	from := startLoop(t, Options{})
	to, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	peer, ours := tcpPair(t)
	c := adopt(t, from, ours, &hears{})
	on(t, from, func() { c.Move(to, func() { t.Error("arrived") }) })
	to.Close()
	if _, err := peer.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Error("the conn is open still")
	}
}

func TestMove_OfAClosedConnIsRefused(t *testing.T) {
	from, to := startLoop(t, Options{}), startLoop(t, Options{})
	_, ours := tcpPair(t)
	c := adopt(t, from, ours, &hears{})
	on(t, from, func() {
		c.Close()
		if c.Move(to, func() { t.Error("arrived") }) {
			t.Error("moved")
		}
	})
	turns(t, to)
}

func TestMove_AfterTheEndStillWrites(t *testing.T) {
	from, to := startLoop(t, Options{}), startLoop(t, Options{})
	peer, ours := tcpPair(t)
	h := &hears{}
	c := adopt(t, from, ours, h)
	ends := 0
	on(t, from, func() {
		h.eof = func() {
			ends++
			c.Move(to, func() { to.AfterFunc(time.Millisecond, func() { c.Write([]byte("bye")); c.CloseAfterFlush() }) })
		}
	})
	peer.(interface{ CloseWrite() error }).CloseWrite()
	if b, err := io.ReadAll(peer); string(b) != "bye" || err != nil {
		t.Errorf("peer reads %q, %v", b, err)
	}
	on(t, to, func() {
		if ends != 1 {
			t.Errorf("OnEOF %d times", ends)
		}
	})
}

func isTimeout(err error) bool {
	var e interface{ Timeout() bool }
	return errors.As(err, &e) && e.Timeout()
}
