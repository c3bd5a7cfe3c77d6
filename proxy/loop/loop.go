package loop

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// Defaults of Options.
const (
	DefaultReadBuffer = 64 << 10        // bytes taken from one socket in one turn
	DefaultHighWater  = 64 << 10        // about what a read can add to a peer's output at once
	DefaultFlushLimit = 5 * time.Second // how long CloseAfterFlush waits for a slow reader
)

// ErrClosed is returned by Run and Adopt of a loop that has been closed.
var ErrClosed = errors.New("loop: closed")

// Options adjusts a Loop. The zero value is usable.
type Options struct {
	ReadBuffer int           // size in bytes of the loop's one read buffer
	HighWater  int           // a Conn with more pending output bytes than this is Congested
	FlushLimit time.Duration // the most CloseAfterFlush waits for the output to leave

	// Vanished is for how long the peer of a TCP conn may acknowledge nothing of what was sent to it, until the conn fails
	// with ErrVanished. A peer that is alive and does not read acknowledges that it is alive. 0: as long as the kernel tries.
	Vanished time.Duration

	// Panicked, if set, is told on the loop of every panic the loop contained, whether it came from a handler,
	// a posted function or a timer. It is meant for a log line; what it panics with itself is swallowed.
	Panicked func(*PanicError)

	// TurnTook, if set, is told on the loop at the end of each turn how long it took, from when the kernel had reported or the loop had
	// something else to do. Whatever came meanwhile has waited for the rest of the turn. It costs one look at the clock a turn.
	TurnTook func(time.Duration)
}

func (o Options) withDefaults() Options {
	if o.ReadBuffer <= 0 {
		o.ReadBuffer = DefaultReadBuffer
	}
	if o.HighWater <= 0 {
		o.HighWater = DefaultHighWater
	}
	if o.FlushLimit <= 0 {
		o.FlushLimit = DefaultFlushLimit
	}
	return o
}

// Loop is one event loop: it owns sockets, waits until some are ready, and calls their handlers one at a time on the
// goroutine that called Run ("on the loop"). Post and Close may be called by anybody; everything else, methods of its
// Conns included, only on the loop, or before Run was called.
type Loop struct {
	o     Options
	state atomic.Int32
	poll  *poller
	posts postQueue

	// Below belongs to the loop's goroutine.
	buf     []byte // the one read buffer; what OnData is shown
	now     time.Time
	gaveWay time.Time // when it last did
	timers  timerHeap
	table   connTable
	dirty   []uint64  // conns with output to flush before the next callback
	again   []uint64  // conns to visit next turn although the kernel may have nothing to say of them
	visited []uint64  // again's other half: swapped with it each turn
	failed  []failure // conns that broke and whose handlers are to be told
	free    freeList
	closing bool                    // Run is on its way out; nothing is adopted any more
	events  struct{ next, end int } // of this turn, those that are still to be dispatched

	vanishing  vanishing
	deliveryOf func(*socket) delivery // asks the kernel
}

// States of a Loop. created → running → closed, or created → closed.
const (
	created int32 = iota
	running
	closed
)

// New makes a loop that holds an epoll descriptor (where there is epoll) until it is closed. Run it on a goroutine of
// its own.
func New(o Options) (*Loop, error) {
	p, err := newPoller()
	if err != nil {
		return nil, fmt.Errorf("loop: %w", err)
	}
	o = o.withDefaults()
	return &Loop{o: o, poll: p, buf: make([]byte, o.ReadBuffer), deliveryOf: p.delivery}, nil
}

// Run is the loop: it returns after Close, having closed every conn it still owned without telling the handlers. An
// error other than ErrClosed means that the kernel refused to report events; the conns are closed then, too.
func (l *Loop) Run() error {
	if !l.state.CompareAndSwap(created, running) {
		return ErrClosed
	}
	var err error
	for err == nil && l.state.Load() == running {
		err = l.turn()
	}
	l.state.Store(closed)
	l.shutdown()
	return err
}

// Close makes Run return; it does not wait for that. It may be called at any time, by anybody, again and again.
func (l *Loop) Close() {
	switch l.state.Swap(closed) {
	case created:
		l.shutdown() // Run was never called, and will now refuse
	case running:
		l.posts.interrupt(l.poll)
	}
}

// Post has f run on the loop, in the order of the calls of Post, and reports whether it will: a function that was
// accepted does run (if only as the last thing Run does, when Adopt already refuses), one that came after the end does
// not. f may lend bytes to Conn.Write as a handler may. Posting to a loop that is awake costs no system call.
func (l *Loop) Post(f func()) bool {
	return l.posts.put(f, l.poll)
}

// Now is the clock of this turn: read at most once in a turn, when first asked for. It carries a monotonic reading.
func (l *Loop) Now() time.Time {
	if l.now.IsZero() {
		l.now = time.Now()
	}
	return l.now
}

