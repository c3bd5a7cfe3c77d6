package proxy

import (
	"errors"
	"slices"
	"strings"

	"overdrive/proxy/pgwire"
	"overdrive/querycache/classify"
)

// This file is the end of a login, from the moment the client is known to be who it says: its startup settings are made
// valid, and it is greeted as a server would.

// start is the first event. Where the settings have been seen before, the client is greeted without any server.
func (s *session) start() {
	s.worker.scratch.reset()
	if s.want = s.origin.canonical(s.rawStartup); s.want != nil {
		s.greet()
		return
	}
	s.tryStartup()
}

// tryStartup has a server check the client's settings, since it alone knows them all and how it spells their values.
func (s *session) tryStartup() {
	if s.srv == nil {
		srv := s.broker.acquire(s)
		if srv == nil {
			return
		}
		s.hold(srv)
	}
	s.want = s.origin.canonical(s.rawStartup) // the first server tells what a client without settings has
	if s.want == nil {
		want := s.origin.base()
		for _, it := range s.rawStartup {
			want = s.origin.interner.with(want, s.origin.base().spelling(it.name), it.value)
		}
		s.want = want
		if sql := s.srv.has.change(want); sql != "" {
			s.inject(sql)
			return
		}
		s.startupDone()
	} else {
		s.greet()
	}
	s.settle()
}

// startupDone greets the client once the server has taken its settings.
func (s *session) startupDone() {
	s.settingsApplied()
	s.origin.remember(s.rawStartup, s.want)
	s.greet()
}

// greet tells the client that it is logged in, what the server reports, and how to cancel.
func (s *session) greet() {
	s.startup, s.told, s.rawStartup = s.want, s.want, nil
	b := pgwire.AppendMessage(nil, pgwire.Authentication, []byte{0, 0, 0, 0})
	for _, it := range s.origin.fixed() {
		b = pgwire.AppendParameterStatus(b, it.name, it.value)
	}
	for _, it := range s.origin.reported(s.want).items {
		b = pgwire.AppendParameterStatus(b, it.name, it.value)
	}
	b = pgwire.AppendMessage(b, pgwire.BackendKeyData, s.cancelKey.bytes())
	s.client.Write(pgwire.AppendReady(b, pgwire.TxIdle))
	s.state = ready
}

// ownSettings takes the proxy's own parameters out of those of a startup packet. set gives them to a session.
func ownSettings(raw []setting) (rest []setting, set func(*session), err error) {
	var sets []func(*session)
	for _, it := range raw {
		name, own := strings.CutPrefix(it.key, ownPrefix)
		if !own {
			rest = append(rest, it)
			continue
		}
		one, report := ownSetting(&classify.Own{Verb: "set", Name: name, Value: it.value})
		if report != nil {
			return nil, nil, errors.New(report.Message)
		}
		sets = append(sets, one)
	}
	return rest, func(s *session) {
		for _, one := range sets {
			one(s)
		}
	}, nil
}

// maxStartupSettings bounds the parameters of a startup packet.
const maxStartupSettings = 100

// startupSettings picks the run-time parameters out of a startup packet. Those in "options" come first, as in PostgreSQL,
// so that a parameter of its own wins.
func startupSettings(params []pgwire.Param) ([]setting, error) {
	var found []setting
	add := func(name, value string) {
		key := strings.ToLower(name)
		found = slices.DeleteFunc(found, func(it setting) bool { return it.key == key })
		found = append(found, setting{key, name, value})
	}
	for _, p := range params {
		if p.Name != "options" {
			continue
		}
		options, err := pgwire.ParseOptions(p.Value)
		if err != nil {
			return nil, err
		}
		for _, o := range options {
			add(o.Name, o.Value)
		}
	}
	for _, p := range params {
		switch {
		case p.Name == "user" || p.Name == "database" || p.Name == "options" || p.Name == "replication":
		case strings.HasPrefix(p.Name, "_pq_."):
		default:
			add(p.Name, p.Value)
		}
	}
	return found, nil
}
