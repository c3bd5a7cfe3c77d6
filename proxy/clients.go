package proxy

import (
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"overdrive/proxy/loop"
)

// ClientStatus is one logged-in client.
type ClientStatus struct {
	ID             uint64
	Database, User string // as the client named them
	State          string // active: it holds a server connection; idle; waiting for one
	Application    string // application_name
	Server         uint32 // process ID of the server it holds, or 0
	Link           uint64 // ID of that server connection, or 0
	Prepared       int    // statements
	Pinned         string // why it keeps its server, or empty
	Waits          time.Duration
	Wire
}

// A Wire is one connection, to a client or to a server, as operators see it.
type Wire struct {
	Address, Local net.Addr  // of the other side, and our own; nil: not known
	TLS            string    // version and cipher; empty without
	Since          time.Time // when it was logged in
	Asked          time.Time // when what it is at was asked; zero: it is at nothing

	// Bytes on their way: read and not dealt with; still to come of the message at hand; written and not taken by the kernel.
	Kept, Left, Pending int
}

// WireOf is what a loop knows of a connection. Call it on that loop.
func WireOf(c *loop.Conn) Wire {
	return Wire{Address: c.RemoteAddr(), Local: c.LocalAddr(), TLS: c.TLS()}
}

// Clients returns all logged-in clients, in order of their numbers. Each event loop is asked for its own, between two events; one
// that cannot answer before ctx ends is left out.
func (s *Server) Clients(ctx context.Context) []ClientStatus {
	var (
		mu      sync.Mutex
		list    []ClientStatus
		waiting = make(chan struct{}, len(s.workers))
		asked   int
	)
	for _, w := range s.workers {
		posted := w.Loop.Post(func() {
			var own []ClientStatus
			for seat := w.sessions.first; seat != nil; seat = seat.next {
				status := seat.session().Status()
				status.Since = s.registry.since(seat)
				own = append(own, status)
			}
			mu.Lock()
			list = append(list, own...)
			mu.Unlock()
			waiting <- struct{}{}
		})
		if posted {
			asked++
		}
	}
	for range asked {
		select {
		case <-waiting:
		case <-ctx.Done():
		case <-s.context.Done():
		}
	}
	mu.Lock()
	defer mu.Unlock()
	list = slices.Clone(list) // a slow loop may still append
	slices.SortFunc(list, func(a, b ClientStatus) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(list, func(a, b ClientStatus) bool { return a.ID == b.ID }) // one that moved meanwhile was asked twice
}
