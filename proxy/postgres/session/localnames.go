package session

import (
	"slices"
	"strings"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/classify"
	"overdrive/querycache/sqlscan"
	"overdrive/querycache/verdict"
)

// This file is about the search_path and the role that a transaction sets for itself, as PostgREST and others do at the beginning of each. As long as
// they are known the texts of the transaction are judged through the lens of these, so that it counts as writing what it writes. Nothing of
// it is served or kept, as in any transaction.
//
//	none ── SET LOCAL, its values known, in a block that is certainly open ──▶ known ── another SET LOCAL ──▶ known
//	  ▲                                                                          │ └── an error, ROLLBACK TO, COMMIT, RESET, code ──▶ in doubt
//	  └──────────────────────────────── the end of the transaction ──────────────┴───────────────────────────────────────────────────────┘
//
// A statement is judged before the server has answered what stands ahead of it. If that fails, it is skipped, or fails with its transaction, unless
// something stands between them that brings the transaction back or leaves it: so this puts the names in doubt when it is sent, and not when it
// is answered. In doubt is view.renamed: a statement may write everything then.

// localNames are what a transaction has set.
type localNames struct{ path, role localName }

// A localName is one of them. Where it is set, an empty value is that which a login comes with.
type localName struct {
	set   bool
	value string
}

// names puts what n sets in place of what key has.
func (n *localNames) names(key LensKey) LensKey {
	if n.path.set {
		key.Path = n.path.value
	}
	if n.role.set {
		key.Role = n.role.value
	}
	return key
}

// isUsual says whether one of them is what a login comes with.
func (n *localNames) isUsual() bool {
	return n.path.set && n.path.value == "" || n.role.set && n.role.value == ""
}

// add adds what is set later.
func (n *localNames) add(later localNames) {
	if later.path.set {
		n.path = later.path
	}
	if later.role.set {
		n.role = later.role
	}
}

// A transactionView is what a session knows of the names of its transactions. It is made for the first that sets some, and what it has
// found serves the next as well.
type transactionView struct {
	open   bool       // the open transaction has set names for itself, which are known unless they are in doubt
	now    localNames // these
	opened uint64     // the transaction block is certainly open in the batch before this one, and from when so many are answered

	// lens is what these names came to with some settings, nil: there is none.
	lens     *Lens
	lensOf   localNames
	settings *settings.Set
	age      uint64 // identity.lensAge then

	// bound are the names that the unnamed portal sets, which runs portal; nil: none, or they are not known.
	portal *statement
	bound  localNames
}

// hasLocals says whether the open transaction has set names for itself.
func (v *view) hasLocals() bool { return v.names != nil && v.names.open }

// made returns the names of the session's transactions, which are made for the first that sets some.
func (v *view) made() *transactionView {
	if v.names == nil {
		v.names = new(transactionView)
	}
	return v.names
}

// lensNow returns the lens through which a text is read that is sent now, or nil. sure is false where the names of the transaction are others than that
// lens takes them for.
func (s *Session) lensNow() (l *Lens, sure bool) {
	if !s.view.hasLocals() {
		return s.lens(), true
	}
	if l := s.localLens(); l != nil {
		return l, true
	}
	return s.lens(), false
}

// localLens returns the lens of the names that the transaction has set, or nil where they are in doubt, or where the catalog has not been read by them.
func (s *Session) localLens() *Lens {
	if s.view.renamed || !s.knowsLocals() {
		return nil
	}
	t := s.view.names
	if t.settings != s.params.want || t.lensOf != t.now || t.lens == nil && t.age != s.identity.lensAge.Load() || t.lens != nil && t.lens.forgotten.Load() {
		t.settings, t.lensOf, t.age, t.lens = s.params.want, t.now, s.identity.lensAge.Load(), nil
		if key, ok := s.identity.lensKey(s.params.want); ok {
			t.lens = s.identity.LensOf(t.now.names(key))
		}
	}
	if t.lens == nil {
		return nil
	}
	if !t.lens.used.Load() {
		t.lens.used.Store(true)
	}
	if t.lens.Classifier.Catalog() == nil {
		return nil
	}
	return t.lens
}

// seesAsUsual says whether what is sent now is read as after a login.
func (s *Session) seesAsUsual() bool {
	l, sure := s.lensNow()
	return sure && l == s.identity.Usual
}

// knowsLocals says whether the names of a statement that is sent now are those that its transaction has set, if it runs at all.
func (s *Session) knowsLocals() bool {
	if s.srv == nil || s.view.madeCode || s.view.recodes || s.view.names.now.isUsual() && s.srv.Era != s.identity.Era() {
		return false
	}
	t, q := s.view.names, &s.srv.owed
	return q.answered >= t.opened && s.srv.status != pgwire.TxIdle || q.sent+1 == t.opened
}

