package proxy

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

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
		if _, reported := s.origin.base().get(name); !reported && follows(name) && !slices.Contains(s.unlearned, name) {
			s.unlearned = append(s.unlearned, name)
		}
	}
}

// relearns makes the session ask for all parameters once the transaction has ended: something may have set any of them, or a
// RESET, which says nothing of values, may have been rolled back.
func (s *session) relearns() {
	s.relearn = true
	s.pin(pinUnlearned)
}

// forget drops from what must be asked for the parameters that a RESET, or RESET ALL, brings back.
func (s *session) forget(names []string) {
	s.unlearned = slices.DeleteFunc(s.unlearned, func(name string) bool {
		return slices.Contains(names, name) || slices.Contains(names, "all")
	})
	if len(s.unlearned) == 0 && !s.relearn {
		s.unpin(pinUnlearned)
	}
}

// learns says whether there is something to ask, and nothing under way that may change it.
func (s *session) learns() bool {
	srv := s.srv
	return (len(s.unlearned) > 0 || s.relearn) && s.state == ready && srv.status == pgwire.TxIdle && srv.owed.len() == 0 && srv.left == 0 &&
		!srv.owed.open && !s.midBatch && !srv.copyIn && !srv.dying
}

// learn asks the server.
func (s *session) learn() {
	if s.relearn {
		s.unlearned = s.unlisted()
	}
	columns := make([]string, 0, len(s.unlearned)+1)
	for _, name := range s.unlearned {
		columns = append(columns, "pg_catalog.current_setting("+quoteLiteral(name)+", true)")
	}
	if s.relearn {
		columns = append(columns, allSet)
	}
	s.inject("SELECT " + strings.Join(columns, ", "))
	s.srv.owed.front().learn = true
	s.state, s.asking = settling, true
}

// allSet is an expression for the parameters that were set in the session and are not back at what it began with, as a JSON
// object. Operators are named in full: those of a user's search_path could lie.
const allSet = "(SELECT pg_catalog.json_object_agg(s.name, pg_catalog.current_setting(s.name))" +
	" FROM pg_catalog.pg_settings s WHERE s.source OPERATOR(pg_catalog.=) 'session')"

// unlisted returns the names of the parameters that pg_settings does not show: the role, and the user's own.
func (s *session) unlisted() []string {
	names := append([]string{"role"}, s.unlearned...)
	for _, set := range []*settings{s.want, s.srv.has} {
		for _, it := range set.items {
			if strings.Contains(it.key, ".") {
				names = append(names, it.key)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// learned is the server connection's call: the values asked for, nil for parameters that do not exist (any more).
func (s *session) learned(values [][]byte) {
	if s.relearn && len(values) == len(s.unlearned)+1 {
		all := map[string]string{}
		if last := values[len(s.unlearned)]; last != nil && (!utf8.Valid(last) || json.Unmarshal(last, &all) != nil) {
			s.unlearnable()
			return
		}
		values = values[:len(s.unlearned)]
		s.learnedAll(all)
	}
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
	s.unlearned, s.relearn = nil, false
	s.unpin(pinUnlearned)
}

// learnedAll takes the values of all parameters that are set in the session, but for those that are unlisted. The others are
// as if never set, and for the client that is what its startup packet said.
func (s *session) learnedAll(all map[string]string) {
	in := s.origin.interner
	set := make(map[string]bool, len(all))
	for name, value := range all {
		key := strings.ToLower(name)
		set[key] = true
		if reported, ok := s.origin.base().get(key); ok {
			if now, ok := s.srv.has.get(key); ok {
				reported = now // in the server's own spelling
			}
			s.want = in.with(s.want, name, reported)
			continue
		}
		if _, wanted := s.want.get(key); !wanted && !follows(key) {
			s.pin(pinSetting)
			continue
		}
		s.want, s.srv.has = in.with(s.want, name, value), in.with(s.srv.has, name, value)
	}
	for _, known := range []*settings{s.want, s.srv.has} {
		for _, it := range known.items {
			if set[it.key] || slices.Contains(s.unlearned, it.key) {
				continue
			}
			s.resetOne(it.key)
			if _, reported := s.origin.base().get(it.key); !reported {
				s.srv.has = in.without(s.srv.has, it.key)
			}
		}
	}
}

// unlearnable keeps the session pinned for good, since the server does not say what the parameters are.
func (s *session) unlearnable() {
	s.unlearned, s.relearn = nil, false
	s.pin(pinSetting)
	s.unpin(pinUnlearned)
}

// renames says whether what texts and names mean, or whose rights count, hangs on any of the parameters.
func renames(parameters []string) bool {
	for _, name := range parameters {
		switch name {
		case "search_path", "role", "session_authorization", "row_security", "all", "standard_conforming_strings", "client_encoding":
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
