package pool_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"overdrive/pool"
)

// model is the pool as one would explain it: lists searched from end to end.
// Time and the end of dials are in the hands of the test, so that after each
// operation it and the pool must agree in every respect.
type model struct {
	limits  pool.Limits
	paused  bool
	resumed time.Duration // when the last pause ended
	used    bool
	now     time.Duration
	dialing []bool      // one for each; true: began before a Reconnect
	idle    []modelConn // the most recently used last
	leased  []modelConn
	queue   []modelWaiter
	born    int
	refused int
	closed  []int // connections, ascending
}

type modelConn struct {
	id, home int
	caller   int // while leased
	since    time.Duration
	old      bool // opened before a Reconnect
}

type modelWaiter struct {
	caller, home int
	since        time.Duration
}

func (m *model) open() int { return len(m.dialing) + len(m.idle) + len(m.leased) }

func (m *model) lease(c modelConn, caller int) {
	c.caller = caller
	m.leased = append(m.leased, c)
}

func (m *model) takeIdle(home int) modelConn {
	i := len(m.idle) - 1
	for j, c := range m.idle {
		if c.home == home {
			i = j
		}
	}
	if m.idle[i].home != home {
		i = len(m.idle) - 1
	}
	c := m.idle[i]
	m.idle = slices.Delete(m.idle, i, i+1)
	return c
}

func (m *model) acquire(caller, home int) {
	if len(m.idle) > 0 {
		m.lease(m.takeIdle(home), caller)
		return
	}
	if len(m.queue) == m.limits.MaxWaiters {
		m.refused++
		return
	}
	m.used = true
	m.queue = append(m.queue, modelWaiter{caller, home, m.now})
	m.pump()
}

func (m *model) cancel(caller int) {
	m.queue = slices.DeleteFunc(m.queue, func(w modelWaiter) bool { return w.caller == caller })
}

func (m *model) close(c modelConn) {
	m.closed = append(m.closed, c.id)
	slices.Sort(m.closed)
}

// takeLeased removes what caller holds.
func (m *model) takeLeased(caller int) modelConn {
	i := slices.IndexFunc(m.leased, func(c modelConn) bool { return c.caller == caller })
	c := m.leased[i]
	m.leased = slices.Delete(m.leased, i, i+1)
	return c
}

func (m *model) release(caller, home int) {
	tooMany := m.open() > m.limits.Size
	c := m.takeLeased(caller)
	c.home = home
	m.settle(c, tooMany)
	m.pump()
}

func (m *model) settle(c modelConn, tooMany bool) {
	switch {
	case c.old || tooMany || m.paused:
		m.close(c)
	case len(m.queue) > 0:
		m.lease(c, m.queue[0].caller)
		m.queue = m.queue[1:]
	default:
		c.since = m.now
		m.idle = append(m.idle, c)
	}
}

func (m *model) discard(caller int) {
	m.close(m.takeLeased(caller))
	m.pump()
}

func (m *model) endDial(home int) {
	tooMany := m.open() > m.limits.Size
	m.born++
	c := modelConn{id: m.born, home: home, old: m.dialing[0]}
	m.dialing = m.dialing[1:]
	m.settle(c, tooMany)
	m.pump()
}

func (m *model) reconnect() {
	for i := range m.dialing {
		m.dialing[i] = true
	}
	for i := range m.leased {
		m.leased[i].old = true
	}
	for _, c := range m.idle {
		m.close(c)
	}
	m.idle = nil
	m.pump()
}

func (m *model) pause() {
	m.paused = true
	for _, c := range m.idle {
		m.close(c)
	}
	m.idle = nil
}

func (m *model) resize(size int) {
	m.limits.Size = size
	for len(m.idle) > 0 && m.open() > size {
		m.close(m.idle[0])
		m.idle = m.idle[1:]
	}
	m.pump()
}

func (m *model) advance(d time.Duration) {
	m.now += d
	for len(m.queue) > 0 && !m.paused && m.now-max(m.queue[0].since, m.resumed) >= m.limits.WaitTimeout {
		m.queue = m.queue[1:]
		m.refused++
	}
	for len(m.idle) > 0 && m.open() > m.minIdle() && m.now-m.idle[0].since >= m.limits.IdleTimeout {
		m.close(m.idle[0])
		m.idle = m.idle[1:]
	}
	m.pump()
}

func (m *model) minIdle() int { return min(m.limits.MinIdle, m.limits.Size) }

