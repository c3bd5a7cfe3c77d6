package session

import (
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
)

// exchange is that of the server connection, for a message of the client's or one of ours that serves it: the cache may want the reply.
func (s *Session) exchange(kind replyKind, act action, msg []byte) *owed {
	e := s.srv.exchange(kind, act, msg)
	if act == forward {
		e.fill = s.attempt.fill
	}
	return e
}

// answer gives the client a reply of ours at its place among those that the server owes. b must not be changed later.
// The reply to a Query ends with ReadyForQuery, which is added when its time has come, since only then the status is known.
// It returns what is owed for the message, nil if that has been answered.
func (s *Session) answer(b []byte, kind replyKind) *owed {
	if !s.busy() {
		s.toClient(b)
		if kind == owedQuery {
			s.toClient(s.space.scratch.ready(s.status()))
			s.turnEnds(s.status(), false, false)
		}
		return nil
	}
	e := s.srv.owed.push(kind, fake)
	e.answer = b
	return e
}

// answerQuery gives the client the reply to a simple Query that is answered by us, at its place among those that the server owes.
func (s *Session) answerQuery(b []byte) {
	if s.busy() {
		s.names.unnamed = nil
		s.answer(b, owedQuery)
		return
	}
	s.toClient(b)
	s.endQuery()
}

// endQuery follows the reply of ours to a simple Query where nothing is owed. The Query destroys the unnamed statement, and ends the
// batch that it stands in; the server, which does not see it, is told by a Sync.
func (s *Session) endQuery() {
	s.names.unnamed, s.names.sure = nil, nil
	if s.batch.open {
		s.sync(syncMessage)
		return
	}
	s.readyForNext()
}

// drop skips a message without looking into it.
func (s *Session) drop(h pgwire.Header) int {
	s.in.left, s.in.drops = h.Body, true
	return pgwire.HeaderLen
}

// stream passes a message on piece by piece; used bytes of it have gone already.
func (s *Session) stream(h pgwire.Header, used int) {
	s.in.left, s.in.drops = h.Total()-used, false
	s.in.copies = h.Type == pgwire.CopyData || h.Type == pgwire.CopyDone || h.Type == pgwire.CopyFail
}

// needsName puts off looking for the names in front of a large message until a good deal more of it has arrived.
func (s *Session) needsName(b []byte) {
	s.in.needs = int32(min(2*len(b), pgwire.HeaderLen+MaxHeld+1))
}

// amidCopy says whether the server reads what the client sends as a part of a copy.
func (s *Session) amidCopy() bool { return s.srv != nil && s.srv.copying.in }

// status is the transaction status as the client knows it once all it is owed has come.
func (s *Session) status() pgwire.TxStatus {
	switch {
	case s.begun&begunFailed != 0:
		return pgwire.TxFailed
	case s.begun != 0:
		return pgwire.TxOpen
	case s.srv == nil:
		return pgwire.TxIdle
	}
	return s.srv.status
}

// sync takes up a Sync: one ReadyForQuery each, always.
func (s *Session) sync(msg []byte) bool {
	srv := s.srv
	if s.amidCopy() { // ignored by a server in copy mode, and so not owed
		srv.copying.earlySyncs++
		srv.write(msg)
		return true
	}
	s.batch.open, s.batch.skips = false, false
	if r := s.params.resets.undone; r != nil {
		r.last = nil
	}
	if s.batch.inUnit { // an error made the rest of it be dropped
		s.batch.inUnit, s.attempt.looked = false, false
		s.giveUpFill()
	}
	if srv == nil {
		s.readyForNext()
		return true
	}
	srv.trouble.discarding = false
	s.exchange(owedSync, forward, msg)
	return true
}

// stall puts off the message at hand until all that is owed has come: an error among it may change what the message
// means. The server is told to hold nothing back.
func (s *Session) stall() bool {
	s.srv.write(s.space.scratch.empty(pgwire.Flush))
	s.enter(stalled)
	return false
}

// refuse answers a message of the extended protocol with an error, and all up to the Sync is skipped.
func (s *Session) refuse(code, message string) {
	s.batch.open = true
	if s.srv != nil {
		s.provoke(code, message)
		return
	}
	s.batch.skips = true
	s.answer(s.errorOf(pgwire.ErrorReport{Severity: "ERROR", Code: code, Message: message}), owedParse)
}

// provoke makes the server raise an error in place of what the message at hand would do, so that it has its right place
// among the replies and its right effect on an open transaction. The message has no quotes in it.
func (s *Session) provoke(code, message string) { s.provokeBy(raising(code, message, "")) }

// provokeBy is provoke with the statement that raises the error.
func (s *Session) provokeBy(raise string) {
	srv := s.srv
	name := serverName(s.identity.statements.serial.Add(1))
	srv.addStray(name)
	s.exchange(owedParse, skip, s.space.scratch.parse(name, []byte(raise+"\x00\x00\x00"))).statement = noStatement
	s.exchange(owedBind, skip, s.space.scratch.bindHead(nil, name, len(noFormats)))
	srv.write(noFormats)
	s.exchange(owedExecute, forward, runAll)
}

// raising is a statement that raises an error.
func raising(code, message, hint string) string {
	if hint != "" {
		hint = ", HINT = '" + hint + "'"
	}
	return "DO $$BEGIN RAISE EXCEPTION '" + message + "' USING ERRCODE = '" + code + "'" + hint + "; END$$"
}

// readyForNext tells the client that it may send the next statement, where no server does. A transaction that is held back is not left
// idle for longer than its server would leave it.
func (s *Session) readyForNext() {
	if s.hears != nil && s.status() == pgwire.TxIdle {
		s.tellNews()
	}
	s.toClient(s.space.scratch.ready(s.status()))
	s.turnEnds(s.status(), false, false)
	if s.begun == 0 {
		return
	}
	s.stopIdling()
	if limit := s.idleLimit(); limit > 0 {
		s.endTimer = s.driver.After(limit, func() {
			s.endTimer = nil
			s.space.scratch.reset()
			s.reject(ReasonIdle, "25P03", "terminating connection due to idle-in-transaction timeout")
		})
	}
}

func (s *Session) stopIdling() {
	if s.endTimer != nil {
		s.endTimer.Stop()
		s.endTimer = nil
	}
}

// idleLimit is how long the client's transaction may be idle, 0 for ever.
func (s *Session) idleLimit() time.Duration {
	if value, ok := s.params.want.Get("idle_in_transaction_session_timeout"); ok {
		limit, _ := settings.ParseTimeout(value)
		return limit
	}
	limit, _ := s.identity.freshIdleLimit()
	return limit
}
