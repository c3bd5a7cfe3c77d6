package session

import (
	"slices"
	"sync"
	"sync/atomic"

	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// This file is about DDL that is being committed while statements of others are under way. One of them may have waited for its lock, or come right
// behind it, and be answered first: it has not done what its verdict says, and no new version of the catalog tells yet. So DDL is announced to all
// identities of its database before that is sent by which it may be committed:
//
//	DDL is sent ── its transaction goes on ──▶ what may commit it is sent: announced ──▶ over: there is a new version, and it is forgotten
//
// Invariant: DDL that may have been committed is announced until its version is there.

// Alterations are what is announced in one upstream database. Safe for concurrent use. The zero value has none.
type Alterations struct {
	count atomic.Int32 // of all
	mu    sync.Mutex   // guards the fields below, and those of each alteration
	all   []*alteration
}

// An alteration is what the DDL of one mark touches.
type alteration struct {
	by      *marks            // those of its connection; nil: that has left
	touches []*classify.Touch // nil is one that may be anything
	left    *querycache.Abandoned
}

// announce adds the DDL of one of the marks, or what has been added to that.
func (a *Alterations) announce(by *marks, w *mark) {
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

// abandon has the DDL of a mark stay until it is known what has become of that.
func (a *Alterations) abandon(w *mark) {
	if w.alteration == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	w.alteration.by, w.alteration.left = nil, w.left
	a.remove(func(one *alteration) bool { return one == w.alteration && w.left == nil })
}

// announced returns what others have announced than these marks: on one connection things happen one after the other.
func (a *Alterations) announced(but *marks) (touches []*classify.Touch) {
	if a.count.Load() == 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remove(func(one *alteration) bool { return one.left != nil && one.left.Ended() })
	for _, one := range a.all {
		if one.by != but {
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
