package session

import (
	"overdrive/proxy/postgres/settings"
)

// This file is about RESET, for which a client's values are those of its startup packet, not the server's.

// resets are the parameters to bring back once the statements under way are through.
//
//	RESET x ──▶ names ── SET x ──▶ (out)          RESET ALL ──▶ all ── SET x ──▶ kept ── RESET x ──▶ names
type resets struct {
	*undone         // what is to be brought back; nil: nothing
	open       bool // one is under way or in the open transaction
	rolledBack bool // something failed or was rolled back since no transaction was open
}

// undone are the parameters that statements under way reset.
type undone struct {
	names map[string]bool // by key
	kept  map[string]bool // of all: what was SET since
	in    uint64          // the batch of the last of them
	all   bool
	last  []string // of the last RESET in the open batch, until something is parsed, bound or run behind it

	repairs  []settings.Setting // to be given the startup value within the transaction, before the next statement
	repaired map[string]bool    // was given the startup value within the transaction; it is of names, or of all
}

// covers says whether a parameter was reset last. There may be none.
func (u *undone) covers(key string) bool {
	return u != nil && (u.names[key] || u.all && !u.kept[key])
}

// comesBack says whether the value of a parameter is now that which RESET comes to. RESET ALL leaves some alone.
func (u *undone) comesBack(key string) bool {
	return u.names[key] || u.all && !u.kept[key] && !settings.Has(key, settings.Stays)
}

// take returns the parameters to bring back, and forgets them. It returns nil if there are none.
func (r *resets) take() *undone {
	taken := r.undone
	r.undone = nil
	return taken
}

// reset notes that a parameter, or "all", is brought back by a statement of a batch.
func (r *resets) reset(name string, batch uint64) {
	if r.undone == nil {
		r.undone = new(undone)
	}
	r.in = batch
	if name == "all" {
		r.names, r.kept, r.repaired, r.all = nil, nil, nil, true
		return
	}
	if r.names == nil {
		r.names = make(map[string]bool)
	}
	r.names[name] = true
	delete(r.kept, name)
	delete(r.repaired, name)
}

// set notes that a parameter is SET behind what reset it.
func (r *resets) set(name string) {
	if r.undone == nil {
		return
	}
	delete(r.repaired, name)
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
	if before := s.params.resets.undone; before != nil && len(before.names)+len(names) > maxNamed || len(names) > maxNamed {
		s.pin(pinSetting) // of the others nobody knows what they come to
	} else {
		for _, name := range names {
			s.params.resets.reset(name, srv.owed.sent)
		}
		for _, name := range kept {
			s.params.resets.set(name)
		}
	}
	srv.params.has = s.identity.doubt(srv.params.has, names)
}

// goneTooFar are the settings of the startup packet, of the parameters that are reset, where the server's own are others: to those a RESET
// brings the server.
func (s *Session) goneTooFar(reset func(key string) bool) (all []settings.Setting) {
	base := s.identity.Base()
	for _, it := range s.params.startup.Items() {
		if value, usual := base.Get(it.Key); !(usual && value == it.Value) && reset(it.Key) {
			all = append(all, it)
		}
	}
	return all
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
