package session

// This file is about statements of SQL PREPARE. When the session is at rest the server tells which it has, and they become the client's as if
// it had prepared them by protocol: then any server can be lent them, see sqlnames.go, and they tie the session to none.
//
//	PREPARE p AS … ──▶ pinned ──▶ transaction ends ──▶ pg_prepared_statements ──▶ adopted, and closed where it was
//
// What cannot be adopted keeps the pin: a text of which PREPARE is only a part, or that is long, or is read in another encoding than ours.

// adopt makes the client's what the server has told of. The inquiry is at its end, and what is adopted pins no more.
func (s *Session) adopt() {
	q := s.params.inquiry
	if q == nil || q.failed || !q.shown || len(q.found) == 0 || len(q.found) > maxFound || s.identity.Mode == SessionPooling {
		return
	}
	for _, f := range q.found {
		if f.body == nil || ours(f.name) || s.scope(f.body) != "" {
			return
		}
		st := s.identity.statements.intern(f.body, "", s.meaning([]byte(f.name)))
		if !s.affords(&s.names.keep, len(f.name), st) {
			return
		}
		s.remember(f.name, st)
		s.srv.lendUnder(f.name)
	}
	q.left.pins &^= pinPrepare
}
