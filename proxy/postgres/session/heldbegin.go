package session

import (
	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/classify"
)

// holdsBack says whether a statement begins a transaction that can be held back, or ends one that is.
func (s *Session) holdsBack(v *classify.Verdict) bool {
	switch {
	case s.begun != 0:
		return s.srv == nil && v.Session.Has(classify.PlainCommit|classify.PlainRollback)
	case !v.Session.Has(classify.PlainBegin) || !s.identity.InTransactions || s.identity.Cache == nil || s.cache.off:
		return false
	}
	return s.srv == nil && s.pins == 0 && s.params.inquiry == nil && s.identity.Mode == TransactionPooling && s.params.want != nil &&
		(v.Session.Has(classify.Committed) || !s.sharesSnapshot()) && !s.limitsTransactions() && s.identity.login.Load() != nil
}

// limitsTransactions says whether the client has a transaction_timeout, which counts from a BEGIN that a server sees.
func (s *Session) limitsTransactions() bool {
	value, ok := s.params.want.Get("transaction_timeout")
	limit, _ := settings.ParseTimeout(value)
	return ok && limit > 0
}

// holdBack takes in such a statement, and returns its tag.
func (s *Session) holdBack(v *classify.Verdict) string {
	if s.begun != 0 {
		failed := s.begun&begunFailed != 0
		s.begun = 0
		s.stopIdling()
		if failed || v.Session.Has(classify.PlainRollback) {
			return "ROLLBACK"
		}
		return "COMMIT"
	}
	s.begun = begunBy(v)
	if v.Session.Has(classify.Starts) {
		return "START TRANSACTION"
	}
	return "BEGIN"
}
