package session

import (
	"cmp"
	"strings"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/classify"
	"overdrive/querycache/sqlscan"
	"overdrive/querycache/verdict"
)

// This file keeps account of what a client's statements do: to the tables that the cache knows, and to the session state
// that ties the client to its server.

// Unseen is the verdict on a text that was not looked into: it may do anything.
var Unseen = &classify.Verdict{
	Statement: verdict.Statement{
		Status: verdict.OversizedQuery, Reason: "the text was not looked into", Effect: verdict.EffectEverything, DDL: true,
	},
	Shared: true, Session: classify.SessionUnknown,
}

// unseenRun is the verdict on running something that was judged when it was made, such as a cursor, or that leaves
// nothing behind but may write.
var unseenRun = &classify.Verdict{Statement: verdict.Statement{
	Status: verdict.Uncacheable, Reason: "what is run was not seen being prepared", Effect: verdict.EffectEverything,
}}

// refusedRun is the verdict on an error of ours.
var refusedRun = &classify.Verdict{Statement: verdict.Statement{
	Status: verdict.Uncacheable, Reason: "the statement is refused", Effect: verdict.EffectNone,
}}

// noteText is called when a statement is certain to be sent next: from here on its effects count. Most have none of those that the
// calls below look for, and what is not called costs nothing.
func (s *Session) noteText(srv *ServerConn, v *classify.Verdict) {
	s.lendChannels(v)
	s.errand.restarts, s.errand.novelty = 0, notAsked
	if !s.attempt.looked {
		s.passBy(v, cmp.Or(s.unfit(v), verdict.Uncacheable))
	}
	s.attempt.sent()
	s.noteRepeat(v)
	srv.work.shape = v.Tally
	s.batch.discards, s.batch.naming, srv.prepared.dropping = false, false, v.Dropped
	if !v.MayBeKept() {
		s.batch.onlyReads = false
	}
	before, alone := s.pins, srv.runs(v)
	s.noteEffects(srv, v)
	srv.params.tried = 0
	if alone && v.Status != verdict.MultipleStatements {
		srv.params.tried, srv.params.triedIn = s.pins&^before&triedPins, srv.owed.sent
	}
}

// noteEffects is the part of noteText that counts for each of the statements that a text runs.
func (s *Session) noteEffects(srv *ServerConn, v *classify.Verdict) {
	s.noteVoice(v)
	state := v.Session
	if state.Has(classify.Passing) { // as every COMMIT and every INSERT
		state &^= classify.Passing
	}
	if s.view.begins && !v.Session.Has(classify.Queries) { // it may end the transaction, or make it READ WRITE before its first query
		s.view.begins, s.view.readOnly = false, false
	}
	if v.Session.Has(classify.ReadOnly) {
		s.view.begins = true
	}
	if v.Effect == verdict.EffectEverything || v.Session.Has(classify.Draws) {
		srv.params.drawn = s.login.id
	}
	if v.Session.Has(classify.PlainBegin | classify.Leaves) {
		s.noteBlock(srv, v)
	}
	if state != 0 || len(v.Sets) > 0 || len(v.Resets) > 0 {
		s.noteState(v)
	}
	if v.Effect == verdict.EffectEverything {
		s.identity.Watch.Follow() // where the cache is off nobody needed the catalog yet
	}
	if v.Effect == verdict.EffectEverything || v.DDL || state != 0 {
		s.noteCode(srv, v)
	}
	if len(v.Resets) > 0 {
		s.noteResets(srv, v.Resets, v.Kept)
	}
	if v.Session.Has(classify.MayCommit | classify.SessionUnknown) {
		srv.marks.mayCommit()
	}
	if v.Meaning != nil {
		srv.marks.note(v)
	}
	if v.Effect != verdict.EffectNone || v.DDL || v.Commits {
		s.noteWrite(v)
	}
}

