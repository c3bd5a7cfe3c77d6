package session

import (
	"sync"
	"sync/atomic"
	"time"

	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/classify"
)

// This file keeps the lenses of an identity. Each is on its own: what one session's search_path or role comes to is no matter of the
// others.

// MaxLenses bounds the lenses of one identity, each of which remembers verdicts of its own. Sessions beyond it are passed on to the
// server, until a lens is spare.
const MaxLenses = 32

const (
	lensSpare  = 10 * time.Second // without use, until a lens makes room for another
	lensForget = 5 * time.Minute  // without use, until it is forgotten
)

// lenses are those of an identity, and what is known of its logins.
type lenses struct {
	Usual   *Lens                          // of sessions that have changed neither search_path nor role
	login   atomic.Pointer[classify.Login] // nil: not known yet
	lensAge atomic.Uint64                  // changes when there may be room for a lens

	mu   sync.Mutex // guards the fields below
	more []*Lens    // besides the usual one
}

// LensOf returns the lens of a search_path and role, or nil if there are too many.
func (o *Identity) LensOf(key LensKey) *Lens {
	if key == (LensKey{}) {
		return o.Usual
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.more {
		if l.LensKey == key {
			return l
		}
	}
	if len(o.more) >= MaxLenses && !o.makeRoom() {
		return nil
	}
	l := &Lens{LensKey: key, Classifier: classify.New(o.Tallies)}
	l.used.Store(true)
	o.more = append(o.more, l)
	o.Watch.Ask()
	return l
}

// makeRoom forgets the spare lens that has been unused longest. Call it with mu held.
func (o *Identity) makeRoom() bool {
	oldest := -1
	for i, l := range o.more {
		if l.spare && !l.used.Load() && (oldest < 0 || l.last.Before(o.more[oldest].last)) {
			oldest = i
		}
	}
	if oldest < 0 {
		return false
	}
	o.forgetLens(oldest)
	return true
}

// forgetLens drops a lens. Call it with mu held.
func (o *Identity) forgetLens(i int) {
	l := o.more[i]
	o.more = append(o.more[:i:i], o.more[i+1:]...)
	l.forgotten.Store(true)
	l.Classifier.Stale() // nobody tells it any more what changes, and statements that it has judged may be under way
	l.Classifier.Stale()
}

// LensesInUse returns the lenses there are, the usual one first, and forgets those that nobody has used for long.
func (o *Identity) LensesInUse(now time.Time) []*Lens {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := len(o.more) - 1; i >= 0; i-- {
		l := o.more[i]
		if l.used.Swap(false) || l.last.IsZero() {
			l.last = now
		}
		l.spare = now.Sub(l.last) >= lensSpare
		if now.Sub(l.last) >= lensForget {
			o.forgetLens(i)
		}
	}
	o.lensAge.Add(1)
	return append([]*Lens{o.Usual}, o.more...)
}

// EveryLens returns the lenses there are now, the usual one first.
func (o *Identity) EveryLens() []*Lens {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]*Lens{o.Usual}, o.more...)
}

// LearnLogin notes what new sessions begin with.
func (n *lenses) LearnLogin(l *classify.Login) { n.login.Store(l) }

// loginRole returns the role that a login comes with.
func (o *Identity) loginRole() string {
	if l := o.login.Load(); l != nil {
		return l.Role
	}
	return "none"
}

// loginPath returns the search_path that a login comes with; ok is false before it is known.
func (o *Identity) loginPath() (path string, ok bool) {
	l := o.login.Load()
	if l == nil {
		return "", false
	}
	return l.SearchPath, true
}

// freshTimeout returns the statement_timeout of a session that has just logged in; ok is false before it is known.
func (o *Identity) freshTimeout() (d time.Duration, ok bool) {
	l := o.login.Load()
	if l == nil {
		return 0, false
	}
	return time.Duration(l.Timeout) * time.Millisecond, true
}

// freshIdleLimit is freshTimeout for idle_in_transaction_session_timeout.
func (o *Identity) freshIdleLimit() (d time.Duration, ok bool) {
	l := o.login.Load()
	if l == nil {
		return 0, false
	}
	return time.Duration(l.IdleInTransaction) * time.Millisecond, true
}

// lensFor returns the lens of sessions with these settings, or nil if there is none.
func (o *Identity) lensFor(s *settings.Set) *Lens {
	key, ok := o.lensKey(s)
	if !ok {
		return nil
	}
	return o.LensOf(key)
}

// lensKey returns the names of sessions with these settings. ok is false where a parameter is set that is not known to leave names and
// rights alone.
func (o *Identity) lensKey(s *settings.Set) (key LensKey, ok bool) {
	base := o.Base()
	if s == base {
		return key, true
	}
	for _, it := range s.Items() {
		usual, reported := base.Get(it.Key)
		switch {
		case it.Value == settings.Doubtful:
			return key, false
		case it.Key == "search_path":
			if !reported || it.Value != usual {
				key.Path = it.Value
			}
		case it.Key == "role":
			if it.Value != o.loginRole() {
				key.Role = it.Value
			}
		case it.Key == "row_security" && it.Value != "on":
			return key, false // the server raises an error in place of filtering rows
		case !reported && !settings.MayFollow(it.Key):
			return key, false
		}
	}
	return key, true
}

// lens returns the session's lens, or nil: see lensFor. One that was forgotten is looked for anew, and so is one there was no
// room for.
func (s *Session) lens() *Lens {
	l := s.view.lens
	if s.view.of != s.params.want || l == nil && s.view.age != uint8(s.identity.lensAge.Load()) || l != nil && l.forgotten.Load() {
		s.view.age = uint8(s.identity.lensAge.Load())
		s.view.lens, s.view.of = s.identity.lensFor(s.params.want), s.params.want
		l = s.view.lens
	}
	if l != nil && !l.used.Load() {
		l.used.Store(true)
	}
	return l
}
