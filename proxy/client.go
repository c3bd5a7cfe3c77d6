package proxy

import (
	"fmt"

	"overdrive/proxy/pgwire"
)

// message deals with one message of the client and returns the bytes used, none if it must wait for more of them or for a
// server. While it waits the same message comes again, so nothing is noted before it is certain to go out.
func (s *session) message(h pgwire.Header, b []byte) int {
	if (s.skipToSync || s.srv != nil && s.srv.discarding) && h.Type != pgwire.Sync && h.Type != pgwire.Terminate {
		return s.drop(h)
	}
	switch h.Type {
	case pgwire.CopyData, pgwire.CopyDone, pgwire.CopyFail:
		return s.copyMessage(h, b)
	case pgwire.Parse, pgwire.Bind:
		if n, done := s.cachedUnit(b); done {
			return n
		}
	}
	if h.Body > maxHeld {
		return s.largeMessage(h, b)
	}
	if len(b) < h.Total() {
		return 0
	}
	msg := b[:h.Total()]
	if s.dispatch(h, msg, msg[pgwire.HeaderLen:]) {
		return len(msg)
	}
	return 0
}

// dispatch takes up one whole message. false: it must come again, or the session has ended.
func (s *session) dispatch(h pgwire.Header, msg, body []byte) bool {
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
			s.srv.peer.Write(msg)
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

// drop skips a message without looking into it.
func (s *session) drop(h pgwire.Header) int {
	s.left, s.leftDrop = h.Body, true
	return pgwire.HeaderLen
}

// stream passes a message on piece by piece; used bytes of it have gone already.
func (s *session) stream(h pgwire.Header, used int) {
	s.left, s.leftDrop = h.Total()-used, false
}

// copyMessage passes on a part of a copy. Outside of one the server would drop it silently, and so does the session,
// rather than occupy a server for it. The server may enter copy mode only after the client has sent these, so with any reply owed they go out.
func (s *session) copyMessage(h pgwire.Header, b []byte) int {
	if s.srv == nil || s.srv.owed.len() == 0 {
		return s.drop(h)
	}
	s.copied = true
	if h.Type != pgwire.CopyData {
		if !s.srv.copyIn {
			s.srv.owed.push(owedCopyEnd, skip)
		}
		s.srv.copyIn = false
	}
	s.srv.peer.Write(b[:pgwire.HeaderLen])
	s.stream(h, pgwire.HeaderLen)
	return pgwire.HeaderLen
}

// largeMessage deals with what is too large to be looked into. Query and Parse may do anything then, so the session keeps
// its server; a Bind shows its names in front; the others have no business to be that large.
func (s *session) largeMessage(h pgwire.Header, b []byte) int {
	switch h.Type {
	case pgwire.Query:
		srv := s.link()
		if srv == nil {
			return 0
		}
		s.noteText(srv, unseen)
		s.setUnnamed(nil)
		s.owe(owedQuery, forward)
		s.midBatch = false
		srv.peer.Write(b[:pgwire.HeaderLen])
		s.stream(h, pgwire.HeaderLen)
		return pgwire.HeaderLen
	case pgwire.Parse:
		return s.largeParse(h, b)
	case pgwire.Bind:
		front := b[pgwire.HeaderLen:min(len(b), h.Total())]
		if _, _, _, ok := pgwire.SplitBind(front); !ok {
			if len(front) > maxHeld {
				s.violation("names in Bind message are too long")
			}
			return 0
		}
		n := pgwire.HeaderLen + len(front)
		if !s.bind(h, b[:n], front) {
			return 0
		}
		return n
	case pgwire.FunctionCall:
		srv := s.link()
		if srv == nil {
			return 0
		}
		s.noteText(srv, unseen)
		s.owe(owedCall, forward)
		s.midBatch = false
		srv.peer.Write(b[:pgwire.HeaderLen])
		s.stream(h, pgwire.HeaderLen)
		return pgwire.HeaderLen
	}
	s.violation(fmt.Sprintf("message type %q of %d bytes is too large", h.Type, h.Body))
	return 0
}

// query takes up a simple Query.
func (s *session) query(msg, body []byte) bool {
	text, err := pgwire.SplitQuery(body)
	if err != nil {
		s.violation("invalid string in message")
		return false
	}
	v := s.judgeQuery(text)
	if v == nil {
		return s.await(text)
	}
	if v.Own != nil && !s.midBatch {
		s.answerOwnQuery(v.Own)
		return true
	}
	if name, ok := s.deallocates(text, v); ok {
		delete(s.names, name)
		s.answer(pgwire.AppendString(nil, pgwire.CommandComplete, "DEALLOCATE"), owedQuery)
		return true
	}
	switch s.cachedQuery(text, v) {
	case answered:
		return true
	case waits:
		return false
	}
	srv := s.link()
	if srv == nil {
		return false
	}
	s.noteText(srv, v)
	s.setUnnamed(nil) // a simple Query destroys it
	s.owe(owedQuery, forward)
	s.midBatch = false // and ends the batch that it stands in
	s.fill = nil
	srv.peer.Write(msg)
	return true
}

// functionCall takes up a FunctionCall, whose function may do anything.
func (s *session) functionCall(msg []byte) bool {
	srv := s.link()
	if srv == nil {
		return false
	}
	s.noteText(srv, unseen)
	s.owe(owedCall, forward)
	s.midBatch = false
	srv.peer.Write(msg)
	return true
}

// terminate lets the server finish what the client asked before it said goodbye, as PostgreSQL does.
func (s *session) terminate() {
	s.leave(0)
}

// sync takes up a Sync: one ReadyForQuery each, always.
func (s *session) sync(msg []byte) bool {
	srv := s.srv
	if srv != nil && srv.copyIn { // ignored by a server in copy mode, and so not owed
		srv.earlySyncs++
		srv.peer.Write(msg)
		return true
	}
	s.midBatch, s.skipToSync = false, false
	if srv == nil {
		s.client.Write(s.worker.scratch.ready(pgwire.TxIdle))
		return true
	}
	srv.discarding = false
	if s.inUnit { // an error made the rest of it be dropped
		s.inUnit, s.looked = false, false
		s.giveUpFill()
	}
	s.owe(owedSync, forward)
	srv.peer.Write(msg)
	return true
}

// owe notes that the server owes a reply to the message that goes out next.
func (s *session) owe(kind replyKind, act action) *owed {
	e := s.srv.owed.push(kind, act)
	if act == forward {
		e.fill = s.fill
	}
	return e
}

// answer gives the client a reply of ours at its place among those that the server owes. b must not be changed later.
// The reply to a Query ends with ReadyForQuery, which is added when its time has come, since only then the status is known.
func (s *session) answer(b []byte, kind replyKind) {
	if !s.busy() {
		s.client.Write(b)
		if kind == owedQuery {
			s.client.Write(s.worker.scratch.ready(s.status()))
		}
		return
	}
	s.srv.owed.push(kind, fake).answer = b
}

// status is the transaction status as the client knows it once all it is owed has come.
func (s *session) status() pgwire.TxStatus {
	if s.srv == nil {
		return pgwire.TxIdle
	}
	return s.srv.status
}
