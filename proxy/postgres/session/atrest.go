package session

import "overdrive/proxy/postgres/pgwire"

// This file says when a session and a server connection are at rest: then the one can be ended without loss, and moved to another loop,
// and the other given to somebody else.

// Drain asks a session to end at the next moment at which its client loses nothing.
func (s *Session) Drain() {
	s.draining = true
	s.settle()
}

// busy says whether the server has replies to give, or is amid one.
func (c *ServerConn) busy() bool { return c.owed.len() > 0 || c.in.left > 0 }

// atRest says whether the server has nothing to do and waits for nothing: no reply is owed, and no transaction, batch or copy is open.
func (c *ServerConn) atRest() bool {
	return !c.busy() && c.status == pgwire.TxIdle && !c.owed.open && !c.copying.in && !c.trouble.dying
}

// atRest says whether nothing of the client's is under way. What it has sent since may wait.
func (s *Session) atRest() bool {
	return s.state == ready && !s.batch.open && s.in.left == 0 && (s.srv == nil || s.srv.atRest())
}

// restful says whether the client has nothing under way, and has sent nothing more.
func (s *Session) restful() bool { return s.atRest() && s.in.Len() == 0 }

// ShutDown ends the session at once, because the proxy stops. The client gets to read the words.
func (s *Session) ShutDown(words string) { s.reject(ReasonShutdown, pgwire.CodeAdminShutdown, words) }

// Stop ends a session that has no client, because the proxy stops.
func (s *Session) Stop() { s.end(ReasonShutdown, nil) }

// MoveTo notes that a movable session lives on the loop of w from now on.
func (s *Session) MoveTo(w *Workspace) { s.space = w }

// Movable says whether a session is at rest, and nothing of it is left on its loop, such as a timer.
func (s *Session) Movable() bool {
	return s.restful() && s.srv == nil && !s.in.paused && !s.retrying && s.endTimer == nil && s.attempt.fillTimer == nil && !s.waits()
}
