package session

import "overdrive/proxy/postgres/pgwire"

// This file brings back, behind a RESET that was answered, what the client's startup packet has set: for the client that is the value to return to.

// bringBack undoes what a RESET undid too much: for this client the value to return to is that of its startup packet,
// not the server's. The difference is applied before the client's next statement. Where nothing can be rolled back any more the
// server need not be asked what came of a SET before the RESET.
func (s *Session) bringBack() {
	s.errand.applied = nil
	if s.srv.status != pgwire.TxIdle {
		s.repairResets()
		return
	}
	r := s.params.resets.take()
	if r == nil {
		return
	}
	if r.all {
		s.resetAll(r.kept)
	}
	want := s.identity.Interner.Edit(s.params.want)
	for name := range r.names {
		s.resetOne(want, name)
	}
	s.params.want = want.Done()
	s.srv.tells = true
	s.forget(r)
	if q := s.params.inquiry; q != nil && q.all { // what a parameter of the user's own is said to be does not tell that it was reset
		q.undone = r
	}
}

// repairResets notes what a RESET in a transaction has brought back too far: to the server's value, where the client's startup packet
// has one of its own. Nothing else is sent while the transaction is open, for what it has set, and how, is known to the server alone.
func (s *Session) repairResets() {
	r := s.params.resets.undone
	if r == nil || s.params.startup == nil {
		return
	}
	for _, it := range s.goneTooFar(func(key string) bool { return !r.repaired[key] && r.comesBack(key) }) {
		if r.repaired == nil {
			r.repaired = make(map[string]bool)
		}
		r.repaired[it.Key] = true
		r.repairs = append(r.repairs, it)
	}
}

// resetsEnded is called when no transaction is open. What RESET brought back is certain unless something was rolled back.
func (s *Session) resetsEnded() {
	if s.params.resets.open && s.params.resets.rolledBack {
		s.relearns()
		s.params.inquiry.undone = s.params.resets.take() // which of them holds is for the server to say
	}
	s.params.resets.open, s.params.resets.rolledBack = false, false
	s.rest()
}
