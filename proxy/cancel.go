package proxy

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	"overdrive/proxy/postgres/session"
)

// A registry finds clients by the key that their clients were given.
type registry struct {
	mu       sync.Mutex // guards the fields below
	sessions map[uint32]*client
	last     uint32
}

// admit gives a session its key.
func (r *registry) admit(s *client) {
	var secret [4]byte
	_, _ = rand.Read(secret[:]) // never fails
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sessions == nil {
		r.sessions = make(map[uint32]*client)
	}
	for {
		r.last++
		if _, taken := r.sessions[r.last]; r.last != 0 && !taken {
			break
		}
	}
	s.SetKey(session.CancelKey{PID: r.last, Secret: binary.BigEndian.Uint32(secret[:])})
	r.sessions[r.last] = s
}

func (r *registry) forget(s *client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, s.Key().PID)
}

// find returns the session that a CancelRequest means, or nil.
func (r *registry) find(request []byte) *client {
	if len(request) != 8 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.sessions[binary.BigEndian.Uint32(request)]
	if found == nil || subtle.ConstantTimeCompare(request, found.Key().Bytes()) != 1 {
		return nil
	}
	return found
}

// all returns the sessions there are now.
func (r *registry) all() []*client {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.sessions))
}

func (r *registry) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions)
}

// cancelClient carries out a CancelRequest. It returns when the server has acted on it, as the client's library waits for
// its connection to be closed.
func (s *Server) cancelClient(request []byte) {
	target := s.registry.find(request)
	if target == nil {
		return
	}
	done := make(chan struct{})
	posted := target.address.post(func() { target.Cancel(func() { close(done) }) })
	if posted {
		select {
		case <-done:
		case <-s.context.Done():
		}
	}
}
