package proxy

import (
	"fmt"
	"time"

	"overdrive/pool"
	"overdrive/proxy/pgwire"
	"overdrive/querycache"
)

// sessionState is where a session stands between two bytes of its client.
//
//	greeting ──▶ ready ◀──▶ judging, joined
//	    │          │  ◀──▶ waiting ──▶ settling ──▶ ready ◀──▶ stalled
//	    │          │          │            │                      │
//	    └──────────┴──────────┴────────────┴──────────────────────┴──▶ leaving ──▶ gone
//
// Only in ready are messages of the client taken up; in the others they are kept, in bounds, or left in the socket.
type sessionState uint8

const (
	// greeting: authenticated, but the client's startup settings are not known to be valid yet.
	greeting sessionState = iota
	// ready: the next message of the client is taken up at once.
	ready
	// waiting: a message needs a server, and the session stands in the pool's queue.
	waiting
	// judging: the text of a message was never seen before, and its verdict is being worked out.
	judging
	// joined: somebody else is asking the server what a message asks, and the session waits for the answer.
	joined
	// settling: the server leased is being given the client's settings.
	settling
	// stalled: what the next message means depends on replies that are still owed.
	stalled
	// leaving: the client has said goodbye or closed its side, and what it asked for before is still being answered.
	leaving
	// gone: terminal. Every event is ignored.
	gone
)

// A session is one logged-in client, as a machine without I/O: events come in by the methods that are called On… or
// belong to the holder interface, and everything it does goes out through peer, broker and serverConn. It holds no lock
// across an event, starts no goroutine and reads no clock. It belongs to one loop.
//
// It is kept small: ten thousand idle ones are the normal case.
type session struct {
	id     SessionID
	client peer
	origin *origin
	broker broker
	worker *worker
	user   string   // as the client logged in
	next   *session // in the worker's list
	prev   *session
	waiter pool.Waiter[*serverConn]

	srv     *serverConn // held now, nil between transactions
	startup *settings   // what RESET returns to
	want    *settings   // what the client has set
	told    *settings   // what the client has been told
	applied *settings   // what the server had after want was last applied to it; nil: never

	in         pgwire.Inbox
	left       int // bytes still to come of the client's message being passed on or dropped
	state      sessionState
	leftDrop   bool  // what is left is not for the server
	midBatch   bool  // extended messages since the last Sync
	skipToSync bool  // after an error of ours: drop everything up to a Sync
	cacheOff   bool  // SET overdrive.cache = off
	localOff   bool  // SET LOCAL overdrive.cache = off
	looked     bool  // the cache was asked for what is being sent now
	inUnit     bool  // what is being sent is a unit that the cache was asked for
	waited     uint8 // how often the message at hand has waited for somebody else's answer
	alone      bool  // it must not do so again
	cancelled  bool  // while a server was on its way: the message at hand is not sent
	refreshes  bool  // there is no client: see startRefresh
	onlyReads  bool  // nothing but plain reads is owed
	draining   bool  // the server is stopping: end at rest
	copied     bool  // the client has sent parts of a copy
	retrying   bool  // a timer will try to release the server again
	sweeping   bool  // a statement under way changes more than its own: what follows its batch waits for the outcome
	paused     bool  // the client is not read, because somebody else must catch up first
	relearn    bool  // all parameters must be asked for
	resetOpen  bool  // a RESET is under way or in the open transaction
	rolledBack bool  // something failed or was rolled back since no transaction was open
	asking     bool  // what is being settled is no change of settings
	renamed    bool  // names or rights may be others until the transaction ends
	veiled     bool  // a temporary view, say, may hide a table and run code when it is read
	// refusedSettings: the server refused the settings that the client wants.
	refusedSettings bool
	last            querycache.Status
	why             string // a sentence about last
	pins            pinSet

	cancelKey  CancelKey
	names      map[string]prepared // by the client's names
	through    *lens               // how its texts are read; of lensOf
	lensOf     *settings
	ticket     *querycache.Ticket    // of the wait for somebody else's answer
	maxAge     *time.Duration        // SET overdrive.max_age
	awaited    *awaited              // for the message at hand
	unnamed    *statement            // by what was sent
	sure       *statement            // the same by what was answered
	portal     *statement            // bound to the unnamed portal
	portals    map[string]*statement // bound to named portals, until the transaction ends
	fill       *querycache.Fill      // of the message at hand, or the unit that is being sent
	write      *transaction          // that is open and has written
	startupOwn func(*session)        // gives it what its startup packet says of the proxy's own parameters
	rawStartup []setting             // until they are known to be valid
	unlearned  []string              // parameters that were set and must be asked for
	resetIn    uint64                // the batch of the resets
	resets     []string              // parameters to bring back to startup once the statement is through
	endTimer   stopper
	fillTimer  stopper // see watchFill
}

