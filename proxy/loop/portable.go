//go:build !linux || portable_loop

package loop

import (
	"io"
	"net"
	"sync"
	"time"
)

// readiness is what a socket is ready for, or watched for.
type readiness uint32

const (
	readable readiness = 1 << iota
	writable
	broken // reported unasked
)

// aheadBytes is how much is read of a conn before the loop asks for it. A reset of the peer shows only behind what it
// sent before, so while reading is paused one is noticed unless more than this waits.
const aheadBytes = 64 << 10

// lingerLimit is how long a write under way may keep a closed socket open.
const lingerLimit = 50 * time.Millisecond

// poller imitates a level-triggered epoll where there is none: goroutines read and write, and the loop is told.
// It is meant to be right, not fast.
type poller struct {
	signal chan struct{} // capacity 1: the loop has reason to look

	mu struct {
		sync.Mutex
		active map[*stream]struct{} // may be ready; grown by streams, thinned by ready
	} // guards the fields inside; taken after a stream's lock, never before

	events []event
}

type event struct {
	id uint64
	r  readiness
}

func newPoller() (*poller, error) { return &poller{signal: make(chan struct{}, 1)}, nil }

func (p *poller) close() {}

// activate has ready look at s.
func (p *poller) activate(s *stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.active == nil {
		p.mu.active = make(map[*stream]struct{})
	}
	p.mu.active[s] = struct{}{}
}

// wake ends a block under way, or the next one at once. Anybody may call it.
func (p *poller) wake() {
	select {
	case p.signal <- struct{}{}:
	default:
	}
}

// ready fetches what is ready now. A stream that is ready stays active, so what is not acted on is reported again.
func (p *poller) ready() (int, error) {
	p.mu.Lock()
	active := p.mu.active
	p.mu.active = nil
	p.mu.Unlock()

	p.events = p.events[:0]
	for s := range active {
		if e, ok := s.state(p); ok {
			p.events = append(p.events, e)
		}
	}
	return len(p.events), nil
}

// block waits until something is ready or limit has passed; a negative limit is none.
func (p *poller) block(limit time.Duration) (int, error) {
	if n, err := p.ready(); n > 0 || err != nil { // a stream stays active as long as it is ready, without another signal
		return n, err
	}
	var expired <-chan time.Time
	if limit >= 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-p.signal:
	case <-expired:
	}
	return p.ready()
}

// event is the i-th of what was fetched.
func (p *poller) event(i int) (id uint64, r readiness) { return p.events[i].id, p.events[i].r }

func (p *poller) add(s *socket, id uint64, want readiness) error {
	s.interest = want
	s.attach(p, id, want)
	return nil
}

func (p *poller) modify(s *socket, id uint64, want readiness) error { return p.add(s, id, want) }

func (p *poller) remove(s *socket) { s.attach(nil, 0, 0) }

// write has segments[0] written by a goroutine, and tells of it afterwards: n counts bytes that the kernel took since,
// which are the first of segments, as nothing overtakes them.
func (p *poller) write(s *socket, segments []segment) (n int, full bool, err error) {
	return s.stream.write(segments[0].b)
}

// socket is a net.Conn with goroutines around it.
type socket struct {
	*stream
	interest readiness
}

type stream struct {
	nc net.Conn

	mu struct {
		sync.Mutex
		poll     *poller // whom to tell; nil while between two loops, or not watched
		id       uint64
		interest readiness

		in    []byte // arrived and not yet asked for
		inErr error  // comes after in

		out     []byte // being written; the writer's while writing
		writing bool
		written int // done with, and not yet told
		outErr  error
		closed  bool
	} // guards the fields inside
	consumed sync.Cond // in got shorter, or closed; on mu
}

// openSocket has nc read from now on.
func openSocket(nc net.Conn) (socket, error) {
	nc.SetDeadline(time.Time{}) // one left over from the login must not end the connection
	s := &stream{nc: nc}
	s.consumed.L = &s.mu
	go s.readAhead()
	return socket{stream: s}, nil
}

// local is our own address.
func (s *stream) local() net.Addr { return s.nc.LocalAddr() }

// attach has p told of s, or nobody.
func (s *stream) attach(p *poller, id uint64, want readiness) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.poll, s.mu.id, s.mu.interest = p, id, want
	s.tellLocked()
}

// tellLocked has the loop look at s.
func (s *stream) tellLocked() {
	if p := s.mu.poll; p != nil && s.readinessLocked() != 0 {
		p.activate(s)
		p.wake()
	}
}

func (s *stream) readinessLocked() readiness {
	var r readiness
	if len(s.mu.in) > 0 || s.mu.inErr != nil {
		r |= readable
	}
	if !s.mu.writing {
		r |= writable
	}
	r &= s.mu.interest
	if s.mu.inErr != nil && s.mu.inErr != io.EOF {
		r |= broken
	}
	return r
}

// state is what p is to hear of s, if anything.
func (s *stream) state(p *poller) (event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.poll != p {
		return event{}, false
	}
	r := s.readinessLocked()
	if r != 0 {
		p.activate(s)
	}
	return event{s.mu.id, r}, r != 0
}

// readAhead reads until the connection ends, never more than aheadBytes before the loop.
func (s *stream) readAhead() {
	b := make([]byte, aheadBytes)
	for {
		s.mu.Lock()
		for len(s.mu.in) >= aheadBytes && !s.mu.closed {
			s.consumed.Wait()
		}
		room, closed := aheadBytes-len(s.mu.in), s.mu.closed
		s.mu.Unlock()
		if closed {
			return
		}
		n, err := s.nc.Read(b[:room])
		s.mu.Lock()
		s.mu.in = append(s.mu.in, b[:n]...)
		s.mu.inErr = err
		s.tellLocked()
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// read takes what has arrived, up to len(b) > 0 bytes, or returns errWouldBlock, io.EOF or what is wrong.
func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.in) == 0 {
		if s.mu.inErr != nil {
			return 0, s.mu.inErr
		}
		return 0, errWouldBlock
	}
	n := copy(b, s.mu.in)
	s.mu.in = append(s.mu.in[:0], s.mu.in[n:]...)
	s.consumed.Signal()
	return n, nil
}

func (s *stream) write(b []byte) (n int, full bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.written > 0:
		n, s.mu.written = s.mu.written, 0
		return n, false, nil
	case s.mu.outErr != nil:
		return 0, true, s.mu.outErr
	case !s.mu.writing:
		s.mu.out = append(s.mu.out[:0], b[:min(len(b), aheadBytes)]...)
		s.mu.writing = true
		go s.writeOut(s.mu.out)
	}
	return 0, true, nil
}

// writeOut writes b, which write does not touch meanwhile.
func (s *stream) writeOut(b []byte) {
	n, err := s.nc.Write(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.writing, s.mu.written, s.mu.outErr = false, n, err
	if s.mu.closed {
		s.nc.Close()
	}
	s.tellLocked()
}

// close ends what the goroutines wait for. A write that has begun, of close_notify perhaps, is let finish if the kernel
// takes it at once.
func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.closed = true
	s.mu.poll = nil
	if s.mu.writing {
		s.nc.SetReadDeadline(time.Unix(1, 0))
		s.nc.SetWriteDeadline(time.Now().Add(lingerLimit))
	} else {
		s.nc.Close()
	}
	s.consumed.Signal()
}

// broken is what went wrong, if something did.
func (s *stream) broken() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.inErr != io.EOF {
		return s.mu.inErr
	}
	return nil
}

// discard has nothing to do: the kernel's buffer has been read already.
func (s *stream) discard(*poller) {}
