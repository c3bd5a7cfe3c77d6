package catalog

import (
	"time"

	"overdrive/querycache"
)

// This file says what becomes of the catalogs where the keeper's look comes to nothing. As a rule they are put aside: nobody can tell
// whether they still hold. But where it is clients who keep the keeper from its look, by holding every connection or by waiting for its
// own, they would stop others who need no server. So for some time the catalogs of the last look are trusted without a new one. What
// passes through the proxy is not waited for: Classifier.Stale takes effect at once.

// maxTrust bounds how long catalogs are trusted without a look.
const maxTrust = 10 * time.Minute

// A trust is how long a keeper's catalogs hold without a look. It is used with the keeper's turn held.
type trust struct {
	limit   time.Duration // after a look
	looked  time.Time     // when the last look began by which they held
	doubted bool          // the look under way has seen a change
}

// trustUnder returns for how long after a look catalogs are trusted without another one: as long as an answer that was kept then may be
// served by the policy, since that is how long the policy accepts what goes around the proxy unseen; and as long as between two looks,
// for then nothing is overdue.
func trustUnder(p *querycache.Policy) time.Duration {
	if p == nil || !p.Enabled {
		return lookPoll
	}
	return min(max(min(p.MaxAge, maxTrust)+min(p.StaleWhileRevalidate, maxTrust), lookPoll), maxTrust)
}

// left returns how much longer the catalogs are trusted.
func (t *trust) left() time.Duration { return max(t.limit-time.Since(t.looked), 0) }

// confirm notes that the catalogs held at some time after began.
func (t *trust) confirm(began time.Time) { t.looked, t.doubted = began, false }

// fail ends a look that came to nothing, and returns its failure.
func (k *Keeper) fail(kind failureKind, err error) error {
	k.given.Shelf.failures.Add(1)
	f := &failure{kind: kind, error: err}
	if kind.byClients() && !k.trust.doubted {
		f.trusted = k.trust.left()
	}
	if kind == brokenOff && k.grace.now < k.grace.most {
		f.patience = k.grace.now
	}
	if f.trusted > 0 {
		k.hangUp()
	} else {
		k.rest()
	}
	return f
}

// follow goes by other terms. Call it with turn held.
func (k *Keeper) follow(t terms) {
	k.trust.limit = trustUnder(t.policy)
	k.grace.begin(t.waitTimeout)
	k.trusted = nil
	if t.policy != nil {
		k.trusted = t.policy.Trusted
	}
}