// setsNames is called ahead of noteText for a text that may set names of its transaction. It returns v, or where all that the text sets is
// known, one that leaves nothing unknown behind. portal is the statement that it is, where it has come by Bind.
func (s *Session) setsNames(v *classify.Verdict, portal *statement) *classify.Verdict {
	if v.Effect != verdict.EffectNone || v.DDL || s.names.portals != nil { // what was bound before would run by other names than it was planned by
		return v
	}
	opened, open := s.srv.blockOpened()
	names, known := s.localNames(v.Locals, nil, nil)
	if t := s.view.names; !known && t != nil && t.portal != nil && t.portal == portal {
		names, known = t.bound, true
	}
	if !open || !known {
		return v
	}
	t := s.view.made()
	if !t.open {
		t.open, t.now, t.opened = true, localNames{}, opened
	}
	t.now.add(names)
	plain := *v
	plain.Session &^= classify.Renames | classify.Recodes | classify.TempPath
	return &plain
}

// noteBoundNames is called for each Bind, with what stands behind its names: all of it, or whole is false.
func (s *Session) noteBoundNames(v *classify.Verdict, portal []byte, st *statement, tail []byte, whole bool) {
	if t := s.view.names; t != nil && len(portal) == 0 {
		t.portal = nil
	}
	if v.Locals == nil || len(portal) > 0 || st == nil || !whole {
		return
	}
	names, known := s.localNames(v.Locals, tail, st.types())
	if !known {
		return
	}
	t := s.view.made()
	t.portal, t.bound = st, names
}

// maxLocalBound bounds the parameters of a Bind that are looked at to know the names of a transaction.
const maxLocalBound = 256

// localNames returns what settings come to, with the tail of the Bind that goes with their text and the types that its Parse has declared.
func (s *Session) localNames(all []classify.LocalSetting, tail, types []byte) (names localNames, known bool) {
	if len(all) == 0 {
		return names, false
	}
	var bound [][]byte
	if tail != nil {
		if bound, known = boundTexts(tail, types); !known {
			return names, false
		}
	}
	text := func(a classify.Argument) (text string, null, ok bool) {
		switch {
		case a.Param == 0:
			return a.Text, false, true
		case a.Param > len(bound):
			return "", false, false
		}
		value := bound[a.Param-1]
		return string(value), value == nil, true
	}
	for i := range all {
		name, null, ok := text(all[i].Name)
		if !ok || null {
			return names, false
		}
		name = sqlscan.Fold(name)
		if !settings.Has(name, settings.Names|settings.Recodes) {
			continue
		}
		value, null, ok := text(all[i].Value)
		if !ok || !names.put(name, value, null || all[i].Default) {
			return names, false
		}
	}
	return names, true
}

// put notes one that is set. It returns false where nobody knows what that comes to.
func (n *localNames) put(name, value string, usual bool) (known bool) {
	switch {
	case usual:
		value, known = "", true
	case name == "search_path":
		value, known = classify.PlainPath(value)
		known = known && sqlscan.IsASCII(value) && !strings.Contains(value, "pg_temp")
	default:
		known = value != "" && len(value) <= classify.MaxName && sqlscan.IsASCII(value)
	}
	switch name {
	case "search_path":
		n.path = localName{true, value}
	case "role":
		n.role = localName{true, value}
	default:
		return false
	}
	return known
}

// boundTexts returns the values in the tail of a Bind message, nil for NULL. ok is false where one may not be the text that stands there.
func boundTexts(tail, types []byte) (values [][]byte, ok bool) {
	formats, bound, ok := cutBound(tail)
	if !ok || bound.n > maxLocalBound || slices.ContainsFunc(formats, func(b byte) bool { return b != 0 }) {
		return nil, false
	}
	values = make([][]byte, bound.n)
	for i := range values {
		if values[i], ok = bound.next(); !ok || !declaredPlain(types, i) {
			return nil, false
		}
	}
	return values, true
}

// A block is what was sent last to begin a transaction block, and to leave it: how many batches are answered once that is over. begins is 0 if
// something that leaves was sent since.
type block struct{ begins, leaves uint64 }

// noteBlock is noteText for a statement that begins a transaction block, or may leave one or take back a part of it.
func (s *Session) noteBlock(srv *ServerConn, v *classify.Verdict) {
	s.view.renamed = s.view.renamed || s.view.hasLocals()
	if v.Session.Has(classify.Leaves) {
		srv.block = block{leaves: srv.owed.sent + 1}
	} else {
		srv.block.begins = srv.owed.sent + 1
	}
}

// blockOpened says whether what is sent next certainly runs in a transaction block, if it runs at all: by what the server has said last, and nothing was sent
// since that may end it; or because a BEGIN stands ahead of it in its batch, where an error would skip it. opened is how many batches are answered when
// the server has said so.
func (c *ServerConn) blockOpened() (opened uint64, ok bool) {
	switch q := &c.owed; {
	case c.status == pgwire.TxOpen && c.block.leaves <= q.answered:
		return q.answered, true
	case c.block.begins == q.sent+1:
		return c.block.begins, true
	}
	return 0, false
}
