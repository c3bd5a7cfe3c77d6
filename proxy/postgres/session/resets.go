package session

import (
	"overdrive/proxy/postgres/pgwire"
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

// bringBack undoes what a RESET undid too much: for this client the value to return to is that of its startup packet,
// not the server's. The difference is applied before the client's next statement. Where nothing can be rolled back any more the
// server need not be asked what came of a SET before the RESET.
func (s *Session) bringBack() {
	s.errand.applied = nil
	if !s.params.resets.any() {
		return
	}
	r := s.params.resets.take()
	if r.all {
		s.resetAll(r.kept)
	}
	want := s.identity.Interner.Edit(s.params.want)
	for name := range r.names {
		s.resetOne(want, name)
	}
	s.params.want = want.Done()
	if s.srv.status == pgwire.TxIdle {
		s.forget(&r)
	}
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

// resetsEnded is called when no transaction is open. What RESET brought back is certain unless something was rolled back.
func (s *Session) resetsEnded() {
	if s.params.resets.open && s.params.resets.rolledBack {
		s.relearns(reachSet)
	}
	s.params.resets.open, s.params.resets.rolledBack = false, false
}
