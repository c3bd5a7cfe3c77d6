package proxy

import (
	"sync/atomic"
	"time"

	"overdrive/proxy/loop"
)

// A Worker is one event loop with who lives there. Its exported fields do not change; the others belong to the loop.
type Worker struct {
	Index int // its place among the workers; the pool calls it home
	Loop  *loop.Loop

	post  func(func()) bool // has something run on the loop, from any goroutine; false: the loop has ended
	alarm func(d time.Duration, f func()) Timer

	sessions list         // of clients
	errands  list         // sessions without a client
	load     atomic.Int64 // how many clients there are, with those on their way here, who are counted first; for everybody to read
}

// A Timer calls a function once, unless it is stopped before.
type Timer interface{ Stop() bool }

// NewWorker returns the worker of a loop.
func NewWorker(index int, l *loop.Loop) *Worker {
	return &Worker{
		Index: index, Loop: l, post: l.Post, alarm: func(d time.Duration, f func()) Timer { return l.AfterFunc(d, f) },
	}
}

// SendOut has a session without a client live here until Return: it never moves, and Shutdown ends it. Both are for the loop only.
func (w *Worker) SendOut(s Session) {
	seat := s.seat()
	seat.Arrive(w)
	w.errands.add(seat)
}

// Return takes a session without a client out.
func (w *Worker) Return(s Session) { w.errands.remove(s.seat()) }

// remove takes s out, and off the count.
func (w *Worker) remove(s *Seat) {
	if w.sessions.remove(s) {
		w.load.Add(-1)
	}
}

// A list links seats without memory of its own.
type list struct {
	first *Seat
}

func (l *list) add(s *Seat) {
	s.next, s.prev = l.first, nil
	if l.first != nil {
		l.first.prev = s
	}
	l.first = s
}

func (l *list) remove(s *Seat) bool {
	if s.prev == nil && l.first != s {
		return false
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		l.first = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.next, s.prev = nil, nil
	return true
}
