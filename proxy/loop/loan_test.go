package loop

import (
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// lender counts how often what it lent was released.
type lender struct{ released atomic.Int64 }

func (l *lender) Release() { l.released.Add(1) }

// want waits until it was released n times.
func (l *lender) want(t *testing.T, what string, n int64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); l.released.Load() < n && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if got := l.released.Load(); got != n {
		t.Errorf("%s: released %d times, want %d", what, got, n)
	}
}

func TestWriteShared_ReleasesWhatWasLentWhenItIsSent(t *testing.T) {
	overEach(t, func(t *testing.T, pair func(testing.TB) (peer, ours net.Conn)) {
		l := startLoop(t, Options{})
		peer, ours := pair(t)
		shrink(peer, ours)
		c := adopt(t, l, ours, &hears{})
		big := noise(1, 3<<20)
		var first, second lender
		on(t, l, func() {
			c.Write([]byte("before"))
			c.WriteShared(big, &first)
			c.WriteShared(big[:10], &second)
		})
		if first.released.Load()+second.released.Load() != 0 {
			t.Error("released while the peer has not read")
		}
		if err := expect(peer, append(append([]byte("before"), big...), big[:10]...), 1, 64<<10); err != nil {
			t.Error(err)
		}
		first.want(t, "sent", 1)
		second.want(t, "sent last", 1)
	})
}

func TestWriteShared_ReleasesWhatWasLentWhenItIsDropped(t *testing.T) {
	overEach(t, func(t *testing.T, pair func(testing.TB) (peer, ours net.Conn)) {
		l, to := startLoop(t, Options{}), startLoop(t, Options{})
		big := noise(1, 3<<20)
		for name, end := range map[string]func(c *Conn){
			"closed":           func(c *Conn) { c.Close() },
			"moved and closed": func(c *Conn) { c.Move(to, func() { c.Close() }) },
		} {
			_, ours := pair(t)
			c := adopt(t, l, ours, &hears{})
			var loan, late lender
			on(t, l, func() { c.WriteShared(big, &loan); c.WriteShared(big, &loan) })
			on(t, l, func() { end(c) })
			loan.want(t, name, 2)
			on(t, to, func() { c.WriteShared(big, &late) })
			late.want(t, name+" before", 1)
		}
	})
}

func TestWriteShared_ReleasesWhatWasLentWhenItsLoopIsGone(t *testing.T) {
	var out output
	var loan lender
	out.refer([]byte("lent"), &loan)
	out.release()
	out.release()
	loan.want(t, "left to the collector", 1)
}
