package session

import (
	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
)

// This file is the end of a login, from the moment the client is known to be who it says: its startup settings are made
// valid, and it is greeted as a server would.

// A login is who the client is.
type login struct {
	id    ID
	user  string // as the client logged in
	entry *Entry // what the startup packet said; nil once the client is greeted, unless RESET ALL needs it
}

// Begin makes s, which is fresh, the session of a client that has logged in. entry is what its startup packet said.
func (s *Session) Begin(d Driver, id ID, o *Identity, user string, entry *Entry) {
	s.driver, s.login.id, s.identity, s.login.user, s.login.entry, s.batch.onlyReads = d, id, o, user, entry, true
	entry.giveOwn(s)
}

// GiveUp ends a session that has not been started: its client could not be handed to a loop.
func (s *Session) GiveUp() { s.enter(gone) }

// Start is the first event: the client's socket lives on the loop of the workspace. Where the settings have been seen before, the
// client is greeted without any server.
func (s *Session) Start(client Peer, space *Workspace) {
	s.client, s.space = client, space
	s.space.scratch.reset()
	if proof := s.login.entry.proof; proof != nil {
		s.login.entry.proof = nil
		client.Write(proof)
	}
	if s.params.want = s.identity.canonical(s.login.entry.raw); s.params.want != nil {
		s.greet()
		return
	}
	s.tryStartup()
}

// tryStartup has a server check the client's settings, since it alone knows them all and how it spells their values. They are
// carried as the bytes that the startup packet has, for that is what a server would take.
func (s *Session) tryStartup() {
	if s.srv == nil {
		srv := s.driver.Acquire(s.space.time(s.delay.since), false)
		if srv == nil {
			if s.delay.since == 0 {
				s.delay.since = s.space.instant()
			}
			return
		}
		s.hold(srv)
	}
	s.params.want = s.identity.canonical(s.login.entry.raw) // the first server tells what a client without settings has
	if s.params.want == nil {
		want := s.identity.Interner.Edit(s.identity.Base())
		for _, it := range s.login.entry.raw {
			want.Set(s.identity.Base().Spelling(it.Name), it.Value)
		}
		s.params.want = want.Done()
		if s.change() {
			return
		}
		s.startupDone()
	} else {
		s.greet()
	}
	s.settle()
}

// startupDone greets the client once the server has taken its settings.
func (s *Session) startupDone() {
	s.settingsApplied()
	s.identity.remember(s.login.entry.raw, s.params.want)
	s.greet()
}

// greet tells the client that it is logged in, what the server reports, and how to cancel.
func (s *Session) greet() {
	s.params.startup, s.params.told, s.delay.since = s.params.want, s.params.want, instant(0)
	if s.login.entry.raw = nil; s.login.entry.own == nil {
		s.login.entry = nil
	}
	b := pgwire.AppendMessage(nil, pgwire.Authentication, []byte{0, 0, 0, 0})
	for _, items := range [][]settings.Setting{s.identity.fixed(), s.identity.reported(s.params.want).Items()} {
		for _, it := range items {
			if s.tellable(it.Value) {
				b = pgwire.AppendParameterStatus(b, it.Name, it.Value)
			}
		}
	}
	b = pgwire.AppendMessage(b, pgwire.BackendKeyData, s.driver.Key().Bytes())
	s.client.Write(pgwire.AppendReady(b, pgwire.TxIdle))
	s.enter(ready)
}
