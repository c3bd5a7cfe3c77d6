package proxy

import (
	"slices"
	"strings"

	"overdrive/proxy/pgwire"
	"overdrive/querycache/classify"
)

// This file is about parameters that the server does not report. What a SET made of one is known for certain only from the
// server, after the transaction has ended: the statement may have failed or been rolled back, and the server spells values
// its own way. So it is asked. Until then the session is pinned; from then on the value follows the client, and is part
// of the key of the cache.
//
//	SET app.tenant = 7 ──▶ pinned ──▶ transaction ends ──▶ SELECT current_setting('app.tenant', true) ──▶ in want and has

// noteSets remembers which parameters must be asked for.
func (s *session) noteSets(v *classify.Verdict) {
	for _, name := range v.Sets {
		if _, reported := s.origin.base().get(name); !reported && follows(name) {
			s.unlearned = append(s.unlearned, name)
		}
	}
}

// forget drops from what must be asked for the parameters that a RESET, or RESET ALL, brings back.
func (s *session) forget(names []string) {
	s.unlearned = slices.DeleteFunc(s.unlearned, func(name string) bool {
		return slices.Contains(names, name) || slices.Contains(names, "all")
	})
	if len(s.unlearned) == 0 {
		s.unpin(pinUnlearned)
	}
}

// learns says whether there is something to ask, and nothing under way that may change it.
func (s *session) learns() bool {
	srv := s.srv
	return len(s.unlearned) > 0 && s.state == ready && srv.status == pgwire.TxIdle && srv.owed.len() == 0 && srv.left == 0 &&
		!srv.owed.open && !s.midBatch && !srv.copyIn && !srv.dying
}

// learn asks the server.
func (s *session) learn() {
	sql := "SELECT pg_catalog.current_setting(" + quoteLiteral(s.unlearned[0]) + ", true)"
	for _, name := range s.unlearned[1:] {
		sql += ", pg_catalog.current_setting(" + quoteLiteral(name) + ", true)"
	}
	s.inject(sql)
	s.srv.owed.front().learn = true
	s.state, s.learning = settling, true
}

// learned is the server connection's call: the values asked for, nil for parameters that do not exist (any more).
func (s *session) learned(values [][]byte) {
	if len(values) != len(s.unlearned) {
		s.unlearnable()
		return
	}
	in := s.origin.interner
	for i, name := range s.unlearned {
		switch value := string(values[i]); {
		case values[i] == nil, name == "role" && value == "none":
			s.want, s.srv.has = in.without(s.want, name), in.without(s.srv.has, name)
		default:
			s.want, s.srv.has = in.with(s.want, name, value), in.with(s.srv.has, name, value)
		}
	}
	s.unlearned = nil
	s.unpin(pinUnlearned)
}

// unlearnable keeps the session pinned for good, since the server does not say what the parameters are.
func (s *session) unlearnable() {
	s.unlearned = nil
	s.pin(pinSetting)
	s.unpin(pinUnlearned)
}

// renames says whether what names mean, or whose rights count, hangs on any of the parameters.
func renames(parameters []string) bool {
	for _, name := range parameters {
		switch name {
		case "search_path", "role", "session_authorization", "row_security", "all":
			return true
		}
	}
	return false
}

// follows says whether a parameter that servers do not report may follow a client from server to server, and into the key
// of the cache: its effect is known to end with the statements of the session that set it.
func follows(name string) bool {
	switch name {
	case "search_path", "role", "row_security":
		return true
	}
	return harmless[name] || strings.Contains(name, ".") // parameters of the user's own, which policies read, and of extensions
}
