package session

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// This file is about DDL that is being committed while statements of others are under way. One of these may have waited for the lock of the DDL, or run right
// behind it, and may be answered before the DDL is: then the statement has done something else than its verdict says, and no new version of the catalog tells
// yet. So DDL is announced to all identities of its database before anything is sent by which it may be committed:
//
//	DDL is sent ── its transaction goes on ──▶ what may commit it is sent: announced ──▶ over: there is a new version, and it is forgotten
//
// Invariant: DDL that may have been committed is announced until its version is there.

// Alterations are what is announced in one upstream database. Safe for concurrent use. The zero value has none.
type Alterations struct {
	count atomic.Int32 // of all
	mu    sync.Mutex   // guards all, and the fields of each alteration
	all   []*alteration
}

// An alteration is what the DDL of one mark touches.
type alteration struct {
	by      *marks            // those of its connection; nil: the connection is lost
	touches []*classify.Touch // a nil one stands for anything
	until   time.Time         // when an alteration of a lost connection is given up
	// gone is the write of a lost connection, which ends when it is known what has become of it. Where nothing is kept for the identity there is none.
	gone *querycache.Abandoned
}

// announce adds the DDL of one of the marks, or what has been added to that since. DDL that is inert need not be announced.
func (a *Alterations) announce(by *marks, w *mark) {
	if !w.vast && !slices.ContainsFunc(w.touches, func(t *classify.Touch) bool { return !t.Inert() }) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if w.alteration == nil {
		w.alteration = &alteration{by: by}
		a.all = append(a.all, w.alteration)
		a.count.Add(1)
	}
	w.alteration.touches = slices.Clone(w.touches)
	if w.vast {
		w.alteration.touches = append(w.alteration.touches, nil)
	}
}

// forget removes the DDL of a mark, of which there is a version now, or which has never been.
func (a *Alterations) forget(w *mark) {
	if w.alteration == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remove(func(one *alteration) bool { return one == w.alteration })
}

// abandon has the DDL of a mark, whose connection is lost, stay announced until it is known what has become of it, or for as long as an abandoned write lasts.
func (a *Alterations) abandon(w *mark, now time.Time) {
	if w.alteration == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	w.alteration.by, w.alteration.gone, w.alteration.until = nil, w.left, now.Add(querycache.DefaultSettlePeriod)
}

// announced returns what is announced now by other connections than that of some marks, on which things happen one after the other.
func (a *Alterations) announced(own *marks, now time.Time) (touches []*classify.Touch) {
	if a.count.Load() == 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remove(func(one *alteration) bool {
		return one.by == nil && (one.gone != nil && one.gone.Ended() || !now.Before(one.until))
	})
	for _, one := range a.all {
		if own == nil || one.by != own {
			touches = append(touches, one.touches...)
		}
	}
	return touches
}

// remove is called under mu.
func (a *Alterations) remove(gone func(one *alteration) bool) {
	a.all = slices.DeleteFunc(a.all, gone)
	a.count.Store(int32(len(a.all)))
}
