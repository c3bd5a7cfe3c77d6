package proxy

import (
	"context"
)

// Shutdown stops the server: nobody new is let in, clients at rest are told to go, transactions that are open may finish
// until ctx ends, and then everything is closed. It returns nil if all clients were gone by then, else ctx's error; in
// both cases nothing of the server runs any more.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	s.mu.Lock()
	for l := range s.listeners {
		l.Close()
	}
	s.mu.Unlock()
	s.EachSession(Session.Drain)
	s.noteQuiet()
	var err error
	select {
	case <-s.quiet:
	case <-ctx.Done():
		err = ctx.Err()
		s.EachSession(func(session Session) { session.ShutDown(ErrShutdown.Error()) })
	}
	s.endUnattended()
	s.mu.Lock()
	protocols := s.protocols
	s.mu.Unlock() // the loops, which may need it too, have work to do before the protocols are closed
	for _, p := range protocols {
		p.Close()
	}
	s.halt()
	return err
}

// EachSession has f called for every session that has a client, on the loop where it lives.
func (s *Server) EachSession(f func(Session)) {
	for _, seat := range s.registry.all() {
		seat.Post(func() { f(seat.session()) })
	}
}

// endUnattended ends the sessions without a client.
func (s *Server) endUnattended() {
	for _, w := range s.workers {
		w.Loop.Post(func() {
			for seat := w.unattended.first; seat != nil; seat = seat.next {
				seat.Post(func() { seat.session().ShutDown(ErrShutdown.Error()) }) // each in an event of its own
			}
		})
	}
}

// halt ends the loops and waits for everything that runs.
func (s *Server) halt() {
	s.stop()
	for _, w := range s.workers {
		w.Loop.Close()
	}
	s.loops.Wait()
	s.tasks.Wait()
}

// noteQuiet lets Shutdown go on once nobody is left.
func (s *Server) noteQuiet() {
	if !s.stopping.Load() || s.registry.size() > 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.quiet:
	default:
		close(s.quiet)
	}
}
