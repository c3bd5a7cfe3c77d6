package session

import (
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// This file is about statements that run code nobody has looked into, or not closely enough: a function, say, or what stands behind
// a view while no catalog is known. All that may write everything counts as such: words that are looked for in a body can be
// put together at run time. Such code may set any parameter, one of the user's own among them, which no question brings to light. So the
// server connection is stained: whoever gets it next has it washed first, that is, brought back to what its login came
// with. Whether the cache is on does not matter.

// configures reports whether a statement may run code that sets any parameter: code that the catalog has, or that its own
// transaction has just made, by an earlier text or by this.
func (s *Session) configures(v *classify.Verdict) bool {
	made := s.view.madeCode || v.DDL && v.Status != verdict.NotAQuery
	return v.Session.Has(classify.Configures) || made && v.Effect == verdict.EffectEverything
}

// strangers stain a server for everybody: no session has this number.
const strangers = ^ID(0)

// mustWash says whether the server that was just leased must be washed before the session may use it. The session that stained it
// finds what it left there, unless an answer is to be kept that must depend on nothing unknown.
func (s *Session) mustWash() bool {
	stain := s.srv.params.stain
	return stain != 0 && (stain != s.login.id || s.attempt.fill != nil)
}

// worthAsking says whether to ask what a statement has set that may have set any parameter. The question is dear: the server shows all of them. Where a
// catalog was known when the statement was judged, or is now, few statements have it asked. Where none is all may have set something: then the words have
// to name code that runs, or the last catalog must have had code that sets parameters, which a trigger or a view may run.
func (s *Session) worthAsking(v *classify.Verdict) bool {
	l := s.lens()
	return v.Session.Has(classify.Calls) || l != nil && l.Classifier.Catalog() != nil || s.identity.Usual.Classifier.Catalog() != nil ||
		s.identity.Owned.codes.Load()
}
