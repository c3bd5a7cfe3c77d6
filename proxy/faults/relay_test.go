//go:build linux

package faults

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A relay is the proxy's way to the server. It can lose what it carries, without a word or with a reset, hold it back, and
// cut it where TCP may cut it.
type relay struct {
	tb      testing.TB
	address string // to connect to
	server  string

	manner atomic.Pointer[manner] // how it carries now

	mu       sync.Mutex // guards the fields below
	listener *net.TCPListener
	links    map[*link]struct{}
	hole     bool // nothing gets through, and no new connection comes about
}

// A manner is how bytes are carried.
type manner struct {
	delay time.Duration // of every piece
	// cut says where a piece of n bytes is cut; 0 or n: nowhere. Nil: never.
	cut func(n int) int
	// broken says whether the link is reset instead of carrying the piece, after half of it. Nil: never.
	broken func() bool
}

// A link is one connection through the relay.
type link struct {
	near, far *net.TCPConn  // the proxy's, the server's
	over      chan struct{} // closed when the link was reset
	end       sync.Once
	hole      chan struct{} // nil, or closed when the hole is gone
}

func startRelay(tb testing.TB, server string) *relay {
	tb.Helper()
	r := &relay{tb: tb, server: server, links: make(map[*link]struct{})}
	r.manner.Store(&manner{})
	r.listen("127.0.0.1:0")
	tb.Cleanup(func() { r.refuse() })
	return r
}

func (r *relay) listen(address string) {
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // which knows no filters
	l, err := plain.Listen(context.Background(), "tcp", address)
	if err != nil {
		r.tb.Error(err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listener, r.address = l.(*net.TCPListener), l.Addr().String()
	go r.accept(r.listener)
}

func (r *relay) accept(l *net.TCPListener) {
	for {
		near, err := l.AcceptTCP()
		if err != nil {
			return
		}
		go r.connect(near)
	}
}

func (r *relay) connect(near *net.TCPConn) {
	far, err := net.Dial("tcp", r.server)
	if err != nil { // as if the server's machine had said so
		_ = near.SetLinger(0)
		near.Close()
		return
	}
	k := &link{near: near, far: far.(*net.TCPConn), over: make(chan struct{})}
	r.mu.Lock()
	r.links[k] = struct{}{}
	if r.hole { // it was accepted before the hole was dug
		k.dig(r.tb)
	}
	r.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { r.carry(k, k.near, k.far) })
	both.Go(func() { r.carry(k, k.far, k.near) })
	both.Wait()
	r.mu.Lock()
	delete(r.links, k)
	r.mu.Unlock()
	k.near.Close()
	k.far.Close()
}

// carry passes on what from says until it says no more; then to hears that.
func (r *relay) carry(k *link, from, to *net.TCPConn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !r.await(k) {
			return
		}
		if n > 0 && !r.pass(k, to, buffer[:n]) {
			return
		}
		if err != nil {
			var reset *net.OpError
			if errors.As(err, &reset) {
				k.reset()
			} else {
				_ = to.CloseWrite()
			}
			return
		}
	}
}

// await returns when there is no hole, or false when the link is reset.
func (r *relay) await(k *link) bool {
	r.mu.Lock()
	hole := k.hole
	r.mu.Unlock()
	if hole == nil {
		return true
	}
	select {
	case <-hole:
		return true
	case <-k.over:
		return false
	}
}

// pass writes one piece in the present manner.
func (r *relay) pass(k *link, to *net.TCPConn, piece []byte) bool {
	m := r.manner.Load()
	if m.delay > 0 {
		time.Sleep(m.delay)
	}
	if m.broken != nil && m.broken() {
		_, _ = to.Write(piece[:len(piece)/2])
		time.Sleep(time.Millisecond) // a reset may overtake what is not read yet
		k.reset()
		return false
	}
	for m.cut != nil && len(piece) > 1 {
		at := m.cut(len(piece))
		if at <= 0 || at >= len(piece) {
			break
		}
		if _, err := to.Write(piece[:at]); err != nil {
			return false
		}
		piece = piece[at:]
	}
	_, err := to.Write(piece)
	return err == nil
}

// reset ends the link with RST to both sides.
func (k *link) reset() {
	for _, side := range []*net.TCPConn{k.near, k.far} {
		_ = side.SetLinger(0)
		side.Close()
	}
	k.end.Do(func() { close(k.over) })
}

// carried has everything be carried in this manner from now on.
func (r *relay) carried(m manner) { r.manner.Store(&m) }

// resetSome resets one link of n, or all with n = 1.
func (r *relay) resetSome(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k := range r.links {
		if n == 1 || rand.IntN(n) == 0 {
			k.reset()
		}
	}
}

// refuse resets everything, and has new connections be refused until the relay listens again.
func (r *relay) refuse() {
	r.mu.Lock()
	r.listener.Close()
	r.mu.Unlock()
	r.resetSome(1)
}

// dig makes the relay a black hole: whatever is sent is lost and is not acknowledged, on links and to those who connect.
func (r *relay) dig() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hole = true
	discard(r.tb, r.listener)
	for k := range r.links {
		k.dig(r.tb)
	}
}

// vanish makes a black hole of the links there are, at the proxy's side: the server has lost them. New ones come about beside it.
func (r *relay) vanish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k := range r.links {
		k.dig(r.tb)
		_ = k.far.SetLinger(0)
		k.far.Close()
	}
}

func (k *link) dig(tb testing.TB) {
	if k.hole != nil {
		return
	}
	k.hole = make(chan struct{})
	discard(tb, k.near)
	discard(tb, k.far)
}

// fill ends the black hole. Links go on where they were, as TCP sends again what was lost, or are reset.
func (r *relay) fill(goOn bool) {
	r.mu.Lock()
	r.hole = false
	keep(r.tb, r.listener)
	for k := range r.links {
		if k.hole == nil {
			continue
		}
		if goOn {
			keep(r.tb, k.near)
			keep(r.tb, k.far)
		}
		close(k.hole)
		k.hole = nil
	}
	r.mu.Unlock()
	if !goOn {
		r.resetSome(1)
	}
}
