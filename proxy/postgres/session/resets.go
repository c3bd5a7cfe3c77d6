package session

import (
	"overdrive/proxy/postgres/settings"
)

// This file is about RESET, for which a client's values are those of its startup packet, not the server's.

// resets are the parameters to bring back once the statements under way are through.
//
//	RESET x ──▶ names ── SET x ──▶ (out)          RESET ALL ──▶ all ── SET x ──▶ kept ── RESET x ──▶ names
type resets struct {
	names map[string]bool // by key
	kept  map[string]bool // of all: what was SET since
	in    uint64          // the batch of the last of them
	all   bool

	open       bool // one is under way or in the open transaction
	rolledBack bool // something failed or was rolled back since no transaction was open
}

// take returns the parameters to bring back, and forgets them.
func (r *resets) take() resets {
	taken := *r
	r.names, r.kept, r.all = nil, nil, false
	return taken
}

func (r *resets) any() bool { return r.all || len(r.names) > 0 }

// reset notes that a parameter, or "all", is brought back.
func (r *resets) reset(name string) {
	if name == "all" {
		r.names, r.kept, r.all = nil, nil, true
		return
	}
	if r.names == nil {
		r.names = make(map[string]bool)
	}
	r.names[name] = true
	delete(r.kept, name)
}

// set notes that a parameter is SET behind what reset it.
func (r *resets) set(name string) {
	delete(r.names, name)
	if !r.all {
		return
	}
	if r.kept == nil {
		r.kept = make(map[string]bool)
	}
	r.kept[name] = true
}

// noteResets remembers which parameters must be brought back to the client's startup values, and which are SET behind a RESET
// ALL of the same text. What a server does not report is not known until then.
func (s *Session) noteResets(srv *ServerConn, names, kept []string) {
	s.params.resets.open = true
	if len(s.params.resets.names)+len(names) > maxNamed {
		s.pin(pinSetting) // of the others nobody knows what they come to
	} else {
		for _, name := range names {
			s.params.resets.reset(name)
		}
		for _, name := range kept {
			s.params.resets.set(name)
		}
	}
	s.params.resets.in = srv.owed.sent
	srv.params.has = s.identity.doubt(srv.params.has, names)
}

// resetAll brings back everything but what was SET since, and what RESET ALL leaves alone, such as the role.
func (s *Session) resetAll(kept map[string]bool) {
	want := s.identity.Interner.Edit(s.params.startup)
	for _, it := range s.params.want.Items() {
		if settings.Has(it.Key, settings.Stays) || kept[it.Key] {
			want.Set(it.Name, it.Value)
		}
	}
	s.params.want, s.cache.off, s.cache.maxAge = want.Done(), false, nil
	if s.login.entry != nil {
		s.login.entry.giveOwn(s)
	}
}

// resetOne brings one parameter back in a draft of what the client wants.
func (s *Session) resetOne(want *settings.Draft, name string) {
	if v, ok := s.params.startup.Get(name); ok {
		want.Set(name, v)
	} else if _, reported := s.identity.Base().Find(name); !reported {
		want.Drop(name)
	}
}
