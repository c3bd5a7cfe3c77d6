package session

import (
	"fmt"
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache"
)

// ID numbers the sessions of a process in the log.
type ID uint64

// A Session is one logged-in client, as a machine without I/O: events come in by the methods that are called On… or
// belong to the holder interface, and everything it does goes out through Peer, Driver and ServerConn. It holds no lock
// across an event, starts no goroutine and reads no clock. It belongs to one loop.
//
// It is kept small: ten thousand idle ones are the normal case.
type Session struct {
	login login
	surroundings
	standing
	srv      *ServerConn // held now, nil between transactions
	endTimer Timer       // see leave

	in      incoming    // what the client has sent and nobody has dealt with
	batch   batch       // what the client has sent since the last Sync
	attempt attempt     // to have the message at hand sent or answered
	delay   delay       // of the message at hand
	params  parameters  // what the client has set
	names   clientNames // of prepared statements and portals
	view    view        // how the client's texts are read
	cache   cacheWishes // what the client has told the cache, and was told of it
	errand  undertaking // of ours, on the server connection that is held
}

// surroundings are whom a session speaks to. They are set when it begins, but for space, which changes when it moves.
type surroundings struct {
	client   Peer
	driver   Driver
	space    *Workspace // of the loop on which it lives
	identity *Identity
}

// standing is where a session stands as a whole.
type standing struct {
	state    sessionState // changed by enter alone
	pins     pinSet       // changed by pin and unpin
	draining bool         // the proxy is stopping: end at rest
	retrying bool         // a timer will try to release the server again
}

// incoming is what has come of the client and is still to be dealt with.
//
// Invariant: left is 0 or the Inbox is empty.
type incoming struct {
	pgwire.Inbox
	left   int   // bytes still to come of the message being passed on or dropped
	needs  int32 // with fewer bytes from the client nothing can be made of what it has sent so far
	drops  bool  // what is left is not for the server
	copies bool  // what is left is a part of a copy
	paused bool  // the client is not read, because somebody else must catch up first
}

// An attempt is the way of the message at hand, or of the unit at hand, to the server or to an answer. It goes on while the message
// waits and is taken up again; sent and giveUp end it.
type attempt struct {
	looked    bool // the cache was asked for what is being sent now
	leased    bool // the server came for the message at hand: nothing of it has been sent, so a stain is still washed off
	judgeOwes bool // a verdict is on its way, of this message or one that was given up
	// cancelled is set once the message at hand will not be sent, until what it waits for comes.
	cancelled cancellation
	awaited   *awaited           // the verdict that came for it
	ticket    *querycache.Ticket // of the wait for somebody else's answer
	fill      *querycache.Fill   // for its answer
	fillTimer Timer              // see watchFill
}

// sent ends the attempt: the message goes out next.
func (a *attempt) sent() { a.looked, a.leased, a.awaited = false, false, nil }

// giveUp ends the attempt: the message will not be sent.
func (a *attempt) giveUp() { a.looked, a.awaited = false, nil }

// Bounds of what a session keeps of its client's bytes.
const (
	// MaxHeld is the largest message that is looked into as a whole. Larger ones pass piece by piece; a text that is
	// not looked into counts as one that may do anything.
	MaxHeld = 256 << 10
	// maxAhead is how much is read ahead while the session waits; reading on lets it notice that its client left.
	maxAhead = 64 << 10
	// maxNameBytes bounds the names of statements and portals; see affords for their number.
	maxNameBytes = 1000
)

// halfCloseGrace is how long a client that closed its sending side may take to read the answers it is still owed. A
// client that is simply gone looks the same, so this is also how long its query may hold a server.
const halfCloseGrace = 10 * time.Second

// OnData is the loop's call: bytes from the client.
func (s *Session) OnData(b []byte) {
	s.space.scratch.reset()
	if s.state >= leaving {
		return
	}
	s.advance(b)
}

// advance takes up what was kept and b behind it, as far as the state allows.
func (s *Session) advance(b []byte) {
	b = s.in.Join(b)
	for len(b) > 0 && len(b) >= int(s.in.needs) && s.state == ready && !s.client.Congested() {
		s.in.needs = 0
		n := s.takeUp(b)
		if n == 0 {
			break
		}
		s.waitOver()
		b = b[n:]
	}
	switch {
	case s.state >= leaving:
		b = nil
	case s.state == settling && asksForWork(b):
		s.startClock()
	}
	s.in.Keep(b)
	s.balance()
}

// takeUp deals with the message at the front of b, or with more of the one that is passing, and returns how many bytes
// it used: none if it needs more of them or a server first.
func (s *Session) takeUp(b []byte) int {
	if s.in.left > 0 {
		n := min(s.in.left, len(b))
		s.in.left -= n
		if !s.in.drops && s.srv != nil {
			s.srv.peer.Write(b[:n])
		}
		return n
	}
	if s.batch.discards || s.batch.dropsAll || s.batch.sweeping && !s.batch.open {
		if s.unanswered() {
			s.stall()
			return 0
		}
		s.batch.discards, s.batch.dropsAll = false, false
		s.batch.sweeping = s.batch.sweeping && s.batch.open
	}
	h, ok, err := pgwire.PeekHeader(b, s.identity.MaxMessage)
	if err != nil {
		s.violation(err.Error())
		return 0
	}
	if !ok {
		return 0
	}
	return s.message(h, b)
}

