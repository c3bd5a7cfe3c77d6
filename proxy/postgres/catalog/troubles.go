package catalog

import (
	"slices"
	"time"

	"overdrive/proxy/postgres/session"
)

// This file is about lenses that cannot have a catalog.

// trouble is why a lens has no catalog.
type trouble struct {
	version uint64    // of what is known with which the lens cannot have a catalog; 0: it may have one at the next try
	until   time.Time // when the next try may be
	times   int
}

// again notes another failure. One that is lasting stays until the catalog has changed.
func (t *trouble) again(version uint64, lasting bool, now time.Time) {
	t.version = 0
	if lasting {
		t.version = version
	}
	t.until = now.Add(min(lookPoll<<min(t.times, 10), mostRetry))
	t.times++
}

// bars reports whether the lens need not be tried now. A lens without trouble may be tried.
func (t *trouble) bars(version uint64) bool {
	return t != nil && (t.version == version || t.version == 0 && time.Now().Before(t.until))
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
