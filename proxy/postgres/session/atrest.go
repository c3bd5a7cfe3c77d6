package session

import "overdrive/proxy/postgres/pgwire"

// This file says when a session and a server connection are at rest: then the one can be ended without loss, and moved to another loop,
// and the other given to somebody else.

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

// rest notes what the client wants while no transaction is open and nothing is to be asked.
func (s *Session) rest() {
	if s.srv != nil && s.params.inquiry == nil {
		s.srv.params.rested = s.params.want
	}
}

// restful says whether the client has nothing under way, and has sent nothing more.
func (s *Session) restful() bool { return s.atRest() && s.in.Len() == 0 && s.begun == 0 }

// busy says whether the server still works for this client.
func (s *Session) busy() bool { return s.srv != nil && s.srv.busy() }

// unanswered says whether waiting brings replies that are still owed. In a copy it does not: the server waits for the
// client.
func (s *Session) unanswered() bool { return s.busy() && !s.srv.copying.in }
