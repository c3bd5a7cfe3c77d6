//go:build !race

package postgres

import (
	"context"
	"testing"
	"time"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/loop"
	"overdrive/proxy/postgres/session"
)

// TestPooledConn_IsLeasedAndReleasedWithoutAllocating is what each statement outside of a transaction asks of the program's own driver.
func TestPooledConn_IsLeasedAndReleasedWithoutAllocating(t *testing.T) {
	l, err := loop.New(loop.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, far := tcpPair(t)
	defer far.Close()
	w := proxy.NewWorker(0, l)
	o := newTestOrigin()
	c := &pooledConn{origin: o}
	c.Begin(c, &o.Identity, session.Backend{}, nil)
	if c.conn, err = l.Adopt(near, c); err != nil {
		t.Fatal(err)
	}
	c.Live(c.conn, &o.proxy.at(w).Workspace)
	c.address.Arrive(w)
	o.pool = pool.New(pool.Options[*pooledConn]{
		Dial:   func(context.Context, int) (*pooledConn, error) { return c, nil },
		Opened: func(lease *pool.Lease[*pooledConn]) { c.lease.Store(lease) },
	})
	defer o.pool.Close(nil)
	opened := make(opening, 1)
	if o.pool.Acquire(&pool.Waiter[*pooledConn]{Grantee: opened}) == nil {
		<-opened
	}
	c.Release()
	s := newClient(o)
	s.Arrive(w)
	if got := testing.AllocsPerRun(200, func() {
		if s.Acquire(time.Time{}, false) != &c.ServerConn {
			t.Fatal("the connection is not leased at once")
		}
		c.Release()
	}); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

// opening is told when a connection is there.
type opening chan struct{}

func (o opening) Granted(*pool.Lease[*pooledConn]) { o <- struct{}{} }
func (o opening) Refused(error)                    {}
