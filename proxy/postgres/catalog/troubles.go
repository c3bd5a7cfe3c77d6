package catalog

import (
	"slices"
	"time"

	"overdrive/proxy/postgres/session"
)

// This file is about lenses that cannot have a catalog.

// trouble is why a lens has no catalog.
type trouble struct {
	fingerprint string    // of a catalog with which the lens cannot have one; empty: it may have one at the next try
	until       time.Time // when the next try may be
	times       int
}

// again notes another failure. One that is lasting stays until the catalog has changed.
func (t *trouble) again(fingerprint string, lasting bool, now time.Time) {
	t.fingerprint = ""
	if lasting {
		t.fingerprint = fingerprint
	}
	t.until = now.Add(min(lookPoll<<min(t.times, 10), mostRetry))
	t.times++
}

// bars reports whether the lens need not be tried now. A lens without trouble may be tried.
func (t *trouble) bars(fingerprint string) bool {
	return t != nil && (t.fingerprint == fingerprint || t.fingerprint == "" && time.Now().Before(t.until))
}

// trouble returns that of a lens, for the next failure to be noted.
func (k *Keeper) trouble(l *session.Lens) *trouble {
	if k.troubles == nil {
		k.troubles = make(map[*session.Lens]*trouble)
	}
	t := k.troubles[l]
	if t == nil {
		t = &trouble{}
		k.troubles[l] = t
	}
	return t
}

// forgetTroubles drops those of lenses that are no longer there.
func (k *Keeper) forgetTroubles(there []pending) {
	for l := range k.troubles {
		if !slices.ContainsFunc(there, func(p pending) bool { return p.Lens == l }) {
			delete(k.troubles, l)
		}
	}
}
