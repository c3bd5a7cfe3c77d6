package pool_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"overdrive/pool"
)

// refusing is a pool in which a wrong password is permanent.
func refusing(size int) pool.Options[*conn] {
	return pool.Options[*conn]{Limits: pool.Limits{Size: size}, Permanent: isPassword}
}

// wantWaiting fails the test unless the callers wait.
func wantWaiting(t *testing.T, when string, callers ...*caller) {
	t.Helper()
	for i, c := range callers {
		if c.id() != 0 || len(c.refused) != 0 {
			t.Errorf("%s: waiter %d holds %d, refused %v; want it to wait", when, i, c.id(), c.refused)
		}
	}
}

// wantRefused fails the test unless the callers were refused once, with the error of a login.
func wantRefused(t *testing.T, when string, callers ...*caller) {
	t.Helper()
	for i, c := range callers {
		if len(c.refused) != 1 || c.refused[0] != errPassword {
			t.Errorf("%s: waiter %d was refused with %v, want %v", when, i, c.refused, errPassword)
		}
	}
}

func TestRefusedLogin_RefusesNobodyWhileAConnectionIsOpen(t *testing.T) {
	for _, resets := range []bool{false, true} {
		t.Run(fmt.Sprint("which is being reset: ", resets), func(t *testing.T) {
			inBubble(t, refusing(3), func(f *fixture) {
				held := f.holders(1, 0)[0]
				f.fail = errPassword
				first, second := f.caller(0).acquire(), f.caller(0).acquire()
				f.advance(time.Minute)
				if resets {
					f.BeginReset(held.lease)
				}
				f.advance(time.Minute)
				wantWaiting(t, "while the connection is out", first, second)
				held.release()
				if first.id() != 1 {
					t.Errorf("the first holds %d after the release, want 1", first.id())
				}
				first.release()
				if second.id() != 1 {
					t.Errorf("the second holds %d after the release, want 1", second.id())
				}
			})
		})
	}
}

func TestRefusedLogin_IsTriedOnceASecondAtMostWhileAConnectionIsOpen(t *testing.T) {
	inBubble(t, refusing(10), func(f *fixture) {
		f.holders(1, 0)
		f.fail = errPassword
		for range 60 {
			f.caller(0).acquire()
			f.advance(time.Second)
		}
		for i := 4; i < len(f.starts); i++ { // the holder's, and two in parallel
			if gap := f.starts[i].Sub(f.starts[i-1]); gap < time.Second || gap > 1500*time.Millisecond {
				t.Errorf("probe %d came %v after the one before", i, gap)
			}
		}
		if n := len(f.starts); n < 40 || n > 63 {
			t.Errorf("%d dials in a minute", n)
		}
	})
}

func TestRefusedLogin_WhoBeginsToWaitDoesNotEndThePause(t *testing.T) {
	inBubble(t, refusing(3), func(f *fixture) {
		f.holders(1, 0)
		f.fail = errPassword
		w := f.caller(0).acquire()
		f.Cancel(&w.w)
		before := len(f.starts)
		for range 9 {
			w.acquire()
			f.advance(100 * time.Millisecond)
			f.Cancel(&w.w)
		}
		if got := len(f.starts) - before; got != 0 {
			t.Errorf("%d dials within a second", got)
		}
	})
}

func TestRefusedLogin_IsTriedAtOnceWhenTheLastConnectionGoes(t *testing.T) {
	for _, repaired := range []bool{false, true} {
		t.Run(fmt.Sprint("repaired meanwhile: ", repaired), func(t *testing.T) {
			inBubble(t, refusing(3), func(f *fixture) {
				held := f.holders(2, 0)
				f.fail = errPassword
				waiters := []*caller{f.caller(0).acquire(), f.caller(0).acquire()}
				held[0].discard(pool.CloseBroken)
				wantWaiting(t, "with one connection left", waiters...)
				if repaired {
					f.fail = nil
				}
				f.publish()
				held[1].discard(pool.CloseBroken) // takes no time
				if !repaired {
					wantRefused(t, "with none left", waiters...)
					return
				}
				for i, w := range waiters {
					if w.id() == 0 {
						t.Errorf("waiter %d was not served: refused %v", i, w.refused)
					}
				}
			})
		})
	}
}

func TestRefusedLogin_IsTriedAtOnceWhenTheLastConnectionIsRetired(t *testing.T) {
	inBubble(t, refusing(3), func(f *fixture) {
		held := f.holders(1, 0)[0]
		f.fail = errPassword
		w := f.caller(0).acquire()
		f.Reconnect()
		wantWaiting(t, "while the connection is out", w)
		held.release()
		wantRefused(t, "when it was closed", w)
	})
}

