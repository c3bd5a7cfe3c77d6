package session

import (
	"time"

	"overdrive/querycache"
)

// This file is what the machine needs of those who run it: whoever moves the bytes, keeps the pool and knows the clock. There is one
// driver for each session and one for each server connection, so that what belongs to one of them, a place in the pool's queue,
// say, needs no table.

// A Driver runs one session. All its methods are called on the session's loop, unless they say otherwise.
type Driver interface {
	// Post has f run where the session lives, in an event of its own. It may be called from any goroutine. false: it will not run,
	// because the loop has ended.
	Post(f func()) bool
	// After has f run where the session lives once d has passed. A session with a timer does not move.
	After(d time.Duration, f func()) Timer
	// Key is what others must know to have the session's statements cancelled. It is there before Start, and does not change.
	Key() CancelKey
	// Prefer has the next Acquire bring this connection, which is about to be released, if nobody else has it then.
	Prefer(c ServerDriver)
	// Judge has the lens judge a text, which is copied, elsewhere than on the loop, and then calls Judged.
	Judge(l *Lens, text []byte)
	// Refresh has the same asked again that the client was just answered with: message. It owns fill.
	Refresh(fill *querycache.Fill, message []byte)
	// Misunderstood tells of words in a statement's hint to the cache that mean nothing, and are ignored.
	Misunderstood(words []string)
	// Acquire returns a server at once, or nil and a later call of Granted or Refused. since is when the session began to wait, or
	// zero if it has not waited yet. fresh: only one that nobody has had will do.
	Acquire(since time.Time, fresh bool) *ServerConn
	// Abandon takes a session that waits out of the queue. false: it is too late, and granted or refused will come.
	Abandon() bool
	// WaitTimeout is how long a session may wait for a server; 0 means for ever.
	WaitTimeout() time.Duration
	// Subscribe returns a place at the connection that listens for sessions, or nil if there is none. What it tells goes to Hear.
	Subscribe() Subscription
	// Sender returns the PID, for clients, of the session that used a backend last, or 0.
	Sender(pid uint32) uint32
	// Ended tells that the session is over.
	Ended(why Reason, err error)
}

// A ServerDriver runs one server connection. All its methods are called on the loop of the connection.
type ServerDriver interface {
	// After is that of Driver.
	After(d time.Duration, f func()) Timer
	// Cancel has the server stop what it does, and calls done, on any goroutine, when it has been told, and then cancelled.
	Cancel(done func())
	// Release returns the connection, which is clean, to the pool.
	Release()
	// BeginReset says that the connection is being cleaned, and that Release or Discard will follow.
	BeginReset()
	// Discard takes the connection out of the pool and closes it.
	Discard(why Unfitness)
	// Speaks tells that the session with this PID, for clients, has the server do what may notify.
	Speaks(pid uint32)
	// Dropped tells that the socket is gone. held says whether somebody had the connection.
	Dropped(held bool)
}

// A Timer is one that has been set. Stop keeps it from running out; it may be called again.
type Timer interface{ Stop() bool }

// A Releaser is told when bytes that were lent are no longer referred to.
type Releaser = interface{ Release() }

// Unfitness is why a connection cannot be used again.
type Unfitness uint8

const (
	Dirty   Unfitness = iota // it could not be cleaned
	Aborted                  // it worked for a client that is gone
)

// Peer is one side's socket as the machine sees it: *loop.Conn in the program, a recorder in tests. Write borrows
// b until the event that is being handled ends; WriteShared keeps b, which must not change, until it is sent or dropped, and then
// releases loan, once in any case; with no loan b must never change.
type Peer interface {
	Write(b []byte)
	WriteShared(b []byte, loan Releaser)
	Pending() int
	Congested() bool
	PauseRead()
	ResumeRead()
	Close()
	CloseAfterFlush()
}
