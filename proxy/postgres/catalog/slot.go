package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"overdrive/pool"
)

// This file is how a keeper's connections count within the size of the pool: each takes a slot, and gives it back as soon as clients
// need it.

// Pool is the pool of connections in which a keeper takes a slot.
type Pool interface {
	// Reserve asks for the slot, and has the holder told what becomes of it. CancelReserve takes the question back, and Unreserve the
	// slot: see pool.Reservation. There is one slot.
	Reserve(h pool.Holder)
	CancelReserve() bool
	Unreserve()
	Reconnect()
	Stats() pool.Stats
}

// PoolOf returns p, with a slot of it for one Keeper.
func PoolOf[C any](p *pool.Pool[C]) Pool { return &reserving[C]{Pool: p} }

type reserving[C any] struct {
	*pool.Pool[C]
	reservation pool.Reservation[C]
}

func (r *reserving[C]) Reserve(h pool.Holder) {
	r.reservation.Holder = h
	r.Pool.Reserve(&r.reservation)
}

func (r *reserving[C]) CancelReserve() bool { return r.Pool.CancelReserve(&r.reservation) }

func (r *reserving[C]) Unreserve() { r.Pool.Unreserve(&r.reservation) }

// A slot is a reservation in a pool.
type slot struct {
	pool        Pool
	answer      chan error // the pool's
	held, tight bool

	mu    sync.Mutex
	calls chan struct{} // see wanted; guarded by mu
}

func newSlot(p Pool) *slot {
	return &slot{pool: p, answer: make(chan error, 1), calls: make(chan struct{})}
}

// Reserved, Refused and Wanted are the pool's calls.
func (s *slot) Reserved(tight bool) {
	if tight {
		s.answer <- errTight
	} else {
		s.answer <- nil
	}
}

func (s *slot) Refused(err error) { s.answer <- err }

func (s *slot) Wanted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !isClosed(s.calls) {
		close(s.calls)
	}
}

// wanted returns a channel that is closed while the pool wants the slot back: whoever uses it sees that, though others see it, too.
// There is another channel only after this one was closed.
func (s *slot) wanted() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// unwanted forgets what the pool said of the slot before.
func (s *slot) unwanted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if isClosed(s.calls) {
		s.calls = make(chan struct{})
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// errTight says that a slot was given for which a client's connection was closed.
var errTight = errors.New("no slot to spare")

// take waits for the slot. If late is closed before it is there, impatient is called.
func (s *slot) take(ctx context.Context, late <-chan struct{}, impatient func()) error {
	if s.held {
		return nil
	}
	s.unwanted()
	s.pool.Reserve(s)
	for {
		select {
		case err := <-s.answer:
			s.tight = errors.Is(err, errTight)
			if s.held = err == nil || s.tight; s.held {
				return nil
			}
			return fmt.Errorf("wait for a server connection: %w", err)
		case <-late:
			late = nil
			impatient()
		case <-ctx.Done():
			if !s.pool.CancelReserve() {
				if err := <-s.answer; err == nil || errors.Is(err, errTight) {
					s.pool.Unreserve()
				}
			}
			return fmt.Errorf("wait for a server connection: %w", ctx.Err())
		}
	}
}

// giveBack returns the slot. No connection may be open that counts for it.
func (s *slot) giveBack() {
	if s.held {
		s.held = false
		s.pool.Unreserve()
	}
	s.unwanted()
}
