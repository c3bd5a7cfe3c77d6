package proxy

import (
	"net"
	"time"

	"overdrive/proxy/loop"
)

// A Protocol is what the clients of a listener speak. Its methods may be called from any goroutine.
type Protocol interface {
	// Admit leads a client in, until MoveIn takes it over. It owns nc, on which the time for a login runs; it calls Leave of the arrival
	// when the client is in. It may block.
	Admit(nc net.Conn, a *Arrival)
	// TurnAway tells a client why it is not let in, once it has said what it wants or limit is over, and closes nc. If we close a socket with unread bytes, the
	// kernel sends a reset, and the client loses our words. What is no login, a cancel request say, is carried out all the same.
	TurnAway(nc net.Conn, why error, limit time.Duration)
	// Part writes the words of a refusal, if there is room for them without waiting, and closes nc.
	Part(nc net.Conn, why error)
	// Close is called by Shutdown when the sessions are gone: it closes the server connections, and waits for that a little.
	Close()
}

// A Session is a client's session as a Server keeps it: its implementation embeds Seat. Except for GiveUp, the methods are called on
// the loop on which the session lives.
type Session interface {
	loop.Handler
	Addressee
	seat() *Seat

	// Enter begins the session on the loop of w, where conn is its client's socket.
	Enter(conn *loop.Conn, w *Worker)
	// GiveUp ends a session that never lived: its socket could not be handed over. nc is nil, or else still open and left to it.
	GiveUp(nc net.Conn, why error)

	// Movable reports whether nothing keeps the session on its loop now. Its socket is Conn, and Moved tells of its new loop.
	Movable() bool
	Conn() *loop.Conn
	Moved(to *Worker)

	// Status is what operators see of the session.
	Status() ClientStatus
	// Drain has the session end as soon as nothing is under way for its client.
	Drain()
	// ShutDown ends the session now, with words for its client if there is one.
	ShutDown(words string)
}

// A Seat is the place of a session in its server: on which loop it lives, in the lists there, and under which key others find it.
type Seat struct {
	Address          // of the session
	next, prev *Seat // in a list of the worker
	key        Key
}

// Key is what one must know to speak of somebody else's session, to have its statement cancelled say.
type Key struct{ Number, Secret uint32 }

func (s *Seat) seat() *Seat { return s }

// Key is that of the session. It is there before Enter, and does not change.
func (s *Seat) Key() Key { return s.key }

// Sit has the seat be that of a session. It comes before everything else.
func (s *Seat) Sit(session Session) { s.Belong(session) }

// session is whose seat it is.
func (s *Seat) session() Session { return s.owner.(Session) }
