package proxy

import (
	"cmp"
	"strings"

	"overdrive/proxy/pgwire"
	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// This file keeps account of what a client's statements do: to the tables that the cache knows, and to the session state
// that ties the client to its server.

// unseen is the verdict on a text that was not looked into: it may do anything.
var unseen = &classify.Verdict{
	Status: classify.OversizedQuery, Reason: "the text was not looked into", Effect: classify.EffectEverything, DDL: true, Session: classify.SessionUnknown,
}

// unseenRun is the verdict on running something that was judged when it was made, such as a cursor, or that leaves
// nothing behind but may write.
var unseenRun = &classify.Verdict{
	Status: classify.Uncacheable, Reason: "what is run was not seen being prepared", Effect: classify.EffectEverything,
}

// noteText is called when a statement is certain to be sent next: from here on its effects count.
func (s *session) noteText(srv *serverConn, v *classify.Verdict) {
	s.awaited = nil
	if !s.looked {
		s.passBy(v, cmp.Or(s.unfit(v), classify.Uncacheable))
	}
	s.looked = false
	if v.Status != classify.Cacheable {
		s.onlyReads = false
	}
	s.renamed = s.renamed || v.Session.Has(classify.Renames) || renames(v.Sets) || renames(v.Resets)
	s.veiled = s.veiled || v.Session.Has(classify.TempObject) && v.DDL
	s.noteSets(v)
	s.pin(s.origin.pinsOf(v))
	if len(v.Resets) > 0 || len(v.Sets) > 0 ||
		v.Session.Has(classify.DiscardAll|classify.DeallocateAll|classify.SetsConfig|classify.SessionUnknown) {
		s.sweeping = true
	}
	if s.origin.cache != nil && s.configures(v) {
		s.sweeping, s.renamed = true, true
		s.relearns()
	}
	if len(v.Resets) > 0 {
		s.noteResets(srv, v.Resets)
	}
	s.noteWrite(v)
}

// notePortal is called before a Bind is sent. A portal with a name can also be run by FETCH or MOVE, and to plan a statement
// may run functions that it calls.
func (s *session) notePortal(portal []byte, v *classify.Verdict) {
	if len(portal) > 0 || v.Effect == classify.EffectEverything {
		s.noteWrite(v)
	}
}

// noteWrite has the cache know what a statement may write.
func (s *session) noteWrite(v *classify.Verdict) {
	if v.Effect == classify.EffectNone || s.origin.cache == nil {
		return
	}
	if s.write == nil {
		s.write = &transaction{
			origin: s.origin, write: s.origin.cache.BeginWrite(v), judgedAt: s.origin.usual.classifier.Generation(),
		}
	} else {
		s.write.write.Add(v)
	}
	s.write.ddl = s.write.ddl || v.DDL
	s.write.blunt = s.write.blunt || v.Effect == classify.EffectEverything
}

// configures reports whether a statement may run code that sets any parameter: code that the catalog has, or that its own
// transaction has just made, by an earlier text or by this.
func (s *session) configures(v *classify.Verdict) bool {
	made := s.write != nil && s.write.ddl || v.DDL && v.Status != classify.NotAQuery
	return v.Session.Has(classify.Configures) || made && v.Effect == classify.EffectEverything
}

// reason says in a sentence why a statement has the status.
func (s *session) reason(v *classify.Verdict, status querycache.Status) string {
	switch status {
	case v.Status:
		return v.Reason
	case classify.Uncacheable:
		return "the answer is asked for in parts, or by messages of a form that is not looked for"
	case statusTransaction:
		return "the statement stands in a transaction, or in a batch that does more than read"
	case statusSession:
		if s.pins != 0 {
			return "the session is pinned: " + s.pins.String()
		}
		if !s.knows(v.Needs) {
			return "the answer depends on parameters that are not part of the key: " + strings.Join(v.Needs, ", ")
		}
		return "the session has set parameters that answers may depend on"
	case querycache.Hinted:
		return "the hint in the statement says that it is not to be answered from the cache"
	case classify.Volatile:
		return "a parameter holds a word such as today, which a date type reads as the present"
	case classify.Unsettled:
		return "a table that is read is being written, or the catalog is changing"
	case querycache.Disabled:
		return "the cache is off for this database, session or statement"
	}
	return ""
}

// noteResets remembers which parameters must be brought back to the client's startup values. What a server does not
// report is not known until then.
func (s *session) noteResets(srv *serverConn, names []string) {
	s.forget(names)
	s.resetOpen = true
	s.resets, s.resetIn = append(s.resets, names...), srv.owed.sent
	for _, name := range names {
		srv.has = s.origin.doubt(srv.has, name)
	}
}

// A transaction is what a client's writes do to the cache, until it is known how they ended: by the session, or by whoever
// cleans up after it. A nil one has written nothing.
type transaction struct {
	origin   *origin
	write    *querycache.Write
	judgedAt uint64 // generation of the catalog when it began to write
	ddl      bool   // it changes the catalog
	blunt    bool   // it may have committed a part on its own, in a procedure
	kept     bool   // some of it is committed
	undone   bool   // by what was answered last, all of the open transaction is rolled back
}

// completed and failed follow what becomes of the transaction. A ROLLBACK may be one to a savepoint: what counts is what was
// answered last when the server is at rest.
func (t *transaction) completed(tag []byte) {
	if t == nil {
		return
	}
	switch t.undone = string(tag) == "ROLLBACK"; string(tag) {
	case "COMMIT", "PREPARE TRANSACTION":
		t.kept = true
	}
}

func (t *transaction) failed() {
	if t != nil {
		t.undone = true
	}
}

// atRest notes that no transaction is open.
func (t *transaction) atRest() {
	if t != nil {
		t.kept = t.kept || !t.undone
	}
}

// end is called when the transaction has ended and its outcome can be seen by everybody, before the client reads that it
// has.
func (t *transaction) end() {
	if t == nil {
		return
	}
	if t.origin.usual.classifier.Generation() != t.judgedAt {
		t.write.Add(unseenRun) // it may have fired a trigger that its verdict could not know of
	}
	t.forgetCatalog() // before anything can be kept again that the old catalog allowed
	if !t.kept && t.undone && !t.blunt {
		t.write.Withdraw()
		return
	}
	t.write.End()
}

// abandon is called when it cannot be known whether, and when, the transaction takes effect.
func (t *transaction) abandon() {
	if t == nil {
		return
	}
	t.forgetCatalog()
	t.write.Abandon()
}

func (t *transaction) forgetCatalog() {
	if t.ddl {
		t.ddl = false
		t.origin.catalogChanged()
	}
}

// deallocates recognises DEALLOCATE of a statement that the client prepared by protocol: the server knows it by another
// name, or not at all.
func (s *session) deallocates(text []byte, v *classify.Verdict) (name string, ok bool) {
	if len(s.names) == 0 || v.Status != classify.NotAQuery || v.Session.Has(classify.DeallocateAll) || s.busy() ||
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
		name = strings.ToLower(name)
	}
	_, ok = s.names[name]
	return name, ok
}
