package proxy

import (
	"context"
	"maps"
	"slices"
	"time"
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
	s.eachSession(func(c *client) { c.Drain() })
	s.noteQuiet()
	var err error
	select {
	case <-s.quiet:
	case <-ctx.Done():
		err = ctx.Err()
		s.eachSession(func(c *client) { c.ShutDown(errShutdown.Error()) })
	}
	s.endRefreshes()
	s.closePools()
	s.halt()
	return err
}

// eachSession has f called for every session that has a client, on the loop where it lives.
func (s *Server) eachSession(f func(*client)) {
	for _, c := range s.registry.all() {
		c.address.post(func() {
			c.address.here().Begin()
			f(c)
		})
	}
}

// endRefreshes cancels what is fetched for nobody but the cache. Sessions without a client never move.
func (s *Server) endRefreshes() {
	for _, w := range s.workers {
		w.loop.Post(func() {
			w.Begin()
			for c := w.refreshes.first; c != nil; {
				next := c.next // it is taken out of the list
				c.Stop()
				c = next
			}
		})
	}
}

// poolsLimit bounds the wait for server connections to be closed politely.
const poolsLimit = 3 * time.Second

func (s *Server) closePools() {
	s.mu.Lock()
	origins := slices.Collect(maps.Values(s.origins))
	s.mu.Unlock() // the loops, which need it too, have work to do before the pools are empty
	deadline := time.NewTimer(poolsLimit)
	defer deadline.Stop()
	for _, o := range origins {
		o.pool.Close(errShutdown)
	}
	for _, o := range origins {
		select {
		case <-o.pool.Done():
		case <-deadline.C:
			return
		}
	}
}

// halt ends the loops and waits for everything that runs.
func (s *Server) halt() {
	s.stop()
	for _, w := range s.workers {
		w.loop.Close()
	}
	s.loops.Wait()
	s.tasks.Wait()
}

// forget takes a session that is over off the books.
func (s *Server) forget(c *client) {
	s.registry.forget(c)
	s.clients.Add(-1)
	c.origin.sessions.Add(-1)
	s.noteQuiet()
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
