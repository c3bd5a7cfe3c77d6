package proxy

import (
	"context"
	"maps"
	"net"
	"slices"
	"time"

	"overdrive/proxy/pgwire"
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
	s.eachSession((*session).drain)
	s.noteQuiet()
	var err error
	select {
	case <-s.quiet:
	case <-ctx.Done():
		err = ctx.Err()
		s.eachSession(func(c *session) { c.reject(reasonShutdown, codeAdminShutdown, errShutdown.Error()) })
	}
	s.endRefreshes()
	s.closePools()
	s.halt()
	return err
}

// eachSession has f called for every session that has a client on its loop.
func (s *Server) eachSession(f func(*session)) {
	s.eachOf(func(w *worker) *list { return &w.sessions }, f)
}

// endRefreshes cancels what is fetched for nobody but the cache.
func (s *Server) endRefreshes() {
	s.eachOf(func(w *worker) *list { return &w.refreshes }, func(c *session) { c.end(reasonShutdown, nil) })
}

func (s *Server) eachOf(those func(*worker) *list, f func(*session)) {
	for _, w := range s.workers {
		w.loop.Post(func() {
			w.scratch.reset()
			for c := those(w).first; c != nil; {
				next := c.next // f may end the session
				f(c)
				c = next
			}
		})
	}
}

// poolsLimit bounds the wait for server connections to be closed politely.
const poolsLimit = 5 * time.Second

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
func (s *Server) forget(c *session) {
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

// drain asks a session to end at the next moment at which its client loses nothing.
func (s *session) drain() {
	s.draining = true
	s.settle()
}

// restful says whether the client has nothing under way.
func (s *session) restful() bool {
	return s.state == ready && !s.busy() && !s.midBatch && s.in.Len() == 0 && s.left == 0 && s.status() == pgwire.TxIdle
}

// turnAway tells a client that there are too many. A cancel request is carried out all the same.
func (s *Server) turnAway(nc net.Conn, limit int) {
	a := &admission{server: s, nc: nc}
	_ = nc.SetDeadline(time.Now().Add(time.Second))
	err := a.open()
	if err == nil {
		err = refuse(codeTooManyConnections, "sorry, too many clients already (limit %d)", limit)
	}
	a.end(err)
}
