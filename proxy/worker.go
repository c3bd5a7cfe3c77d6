package proxy

import (
	"sync/atomic"
	"time"

	"overdrive/proxy/loop"
	"overdrive/querycache"
)

// A worker is one event loop with what the sessions on it share. It belongs to that loop.
type worker struct {
	index   int // its place among the workers; the pool calls it home
	loop    *loop.Loop
	broker  broker
	scratch scratch
	exact   exactTexts
	request querycache.Request // that is being put to the cache
	key     []byte             // of it
	spare   []byte             // for a text that is not in exact
	answer  []byte             // of it, if the cache had one
	refresh *querycache.Fill   // by whom the answer is to be fetched anew
	post    func(func())       // has something run on the loop, from any goroutine
	alarm   func(d time.Duration, f func()) stopper

	sessions  list         // everybody who lives here
	refreshes list         // sessions without a client, see startRefresh
	load      atomic.Int64 // how many that are, with those on their way here, who are counted first; for everybody to read
}

// remove takes s out, and off the count.
func (w *worker) remove(s *session) {
	if w.sessions.remove(s) {
		w.load.Add(-1)
	}
}

// A stopper is a timer that has been set.
type stopper interface{ Stop() bool }

// after has f run on the loop once d has passed.
func (w *worker) after(d time.Duration, f func()) stopper { return w.alarm(d, f) }

// list links sessions without memory of its own.
type list struct {
	first *session
}

func (l *list) add(s *session) {
	s.next, s.prev = l.first, nil
	if l.first != nil {
		l.first.prev = s
	}
	l.first = s
}

func (l *list) remove(s *session) bool {
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
