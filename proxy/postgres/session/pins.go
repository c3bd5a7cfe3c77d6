package session

import (
	"maps"
	"strings"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/classify"
	"overdrive/querycache/sqlscan"
)

// A pinSet holds the reasons why a session keeps its server connection: session state that lives on the server and that
// cannot follow the client to another one. A pinned session is right but costs a server of the pool; SHOW
// overdrive.pinned says why.
type pinSet uint16

const (
	pinListen pinSet = 1 << iota
	pinTemporary
	pinHoldCursor
	pinAdvisoryLock
	pinPrepare
	pinSetting
	pinUnlearned
	pinLibrary
	pinSeed
	pinUnseen
	pinDoubtful
	pinName
	pinDenied

	allPins = 1<<iota - 1
)

var pinNames = [...]struct {
	pin  pinSet
	name string
}{
	{pinListen, "LISTEN"},
	{pinTemporary, "temporary object"},
	{pinHoldCursor, "cursor WITH HOLD"},
	{pinAdvisoryLock, "session advisory lock"},
	{pinPrepare, "SQL PREPARE"},
	{pinSetting, "SET of a parameter that cannot follow"},
	{pinUnlearned, "SET whose outcome is not known yet"},
	{pinLibrary, "LOAD"},
	{pinSeed, "setseed"},
	{pinUnseen, "statement that was not looked into"},
	{pinDoubtful, "COPY that failed with a Sync under way"},
	{pinName, "SET or RESET of a parameter whose name may be another for the server"},
	{pinDenied, "a parameter that code has set and the user may not"},
}

// shownPins are the reasons that the server shows in its own views, see askStateText. They are asked for when something may have
// begun or ended one of them, so a session is pinned for as long as it has what pins it.
const shownPins = pinListen | pinTemporary | pinHoldCursor | pinAdvisoryLock | pinPrepare

// endedByCode are those that a function may have ended, so that the server is asked behind each that may have run. To ask about temporary
// objects would be too dear: whoever has some has them for many statements.
const endedByCode = pinListen | pinHoldCursor | pinAdvisoryLock | pinPrepare

// triedPins are those that a statement which has failed, alone in its transaction, has not brought about.
const triedPins = pinSetting | pinLibrary | pinSeed

// String lists the reasons, separated by commas; it is empty for none.
func (p pinSet) String() string {
	var names []string
	for _, n := range pinNames {
		if p&n.pin != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ", ")
}

// pinned says why the session keeps its server connection, with the names of what pins it as far as these are known; empty: it does not.
func (s *Session) pinned() string {
	var reasons []string
	for _, n := range pinNames {
		if s.pins&n.pin == 0 {
			continue
		}
		reason := n.name
		if s.srv != nil && s.srv.params.called[n.pin] != "" {
			reason += ": " + s.srv.params.called[n.pin]
		}
		reasons = append(reasons, reason)
	}
	return strings.Join(reasons, "; ")
}

// call notes what pins the holder is called.
func (c *ServerConn) call(pin pinSet, name string) {
	if c.params.called == nil {
		c.params.called = make(map[pinSet]string)
	}
	c.params.called[pin] = name[:min(len(name), maxCalled)]
}

// maxCalled bounds a name that is shown.
const maxCalled = 200

// pinsOf translates what a statement leaves behind in a session. Parameters that the server reports leave nothing: they
// follow the client.
func (s *Session) pinsOf(v *classify.Verdict) pinSet {
	if v.Session == 0 && len(v.Sets) == 0 && len(v.Resets) == 0 {
		return 0
	}
	var pins pinSet
	configPin := pinSetting
	if v.SetsByName { // it is asked for
		configPin = pinUnlearned
	}
	for _, effect := range [...]struct {
		on  classify.Session
		pin pinSet
	}{
		{classify.Listen, pinListen},
		{classify.TempObject, pinTemporary},
		{classify.HoldCursor, pinHoldCursor},
		{classify.AdvisoryLock, pinAdvisoryLock},
		{classify.SQLPrepare, pinPrepare},
		{classify.SetsConfig, configPin},
		{classify.Load, pinLibrary},
		{classify.SetSeed, pinSeed},
		{classify.SessionUnknown, pinUnseen},
	} {
		if v.Session&effect.on != 0 {
			pins |= effect.pin
		}
	}
	for _, name := range v.Resets {
		if s.misnames(name) {
			pins |= pinName
		}
	}
	for _, name := range v.Sets {
		switch _, reported := s.identity.Base().Find(name); {
		case reported, settings.Has(name, settings.Transient):
		case s.misnames(name):
			pins |= pinName
		case settings.MayFollow(name):
			pins |= pinUnlearned
		default:
			pins |= pinSetting
		}
	}
	return pins
}

// pin ties the session to its server.
func (s *Session) pin(pins pinSet) {
	if pins == 0 {
		return
	}
	if s.pins == 0 {
		s.identity.pins.now.Add(1)
	}
	for i, of := range pinNames {
		if pins&^s.pins&of.pin != 0 {
			s.identity.Meter.Pins.Add(i)
		}
	}
	s.pins |= pins
}

// unpin takes reasons away: nothing of the kind is left on the server.
func (s *Session) unpin(pins pinSet) {
	if s.pins != 0 && s.pins&^pins == 0 {
		s.identity.pins.now.Add(-1)
	}
	s.pins &^= pins
	if s.srv != nil {
		maps.DeleteFunc(s.srv.params.called, func(pin pinSet, _ string) bool { return pins&pin != 0 })
	}
}

// refusedPins are the reasons that are plain from a text, and for which a statement is an error where the owner wants it so. A statement of
// SQL PREPARE, and a LISTEN, can mostly follow the client.
const refusedPins = pinTemporary | pinHoldCursor | pinAdvisoryLock | pinLibrary | pinSeed

// forbids returns why the client must not run a statement; 0: it may.
func (s *Session) forbids(v *classify.Verdict) pinSet {
	if !s.identity.RefusePins || v.Session == 0 {
		return 0
	}
	pins := s.pinsOf(v) & refusedPins
	if v.Session.Has(classify.DropsOnCommit) {
		pins &^= pinTemporary
	}
	return pins
}

// raisingPin is a statement that raises the error that a forbidden one is.
func raisingPin(why pinSet) string {
	return raising(pgwire.CodeFeatureNotSupported, "this session would have to keep its server connection: "+why.String(),
		"The pool of this database refuses that (pool.on_pin: error). Do without, or set pool.on_pin to pin, or pool.mode to session.")
}

// misnames says whether a name in a text may be another for the server: it folds further letters in some encodings, and
// shortens what is long.
func (s *Session) misnames(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if len(part) > classify.MaxName {
			return true
		}
	}
	return !sqlscan.IsASCII(name) && !s.readsUTF8()
}

// PinWords lists what tied sessions to their servers, as verdict.Missed has noted it; empty: nothing did.
func PinWords(state uint32) string { return pinSet(state).String() }

// follows is settings.MayFollow for a name that stands in a text of the client: it must be known what that is for the server.
func (s *Session) follows(name string) bool { return settings.MayFollow(name) && !s.misnames(name) }
