package session

import (
	"fmt"

	"overdrive/proxy/postgres/pgwire"
)

// A batch is what the client has sent since the last Sync, as far as it matters to what comes behind.
type batch struct {
	open      bool // extended messages since the last Sync
	skips     bool // after an error of ours: drop everything up to a Sync
	inUnit    bool // what is being sent is a unit that the cache was asked for
	onlyReads bool // nothing but plain reads is owed
	copied    bool // the client has sent parts of a copy
	discards  bool // a DISCARD ALL is under way: what follows it waits, in the same batch, too, to know what it leaves
	naming    bool // the same of a DEALLOCATE, or of a Parse whose name PREPARE may have taken
	sweeping  bool // a statement under way changes more than its own: what follows its batch waits for the outcome
}

// message deals with one message of the client and returns the bytes used, none if it must wait for more of them or for a
// server. While it waits the same message comes again, so nothing is noted before it is certain to go out.
func (s *Session) message(h pgwire.Header, b []byte) int {
	if (s.batch.skips || s.srv != nil && s.srv.trouble.discarding) && h.Type != pgwire.Sync && h.Type != pgwire.Terminate {
		return s.drop(h)
	}
	if s.names.withheld != "" && h.Type != pgwire.Bind && h.Type != pgwire.Describe {
		s.acknowledge()
	}
	if r := s.params.resets.undone; r != nil && r.last != nil {
		s.returnInBatch(r, h.Type)
	}
	switch h.Type {
	case pgwire.CopyData, pgwire.CopyDone, pgwire.CopyFail:
		return s.copyMessage(h, b)
	case pgwire.Parse, pgwire.Bind:
		if n, done := s.cachedUnit(b); done {
			return n
		}
	}
	if h.Body > MaxHeld {
		return s.largeMessage(h, b)
	}
	if len(b) < h.Total() {
		s.in.needs = int32(h.Total()) // MaxHeld at most, and a header
		return 0
	}
	msg := b[:h.Total()]
	if s.dispatch(h, msg, msg[pgwire.HeaderLen:]) {
		return len(msg)
	}
	return 0
}

// dispatch takes up one whole message. false: it must come again, or the session has ended.
func (s *Session) dispatch(h pgwire.Header, msg, body []byte) bool {
	if s.begun&begunFailed != 0 && s.refusesInFailed(h, body) {
		return true
	}
	switch h.Type {
	case pgwire.Query:
		return s.query(msg, body)
	case pgwire.Parse:
		return s.parse(msg, body)
	case pgwire.Bind:
		return s.bind(h, msg, body)
	case pgwire.Describe:
		return s.describe(msg, body)
	case pgwire.Execute:
		return s.execute(msg, body)
	case pgwire.Close:
		return s.closeObject(msg, body)
	case pgwire.Sync:
		return s.sync(msg)
	case pgwire.Flush:
		if s.srv != nil && s.srv.owed.len() > 0 {
			s.srv.write(msg)
		}
		return true
	case pgwire.FunctionCall:
		return s.functionCall(msg)
	case pgwire.Terminate:
		s.terminate()
		return false
	}
	s.violation(fmt.Sprintf("invalid frontend message type %d", h.Type))
	return false
}

// copyMessage passes on a part of a copy. Outside of one the server would drop it silently, and so does the session,
// rather than occupy a server for it. The server may enter copy mode only after the client has sent these, so with any reply owed they go out.
func (s *Session) copyMessage(h pgwire.Header, b []byte) int {
	if s.srv == nil || s.srv.owed.len() == 0 {
		return s.drop(h)
	}
	s.batch.copied = true
	head := b[:pgwire.HeaderLen]
	if h.Type == pgwire.CopyData || s.srv.copying.in {
		s.srv.write(head)
	} else {
		s.srv.exchange(owedCopyEnd, skip, head)
	}
	s.srv.copying.in = s.srv.copying.in && h.Type == pgwire.CopyData
	s.stream(h, pgwire.HeaderLen)
	return pgwire.HeaderLen
}

