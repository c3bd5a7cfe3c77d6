package session

import (
	"maps"
	"slices"
	"strings"

	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/classify"
	"overdrive/querycache/sqlscan"
)

// This file is about parameters that the server does not report. What a SET made of one is known for certain only from the
// server, after the transaction has ended: the statement may have failed or been rolled back, and the server spells values
// its own way. So it is asked. Until then the session is pinned; from then on the value follows the client, and is part
// of the key of the cache.
//
//	SET app.tenant = 7 ──▶ pinned ──▶ transaction ends ──▶ SELECT current_setting('app.tenant', true) ──▶ in want and has

// parameters are a client's, as far as they are known. startup and told are set when the client is greeted; want changes with what the
// server reports, what it is asked, and RESET. All of the first three are nil before a server was seen.
type parameters struct {
	startup *settings.Set // what RESET returns to
	want    *settings.Set // what the client has set
	told    *settings.Set // what the client has been told
	inquiry *inquiry      // what must be asked of the server; nil: nothing
	resets  resets        // to bring back to startup once the transaction is through
}

// An inquiry is what a session must ask its server.
type inquiry struct {
	names map[string]bool // by key
	all   bool            // whatever was set in the session is to be asked, besides names: dear, since pg_settings makes all its rows
	state bool            // whether what pins the session is still there is to be asked, too
	// undone are RESETs of which some may have been rolled back.
	undone *undone

	// Once it is being asked:
	queue  []string          // all names, in the order of the questions
	first  int               // index in queue of the first name of the question under way
	next   int               // index in queue of the name whose answer is due
	values map[string]string // by key; what does not exist is missing
	bytes  int               // of them
	before int               // of those that the questions before the one under way were answered with
	set    map[string]bool   // what pg_settings tells was set in the session; it has no value if the user may not set it
	shown  bool              // the answer about the state has come
	left   shownState        // that answer
	found  []foundStatement  // of SQL PREPARE
	failed bool              // the question under way
	large  bool              // a value is too large to follow
	tries  int
}

// Bounds of what follows a client. Whoever sets more keeps a server.
const (
	maxFollowed  = 512 << 10 // bytes of a set of settings, about
	maxNamed     = 8192      // parameters that wait to be asked for
	maxPerErrand = 256       // that are asked for at once
)

// mayRename says whether what is to be asked may be what names, or the bytes of a text, mean. There may be no inquiry.
func (q *inquiry) mayRename() bool {
	if q == nil {
		return false
	}
	for name := range q.names {
		if settings.Has(name, settings.Names|settings.Recodes) {
			return true
		}
	}
	return q.all
}

// noteSets remembers which parameters must be asked for.
func (s *Session) noteSets(v *classify.Verdict) {
	for _, name := range v.Sets {
		s.params.resets.set(name)
		if settings.Has(name, settings.Transient) { // of the transaction alone
			continue
		}
		if _, reported := s.identity.Base().Find(name); !reported && s.follows(name) {
			s.mustAsk(name)
		}
	}
}

// doubtSets is called for an error, which may be that of a SET: a value that is asked for by name does not tell whether the client has set it, and one that it
// must not set another server would refuse, too. What was set in the session, pg_settings tells.
func (s *Session) doubtSets() {
	q := s.params.inquiry
	if q == nil || q.all {
		return
	}
	n := len(q.names)
	maps.DeleteFunc(q.names, func(name string, _ bool) bool {
		return !strings.Contains(name, ".") && !settings.Has(name, settings.Hidden)
	})
	if len(q.names) < n {
		s.relearns()
	}
}

// mustAsk has a parameter be asked for by name.
func (s *Session) mustAsk(name string) {
	q := s.inquire()
	if q.names == nil {
		q.names = make(map[string]bool)
	}
	if q.names[name] = true; len(q.names) > maxNamed {
		delete(q.names, name)
		s.pin(pinSetting)
	}
}

func (s *Session) inquire() *inquiry {
	if s.params.inquiry == nil {
		s.params.inquiry = &inquiry{}
	}
	return s.params.inquiry
}

// relearns makes the session ask for more than was named once the transaction has ended: something may have set any of them, or
// a RESET, which says nothing of values, may have been rolled back.
func (s *Session) relearns() {
	q := s.inquire()
	q.all, q.state = true, true
	s.pin(pinUnlearned)
}

// forget drops from what must be asked for the parameters that were brought back.
func (s *Session) forget(r *undone) {
	q := s.params.inquiry
	if q == nil {
		return
	}
	for name := range q.names {
		if r.comesBack(name) {
			delete(q.names, name)
		}
	}
	if len(q.names) == 0 && !q.all && !q.state {
		s.closeInquiry()
	}
}

// closeInquiry ends the inquiry: all is known, or nobody wants to know any more.
func (s *Session) closeInquiry() {
	s.params.inquiry = nil
	s.rest()
	s.unpin(pinUnlearned)
}

// learns says whether there is something to ask, and nothing under way that may change it.
func (s *Session) learns() bool { return s.params.inquiry != nil && s.atRest() && !s.lending() }

