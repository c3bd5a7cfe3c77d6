package session

import "time"

// A Status is what operators are shown of a session.
type Status struct {
	Doing       string // active: it holds a server connection; idle; waiting for one
	Application string // application_name
	Server      uint32 // process ID of the server that it holds, or 0
	Prepared    int    // statements that have a name
	Pinned      string // why it keeps its server, or empty
	Waits       time.Duration
	Asked       time.Time // when the batch at hand began to arrive; zero: none is
	Buffers
}

// A ServerStatus is what operators are shown of a server connection.
type ServerStatus struct {
	Doing       string    // active: a session holds it; idle; tested: it is being cleaned; being_canceled: it waits for a cancel request
	Application string    // application_name of the session that holds it
	Holder      ID        // that session, or 0
	Prepared    int       // statements
	Asked       time.Time // when it was given the batch at hand; zero: it owes nothing
	Buffers
}

// Buffers are the bytes of one side that are on their way.
type Buffers struct {
	Kept    int // read, and not dealt with
	Left    int // still to come of the message that is being passed on
	Pending int // written, and not taken by the kernel
}

// Show is for the session's own loop.
func (s *Session) Show() Status {
	v := Status{Doing: "idle", Application: s.application(), Prepared: len(s.names.known), Pinned: s.pinned()}
	switch {
	case s.srv != nil:
		v.Doing, v.Server = "active", s.srv.PID
	case s.state == waiting, s.state == greeting && s.waits():
		v.Doing, v.Waits = "waiting", time.Duration(s.space.instant()-s.delay.since)
	}
	if s.since > 0 {
		v.Asked = s.space.time(s.since)
	}
	v.Buffers = Buffers{s.in.Len(), s.in.left, s.client.Pending()}
	return v
}

// application returns the application_name that the client has set.
func (s *Session) application() (name string) {
	if s.params.want != nil {
		name, _ = s.params.want.Get("application_name")
	}
	return name
}

// Held returns the driver of the server connection that the session holds, or nil.
func (s *Session) Held() ServerDriver {
	if s.srv == nil {
		return nil
	}
	return s.srv.driver
}

// ID returns the session's number.
func (s *Session) ID() ID { return s.login.id }

// User returns the user as the client logged in.
func (s *Session) User() string { return s.login.user }

// Socket returns the socket of the session's client, nil before it was started.
func (s *Session) Socket() Peer { return s.client }

// Show is for the connection's own loop.
func (c *ServerConn) Show() ServerStatus {
	v := ServerStatus{Doing: "idle", Prepared: c.prepared.residents.live.Len(), Buffers: Buffers{c.in.Len(), c.in.left, c.peer.Pending()}}
	if c.owed.len() > 0 {
		v.Asked = c.space.time(c.work.since)
	}
	switch h := c.holder.(type) {
	case *Session:
		v.Doing, v.Holder, v.Application = "active", h.ID(), h.application()
	case *cleaner:
		v.Doing = "tested"
	case *finisher:
		v.Doing = "being_canceled"
	case nil:
		if c.cancelling.afterward != nil {
			v.Doing = "being_canceled"
		}
	}
	return v
}

// Idle says whether nobody holds the connection.
func (c *ServerConn) Idle() bool { return c.holder == nil && c.cancelling.afterward == nil }

// Sever ends the connection as if it had broken: its holder is told the error.
func (c *ServerConn) Sever(err error) {
	if !c.gone {
		c.fail(err)
	}
}