// Adopt takes nc over completely: nobody else may use it from here on, and on error it is closed. If the error wraps EMFILE or
// ENFILE, no descriptor was to be had, nc is left to the caller as it was: there may be something to tell its peer. nc is a *net.TCPConn,
// a *net.UnixConn, anything that came from Wrap, or a *tls.Conn, its handshake done, whose NetConn came from Wrap.
// h hears of everything that arrives, beginning with the loop's next turn.
func (l *Loop) Adopt(nc net.Conn, h Handler) (*Conn, error) {
	if l.closing {
		nc.Close()
		return nil, ErrClosed
	}
	c := &Conn{loop: l, handler: h, remote: nc.RemoteAddr(), adopted: time.Now().UnixNano()}
	transport, err := c.unwrap(nc)
	if err == nil {
		c.sock, err = openSocket(transport)
	}
	if err != nil {
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
			nc.Close()
		}
		return nil, fmt.Errorf("loop: adopt: %w", err)
	}
	if c.tls != nil {
		c.tls.attach()
	}
	if err := l.register(c); err != nil {
		c.sock.close()
		return nil, fmt.Errorf("loop: adopt: %w", err)
	}
	return c, nil
}

// register makes c one of the loop's conns: it gets an id and is watched.
func (l *Loop) register(c *Conn) error {
	c.loop = l
	l.table.add(c)
	if err := l.poll.add(&c.sock, c.id, readable); err != nil {
		l.table.remove(c)
		return err
	}
	if c.tls != nil {
		l.visit(c) // bytes read during the handshake may wait inside the tls.Conn
	}
	if c.Pending() > 0 || c.flags&flagClosing != 0 {
		c.markDirty()
	}
	return nil
}

// turn is one round: wait, hear the sockets, look again at those that asked for it, run what was posted, fire timers.
func (l *Loop) turn() error {
	l.now = time.Time{}
	n, err := l.wait()
	if err != nil {
		return fmt.Errorf("loop: wait: %w", err)
	}
	if l.o.TurnTook != nil {
		l.Now() // the turn begins
	}
	for i := range n {
		l.events.next, l.events.end = i+1, n
		id, r := l.poll.event(i)
		if c := l.table.get(id); c != nil {
			l.dispatch(c, r)
		}
	}
	l.events.next, l.events.end = 0, 0
	l.revisit()
	l.runPosted()
	l.runTimers()
	if l.o.TurnTook != nil {
		l.o.TurnTook(time.Since(l.Now()))
	}
	l.giveWay()
	return nil
}

// wait fetches events, and sleeps if there are none and nothing else is left to do. It does not ask first and sleep afterwards: where
// the peers of few conns are awaited nearly every turn would ask in vain.
//
// Calls for each request and its answer, counted by the kernel in turn with a PgBouncer on two crowded processors; pgbench -S, the
// medians of ten rounds (16 clients) and of eight (one):
//
//	                             epoll   futex   nanosleep   switches
//	16 clients
//	  ask, then sleep             0.82    0.09        0.57       1.43
//	  the same, with giveWay      0.70    0.02        0.11       0.61
//	  sleep at once, giveWay      0.44    0.01        0.11       0.71
//	  PgBouncer                   0.41       -           -       0.43
//	one client
//	  ask, then sleep             3.79    0.09        1.02       3.30
//	  sleep at once, giveWay      2.10    0.02        0.27       2.47
//	  PgBouncer                   2.01       -           -       2.10
//
// sched_yield before sleeping saves going to sleep, but beside processes that keep the processors busy it gives them whole time
// slices: answers came at a third of the rate then.
func (l *Loop) wait() (int, error) {
	if len(l.again) > 0 || l.posts.waiting() {
		return l.poll.ready()
	}
	limit, sleep := l.timers.untilNext()
	if !sleep {
		return l.poll.ready()
	}
	if !l.posts.sleep() || l.state.Load() != running {
		l.posts.awake()
		return l.poll.ready()
	}
	n, err := l.poll.block(limit)
	l.posts.awake()
	return n, err
}

func (l *Loop) runPosted() {
	if !l.posts.waiting() {
		return
	}
	fs := l.posts.take()
	for i, f := range fs {
		fs[i] = nil
		l.run(f)
		l.settle()
	}
}

func (l *Loop) runTimers() {
	// Counted, so that a timer that sets itself anew without delay does not keep the loop from its sockets.
	for n := len(l.timers); n > 0 && len(l.timers) > 0 && !l.timers[0].when.After(l.Now()); n-- {
		l.run(l.timers.pop())
		l.settle()
	}
}

// shutdown runs what was still accepted, closes every conn and gives the descriptors back.
func (l *Loop) shutdown() {
	l.closing = true
	l.posts.close()
	for fs := l.posts.take(); len(fs) > 0; fs = l.posts.take() {
		for _, f := range fs {
			l.run(f)
		}
	}
	for _, c := range l.table.all() {
		c.Close()
	}
	l.timers = nil
	l.failed = nil
	l.poll.close()
}
