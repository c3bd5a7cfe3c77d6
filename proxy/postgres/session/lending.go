package session

import (
	"slices"
	"strings"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// This file is about statements of a client that the listener hears for: ahead of one that may change what the client listens to the server is
// lent the channels, and one that may notify is told apart from those who had the server before.

// mayNotify says whether a statement may notify anybody: all may that are not known to read and nothing else. A write fires triggers.
func mayNotify(v *classify.Verdict) bool {
	const quiet = classify.PlainBegin | classify.PlainCommit | classify.PlainRollback
	return v.Status != verdict.Cacheable && !v.Session.Has(quiet) && !(v.Status == verdict.NotAQuery && v.Session.Has(classify.Queries))
}

// noteVoice is called for a statement that is certain to be sent next.
func (s *Session) noteVoice(v *classify.Verdict) {
	if mayNotify(v) {
		s.srv.voice = voice{by: s.login.id, spoken: true}
		s.srv.driver.Speaks(s.driver.Key().PID)
	}
}

// changesChannels says whether a statement may change what the session listens to otherwise than by ending it all.
func changesChannels(v *classify.Verdict) bool {
	return v.Session.Has(classify.Listen | classify.Unlistens | classify.SessionUnknown)
}

// hearsItself has the message at hand wait, if need be, until the notifications of those who had the server before are told apart from
// its own. false: it waits.
func (s *Session) hearsItself(v *classify.Verdict) bool {
	h, srv := s.hears, s.srv
	if h == nil || h.sub == nil || len(h.channels) == 0 || h.turn.here || srv.voice.by == 0 || srv.voice.by == s.login.id || srv.copying.in || !mayNotify(v) {
		return true
	}
	if s.unanswered() {
		return s.stall()
	}
	h.gated = true
	s.enter(settling)
	s.errand.asking = true
	s.askRound()
	return false
}

func (s *Session) askRound() {
	h := s.hears
	h.serial++
	h.round = h.serial
	h.sub.Round(h.round)
}

// lendChannels is called ahead of a statement that is certain to be sent next. Where it may change the channels that the listener hears for the
// session, the server is lent them in the transaction of the statement, and its answer at rest is the truth.
func (s *Session) lendChannels(v *classify.Verdict) {
	h := s.hears
	if h == nil || h.step == stepLent || len(h.channels) == 0 || s.amidCopy() || s.srv.status == pgwire.TxFailed || !changesChannels(v) {
		return
	}
	s.lendAll()
}

func (s *Session) lendAll() {
	h := s.hears
	h.stopTimer()
	h.step, h.turn = stepLent, turn{marker: h.sub.Marker(), in: s.srv.owed.sent}
	h.sub.TurnOff(h.turn.marker)
	s.pin(pinListen)
	s.inquire().state = true
	var texts []string
	for name := range h.channels {
		texts = append(texts, `LISTEN "`+strings.ReplaceAll(name, `"`, `""`)+`"`)
	}
	slices.Sort(texts)
	texts = append(texts, "LISTEN "+h.sub.Channel(), "NOTIFY "+h.sub.Channel()+", '"+h.turn.marker+"'")
	if !s.batch.open {
		s.srv.send(lends, false, func(b []byte) []byte { return s.appendLoan(b, texts) })
		return
	}
	for _, text := range texts {
		s.runBeside(text)
	}
}

// appendLoan adds statements of ours, which are in the server's bytes.
func (s *Session) appendLoan(b []byte, texts []string) []byte {
	other := !s.identity.sameBytes(s.params.want)
	if other {
		b = appendSet(append(b, parseSetConfig...), clientEncoding, serverBytes, false)
	}
	for _, text := range texts {
		b = append(b, once(text)...)
	}
	if other {
		b = appendSet(append(b, parseSetConfig...), clientEncoding, s.params.want.Encoding(), false)
	}
	return b
}

// runBeside has the server run a statement of ours in the open batch, by names that stand in nobody's way.
func (s *Session) runBeside(text string) {
	name := serverName(s.identity.statements.serial.Add(1))
	s.srv.addStray(name)
	s.exchange(owedParse, skip, s.space.scratch.parse(name, []byte(text+"\x00\x00\x00"))).statement = noStatement
	s.exchange(owedBind, skip, s.space.scratch.bindHead([]byte(name), name, len(noFormats)))
	s.srv.write(noFormats)
	s.exchange(owedExecute, skip, pgwire.AppendMessage(nil, pgwire.Execute, append([]byte(name), 0, 0, 0, 0, 0)))
	s.exchange(owedClose, skip, s.space.scratch.target(pgwire.Close, pgwire.Portal, name))
}

// misheard says whether the listener hears for a client that reads in another encoding now. So the server does again.
func (s *Session) misheard() bool {
	h := s.hears
	return h != nil && h.step == stepCalm && len(h.channels) > 0 && s.srv != nil && s.atRest() && !s.identity.sameBytes(s.params.want)
}
