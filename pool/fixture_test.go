package pool_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"overdrive/pool"
)

// conn is a connection of the tests: a number in order of birth.
type conn struct{ id int }

type lease = pool.Lease[*conn]

// A dial is one call of Options.Dial, waiting for the test to end it.
type dial struct {
	home int
	ends chan error
}

// fixture is a pool under test and all it has told the outside.
type fixture struct {
	*pool.Pool[*conn]
	t *testing.T

	mu     sync.Mutex
	manual bool    // dials wait for the test
	fail   error   // dials that do not wait end with this
	dials  []*dial // in progress, if manual
	homes  []int   // of all dials
	starts []time.Time
	born   int
	closes map[int]pool.CloseReason
	out    map[*lease]bool // held by callers of this fixture
}

// inBubble runs body on a pool in fake time. Afterwards it closes the pool
// and returns what is still out; synctest fails the test if the pool leaves a
// goroutine behind.
func inBubble(t *testing.T, o pool.Options[*conn], body func(f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, o)
		body(f)
		f.shutdown()
	})
}

func newFixture(t *testing.T, o pool.Options[*conn]) *fixture {
	f := &fixture{t: t, closes: map[int]pool.CloseReason{}, out: map[*lease]bool{}}
	if o.Dial == nil {
		o.Dial = f.dial
	}
	o.Close = f.closed
	if o.Name == "" {
		o.Name = "shop"
	}
	f.Pool = pool.New(o)
	return f
}

func (f *fixture) dial(ctx context.Context, home int) (*conn, error) {
	f.mu.Lock()
	f.homes = append(f.homes, home)
	f.starts = append(f.starts, time.Now())
	err := f.fail
	var d *dial
	if f.manual {
		d = &dial{home: home, ends: make(chan error)}
		f.dials = append(f.dials, d)
	}
	f.mu.Unlock()

	if d != nil {
		select {
		case err = <-d.ends:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.born++
	return &conn{id: f.born}, nil
}

func (f *fixture) closed(c *conn, why pool.CloseReason) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, twice := f.closes[c.id]; twice {
		f.t.Errorf("connection %d was closed twice", c.id)
	}
	f.closes[c.id] = why
}

// endDial ends the oldest dial in progress.
func (f *fixture) endDial(err error) {
	f.t.Helper()
	f.mu.Lock()
	if len(f.dials) == 0 {
		f.mu.Unlock()
		f.t.Fatal("no dial is in progress")
	}
	d := f.dials[0]
	f.dials = f.dials[1:]
	f.mu.Unlock()
	d.ends <- err
	f.settle()
}

// settle waits until the pool has nothing to do and checks its invariants.
func (f *fixture) settle() {
	f.t.Helper()
	f.publish()
	synctest.Wait()
	if err := f.Check(); err != nil {
		f.t.Fatalf("invariant broken: %v", err)
	}
}

// publish orders what the test did to the fixture's fields before whatever
// the pool's goroutines do from here on; synctest.Wait orders the way back.
func (f *fixture) publish() {
	f.mu.Lock()
	defer f.mu.Unlock()
}

// advance lets fake time pass.
func (f *fixture) advance(d time.Duration) {
	f.t.Helper()
	f.publish()
	<-time.After(d)
	f.settle()
}

func (f *fixture) shutdown() {
	f.t.Helper()
	f.Close(nil)
	f.settle()
	for l := range f.out {
		f.Release(l, 0)
	}
	<-f.Done()
	if got, want := len(f.closes), f.born; got != want {
		f.t.Errorf("%d connections were closed, want all %d", got, want)
	}
}

// A caller is one user of the pool.
type caller struct {
	f       *fixture
	w       pool.Waiter[*conn]
	lease   *lease // held now
	grants  int
	refused []error
}

func (f *fixture) caller(home int) *caller {
	c := &caller{f: f}
	c.w.Home, c.w.Grantee = home, c
	return c
}

func (c *caller) Granted(l *lease) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.take(l)
	c.grants++
}

func (c *caller) Refused(err error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.refused = append(c.refused, err)
}

func (c *caller) take(l *lease) {
	if c.lease != nil || c.f.out[l] {
		c.f.t.Errorf("connection %d was granted to a second holder", l.Conn.id)
	}
	c.lease = l
	c.f.out[l] = true
}

// acquire asks for a lease and lets the pool settle.
func (c *caller) acquire() *caller {
	c.f.t.Helper()
	if l := c.f.Acquire(&c.w); l != nil {
		c.f.mu.Lock()
		c.take(l)
		c.f.mu.Unlock()
	}
	c.f.settle()
	return c
}

// drop forgets the lease, which the caller is about to give back.
func (c *caller) drop() *lease {
	c.f.t.Helper()
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	l := c.lease
	if l == nil {
		c.f.t.Fatal("the caller holds no lease")
	}
	c.lease = nil
	delete(c.f.out, l)
	return l
}

func (c *caller) release() { c.f.t.Helper(); c.releaseTo(c.w.Home) }

func (c *caller) releaseTo(home int) {
	c.f.t.Helper()
	c.f.Release(c.drop(), home)
	c.f.settle()
}

func (c *caller) discard(why pool.CloseReason) {
	c.f.t.Helper()
	if !c.f.Discard(c.drop(), why) {
		c.f.t.Error("Discard of a leased connection: false, want true")
	}
	c.f.settle()
}

// id returns the connection the caller holds, 0 for none.
func (c *caller) id() int {
	if c.lease == nil {
		return 0
	}
	return c.lease.Conn.id
}

// holders returns n callers that hold a connection each.
func (f *fixture) holders(n, home int) []*caller {
	f.t.Helper()
	cs := make([]*caller, n)
	for i := range cs {
		cs[i] = f.caller(home).acquire()
		if cs[i].id() == 0 {
			f.t.Fatalf("holder %d of %d got no connection", i+1, n)
		}
	}
	return cs
}

// size is a pool with nothing but a size.
func size(n int) pool.Options[*conn] {
	return pool.Options[*conn]{Limits: pool.Limits{Size: n}}
}
