package session

import (
	"overdrive/proxy/postgres/pgwire"
)

// A unit is what the extended protocol needs for one answer, on the unnamed portal:
//
//	[Parse [Describe statement]] Bind [Describe portal] Execute [Close portal]
//
// It is looked for before any of it is sent. A batch may hold several, among other messages.
type unit struct {
	size      int // bytes, from Parse or Bind to Execute
	statement *statement
	name      []byte // of the Parse
	parses    bool
	closes    bool   // a Close of the portal follows at once
	synced    bool   // a Sync follows at once
	limit     uint32 // of the Execute: rows; 0: all
	form      byte   // which descriptions are asked for
	params    []byte // the tail of the Bind: formats, values, result formats
	needs     int    // of a partial match: as long as there are fewer bytes it is of no use to look again
}

// The form of an exchange is part of its key: replies are kept as bytes, and they differ.
const (
	formQuery             byte = 1 << iota // simple protocol
	formExecute                            // extended protocol
	formDescribeStatement                  // with ParameterDescription and RowDescription before BindComplete
	formDescribePortal                     // with RowDescription behind it
	formLimited                            // of so many rows at most, see unit.limit: PortalSuspended may be its end
)

// matching says how far a unit could be recognised.
type matching uint8

const (
	matchNone    matching = iota // it has another form
	matchPartial                 // so far it fits, but it has not arrived whole
	matchWhole
)

// matchUnit recognises a unit at the front of b.
func (s *Session) matchUnit(b []byte) (u unit, m matching) {
	msg, body, typ, ok := cutMessage(b)
	if !ok {
		return u, matchNone
	}
	u.form = formExecute
	if typ == pgwire.Parse {
		if !s.matchParse(&u, body) {
			return u, matchNone
		}
		u.size = len(msg)
		if msg, body, typ, ok = cutMessage(b[u.size:]); ok && typ == pgwire.Describe {
			what, name, err := pgwire.SplitTarget(body)
			if err != nil || what != pgwire.Statement || string(name) != string(u.name) {
				return u, matchNone
			}
			u.form |= formDescribeStatement
			u.size += len(msg)
			msg, body, typ, ok = cutMessage(b[u.size:])
		}
		if !ok {
			return u, u.partial(b, u.size)
		}
	}
	portal, name, params, ok := pgwire.SplitBind(body)
	if typ != pgwire.Bind || !ok || len(portal) > 0 || u.parses && string(name) != string(u.name) {
		return u, matchNone
	}
	if !u.parses {
		_, u.statement = s.lookup(name)
	}
	if u.statement == nil {
		return u, matchNone
	}
	u.params = params
	u.size += len(msg)
	return s.matchExecute(b, u)
}

// matchParse recognises a Parse that a unit can begin with: of a name that is free, for a text whose answers may be kept.
func (s *Session) matchParse(u *unit, body []byte) bool {
	name, rest, err := pgwire.SplitParse(body)
	if err != nil || s.names.known[string(name)].statement != nil || len(name) > maxNameBytes {
		return false
	}
	u.parses, u.name, u.statement = true, name, s.internStatement(name, rest)
	if len(name) > 0 && !s.affords(&s.names.keep, len(name), u.statement) {
		return false
	}
	seen := u.statement.seen.Load()
	return seen == nil || seen.verdict.MayBeKept() || s.holdsBack(seen.verdict) || !s.current(seen)
}

// matchExecute recognises what follows the Bind of a unit.
func (s *Session) matchExecute(b []byte, u unit) (unit, matching) {
	for {
		msg, body, typ, ok := cutMessage(b[u.size:])
		if !ok {
			return u, u.partial(b, u.size)
		}
		u.size += len(msg)
		switch typ {
		case pgwire.Describe:
			what, name, err := pgwire.SplitTarget(body)
			if err != nil || u.form&formDescribePortal != 0 || what != pgwire.Portal || len(name) > 0 {
				return u, matchNone
			}
			u.form |= formDescribePortal
		case pgwire.Execute:
			portal, maxRows, err := pgwire.SplitExecute(body)
			if err != nil || len(portal) > 0 {
				return u, matchNone
			}
			if maxRows != 0 {
				u.form, u.limit = u.form|formLimited, maxRows
			}
			m := u.matchEnd(b)
			return u, m
		default:
			return u, matchNone
		}
	}
}

// partial notes how much of b must have arrived before the match can be taken further: the message at the place must be whole.
func (u *unit) partial(b []byte, place int) matching {
	u.needs = place + pgwire.HeaderLen
	if h, ok, err := pgwire.PeekHeader(b[place:], MaxHeld); ok && err == nil {
		u.needs = place + h.Total()
	}
	return matchPartial
}

// maxBehind is how many messages behind a unit are looked at, each time that another of them has arrived.
const maxBehind = 16

// matchEnd looks at what follows a unit, as far as it shows that nobody will ask for its portal again: it is dropped by Sync,
// and by the next Bind to the unnamed portal. An answer that the server has never given leaves no portal there.
func (u *unit) matchEnd(b []byte) matching {
	if msg, body, typ, ok := cutMessage(b[u.size:]); ok && typ == pgwire.Close {
		if what, name, err := pgwire.SplitTarget(body); err == nil && what == pgwire.Portal && len(name) == 0 {
			u.closes = true
			u.size += len(msg)
		}
	}
	place := u.size
	for i := range maxBehind {
		h, ok, err := pgwire.PeekHeader(b[place:], MaxHeld)
		switch {
		case err != nil:
			return matchNone
		case !ok:
			return u.partial(b, place)
		case h.Type == pgwire.Sync:
			u.synced = i == 0 && len(b)-place >= h.Total()
			return matchWhole
		}
		msg, body, typ, ok := cutMessage(b[place:])
		if !ok {
			return u.partial(b, place)
		}
		switch typ {
		case pgwire.Parse:
		case pgwire.Describe, pgwire.Close:
			if what, _, err := pgwire.SplitTarget(body); err != nil || what != pgwire.Statement {
				return matchNone
			}
		case pgwire.Bind:
			if portal, _, _, ok := pgwire.SplitBind(body); !ok || len(portal) > 0 {
				return matchNone
			}
			return matchWhole
		default:
			return matchNone
		}
		place += len(msg)
	}
	return matchNone
}

// cutMessage cuts a whole message off the front of b. Larger ones than are ever held count as not whole.
func cutMessage(b []byte) (msg, body []byte, typ byte, ok bool) {
	h, ok, err := pgwire.PeekHeader(b, MaxHeld)
	if !ok || err != nil || len(b) < h.Total() {
		return nil, nil, 0, false
	}
	msg = b[:h.Total()]
	return msg, msg[pgwire.HeaderLen:], h.Type, true
}