func (m *model) pump() {
	for len(m.queue) > 0 && len(m.idle) > 0 {
		w := m.queue[0]
		m.queue = m.queue[1:]
		m.lease(m.takeIdle(w.home), w.caller)
	}
	for !m.paused && len(m.dialing) < m.limits.DialParallel && m.open() < m.limits.Size &&
		(len(m.dialing) < len(m.queue) || m.used && m.open() < m.minIdle()) {
		m.dialing = append(m.dialing, false)
	}
}

func TestPool_BehavesLikeTheModel(t *testing.T) {
	runs := 150
	if testing.Short() {
		runs = 15
	}
	for seed := range runs {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			limits := pool.Limits{
				Size: 3, MinIdle: seed % 3, MaxWaiters: 5, DialParallel: 2,
				WaitTimeout: 40 * time.Second, IdleTimeout: 25 * time.Second,
			}
			inBubble(t, pool.Options[*conn]{Limits: limits}, func(f *fixture) {
				f.manual = true
				compareWithModel(f, &model{limits: limits}, rand.New(rand.NewPCG(7, uint64(seed))))
			})
		})
	}
}

// compareWithModel does the same at random to f and m.
func compareWithModel(f *fixture, m *model, rng *rand.Rand) {
	callers := make([]*caller, 12)
	for i := range callers {
		callers[i] = f.caller(i % 3)
	}
	for step := range 300 {
		i := rng.IntN(len(callers))
		did := operate(f, m, rng, callers[i], i)
		f.settle()
		if diff := m.differs(f, callers); diff != "" {
			f.t.Fatalf("step %d, %s: %s", step, did, diff)
		}
	}
	if f.Stats().Paused {
		f.Resume()
	}
}

// operate does one random thing, with callers[i] = c if it needs one, and
// says what.
func operate(f *fixture, m *model, rng *rand.Rand, c *caller, i int) string {
	queued := slices.ContainsFunc(m.queue, func(w modelWaiter) bool { return w.caller == i })
	switch roll := rng.IntN(20); {
	case roll < 12 && c.lease != nil && roll%4 == 0:
		c.discard(pool.CloseBroken)
		m.discard(i)
		return "discard"
	case roll < 12 && c.lease != nil:
		home := rng.IntN(3)
		if roll%4 == 1 {
			f.BeginReset(c.lease)
		}
		c.releaseTo(home)
		m.release(i, home)
		return "release"
	case roll < 12 && queued && roll%4 == 0:
		f.Cancel(&c.w)
		m.cancel(i)
		return "cancel"
	case roll < 12 && !queued:
		c.acquire()
		m.acquire(i, i%3)
		return "acquire"
	case roll < 15 && len(f.dials) > 0:
		home := f.dials[0].home
		f.endDial(nil)
		m.endDial(home)
		return "end dial"
	case roll == 15:
		f.Reconnect()
		m.reconnect()
		return "reconnect"
	case roll == 16:
		limits := m.limits
		limits.Size = 1 + rng.IntN(5)
		f.Reconfigure(limits)
		m.resize(limits.Size)
		return fmt.Sprint("resize to ", limits.Size)
	case roll == 17 && m.paused:
		f.Resume()
		m.paused, m.resumed = false, m.now
		m.pump()
		return "resume"
	case roll == 17:
		f.Pause()
		m.pause()
		return "pause"
	}
	d := time.Duration(rng.IntN(15)) * time.Second
	f.advance(d)
	m.advance(d)
	return fmt.Sprint("advance ", d)
}

// differs says in what the pool and the model disagree.
func (m *model) differs(f *fixture, callers []*caller) string {
	s := f.Stats()
	got := fmt.Sprint(s.Open, s.Dialing, s.Idle, s.Leased+s.Resetting, s.Waiting, s.Paused)
	want := fmt.Sprint(m.open(), len(m.dialing), len(m.idle), len(m.leased), len(m.queue), m.paused)
	if got != want {
		return fmt.Sprintf("open, dialing, idle, leased, waiting, paused = %s, want %s", got, want)
	}
	refused := 0
	for i, c := range callers {
		refused += len(c.refused)
		want := 0
		for _, l := range m.leased {
			if l.caller == i {
				want = l.id
			}
		}
		if got := c.id(); got != want {
			return fmt.Sprintf("caller %d holds %d, want %d", i, got, want)
		}
	}
	if refused != m.refused {
		return fmt.Sprintf("%d refused, want %d", refused, m.refused)
	}
	var closed []int
	for id := range f.closes {
		closed = append(closed, id)
	}
	slices.Sort(closed)
	if !slices.Equal(closed, m.closed) {
		return fmt.Sprintf("closed %v, want %v", closed, m.closed)
	}
	return ""
}
