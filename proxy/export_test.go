package proxy

import (
	"context"
	"sync"
)

// MoveAll moves every session at rest to the next loop, again and again.
func (s *Server) MoveAll(ctx context.Context) {
	for ctx.Err() == nil {
		var all sync.WaitGroup
		for i, w := range s.workers {
			all.Add(1)
			posted := w.Loop.Post(func() {
				defer all.Done()
				for seat := w.sessions.first; seat != nil; {
					next := seat.next
					if seat.session().Movable() {
						s.move(seat, s.workers[(i+1)%len(s.workers)])
					}
					seat = next
				}
			})
			if !posted {
				all.Done()
			}
		}
		all.Wait()
	}
}

// EndAll ends every session.
func (s *Server) EndAll() {
	s.EachSession(func(session Session) { session.ShutDown("the test is over") })
}