// noteState is noteText for what a statement leaves behind in the session. Most leave nothing.
func (s *Session) noteState(v *classify.Verdict) {
	s.view.renamed = s.view.renamed || v.Session.Has(classify.Renames|classify.Recodes) || settings.Rename(v.Sets) || settings.Rename(v.Resets)
	s.view.recodes = s.view.recodes || recodes(v)
	s.view.tempPath = s.view.tempPath || v.Session.Has(classify.TempPath)
	s.view.veiled = s.view.veiled || v.Session.Has(classify.TempObject) && v.DDL
	s.noteSets(v)
	if v.Session.Has(classify.SetsOwn | classify.SetsConfig | classify.SessionUnknown) {
		s.srv.setOwn(s.login.id)
	}
	pins := s.pinsOf(v)
	s.pin(pins)
	if pins&pinSetting != 0 && len(v.Sets) > 0 {
		s.srv.call(pinSetting, strings.Join(v.Sets, ", "))
	}
	if len(v.Resets) > 0 && s.pins&pinDenied != 0 {
		s.relearns()
	}
	if pins&shownPins != 0 || s.pins&shownPins != 0 && v.Session.Has(classify.Ends) {
		s.inquire().state = true
	}
	if len(v.Resets) > 0 || len(v.Sets) > 0 ||
		v.Session.Has(classify.DiscardAll|classify.DeallocateAll|classify.SetsConfig|classify.SessionUnknown) {
		s.batch.sweeping = true
	}
	s.batch.discards = s.batch.discards || v.Session.Has(classify.DiscardAll)
	s.batch.naming = s.batch.naming || v.Session.Has(classify.DeallocateAll) || len(v.Dropped) > 0
}

// notePortal is called before a Bind is sent. A portal with a name can also be run by FETCH or MOVE, and to plan a statement
// may run functions that it calls.
func (s *Session) notePortal(portal []byte, v *classify.Verdict) {
	if len(portal) > 0 || v.Effect == verdict.EffectEverything || v.Runs {
		s.noteVoice(v)
		s.noteCode(s.srv, v)
		s.noteWrite(v)
	}
}

// noteWrite has the cache know what a statement may write.
func (s *Session) noteWrite(v *classify.Verdict) { s.srv.marks.begin(v) }

// deallocated recognises DEALLOCATE of a statement that the client prepared by protocol: the server knows it by another
// name, or not at all.
func (s *Session) deallocated(text []byte, v *classify.Verdict) (name string, ok bool) {
	if len(s.names.known) == 0 || v.Status != verdict.NotAQuery || v.Session.Has(classify.DeallocateAll) || s.busy() && !s.unanswered() ||
		s.status() == pgwire.TxFailed {
		return "", false
	}
	words := strings.Fields(strings.TrimRight(string(text[:min(len(text), 200)]), "; \n\t"))
	if len(words) == 3 && strings.EqualFold(words[1], "prepare") {
		words = append(words[:1], words[2])
	}
	if len(words) != 2 || !strings.EqualFold(words[0], "deallocate") {
		return "", false
	}
	name = words[1]
	if unquoted := strings.Trim(name, `"`); len(unquoted) == len(name)-2 {
		name = unquoted
	} else {
		name = sqlscan.Fold(name)
	}
	_, ok = s.names.known[name]
	return name, ok && len(v.Dropped) == 1 && v.Dropped[0] == name && (s.srv == nil || !s.srv.prepared.lent[name])
}

// createsTemporary says whether the search_path, if it is known, may lead what is created to the schema of temporary objects.
func (s *Session) createsTemporary() bool {
	path, ok := s.params.want.Get("search_path")
	if !ok {
		path, ok = s.identity.loginPath()
	}
	return s.view.tempPath || !ok || strings.Contains(path, "pg_temp")
}

// noteCode is called for a statement that is certain to be sent next.
func (s *Session) noteCode(srv *ServerConn, v *classify.Verdict) {
	configures := s.configures(v)
	if v.DDL && s.createsTemporary() {
		s.pin(pinTemporary | pinUnlearned)
		s.view.veiled, s.inquire().state = true, true
	}
	s.view.madeCode = s.view.madeCode || v.DDL
	if v.Session.Has(classify.SetSeed) {
		srv.params.stain = s.login.id
	}
	if v.Effect == verdict.EffectEverything && s.pins&endedByCode != 0 {
		s.inquire().state = true
	}
	if v.Effect != verdict.EffectEverything && !configures {
		return
	}
	srv.params.stain = s.login.id
	srv.setOwn(s.login.id)
	srv.params.unasked = srv.params.unasked || configures
	s.view.renamed = true
	says := v.Session.Has(classify.SetsConfig) // RESET in a DO block, say, which must end at the client's startup packet
	switch {
	case !configures && !says: // as far as words tell, which may lie: it is not worth a question
	case s.pins&pinUnseen != 0 && !says: // the session keeps its server, and nobody knows what stands there
	case says || s.worthAsking(v):
		s.batch.sweeping = true
		s.relearns()
	}
}
