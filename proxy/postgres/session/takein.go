package session

import (
	"strings"

	"overdrive/proxy/postgres/settings"
)

// This file says what the answers to an inquiry mean: what the client has set, and what code has RESET or left empty.

// takeSet takes in the parameters that are set in the session, but for those that were asked for by name. The others are
// as if never set, and for the client that is what its startup packet said.
func (s *Session) takeSet(q *inquiry, want, has *settings.Draft) {
	base := s.identity.Base()
	denied := ""
	named := make(map[string]bool, len(q.queue))
	for _, name := range q.queue {
		named[name] = true
	}
	for key := range q.set {
		_, wanted := want.Get(key)
		value, settable := q.values[key]
		switch _, reported := base.Find(key); {
		case named[key], settings.Has(key, settings.Transient):
		case reported:
			if now, ok := has.Get(key); ok { // in the server's own spelling
				want.Set(key, now)
			}
		case !settable && !wanted:
			denied = key
		case !settable: // the client has set it itself, and is somebody else now, or was granted that
		case !wanted && !s.follows(key):
			s.pin(pinSetting)
			s.srv.call(pinSetting, key)
		default:
			want.Set(key, value)
			has.Set(key, value)
		}
	}
	if denied != "" {
		s.pin(pinDenied)
		s.srv.call(pinDenied, denied)
	} else {
		s.unpin(pinDenied)
	}
	for _, known := range []*settings.Set{s.params.want, s.srv.params.has} {
		for _, it := range known.Items() {
			if q.set[it.Key] || named[it.Key] {
				continue
			}
			usual, reported := base.Get(it.Key)
			now, ok := has.Get(it.Key)
			undone := now == usual && (q.undone.covers(it.Key) || s.cameDown(it.Key, now))
			if reported && ok && !undone {
				if wanted, _ := want.Get(it.Key); wanted == now { // it was never touched, or set to what it was
					continue
				}
			}
			s.resetOne(want, it.Key)
			if !reported {
				has.Drop(it.Key)
			}
		}
	}
}

// cameDown says whether code has RESET a parameter, which is at the server's own value now and not set in the session: it had another since the
// last rest of the client, whose startup packet gave it one. What the client had at that value before may never have been set on this server.
func (s *Session) cameDown(key, now string) bool {
	startup, set := s.params.startup.Get(key)
	rested := startup
	if at := s.srv.params.rested; at != nil {
		rested, _ = at.Get(key)
	}
	return set && startup != now && rested != now
}

// takeNamed takes in one that was asked for by name.
func (s *Session) takeNamed(q *inquiry, name string, want, has *settings.Draft) {
	value, exists := q.values[name]
	own := strings.Contains(name, ".")
	switch {
	case own && value == "" && q.undone.covers(name): // what RESET makes of it
		s.resetOne(want, name)
		has.Set(name, value)
	case !own && q.all && q.names[name] && !q.set[name] && !settings.Has(name, settings.Hidden): // a SET, and then code that has RESET it
		s.resetOne(want, name)
		has.Drop(name)
	case !exists, name == "role" && value == "none", own && value == "" && s.neverOwned(q, name):
		want.Drop(name)
		has.Drop(name)
	default:
		want.Set(name, value)
		has.Set(name, value)
		s.identity.Owned.note(name)
	}
}

// neverOwned says whether a parameter of the user's own that is empty is taken for one that the client has not set: nothing that is known to have run
// sets it, the client is not known to have it, and others have set such parameters on the server, where they may have left it so.
func (s *Session) neverOwned(q *inquiry, name string) bool {
	_, wanted := s.params.want.Get(name)
	return !q.names[name] && !wanted && s.srv.params.owner != s.login.id
}
