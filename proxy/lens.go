package proxy

import (
	"sync/atomic"

	"overdrive/proxy/pgwire"
	"overdrive/querycache/classify"
)

// A lens is how an origin's texts are read by sessions that share a search_path and a role: names mean the same to all of
// them, and the same rights count. It is made when the first such session asks and stays as long as its origin. Safe for
// concurrent use.
type lens struct {
	lensKey
	classifier *classify.Classifier
	// snapshots says that transactions keep one snapshot by default, so that a kept answer must not stand among live ones.
	snapshots atomic.Bool
	refused   string // the fingerprint of a catalog that the server would not show to the role; guarded by catalogKeeper.turn
}

// lensKey is what sets lenses apart: the values as the settings have them, empty for what a login comes with.
type lensKey struct{ path, role string }

// maxLenses bounds the lenses of one origin, each of which costs a picture of the catalog. Sessions beyond it are passed on to
// the server.
const maxLenses = 32

// lensFor returns the lens of sessions with these settings, or nil if there is none: a parameter is set that is not known to
// leave names and rights alone.
func (o *origin) lensFor(s *settings) *lens {
	base := o.base()
	if s == base {
		return o.usual
	}
	var key lensKey
	for _, it := range s.items {
		usual, reported := base.get(it.key)
		switch {
		case it.value == doubtful:
			return nil
		case it.key == "search_path":
			if !reported || it.value != usual {
				key.path = it.value
			}
		case it.key == "role":
			if it.value != "none" {
				key.role = it.value
			}
		case it.key == "row_security" && it.value != "on":
			return nil // the server raises an error in place of filtering rows
		case !reported && !follows(it.key):
			return nil
		}
	}
	return o.lensOf(key)
}

func (o *origin) lensOf(key lensKey) *lens {
	if key == (lensKey{}) {
		return o.usual
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.lenses {
		if l.lensKey == key {
			return l
		}
	}
	if len(o.lenses) >= maxLenses {
		return nil
	}
	l := &lens{lensKey: key, classifier: classify.New(o.tallies)}
	o.lenses = append(o.lenses, l)
	o.askCatalog()
	return l
}

// everyLens returns the lenses there are now, the usual one first.
func (o *origin) everyLens() []*lens {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]*lens{o.usual}, o.lenses...)
}

// lens returns the session's lens, or nil: see lensFor.
func (s *session) lens() *lens {
	if s.lensOf != s.want {
		s.through, s.lensOf = s.origin.lensFor(s.want), s.want
	}
	return s.through
}

// judge returns the verdict on a text, or nil: then the session must await it.
func (s *session) judge(text []byte) *classify.Verdict {
	if !s.want.legible {
		return classify.Unreadable()
	}
	l := s.lens()
	if l == nil {
		return s.believe(s.recall(s.origin.usual, text), false)
	}
	return s.believe(s.recall(l, text), true)
}

// judgeQuery is judge for a text that is likely to come again letter for letter.
func (s *session) judgeQuery(text []byte) *classify.Verdict {
	if l := s.lens(); l != nil && s.want.legible && s.status() == pgwire.TxIdle { // in a transaction nothing is served
		if e := s.worker.exact.find(l, text); e != nil {
			return s.believe(e.verdict, true)
		}
	}
	return s.judge(text)
}

// verdict is judge for a prepared statement, which remembers what it was told.
func (s *session) verdict(st *statement) *classify.Verdict {
	if st.body == nil {
		return unseen
	}
	if st.scope != "" || !s.want.legible {
		return classify.Unreadable()
	}
	l := s.lens()
	if l == nil || st.ownTypes() {
		return s.believe(s.recall(s.origin.usual, st.text()), false)
	}
	if seen := st.seen.Load(); seen != nil && s.current(seen) {
		return s.believe(seen.verdict, true)
	}
	v := s.recall(l, st.text())
	if v != nil {
		seen := newSighting(l, v, st.text())
		st.seen.Store(seen)
		if seen.hint != nil && len(seen.hint.Unknown) > 0 {
			s.broker.misunderstood(s, seen.hint.Unknown)
		}
	}
	return s.believe(v, true)
}

// current says whether what was once seen of a statement still holds for the session.
func (s *session) current(seen *sighting) bool {
	return seen.lens == s.lens() && seen.lens.classifier.Current(seen.verdict)
}

// recall asks a lens, and then what was awaited: the lens may have forgotten it already, or never keeps it.
func (s *session) recall(l *lens, text []byte) *classify.Verdict {
	v := l.classifier.Recall(text)
	if v == nil && s.awaited != nil && string(s.awaited.text) == string(text) {
		v = s.awaited.verdict
	}
	return v
}

// believe returns v, or where the session's names may mean others than the lens takes them for, one that fears what
// they may do.
func (s *session) believe(v *classify.Verdict, sure bool) *classify.Verdict {
	if v == nil || v.Effect == classify.EffectNone && v.Status == classify.NotAQuery {
		return v
	}
	renames := s.renamed || s.veiled || s.pins&(pinSetting|pinUnlearned|pinUnseen) != 0 ||
		s.pins&pinTemporary != 0 && v.Effect != classify.EffectNone ||
		v.Session.Has(classify.Renames|classify.SetsConfig) || renames(v.Sets)
	if sure && !renames {
		return v
	}
	doubted := *v
	doubted.Effect, doubted.Writes = classify.EffectEverything, nil
	if v.Status == classify.Cacheable {
		doubted.Status, doubted.Reason = statusSession, "what its names or parameters mean in this session is not known"
	}
	return &doubted
}

// await has a text judged that was never seen before, elsewhere than on the loop: a grammar takes its time. The session
// takes its message up again when the verdict is there. It returns false, for the caller to return.
func (s *session) await(text []byte) bool {
	l := s.lens()
	if l == nil {
		l = s.origin.usual
	}
	s.state = judging
	s.broker.judge(s, l, text)
	return false
}

// awaited is a verdict that came for a session.
type awaited struct {
	text    []byte
	verdict *classify.Verdict
}

// judged is the broker's call on the session's loop. What it brings holds for the one message that waited for it, until that
// is sent: a server may have to be waited for, too.
func (s *session) judged(a *awaited) {
	s.worker.scratch.reset()
	if s.state != judging {
		return
	}
	s.state, s.awaited = ready, a
	s.advance(nil)
	s.settle()
}
