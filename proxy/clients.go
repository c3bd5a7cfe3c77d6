package proxy

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// ClientStatus is one logged-in client.
type ClientStatus struct {
	ID             uint64
	Database, User string // as the client named them
	State          string // active: it holds a server connection; idle; waiting for one
	Address        string
	Application    string // application_name
	Server         uint32 // process ID of the server it holds, or 0
	Prepared       int    // statements
	Pinned         string // why it keeps its server, or empty
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
				own = append(own, seat.session().Status())
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