func TestRefusedLogin_WaitsForTheOtherLoginsInProgress(t *testing.T) {
	inBubble(t, refusing(3), func(f *fixture) {
		f.manual = true
		waiters := []*caller{f.caller(0).acquire(), f.caller(0).acquire(), f.caller(0).acquire()}
		f.endDial(errPassword)
		wantWaiting(t, "beside another login", waiters...)
		f.endDial(nil)
		if waiters[0].id() == 0 {
			t.Error("the oldest was not served by the login that succeeded")
		}
		wantWaiting(t, "when one is served", waiters[1:]...)
		f.manual = false
		waiters[0].release()
		if waiters[1].id() == 0 {
			t.Error("the next was not served by the release")
		}
	})
}

func TestRefusedLogin_PausesNoLongerThanOthersWhileNoneIsOpen(t *testing.T) {
	inBubble(t, refusing(3), func(f *fixture) {
		f.manual = true
		held := f.caller(0).acquire()
		f.endDial(nil)
		first, second := f.caller(0).acquire(), f.caller(0).acquire()
		f.endDial(errPassword) // beside the other, and one that is out
		held.discard(pool.CloseBroken)
		f.endDial(errPassword)
		wantRefused(t, "when none is left", first, second)
		late := f.caller(0).acquire()
		wantWaiting(t, "in the pause", late)
		f.advance(150 * time.Millisecond)
		f.endDial(errPassword)
		wantRefused(t, "after the first pause", late)
	})
}

func TestRefusedLogin_LeavesWaitersToTheirTimeWhileAConnectionIsOpen(t *testing.T) {
	o := refusing(3)
	o.WaitTimeout = 10 * time.Second
	inBubble(t, o, func(f *fixture) {
		f.holders(1, 0)
		f.fail = errPassword
		w := f.caller(0).acquire()
		f.advance(9 * time.Second)
		wantWaiting(t, "before its time", w)
		f.advance(2 * time.Second)
		var late *pool.WaitTimeoutError
		if len(w.refused) != 1 || !errors.As(w.refused[0], &late) || late.LastDial != errPassword || late.Leased != 1 {
			t.Errorf("refused with %v, want a timeout that says what became of the last login", w.refused)
		}
	})
}

// A mishap is a pool to which anything happens at random, and those who use it.
type mishap struct {
	*fixture
	rng     *rand.Rand
	callers []*caller
	heard   map[*caller]int // how many answers each had when it last asked
}

func (m *mishap) answers(c *caller) int { return c.grants + len(c.refused) }

// happens has one thing happen, and says what.
func (m *mishap) happens() string {
	c := m.callers[m.rng.IntN(len(m.callers))]
	n, asked := m.heard[c]
	waits := c.lease == nil && asked && m.answers(c) == n
	switch roll := m.rng.IntN(10); {
	case roll < 2 && c.lease != nil:
		c.discard(pool.CloseBroken)
		return "a loss"
	case roll < 5 && c.lease != nil:
		c.release()
		return "a release"
	case roll < 5 && !waits:
		m.heard[c] = m.answers(c)
		if c.acquire(); c.lease != nil {
			delete(m.heard, c)
		}
		return "an acquire"
	case roll < 8 && len(m.dials) > 0:
		err := []error{nil, errPassword, errPassword, errStarting}[m.rng.IntN(4)]
		m.endDial(err)
		return fmt.Sprint("a login with ", err)
	}
	m.advance(time.Duration(m.rng.IntN(1500)) * time.Millisecond)
	return "time"
}

func (m *mishap) refused() (n int) {
	for _, c := range m.callers {
		n += len(c.refused)
	}
	return n
}

// Whatever happens: a login refuses nobody while a connection is open, and nobody is left waiting with none.
func TestRefusedLogin_AtRandomWhoWaitsIsServedOrTold(t *testing.T) {
	refusals := 0
	for seed := range uint64(200) {
		inBubble(t, refusing(3), func(f *fixture) {
			f.manual = true
			m := &mishap{fixture: f, rng: rand.New(rand.NewPCG(seed, 7)), heard: map[*caller]int{}}
			for i := range 6 {
				m.callers = append(m.callers, f.caller(i%2))
			}
			for range 150 {
				before := m.refused()
				what := m.happens()
				s := f.Stats()
				if m.refused() > before && s.Open > 0 {
					t.Fatalf("seed %d: %s refused %d with %d open", seed, what, m.refused()-before, s.Open)
				}
				if s.Waiting > 0 && s.Open == 0 {
					f.advance(time.Second)
				}
				if s := f.Stats(); s.Waiting > 0 && s.Open == 0 {
					t.Fatalf("seed %d: a second after %s %d wait, and no login is tried", seed, what, s.Waiting)
				}
			}
			refusals += m.refused()
			for len(f.dials) > 0 {
				f.endDial(errStarting)
			}
		})
	}
	if refusals < 100 {
		t.Errorf("only %d were refused", refusals)
	}
}
