package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"overdrive/pool"
)

// stressed is a connection that knows how many hold it.
type stressed struct {
	holders atomic.Int32
	closed  atomic.Int32
}

// stresser is one client of the stress test: it waits, gives up, uses what it
// gets, and gives it back in every way there is.
type stresser struct {
	t      *testing.T
	p      *pool.Pool[*stressed]
	rng    *rand.Rand
	w      pool.Waiter[*stressed]
	answer chan *pool.Lease[*stressed] // nil: refused
}

func (s *stresser) Granted(l *pool.Lease[*stressed]) { s.answer <- l }
func (s *stresser) Refused(error)                    { s.answer <- nil }

// TestStress_EveryAcquireIsAnsweredOnceAndEveryLeaseHeldOnce runs against the
// real clock and scheduler: it is for the race detector.
func TestStress_EveryAcquireIsAnsweredOnceAndEveryLeaseHeldOnce(t *testing.T) {
	before := runtime.NumGoroutine()
	steps := 1500
	if testing.Short() {
		steps = 300
	}
	var dialled, closed atomic.Int64
	limits := pool.Limits{
		Size: 4, MinIdle: 1, MaxWaiters: 20, WaitTimeout: 5 * time.Millisecond,
		IdleTimeout: time.Millisecond, MaxLifetime: 3 * time.Millisecond,
	}
	p := pool.New(pool.Options[*stressed]{
		Name:   "stress",
		Limits: limits,
		Dial: func(context.Context, int) (*stressed, error) {
			switch rand.IntN(200) {
			case 0:
				panic("as a hostile server would")
			case 1:
				return nil, errors.New("refused")
			}
			dialled.Add(1)
			return &stressed{}, nil
		},
		Permanent: func(error) bool { return rand.IntN(2) == 0 },
		Close: func(c *stressed, _ pool.CloseReason) {
			if c.closed.Add(1) != 1 {
				t.Error("a connection was closed twice")
			}
			closed.Add(1)
		},
	})
	var wg sync.WaitGroup
	for i := range 16 {
		s := &stresser{t: t, p: p, answer: make(chan *pool.Lease[*stressed], 2)}
		s.rng = rand.New(rand.NewPCG(1, uint64(i)))
		s.w.Home, s.w.Grantee = i%3, s
		wg.Go(func() {
			for range steps {
				s.step()
			}
		})
	}
	wg.Go(func() { // the administrator; it leaves the pool running at its first size
		for range steps / 10 {
			p.Pause()
			p.Reconfigure(pool.Limits{Size: 2, WaitTimeout: time.Millisecond})
			p.Resume()
			p.Reconnect()
			p.Reconfigure(limits)
			if s := p.Stats(); s.Open != s.Dialing+s.Idle+s.Leased+s.Resetting || s.Open > limits.Size {
				t.Errorf("open is not the sum, or above size: %+v", s)
			}
			runtime.Gosched()
		}
	})
	wg.Wait()
	p.Close(nil)
	<-p.Done()
	if got, want := closed.Load(), dialled.Load(); got != want {
		t.Errorf("%d connections closed of %d", got, want)
	}
	if s := p.Stats(); s.Acquires != uint64(16*steps) || s.Waiting != 0 {
		t.Errorf("%d acquires, %d still waiting; want %d, 0", s.Acquires, s.Waiting, 16*steps)
	}
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before the test", runtime.NumGoroutine(), before)
		}
	}
}

func (s *stresser) step() {
	s.w.Fresh = s.rng.IntN(20) == 0
	l := s.p.Acquire(&s.w)
	if l == nil {
		if s.rng.IntN(4) == 0 {
			runtime.Gosched()
			if s.p.Cancel(&s.w) {
				s.check()
				return // any callback would show up as a stray answer later
			}
		}
		if l = <-s.answer; l == nil {
			s.check()
			return
		}
	}
	if len(s.answer) != 0 {
		s.t.Error("an Acquire was answered twice")
	}
	if l.Conn.holders.Add(1) != 1 {
		s.t.Error("a connection was leased twice")
	}
	if s.rng.IntN(3) == 0 {
		runtime.Gosched()
	}
	if l.Conn.closed.Load() != 0 {
		s.t.Error("a connection was closed while leased")
	}
	l.Conn.holders.Add(-1)
	switch s.rng.IntN(10) {
	case 0:
		s.p.Discard(l, pool.CloseBroken)
	case 1:
		s.p.BeginReset(l)
		s.p.Release(l, s.w.Home)
	case 2:
		s.p.Release(l, s.w.Home)
		s.p.DiscardIdle(l, pool.CloseBroken) // leased by another by now, or not
	default:
		s.p.Release(l, s.w.Home)
	}
	s.check()
}

func (s *stresser) check() {
	if err := s.p.Check(); err != nil {
		s.t.Errorf("invariant broken: %v", err)
	}
}
