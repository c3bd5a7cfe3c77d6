package session

import (
	"encoding/binary"
	"slices"

	"overdrive/proxy/postgres/pgwire"
)

// This file is about what a client hears of notifications. They come from its own server and from the listener of its database, and wait until
// no transaction of the client's is open.

// A hearing is what a session has of the listener. A session that has never listened has none.
//
//	          the server listens                     listener listens, too        marker was heard by both
//	calm ────────────────────────▶ asking ────────────────────────────▶ ready ──▶ marking ─▶ dropping ─▶ calm
//	  │                                └── impossible ──▶ refused ── later, again ──▶ asking
//	  └── a text may change the channels ──▶ lent ── the server was asked ──▶ asking or calm
type hearing struct {
	sub      Subscription // nil: none is to be had
	step     hearingStep
	channels map[string]bool // that the listener hears for the session
	wanted   []string        // that it is to hear
	turn     turn
	serial   uint64 // of the last thing that the listener was asked for
	prepares uint64 // the last Prepare
	round    uint64 // the last round; 0: it is over, and none is under way
	passed   bool   // the round ahead of the ReadyForQuery at hand is over
	gated    bool   // the message at hand waits for a round
	waiting  backlog
	kept     backlog // what the server has said behind the marker, until the listener has seen that
	timer    Timer
	refusals uint8 // in a row
}

type hearingStep uint8

const (
	stepCalm     hearingStep = iota
	stepAsking               // the listener is asked to listen; the server listens
	stepReady                // it does, and the marker is to be sent
	stepMarking              // the marker is on its way
	stepDropping             // the server is told to listen no more
	stepLent                 // the server was lent the channels, ahead of a text that may change them
	stepRefused              // the server goes on listening
)

// A turn is a change of who hears for the session, from a marker on.
type turn struct {
	marker      string // empty: none is under way
	in          uint64 // the batch in which it was sent
	here, there bool   // the server has told of it, the listener has
	before      int    // how many notes waited when the listener had
	answered    bool   // the errand that sends it, or the one behind it
	failed      bool   // the same
	tries       uint8
}

// A note is a notification as the client is told of it.
type note struct {
	pid  uint32
	tail []byte // channel and payload
}

// A backlog is of notes that the client cannot be told yet.
type backlog struct {
	notes []note
	bytes int
}

func (b *backlog) add(n note) {
	b.notes = append(b.notes, n)
	b.bytes += perHeard + len(n.tail)
}

// cut leaves the first n notes.
func (b *backlog) cut(n int) {
	for _, cut := range b.notes[n:] {
		b.bytes -= perHeard + len(cut.tail)
	}
	b.notes = b.notes[:n]
}

// addAll moves all notes of o behind those of b.
func (b *backlog) addAll(o *backlog) {
	b.notes, b.bytes = append(b.notes, o.notes...), b.bytes+o.bytes
	*o = backlog{}
}

// A voice is who speaks by a server: its backend's notifications are theirs.
type voice struct {
	by     ID   // who has sent it last what may notify; 0: nobody
	spoken bool // the holder has, in a transaction that is not over
}

// noteOf is a notification by a backend which serves, or has served, the session that sender names. The client's own PID stands for nobody
// but itself.
func (s *Session) noteOf(pid, sender uint32, fromServer bool, tail []byte) note {
	own := s.driver.Key().PID
	switch {
	case s.srv != nil && s.srv.PID == pid && (fromServer || s.srv.voice.by == s.login.id):
		pid = own
	case sender != 0 && sender != own:
		pid = sender
	}
	if fromServer {
		tail = slices.Clone(tail)
	}
	return note{pid, tail}
}

// appendNote adds the message that tells of a notification.
func appendNote(b []byte, n *note) []byte {
	b = pgwire.AppendHeader(b, pgwire.NotificationResponse, 4+len(n.tail))
	return append(binary.BigEndian.AppendUint32(b, n.pid), n.tail...)
}

// news are the messages that tell the client of what has waited for this moment, at which no transaction of its is open and nothing
// is owed to it.
func (s *Session) news() []byte {
	h := s.hears
	if h == nil || len(h.waiting.notes) == 0 || s.client.Congested() {
		return nil
	}
	b := make([]byte, 0, h.waiting.bytes)
	for i := range h.waiting.notes {
		b = appendNote(b, &h.waiting.notes[i])
	}
	h.waiting = backlog{}
	return b
}

// tellNews tells the client.
func (s *Session) tellNews() {
	if b := s.news(); b != nil {
		s.shareWithClient(b, nil)
	}
}

// keeps says whether what the server says is kept. Behind the marker the listener says it as well if it is to hear, and may still have to
// say what came ahead of it if it was to hear no more.
func (h *hearing) keeps() bool {
	return h.turn.here && (!h.turn.there || h.step == stepMarking || h.step == stepDropping)
}

// lending says whether the server has been lent the channels for certain, and the listener is still to tell what came before.
func (s *Session) lending() bool {
	return s.hears != nil && s.hears.step == stepLent && s.hears.turn.here && !s.hears.turn.there
}

// undecided says whether it is open what became of the transaction in which the server was lent the channels, though it is over.
func (h *hearing) undecided(srv *ServerConn) bool {
	return h.step == stepLent && !h.turn.there && srv.owed.answered >= h.turn.in
}

func (h *hearing) stopTimer() {
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
}

// hearNoMore is called at the end of the session.
func (s *Session) hearNoMore() {
	h := s.hears
	s.hears = nil
	h.stopTimer()
	if h.sub != nil {
		h.sub.Close()
	}
}
