package session

// A Status is what operators are shown of a session.
type Status struct {
	Doing       string // active: it holds a server connection; idle; waiting for one
	Application string // application_name
	Server      uint32 // process ID of the server that it holds, or 0
	Prepared    int    // statements that have a name
	Pinned      string // why it keeps its server, or empty
}

// Show is for the session's own loop.
func (s *Session) Show() Status {
	v := Status{Doing: "idle", Prepared: len(s.names.known), Pinned: s.pinned()}
	if s.params.want != nil {
		v.Application, _ = s.params.want.Get("application_name")
	}
	switch {
	case s.srv != nil:
		v.Doing, v.Server = "active", s.srv.PID
	case s.state == waiting:
		v.Doing = "waiting"
	}
	return v
}

// ID returns the session's number.
func (s *Session) ID() ID { return s.login.id }

// User returns the user as the client logged in.
func (s *Session) User() string { return s.login.user }

// Socket returns the socket of the session's client, nil before it was started.
func (s *Session) Socket() Peer { return s.client }
