package proxy

import (
	"context"
	"time"
)

// This file decides how many of the event loops are in use. A loop that has much to do takes many events from the kernel
// in one call and rarely sleeps; the same work on two loops costs each of them more calls and more wake-ups. So sessions
// are kept together on as few loops as can carry them, and spread only when those are short of processor time.
//
// Measured with pgbench -S, 16 clients, two processors: 20 µs of processor time per transaction on one loop, 25 on two.

// How the loops in use are chosen.
const (
	spreadEvery = 250 * time.Millisecond
	// spreadAbove is the processor time, as a share of one processor per loop in use, from which one more is used.
	spreadAbove = 0.7
	// gatherBelow: if each of the other loops would have less than this share, for gatherAfter ticks, the last loop is no longer used.
	gatherBelow = 0.3
	gatherAfter = 20 // ticks
)

// spread is the policy without the clock and the loops.
type spread struct {
	loops int // there are
	inUse int // are used: the first ones
	calm  int // ticks in a row with too little to do for the loops in use
}

// tick takes the processor time used since the last tick, in processors, and says how many loops to use now.
func (p *spread) tick(processors float64) int {
	switch {
	case processors > spreadAbove*float64(p.inUse) && p.inUse < p.loops:
		p.inUse++
		p.calm = 0
	case p.inUse > 1 && processors < gatherBelow*float64(p.inUse-1):
		if p.calm++; p.calm >= gatherAfter {
			p.inUse--
			p.calm = 0
		}
	default:
		p.calm = 0
	}
	return p.inUse
}

// spreadSessions runs the policy until the server stops. It sleeps while there are no clients.
func (s *Server) spreadSessions() {
	policy := spread{loops: len(s.workers), inUse: 1}
	used, at := processorTime(), time.Now()
	for {
		if s.registry.size() == 0 {
			select {
			case <-s.arrival:
			case <-s.context.Done():
				return
			}
			used, at = processorTime(), time.Now()
		}
		if !sleep(s.context, spreadEvery) {
			return
		}
		nowUsed, now := processorTime(), time.Now()
		before := policy.inUse
		inUse := policy.tick(float64(nowUsed-used) / float64(now.Sub(at)))
		used, at = nowUsed, now
		s.inUse.Store(int32(inUse))
		if inUse != before || s.uneven(inUse) {
			s.rebalance(inUse)
		}
	}
}

// place picks the loop for a new session: of those in use the one with the fewest.
func (s *Server) place() *Worker {
	best := s.workers[0]
	for _, w := range s.workers[1:max(1, int(s.inUse.Load()))] {
		if w.load.Load() < best.load.Load() {
			best = w
		}
	}
	return best
}

// uneven says whether some loop has sessions that belong elsewhere.
func (s *Server) uneven(inUse int) bool {
	share := s.share(inUse)
	for i, w := range s.workers {
		if load := w.load.Load(); i >= inUse && load > 0 || load > share+share/4+1 {
			return true
		}
	}
	return false
}

// share is how many sessions each of the loops in use should have.
func (s *Server) share(inUse int) int64 {
	var all int64
	for _, w := range s.workers {
		all += w.load.Load()
	}
	return (all + int64(inUse) - 1) / int64(inUse)
}

// rebalance moves sessions from loops that have too many to those that have too few. Only a session at rest can be moved;
// the next tick tries again for the others.
func (s *Server) rebalance(inUse int) {
	share := s.share(inUse)
	for i, w := range s.workers {
		keep := share
		if i >= inUse {
			keep = 0
		}
		w.Loop.Post(func() { w.shed(keep, s.workers[:inUse], share, s.move) })
	}
}

// shed moves sessions at rest to other loops until only keep are left.
func (w *Worker) shed(keep int64, to []*Worker, share int64, move func(*Seat, *Worker)) {
	for seat := w.sessions.first; seat != nil && w.load.Load() > keep; {
		next := seat.next
		if seat.session().Movable() {
			for _, t := range to {
				if t != w && t.load.Load() < share {
					move(seat, t)
					break
				}
			}
		}
		seat = next
	}
}

// move hands a movable session to another loop. It must be called on the session's own.
func (s *Server) move(seat *Seat, to *Worker) {
	from := seat.Here()
	from.remove(seat)
	to.load.Add(1) // counted from now on, so that not too many are sent there
	moved := seat.Move(seat.session().Conn(), to, func() {
		to.sessions.add(seat)
		seat.session().Moved(to)
	})
	if !moved {
		to.load.Add(-1)
		from.load.Add(1)
		from.sessions.add(seat)
	}
}

// sleep returns true when the time is up, false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