// balance keeps memory bounded: a side is not read while what it says cannot be passed on or kept.
func (s *Session) balance() {
	if s.state == gone {
		return
	}
	s.watchFill()
	full := s.client.Congested() || s.in.Len() > maxAhead && s.state != ready
	if s.srv != nil {
		full = full || s.srv.peer.Congested() || s.srv.owed.len() > maxOwed
		if s.client.Congested() {
			s.srv.peer.PauseRead()
		} else {
			s.srv.peer.ResumeRead()
		}
	}
	if full == s.in.paused {
		return
	}
	s.in.paused = full
	if full {
		s.client.PauseRead()
	} else {
		s.client.ResumeRead()
	}
}

// OnDrained is the loop's call: the client has read what was congested.
func (s *Session) OnDrained() {
	s.space.scratch.reset()
	s.settle()
}

// drained is the server connection's call.
func (s *Session) drained() {
	if s.state != gone {
		s.settle()
	}
}

// OnEOF is the loop's call: the client will send no more. Answers that it is owed are still delivered, for a while.
func (s *Session) OnEOF() {
	s.space.scratch.reset()
	switch {
	case s.state == gone || s.state == leaving:
	case s.busy() && s.in.Len() == 0 && s.in.left == 0 && !s.batch.open && !s.srv.copying.in: // it has said all it had to say
		s.leave(halfCloseGrace)
	default:
		s.end(ReasonClientClosed, nil)
	}
}

// OnError is the loop's call: the client's socket is gone.
func (s *Session) OnError(err error) {
	s.space.scratch.reset()
	s.end(ReasonClientLost, err)
}

// Fault is the driver's call: a fault of ours was contained, so the session can be in any state and must end.
func (s *Session) Fault(err error) { s.end(ReasonPanic, err) }

// unanswered says whether waiting brings replies that are still owed. In a copy it does not: the server waits for the
// client.
func (s *Session) unanswered() bool { return s.busy() && !s.srv.copying.in }

// busy says whether the server still works for this client.
func (s *Session) busy() bool { return s.srv != nil && s.srv.busy() }

// leave lets the server finish what it was asked, then ends the session. A grace of zero sets no limit.
func (s *Session) leave(grace time.Duration) {
	s.enter(leaving)
	if grace > 0 {
		s.endTimer = s.driver.After(grace, func() { s.end(ReasonClientClosed, nil) })
	}
	s.settle()
}

// settle follows every event: it releases the server if the session is done with it, takes up what was kept, and
// balances the two sides.
func (s *Session) settle() {
	s.maybeRelease()
	if s.state == leaving && (!s.busy() || s.batch.open || s.srv.copying.in && s.srv.in.left == 0) {
		s.end(ReasonClientClosed, nil)
		return
	}
	if s.state == ready && s.in.Len() > 0 {
		s.advance(nil)
	} else {
		s.balance()
	}
	if s.draining && s.restful() {
		s.reject(ReasonShutdown, pgwire.CodeAdminShutdown, "terminating connection due to administrator command")
	}
}

// reject ends the session with an error that the client gets to read.
func (s *Session) reject(why Reason, code, message string) {
	if s.state == gone {
		return
	}
	if s.srv == nil || !s.srv.amidReply() { // else the client could not tell it from the rest of a row
		report := pgwire.ErrorReport{Severity: "FATAL", Code: code, Message: message}
		s.client.Write(pgwire.AppendError(nil, report))
	}
	s.end(why, fmt.Errorf("%s", message))
}

// violation ends the session because its client broke the protocol.
func (s *Session) violation(message string) {
	s.reject(ReasonClientProtocol, pgwire.CodeProtocolViolation, message)
}

// end is the one way out. The server connection is released, cleaned or given up, whatever state it is in.
func (s *Session) end(why Reason, err error) {
	if s.state == gone {
		return
	}
	switch {
	case s.state == waiting, s.state == greeting && s.srv == nil:
		s.driver.Abandon()
	case s.state == joined:
		s.stopWaiting()
	}
	s.enter(gone)
	s.waitOver()
	if s.endTimer != nil {
		s.endTimer.Stop()
	}
	if s.attempt.fillTimer != nil {
		s.attempt.fillTimer.Stop()
	}
	s.in.Keep(nil)
	s.giveUpFill()
	if s.pins != 0 {
		s.identity.pinned.Add(-1)
	}
	if s.srv != nil {
		s.handBack()
	}
	s.client.CloseAfterFlush()
	s.driver.Ended(why, err)
}
