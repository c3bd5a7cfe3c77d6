package pool_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"overdrive/pool"
)

// benchPool has every timeout set, as in production, and n connections open.
func benchPool(tb testing.TB, n int) *pool.Pool[*conn] {
	p := pool.New(pool.Options[*conn]{
		Limits: pool.Limits{
			Size: n, MinIdle: n, WaitTimeout: time.Minute, IdleTimeout: time.Hour, MaxLifetime: 24 * time.Hour,
		},
		Dial: func(context.Context, int) (*conn, error) { return &conn{}, nil },
	})
	var c passer
	c.p, c.w.Grantee, c.granted = p, &c, make(chan bool, 1)
	if l := p.Acquire(&c.w); l == nil {
		<-c.granted
	} else {
		p.Release(l, 0)
	}
	for p.Stats().Idle < n {
		runtime.Gosched()
	}
	tb.Cleanup(func() { p.Close(nil); <-p.Done() })
	return p
}

// passer releases what it is granted.
type passer struct {
	p       *pool.Pool[*conn]
	w       pool.Waiter[*conn]
	granted chan bool
}

func (c *passer) Granted(l *pool.Lease[*conn]) { c.p.Release(l, 0); c.granted <- true }
func (c *passer) Refused(error)                {}

// keeper keeps what it is granted.
type keeper struct {
	w     pool.Waiter[*conn]
	lease *pool.Lease[*conn]
}

func (k *keeper) Granted(l *pool.Lease[*conn]) { k.lease = l }
func (k *keeper) Refused(error)                {}

func BenchmarkAcquireRelease(b *testing.B) {
	b.Run("plain", func(b *testing.B) {
		p := benchPool(b, 20)
		var w pool.Waiter[*conn]
		b.ReportAllocs()
		for b.Loop() {
			p.Release(p.Acquire(&w), 0)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		p := benchPool(b, 64)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			var w pool.Waiter[*conn]
			for pb.Next() {
				p.Release(p.Acquire(&w), 0)
			}
		})
	})
	// Two callers share one connection: each release serves the other, which
	// had queued.
	b.Run("waiters", func(b *testing.B) {
		p := benchPool(b, 1)
		holder, waiter := newKeeper(), newKeeper()
		holder.lease = p.Acquire(&holder.w)
		b.ReportAllocs()
		for b.Loop() {
			p.Acquire(&waiter.w)
			p.Release(holder.lease, 0)
			holder, waiter = waiter, holder
		}
		p.Release(holder.lease, 0)
	})
}

func newKeeper() *keeper {
	k := &keeper{}
	k.w.Grantee = k
	return k
}
