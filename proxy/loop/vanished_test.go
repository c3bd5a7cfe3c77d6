package loop

import (
	"errors"
	"testing"
	"time"
)

// ends tells of the end of a conn, of the first sign of it: an error may come behind an EOF, and a handler must not wait.
type ends chan error

func (e ends) tell(err error) {
	select {
	case e <- err:
	default:
	}
}

func (e ends) OnData([]byte)     {}
func (e ends) OnEOF()            { e.tell(errors.New("EOF")) }
func (e ends) OnDrained()        {}
func (e ends) OnError(err error) { e.tell(err) }

func TestVanished_PeerThatAcknowledgesNothingIsGivenUp(t *testing.T) {
	const limit = 120 * time.Millisecond
	l := startLoop(t, Options{Vanished: limit})
	_, ours := tcpPair(t)
	end := make(ends, 1)
	on(t, l, func() {
		l.deliveryOf = func(*socket) delivery { return delivery{waiting: true, quiet: time.Hour, repeats: mostRepeats} }
	})
	c := adopt(t, l, ours, end)
	began := time.Now()
	on(t, l, func() { c.Write([]byte("x")) })
	if err := await(t, end); !errors.Is(err, ErrVanished) {
		t.Errorf("got %v, want ErrVanished", err)
	}
	if took := time.Since(began); took < limit {
		t.Errorf("given up after %v, want %v at least", took, limit)
	}
}

// As a server does whose COPY waits for a lock. TCP_USER_TIMEOUT would end this connection.
func TestVanished_PeerThatIsAliveAndDoesNotReadIsKept(t *testing.T) {
	l := startLoop(t, Options{Vanished: 300 * time.Millisecond})
	_, ours := tcpPair(t)
	end := make(ends, 1)
	c := adopt(t, l, ours, end)
	on(t, l, func() { c.Write(make([]byte, 32<<20)) })
	select {
	case err := <-end:
		t.Errorf("given up: %v", err)
	case <-time.After(2 * time.Second):
	}
}

func TestVanished_NeitherASlowAnswerNorAShortSilenceIsAnEnd(t *testing.T) {
	for name, says := range map[string]func(n int) delivery{
		"quiet, nothing on its way":   func(int) delivery { return delivery{quiet: time.Hour, repeats: 9} },
		"quiet, nothing repeated yet": func(int) delivery { return delivery{waiting: true, quiet: time.Hour} },
		"repeated less than thrice":   func(int) delivery { return delivery{waiting: true, quiet: time.Hour, repeats: 2} },
		"the kernel has its own limit": func(int) delivery {
			return delivery{waiting: true, quiet: time.Hour, repeats: 9, limited: true}
		},
		"a word now and then": func(n int) delivery {
			return delivery{waiting: true, quiet: time.Duration(n%(rounds-1)) * time.Hour, repeats: 9}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startLoop(t, Options{Vanished: 60 * time.Millisecond})
			_, ours := tcpPair(t)
			end := make(ends, 1)
			n := 0
			on(t, l, func() { l.deliveryOf = func(*socket) delivery { n++; return says(n) } })
			c := adopt(t, l, ours, end)
			on(t, l, func() { c.Write([]byte("x")) })
			select {
			case err := <-end:
				t.Errorf("given up: %v", err)
			case <-time.After(300 * time.Millisecond):
			}
		})
	}
}

// With a timer of the loop each turn would read the clock.
func TestVanished_ARoundAheadCostsATurnNothing(t *testing.T) {
	l := startLoop(t, Options{Vanished: time.Hour})
	_, ours := tcpPair(t)
	c := adopt(t, l, ours, make(ends, 1))
	on(t, l, func() { c.Write([]byte("x")) })
	on(t, l, func() {
		if !l.vanishing.running {
			t.Error("no round is ahead")
		}
		if n := len(l.timers); n > 0 {
			t.Errorf("the loop has %d timers, want none", n)
		}
	})
}

func TestVanished_NobodyIsAskedAboutWhenEverythingHasArrived(t *testing.T) {
	l := startLoop(t, Options{Vanished: 60 * time.Millisecond})
	_, ours := tcpPair(t)
	c := adopt(t, l, ours, make(ends, 1))
	on(t, l, func() { c.Write([]byte("x")) })
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		var running bool
		on(t, l, func() { running = l.vanishing.running })
		if !running {
			break
		}
		if time.Since(began) > patience {
			t.Fatal("the loop asks for ever about a conn at rest")
		}
	}
}

// However many conns there are, a turn asks about a bounded part of them, and a round about all.
func TestVanished_ARoundIsDividedAndReachesEverybody(t *testing.T) {
	l, err := New(Options{Vanished: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := 0
	l.deliveryOf = func(*socket) delivery { asked++; return delivery{waiting: true} }
	const conns = 3*askedAtATime + 7
	for range conns {
		l.table.slots = append(l.table.slots, &Conn{loop: l, flags: flagSent})
	}
	for turn := 1; asked < conns; turn++ {
		before := asked
		l.askPeers()
		if got := asked - before; got > askedAtATime || got == 0 {
			t.Fatalf("turn %d asked about %d conns, want 1 to %d", turn, got, askedAtATime)
		}
	}
	l.table.slots = nil
}
