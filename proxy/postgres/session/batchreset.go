package session

import "overdrive/proxy/postgres/pgwire"

// This file is about a RESET in a batch of the extended protocol. As in one text (returns.go), what is parsed, bound or run behind it would be so under the
// server's own values, so a call of set_config goes ahead of that. The client hears nothing of it:
//
//	RESET DateStyle ── (set_config DateStyle) ── SELECT d FROM t ── Sync

// setsConfig is the statement of the call. It has a name, and so has its portal, so that the client's own unnamed ones stay.
var setsConfig = &statement{serverName: serverName(0), body: parseSetConfig[pgwire.HeaderLen+1:]}

// ownPortal is a portal of ours in a batch of the client's.
const ownPortal = serverPrefix + "portal"

var runOwn = pgwire.AppendMessage(nil, pgwire.Execute, []byte(ownPortal+"\x00\x00\x00\x00\x00"))

// returnInBatch gives the server what the RESET of the open batch that it has last been sent has taken too far, ahead of a message that
// runs something.
func (s *Session) returnInBatch(r *undone, next byte) {
	switch next {
	case pgwire.Parse, pgwire.Bind, pgwire.Execute, pgwire.Query, pgwire.FunctionCall:
	default: // it runs nothing
		return
	}
	names := r.last
	r.last = nil
	if s.srv == nil || s.params.startup == nil {
		return
	}
	back := s.comesBack(names)
	if len(back) > 0 && !s.srv.prepared.residents.has(setsConfig) {
		s.sendParse(setsConfig, skip)
	}
	for _, it := range back {
		s.exchange(owedBind, skip, s.space.scratch.add(func(b []byte) []byte {
			return appendBind(b, ownPortal, setsConfig.serverName, argument{text: it.Name}, argument{text: it.Value}, argument{text: "f"})
		}))
		s.exchange(owedExecute, skip, runOwn)
		s.exchange(owedClose, skip, s.space.scratch.target(pgwire.Close, pgwire.Portal, ownPortal))
	}
}
