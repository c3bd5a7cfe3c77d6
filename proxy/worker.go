package proxy

import (
	"sync/atomic"
	"time"

	"overdrive/proxy/loop"
	"overdrive/proxy/traffic"
)

// A Worker is one event loop with who lives there. Its exported fields do not change; the others belong to the loop.
type Worker struct {
	Index int // its place among the workers; the pool calls it home
	Loop  *loop.Loop

	post  func(func()) bool // has something run on the loop, from any goroutine; false: the loop has ended
	alarm func(d time.Duration, f func()) Timer

	sessions   list // of clients
	unattended list // sessions without a client
	turns      traffic.Times
	load       atomic.Int64 // how many clients there are; those on their way here count already. Everybody may read it
}

// A Timer calls a function once, unless it is stopped before.
type Timer interface{ Stop() bool }

// NewWorker returns the worker of a loop.
func NewWorker(index int, l *loop.Loop) *Worker {
	return &Worker{
		Index: index, Loop: l, post: l.Post, alarm: func(d time.Duration, f func()) Timer { return l.AfterFunc(d, f) },
	}
}

// TakeOn has a session without a client live here until LetGo: it never moves, and Shutdown ends it. Both are for the loop only.
func (w *Worker) TakeOn(s Session) {
	seat := s.seat()
	seat.Arrive(w)
	w.unattended.add(seat)
}

// LetGo takes a session without a client out.
func (w *Worker) LetGo(s Session) { w.unattended.remove(s.seat()) }

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
