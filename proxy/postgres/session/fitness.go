package session

import (
	"strings"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/querycache"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// barred says why the cache may not be asked for a statement that begins now, or "" if it may.
//
// Behind a statement that is still to be answered nothing is served: that one may see what was written after the look into
// the cache, and then time would go back.
func (s *Session) barred(v *classify.Verdict) querycache.Status {
	why := s.unfit(v)
	if why == "" && (s.busy() || s.batch.open && s.srv != nil && s.sharesSnapshot()) {
		return statusTransaction
	}
	return why
}

// unfit says why the cache has no business with a statement, wherever its messages stand, or "" if it has: it would see more,
// or less, than one that comes alone, because a transaction block is open or the batch at hand does more than read; or
// nobody knows what else its answer depends on.
func (s *Session) unfit(v *classify.Verdict) querycache.Status {
	switch {
	case s.identity.Cache == nil || s.cache.off || s.cache.localOff:
		return querycache.Disabled
	case s.status() != pgwire.TxIdle && !s.first() || (s.batch.open || s.busy()) && !s.batch.onlyReads:
		return statusTransaction
	case !v.MayBeKept():
		return v.Status
	case s.srv != nil && s.srv.Era != s.identity.Era(): // its defaults are not those of the answers that are kept
		return statusSession
	case s.pins != 0 || s.lens() == nil || !s.knows(v.Needs) || s.srv != nil && !s.attempt.leased && s.srv.params.stain != 0:
		return statusSession
	}
	return ""
}

// passBy notes that a statement goes to the server without a look into the cache, and why. It is told once for each.
func (s *Session) passBy(v *classify.Verdict, why querycache.Status) {
	s.noteStatus(why)
	s.cache.why, s.attempt.looked = s.reason(v, why), true
	if s.identity.Cache != nil {
		v.Tally.PassBy()
		s.tallyWhy(v.Tally, why)
	}
}

// tallyWhy counts for a shape what somebody could do something about.
func (s *Session) tallyWhy(t *verdict.Tally, why querycache.Status) {
	switch {
	case t == nil:
	case why == querycache.Disabled:
		t.Disabled.Add(1)
	case why == statusSession:
		t.Stateful.Add(1)
		t.State.Or(uint32(s.pins))
	case why == statusTransaction && s.srv != nil && s.srv.opened != 0 && (s.srv.opened&begunCommitted != 0 || !s.sharesSnapshot()):
		t.Begun.Add(1)
	}
}

// sharesSnapshot says whether the statements of a transaction of this session see the same snapshot.
func (s *Session) sharesSnapshot() bool {
	if level, ok := s.params.want.Get("default_transaction_isolation"); ok {
		return level != readCommitted
	}
	l := s.lens()
	return l == nil || l.snapshots.Load()
}

// knows says whether the session's values of the parameters are known, and part of its keys.
func (s *Session) knows(parameters []string) bool {
	for _, name := range parameters {
		if _, ok := s.params.want.Find(name); !ok || settings.Has(name, settings.Silent) {
			return false
		}
	}
	return true
}

// reason says in a sentence why a statement has the status.
func (s *Session) reason(v *classify.Verdict, status querycache.Status) string {
	if status == v.Status {
		return v.Reason
	}
	switch status {
	case verdict.Uncacheable:
		return "the answer is asked for in parts, or by messages of a form that is not looked for"
	case statusTransaction:
		return "the statement stands in a transaction, or in a batch that does more than read"
	case statusSession:
		if s.pins != 0 {
			return "the session is pinned: " + s.pinned()
		}
		if !s.knows(v.Needs) {
			return "the answer depends on parameters that are not part of the key: " + strings.Join(v.Needs, ", ")
		}
		return "the session has set parameters that answers may depend on"
	case querycache.Hinted:
		return "the hint in the statement says that it is not to be answered from the cache"
	case verdict.Volatile:
		return "a parameter holds a word such as today, which a date type reads as the present"
	case verdict.Unsettled:
		return "a table that is read is being written, or the catalog is changing"
	case querycache.Disabled:
		return "the cache is off for this database, session or statement"
	}
	return ""
}
