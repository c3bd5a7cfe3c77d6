package session

import (
	"sync/atomic"
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/classify"
	"overdrive/querycache/sqlscan"
	"overdrive/querycache/verdict"
)

// A Lens is how an identity's texts are read by sessions that share a search_path and a role: names mean the same to all of
// them, and the same rights count. It is made when the first such session asks, and forgotten when it is used no more. Safe for
// concurrent use.
type Lens struct {
	LensKey
	Classifier *classify.Classifier
	// snapshots says that transactions keep one snapshot by default, so that a kept answer must not stand among live ones.
	snapshots atomic.Bool
	used      atomic.Bool // since the keeper last asked
	forgotten atomic.Bool // its sessions must look for another
	last      time.Time   // when it was last known to be used; guarded by identity.mu
	spare     bool        // it may make room for another; guarded by identity.mu
}

// LensKey is what sets lenses apart: the values as the settings have them, empty for what a login comes with.
type LensKey struct{ Path, Role string }

// A view is how a session's texts are read: through which lens, and what may be otherwise than the lens says until a transaction ends.
type view struct {
	lens     *Lens            // of the settings of
	of       *settings.Set    // nil: none was looked for
	names    *transactionView // what transactions set for themselves; nil: none has so far
	age      uint8            // the last bits of identity.lensAge then
	renamed  bool             // names or rights may be others until the transaction ends
	tempPath bool             // what is created may be temporary until the transaction ends, by a search_path that leads there
	begins   bool             // a BEGIN … READ ONLY was sent, and nothing but queries since
	readOnly bool             // the same, and it has been answered: the server lets nothing be written
	veiled   bool             // a temporary view, say, may hide a table and run code when it is read
	madeCode bool             // the open transaction has changed the catalog: it may have made functions, or what calls them
	recodes  bool             // a statement under way may change how texts are read
}

// judge returns the verdict on a text, or nil: then the session must await it.
func (s *Session) judge(text []byte) *classify.Verdict {
	l, sure := s.lensNow()
	return s.judgeThrough(l, sure, text, s.reading(text))
}

// judgeQuery is judge for a text that is likely to come again letter for letter. known is what is remembered of it, if it has.
func (s *Session) judgeQuery(text []byte) (v *classify.Verdict, known *exactText) {
	l, sure := s.lensNow()
	how := s.reading(text)
	if l != nil && how == asItStands && s.status() == pgwire.TxIdle { // in a transaction nothing is served
		if e := s.space.exact.find(l, text); e != nil {
			return s.believe(e.verdict, sure), e
		}
	}
	return s.judgeThrough(l, sure, text, how), nil
}

// judgeThrough is judge through a lens that may be nil. sure: the session's names are those of the lens.
func (s *Session) judgeThrough(l *Lens, sure bool, text []byte, how reading) *classify.Verdict {
	if how == unreadable {
		return classify.Unreadable()
	}
	if l == nil {
		l, sure = s.identity.Usual, false
	}
	return s.believe(s.recall(l, text), sure && how != inOtherNames)
}

// verdict is judge for a prepared statement, which remembers what it was told.
func (s *Session) verdict(st *statement) *classify.Verdict {
	if st.body == nil {
		return Unseen
	}
	if st.scope != s.scope(st.body) {
		return classify.Unreadable() // it was prepared when texts were read otherwise
	}
	if st.scope != "" && s.reading(st.text()) != asItStands {
		return s.judge(st.text())
	}
	l, sure := s.lensNow()
	if l == nil || st.ownTypes {
		l, sure = s.identity.Usual, false
	}
	if seen := st.seen.Load(); seen != nil && seen.lens == l && l.Classifier.Current(seen.verdict) {
		return s.believe(seen.verdict, sure)
	}
	v := s.recall(l, st.text())
	if v != nil {
		seen := newSighting(l, v, st.text())
		st.seen.Store(seen)
		if seen.hint != nil && len(seen.hint.Unknown) > 0 {
			s.driver.Misunderstood(seen.hint.Unknown)
		}
	}
	return s.believe(v, sure)
}

// current says whether what was once seen of a statement still holds for the session.
func (s *Session) current(seen *sighting) bool {
	l, _ := s.lensNow()
	return seen.lens == l && l.Classifier.Current(seen.verdict)
}

// recall asks a lens, and then what was awaited of it: the lens may have forgotten it already, or never keeps it.
func (s *Session) recall(l *Lens, text []byte) *classify.Verdict {
	v := l.Classifier.Recall(text)
	if a := s.attempt.awaited; v == nil && a != nil && a.lens == l && string(a.text) == string(text) {
		v = a.verdict
	}
	return v
}

