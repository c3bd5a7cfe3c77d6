package session

import "overdrive/proxy/postgres/pgwire"

// This file is about a RESET in a batch of the extended protocol. As in one text (returns.go), what is parsed or bound behind it would run under the
// server's own values, so a call of set_config goes ahead of that. The client hears nothing of it:
//
//	RESET DateStyle ── (set_config DateStyle) ── SELECT d FROM t ── Sync

// setsConfig is the statement of the call. It has a name, so that the client's own unnamed statement stays.
var setsConfig = &statement{serverName: serverName(0), body: parseSetConfig[pgwire.HeaderLen+1:]}

// returnInBatch gives the server what the RESET of the open batch that it has last been sent has taken too far. The unnamed portal ran it.
func (s *Session) returnInBatch(r *undone) {
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
			return appendBind(b, setsConfig.serverName, argument{text: it.Name}, argument{text: it.Value}, argument{text: "f"})
		}))
		s.exchange(owedExecute, skip, runAll)
	}
}
