package proxy

// This file is about RESET, for which a client's values are those of its startup packet, not the server's.

// bringBack undoes what a RESET undid too much: for this client the value to return to is that of its startup packet,
// not the server's. The difference is applied before the client's next statement.
func (s *session) bringBack() {
	for _, name := range s.resets {
		if name == "all" {
			s.resetAll()
			break
		}
		s.resetOne(name)
	}
	s.resets, s.applied = nil, nil
}

// resetAll brings back everything but the role, which RESET ALL leaves alone.
func (s *session) resetAll() {
	role, ok := s.want.get("role")
	s.want, s.cacheOff, s.maxAge = s.startup, false, nil
	if s.startupOwn != nil {
		s.startupOwn(s)
	}
	if ok {
		s.want = s.origin.interner.with(s.want, "role", role)
	}
}

func (s *session) resetOne(name string) {
	if v, ok := s.startup.get(name); ok {
		s.want = s.origin.interner.with(s.want, name, v)
	} else if _, reported := s.origin.base().get(name); !reported {
		s.want = s.origin.interner.without(s.want, name)
	}
}

// resetsEnded is called when no transaction is open. What RESET brought back is certain unless something was rolled back.
func (s *session) resetsEnded() {
	if s.resetOpen && s.rolledBack {
		s.relearns()
	}
	s.resetOpen, s.rolledBack = false, false
}