// Bounds of what a session keeps of its client's bytes.
const (
	// maxHeld is the largest message that is looked into as a whole. Larger ones pass piece by piece; a text that is
	// not looked into counts as one that may do anything.
	maxHeld = 256 << 10
	// maxAhead is how much is read ahead while the session waits; reading on lets it notice that its client left.
	maxAhead = 64 << 10
	// maxNames and maxNameBytes bound the statements that one client may have prepared, and the portals.
	maxNames     = 10000
	maxNameBytes = 1000
)

// halfCloseGrace is how long a client that closed its sending side may take to read the answers it is still owed. A
// client that is simply gone looks the same, so this is also how long its query may hold a server.
const halfCloseGrace = 10 * time.Second

// OnData is the loop's call: bytes from the client.
func (s *session) OnData(b []byte) {
	s.worker.scratch.reset()
	if s.state >= leaving {
		return
	}
	s.advance(b)
}

// advance takes up what was kept and b behind it, as far as the state allows.
func (s *session) advance(b []byte) {
	b = s.in.Join(b)
	for len(b) > 0 && s.state == ready && !s.client.Congested() {
		n := s.takeUp(b)
		if n == 0 {
			break
		}
		b = b[n:]
	}
	if s.state >= leaving {
		b = nil
	}
	s.in.Keep(b)
	s.balance()
}

// takeUp deals with the message at the front of b, or with more of the one that is passing, and returns how many bytes
// it used: none if it needs more of them or a server first.
func (s *session) takeUp(b []byte) int {
	if s.left > 0 {
		n := min(s.left, len(b))
		s.left -= n
		if !s.leftDrop && s.srv != nil {
			s.srv.peer.Write(b[:n])
		}
		return n
	}
	if s.sweeping && !s.midBatch {
		if s.unanswered() {
			s.stall()
			return 0
		}
		s.sweeping = false
	}
	h, ok, err := pgwire.PeekHeader(b, s.origin.maxMessage)
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
func (s *session) balance() {
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
	if full == s.paused {
		return
	}
	s.paused = full
	if full {
		s.client.PauseRead()
	} else {
		s.client.ResumeRead()
	}
}

// OnDrained is the loop's call: the client has read what was congested.
func (s *session) OnDrained() {
	s.worker.scratch.reset()
	s.settle()
}

// drained is the server connection's call.
func (s *session) drained() {
	if s.state != gone {
		s.settle()
	}
}

// OnEOF is the loop's call: the client will send no more. Answers that it is owed are still delivered, for a while.
func (s *session) OnEOF() {
	s.worker.scratch.reset()
	switch {
	case s.state == gone || s.state == leaving:
	case s.busy() && s.in.Len() == 0 && s.left == 0 && !s.midBatch && !s.srv.copyIn: // it has said all it had to say
		s.leave(halfCloseGrace)
	default:
		s.end(reasonClientClosed, nil)
	}
}

// OnError is the loop's call: the client's socket is gone.
func (s *session) OnError(err error) {
	s.worker.scratch.reset()
	s.end(endReason(err), err)
}

// unanswered says whether waiting brings replies that are still owed. In a copy it does not: the server waits for the
// client.
func (s *session) unanswered() bool { return s.busy() && !s.srv.copyIn }

// busy says whether the server still works for this client.
func (s *session) busy() bool { return s.srv != nil && (s.srv.owed.len() > 0 || s.srv.left > 0) }

// leave lets the server finish what it was asked, then ends the session. A grace of zero sets no limit.
func (s *session) leave(grace time.Duration) {
	s.state = leaving
	if grace > 0 {
		s.endTimer = s.worker.after(grace, func() { s.end(reasonClientClosed, nil) })
	}
	s.settle()
}

// settle follows every event: it releases the server if the session is done with it, takes up what was kept, and
// balances the two sides.
func (s *session) settle() {
	s.maybeRelease()
	if s.state == leaving && (!s.busy() || s.midBatch || s.srv.copyIn && s.srv.left == 0) {
		s.end(reasonClientClosed, nil)
		return
	}
	if s.state == ready && s.in.Len() > 0 {
		s.advance(nil)
	} else {
		s.balance()
	}
	if s.draining && s.restful() {
		s.reject(reasonShutdown, codeAdminShutdown, "terminating connection due to administrator command")
	}
}

// reject ends the session with an error that the client gets to read.
func (s *session) reject(why reason, code, message string) {
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
func (s *session) violation(message string) {
	s.reject(reasonClientProtocol, codeProtocolViolation, message)
}

// end is the one way out. The server connection is released, cleaned or given up, whatever state it is in.
func (s *session) end(why reason, err error) {
	if s.state == gone {
		return
	}
	switch {
	case s.state == waiting, s.state == greeting && s.srv == nil:
		s.broker.abandon(s)
	case s.state == joined:
		s.stopWaiting()
	}
	s.state = gone
	if s.endTimer != nil {
		s.endTimer.Stop()
	}
	if s.fillTimer != nil {
		s.fillTimer.Stop()
	}
	s.in.Keep(nil)
	s.giveUpFill()
	if s.pins != 0 {
		s.origin.pinned.Add(-1)
	}
	if s.srv != nil {
		s.handBack()
	}
	s.client.CloseAfterFlush()
	s.broker.ended(s, why, err)
}
