package proxy

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"sync"
	"time"
)

// A registry finds sessions by the keys that their clients were given.
type registry struct {
	mu    sync.Mutex // guards the fields below
	seats map[uint32]entry
	last  uint32
}

// An entry is a session, and since when it is there, which an idle session need not keep itself: in milliseconds of Unix.
type entry struct {
	seat  *Seat
	since int64
}

// The numbers are those of no process, since a client may take its own for that of a backend (pg_terminate_backend): Linux has none
// above 2^22. They are positive as PostgreSQL's are, which clients read as a signed number.
const firstNumber, lastNumber = 1 << 30, 1<<31 - 1

// admit gives a session its key.
func (r *registry) admit(s *Seat) {
	var secret [4]byte
	_, _ = rand.Read(secret[:]) // never fails
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seats == nil {
		r.seats = make(map[uint32]entry)
	}
	for {
		if r.last++; r.last < firstNumber || r.last > lastNumber {
			r.last = firstNumber
		}
		if _, taken := r.seats[r.last]; !taken {
			break
		}
	}
	s.key = Key{Number: r.last, Secret: binary.BigEndian.Uint32(secret[:])}
	r.seats[r.last] = entry{s, time.Now().UnixMilli()}
}

func (r *registry) forget(s *Seat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.seats, s.key.Number)
}

// find returns the session with the key, or nil.
func (r *registry) find(k Key) Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.seats[k.Number].seat
	if found == nil || subtle.ConstantTimeEq(int32(k.Secret), int32(found.key.Secret)) != 1 {
		return nil
	}
	return found.session()
}

// all returns the sessions there are now.
func (r *registry) all() []*Seat {
	r.mu.Lock()
	defer r.mu.Unlock()
	seats := make([]*Seat, 0, len(r.seats))
	for _, e := range r.seats {
		seats = append(seats, e.seat)
	}
	return seats
}

// since is when a session was given its key; the zero time if it has none.
func (r *registry) since(s *Seat) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.seats[s.key.Number]; e.seat == s {
		return time.UnixMilli(e.since)
	}
	return time.Time{}
}

// one returns a session that matches, or nil. The function must not call the registry.
func (r *registry) one(matches func(Session) bool) Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.seats {
		if s := e.seat.session(); matches(s) {
			return s
		}
	}
	return nil
}

func (r *registry) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seats)
}