// namesDoubtful says whether names may mean others to the session than the lens of its settings takes them for.
func (s *Session) namesDoubtful() bool {
	return s.view.renamed || s.view.veiled || s.pins&(pinSetting|pinUnseen) != 0 || s.params.inquiry.mayRename()
}

// believe returns v, or where the session's names may mean others than the lens takes them for, one that fears what
// they may do.
func (s *Session) believe(v *classify.Verdict, sure bool) *classify.Verdict {
	if v == nil || v.Effect == verdict.EffectNone && v.Status == verdict.NotAQuery && !v.ByPath && !v.Within {
		return v
	}
	renames := s.namesDoubtful() || s.view.madeCode && s.changedItself(v) || s.pins&pinTemporary != 0 && v.Effect != verdict.EffectNone || renamesItself(v) ||
		v.Renamed && !s.seesAsUsual() || s.view.hasLocals() && v.Session.Has(classify.Leaves) // a part of it runs by other names
	if sure && !renames {
		return v
	}
	doubted := *v
	doubted.Touch, doubted.Bare = nil, nil
	if !s.view.readOnly || v.Effect != verdict.EffectNone { // else it writes nothing, whatever its names mean
		doubted.Effect, doubted.Writes = verdict.EffectEverything, nil
	}
	doubted.DDL = v.DDL || v.ByPath
	if s.view.recodes { // the text may be another for the server, and not its names alone
		doubted.Atomic, doubted.AtomicInBlock = false, false
	}
	if v.MayBeKept() {
		doubted.Clock, doubted.Status, doubted.Reason = false, statusSession, "what its names or parameters mean in this session is not known"
	}
	return &doubted
}

// changedItself says whether DDL that was sent in the open transaction may have changed what a statement does. Of DDL that is understood only
// what others change matters: see marks.over.
func (s *Session) changedItself(v *classify.Verdict) bool {
	if v.DDL && v.Touch != nil || v.Effect == verdict.EffectEverything {
		return false
	}
	if s.srv == nil {
		return true
	}
	touches, known := s.srv.marks.touched()
	return !known || s.identity.Usual.Classifier.Meets(v, touches)
}

// renamesItself says whether a text changes what names in it mean. In one statement they have a meaning before it runs, and only code that it
// runs may look for others.
func renamesItself(v *classify.Verdict) bool {
	return !v.OnlySets && (v.Effect != verdict.EffectNone || v.Status == verdict.MultipleStatements) &&
		(v.Session.Has(classify.Renames|classify.SetsConfig) || settings.Rename(v.Sets))
}

// await has a text judged that was never seen before, elsewhere than on the loop: a grammar takes its time. The session
// takes its message up again when the verdict is there. It returns false, for the caller to return.
func (s *Session) await(text []byte) bool {
	l, _ := s.lensNow()
	if l == nil {
		l = s.identity.Usual
	}
	s.standBy(judging)
	if !s.attempt.judgeOwes { // else this text is sent to be judged when the one before comes back
		s.attempt.judgeOwes, s.attempt.awaited = true, &awaited{lens: l}
		s.driver.Judge(l, text)
	}
	return false
}

// awaited is a verdict that a session waits for, or that came for it.
type awaited struct {
	lens    *Lens // that was its own when it asked
	text    []byte
	verdict *classify.Verdict // nil: it has not come
}

// readCommitted is the isolation level in which each statement has a snapshot of its own.
const readCommitted = "read committed"

// SetIsolation notes the isolation level with which transactions begin by default.
func (l *Lens) SetIsolation(level string) { l.snapshots.Store(level != readCommitted) }

// scope is what besides its text decides how the statement of a Parse message is parsed, and that the server does not follow
// by itself. It is empty for everybody whose texts are read as they stand. While it is not known how the server will read
// it, the statement is nobody else's.
func (s *Session) scope(body []byte) string {
	if s.params.want.Legible() && !s.view.recodes && s.readsUTF8() {
		return ""
	}
	text, _, _ := pgwire.CutString(body)
	ascii := sqlscan.IsASCII(text)
	switch {
	case s.view.recodes && (!ascii || mayEscape(text)):
		return "unsettled " + serverName(s.identity.statements.serial.Add(1))
	case (s.params.want.Legible() || !mayEscape(text)) && (ascii || s.readsUTF8()):
		return ""
	}
	strings, _ := s.params.want.Get("standard_conforming_strings")
	return strings + " " + s.params.want.Encoding()
}

// parsesElsewhere says whether the server would now parse a statement otherwise than when the client prepared it.
func (s *Session) parsesElsewhere(st *statement) bool {
	return st.body != nil && st.scope != s.scope(st.body)
}
