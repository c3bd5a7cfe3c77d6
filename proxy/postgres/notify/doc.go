// Package notify listens in place of sessions. A Listener is one connection to a database, which is there as long as somebody
// listens. A session has a Subscriber, which tells it of notifications, of what it has asked for, and of the loss of the listener, all in
// one order: that in which PostgreSQL has sent it.
//
//	sessions ── orders ──▶ Listener ── LISTEN, UNLISTEN, empty queries ──▶ PostgreSQL
//	    ▲                     │  ▲                                            │
//	    └──── Subscriber ◀────┘  └────────────── notifications ───────────────┘
//
// One goroutine owns what the listener knows (attending.go); it never waits for the network nor for a session, since one goroutine
// reads, one writes, and each session takes in what is told to it on its own loop.
package notify