// largeMessage deals with what is too large to be looked into. Query and Parse may do anything then, so the session keeps
// its server; a Bind shows its names in front; the others have no business to be that large.
func (s *Session) largeMessage(h pgwire.Header, b []byte) int {
	switch h.Type {
	case pgwire.Query:
		srv := s.link()
		if srv == nil || !s.hearsItself(Unseen) {
			return 0
		}
		s.noteText(srv, Unseen)
		s.setUnnamed(nil)
		s.exchange(owedQuery, forward, b[:pgwire.HeaderLen])
		s.batch.open = false
		s.stream(h, pgwire.HeaderLen)
		return pgwire.HeaderLen
	case pgwire.Parse:
		return s.largeParse(h, b)
	case pgwire.Bind:
		front := b[pgwire.HeaderLen:min(len(b), h.Total())]
		if _, _, _, ok := pgwire.SplitBind(front); !ok {
			if len(front) > MaxHeld {
				s.violation("names in Bind message are too long")
			}
			s.needsName(b)
			return 0
		}
		n := pgwire.HeaderLen + len(front)
		if !s.bind(h, b[:n], front) {
			return 0
		}
		return n
	case pgwire.FunctionCall:
		srv := s.link()
		if srv == nil || !s.hearsItself(Unseen) {
			return 0
		}
		s.noteText(srv, Unseen)
		s.exchange(owedCall, forward, b[:pgwire.HeaderLen])
		s.batch.open = false
		s.stream(h, pgwire.HeaderLen)
		return pgwire.HeaderLen
	}
	s.violation(fmt.Sprintf("message type %q of %d bytes is too large", h.Type, h.Body))
	return 0
}

// query takes up a simple Query.
func (s *Session) query(msg, body []byte) bool {
	text, err := pgwire.SplitQuery(body)
	if err != nil {
		s.violation("invalid string in message")
		return false
	}
	v, known := s.judgeQuery(text)
	if v == nil {
		return s.await(text)
	}
	s.accountFor(v, text)
	if v.Own != nil && !s.amidCopy() {
		if s.batch.open && s.unanswered() { // should the batch fail, the server skips what comes up to a Sync
			return s.stall()
		}
		s.noteOwn()
		s.answerOwnQuery(v.Own)
		return true
	}
	if name, ok := s.deallocated(text, v); ok {
		if s.unanswered() {
			return s.stall()
		}
		s.forgetName(name)
		s.noteOwn()
		s.answerQuery(pgwire.AppendString(nil, pgwire.CommandComplete, "DEALLOCATE"))
		return true
	}
	if s.saysNames(v) && s.unanswered() {
		return s.stall()
	}
	if executed := s.unjudged(v); executed != nil {
		return s.await(executed)
	}
	if s.holdsBack(v) {
		s.noteOwn()
		s.answerQuery(pgwire.AppendString(nil, pgwire.CommandComplete, s.holdBack(v)))
		return true
	}
	switch s.cachedQuery(text, v, known) {
	case answered:
		return true
	case waits:
		return false
	}
	srv := s.link()
	if srv == nil {
		return false
	}
	if !s.neverSet(v, text) {
		return false
	}
	if !s.hearsItself(v) {
		return false
	}
	srv = s.srv
	if why := s.forbids(v); why != 0 {
		v, msg = refusedRun, pgwire.AppendString(nil, pgwire.Query, raisingPin(why))
	}
	if v.Locals != nil {
		v = s.setsNames(v, nil)
	}
	alone := s.lendToQuery(v) // in a batch ahead of that which the text counts in
	s.noteValues(v, text, nil)
	s.noteText(srv, alone)
	s.noteExecuted(v)
	s.setUnnamed(nil) // a simple Query destroys it
	s.exchange(owedQuery, forward, s.withReturns(v, text, msg))
	s.batch.open = false // and ends the batch that it stands in
	s.attempt.fill = nil
	return true
}

// functionCall takes up a FunctionCall, whose function may do anything.
func (s *Session) functionCall(msg []byte) bool {
	srv := s.link()
	if srv == nil || !s.hearsItself(Unseen) {
		return false
	}
	s.noteText(srv, Unseen)
	s.exchange(owedCall, forward, msg)
	s.batch.open = false
	return true
}

// terminate lets the server finish what the client asked before it said goodbye, as PostgreSQL does.
func (s *Session) terminate() {
	s.leave(0)
}

// refusesInFailed refuses what a message asks for in a transaction that has failed without a server.
func (s *Session) refusesInFailed(h pgwire.Header, body []byte) bool {
	const words = "current transaction is aborted, commands ignored until end of transaction block"
	switch h.Type {
	case pgwire.Query:
		text, err := pgwire.SplitQuery(body)
		if err != nil {
			return false
		}
		if v, _ := s.judgeQuery(text); v == nil || s.holdsBack(v) || v.Own != nil {
			return false
		}
		s.noteOwn()
		s.toClient(s.errorOf(pgwire.ErrorReport{Severity: "ERROR", Code: "25P02", Message: words}))
		s.endQuery()
	case pgwire.Parse, pgwire.Bind, pgwire.Describe, pgwire.Execute, pgwire.Close, pgwire.FunctionCall:
		s.toClient(s.errorOf(pgwire.ErrorReport{Severity: "ERROR", Code: "25P02", Message: words}))
		s.batch.open, s.batch.skips = true, true
	default:
		return false
	}
	return true
}