// learn asks the server, in slices.
func (s *Session) learn() {
	q := s.params.inquiry
	if q.queue == nil {
		q.queue = s.namesToAsk()
		q.values = make(map[string]string, len(q.queue))
	}
	q.next, q.bytes = q.first, q.before
	last := min(q.first+maxPerErrand, len(q.queue))
	s.srv.send(asks, false, func(b []byte) []byte {
		names, everything := q.queue[q.first:last], parseAskAll
		if q.tries > 0 {
			b, names = q.appendPatience(b, names, last == len(q.queue))
			everything = parseAskOthers
		}
		b = appendAsks(b, names)
		switch {
		case last < len(q.queue):
			return b
		case q.all:
			b = append(append(b, everything...), askAllRun...)
		}
		if q.state {
			b = appendAskState(b, q.all || s.pins&pinAdvisoryLock != 0)
			if q.all || s.pins&pinPrepare != 0 || len(s.srv.prepared.lent) > 0 { // one that was adopted may still be there
				b = append(b, askPreparedRun...)
			}
		}
		return b
	})
	s.enter(settling)
	s.errand.asking = true
}

var (
	askAllRun = appendRun(nil)
	unshown   = followers(settings.Hidden) // that pg_settings says nothing of
)

// followers returns the parameters that have a trait and follow a client.
func followers(t settings.Trait) []string {
	return slices.DeleteFunc(settings.With(t), func(key string) bool { return !settings.MayFollow(key) })
}

// namesToAsk returns the keys of the parameters that pg_settings is not asked for, or does not show: those of the user's own.
func (s *Session) namesToAsk() []string {
	q := s.params.inquiry
	names := make([]string, 0, len(q.names)+3)
	for name := range q.names {
		names = append(names, name)
	}
	if q.all {
		names = s.identity.Owned.add(s.addKnown(append(names, unshown...)))
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if i, ok := slices.BinarySearch(names, statementTimeout); ok { // in front, see appendPatience
		copy(names[1:i+1], names[:i])
		names[0] = statementTimeout
	}
	return names
}

// addKnown adds parameters of the user's own that the client is known to have, or to have left on the server.
func (s *Session) addKnown(names []string) []string {
	base := s.identity.Base()
	for _, set := range []*settings.Set{s.params.want, s.srv.params.has} {
		for _, it := range set.Items() {
			if _, reported := base.Find(it.Key); !reported && strings.Contains(it.Key, ".") {
				names = append(names, it.Key)
			}
		}
	}
	return names
}

// learned is the server connection's call: the values of a row that was asked for, borrowed, or nil if the row is too large.
func (s *Session) learned(row [][]byte) {
	q := s.params.inquiry
	if q == nil || q.queue == nil {
		s.errand.probed()
		return
	}
	for _, value := range row {
		q.bytes += len(value)
	}
	switch {
	case row == nil, q.bytes > maxFollowed:
		q.large = true
		q.next++
	case len(row) == len(statePins)+len(namedPins):
		q.shown, q.left = true, readState(row)
	case len(row) == 3:
		q.found = append(q.found, readFound(row))
	case len(row) == 2: // of pg_settings
		key := sqlscan.Fold(string(row[0]))
		if q.set == nil {
			q.set = make(map[string]bool)
		}
		if q.set[key] = true; row[1] != nil {
			q.values[key] = string(row[1])
		}
	case len(row) == 1 && q.next < len(q.queue):
		if row[0] != nil {
			q.values[q.queue[q.next]] = string(row[0])
		}
		q.next++
	}
}

// asked follows the end of a question. Where it failed it is asked again, a few times; a session of which nobody knows what it has
// set is not carried on, and keeps no server either.
func (s *Session) asked() {
	q := s.params.inquiry
	if q == nil { // it has been forgotten meanwhile
		return
	}
	last := min(q.first+maxPerErrand, len(q.queue))
	switch {
	case q.failed && q.state: // a right may be missing, or a lock be in the way: then what was guessed from words holds
		q.failed, q.large, q.shown, q.state, q.found = false, false, false, false, nil
	case q.failed && q.tries+1 < maxTries:
		q.failed, q.large, q.shown, q.found = false, false, false, nil
		q.tries++
	case q.failed || q.next < last || q.state && !q.shown && last == len(q.queue):
		s.errand.unanswerable = true
	case last < len(q.queue) && !q.large:
		q.first, q.tries, q.before = last, 0, q.bytes
	default:
		s.takeIn(q)
	}
}

// takeIn notes the values that the server has told.
func (s *Session) takeIn(q *inquiry) {
	want, has := s.identity.Interner.Edit(s.params.want), s.identity.Interner.Edit(s.srv.params.has)
	if q.all {
		s.takeSet(q, want, has)
	}
	if q.state {
		s.takeState(q.left)
	}
	for _, name := range q.queue {
		s.takeNamed(q, name, want, has)
	}
	if wanted := want.Done(); q.large || wanted.Bytes() > maxFollowed {
		s.pin(pinSetting)
	} else {
		s.params.want, s.srv.params.has = wanted, has.Done()
	}
	s.closeInquiry()
}
