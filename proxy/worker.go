package proxy

import (
	"sync/atomic"
	"time"

	"overdrive/proxy/loop"
	"overdrive/proxy/postgres/session"
)

// A worker is one event loop with what the sessions on it share. It belongs to that loop.
type worker struct {
	session.Workspace
	index  int // its place among the workers; the pool calls it home
	server *Server
	loop   *loop.Loop
	post   func(func()) bool // has something run on the loop, from any goroutine; false: the loop has ended
	alarm  func(d time.Duration, f func()) session.Timer

	sessions  list         // everybody who lives here
	refreshes list         // sessions without a client, see startRefresh
	hintTold  time.Time    // see client.Misunderstood
	load      atomic.Int64 // how many that are, with those on their way here, who are counted first; for everybody to read
}

// remove takes s out, and off the count.
func (w *worker) remove(s *client) {
	if w.sessions.remove(s) {
		w.load.Add(-1)
	}
}

// after has f run on the loop once d has passed.
func (w *worker) after(d time.Duration, f func()) session.Timer { return w.alarm(d, f) }

// A list links clients without memory of its own.
type list struct {
	first *client
}

func (l *list) add(s *client) {
	s.next, s.prev = l.first, nil
	if l.first != nil {
		l.first.prev = s
	}
	l.first = s
}

func (l *list) remove(s *client) bool {
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
