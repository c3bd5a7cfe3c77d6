// Package session is one client of PostgreSQL and its server connections as a machine without I/O. It is handed events, the bytes of
// both sides, a server that was granted, a timer that ran out, and answers by calls on small interfaces that it declares: Peer, a
// socket; Driver, whoever runs a Session; ServerDriver, whoever runs a ServerConn. It takes no lock across an event, starts no goroutine
// and reads no clock but the one it is handed. So the tests replay any conversation at every split of its bytes, and fuzz both sides,
// without a server, a pool or a loop.
//
//	client ──▶ Session ──── owed replies ───▶ ServerConn ──▶ PostgreSQL
//	              │  ▲                           │  ▲
//	   cache ◀────┘  └── Granted ── driver ◀─────┘  └── leased from and returned to the pool by its driver
//
// A session is let in (startup.go), has its messages routed (client.go, extended.go), is given a server connection when it needs one
// (link.go), gets its answers from there (serverconn.go, holding.go, answers.go) or from the cache (cached.go), and ends, whatever
// state everything is in (Session.end, cleaner.go). What all sessions of one server user of one database share is its Identity; what
// the events of one loop share is its Workspace.
//
// Invariants, asserted in tests:
//
//   - A server connection has at most one holder, and is released only if it owes no reply, is in no transaction, has no batch or copy
//     open, and its settings are known.
//   - No byte of an answer of ours, or of the cache, is written before every reply owed ahead of it.
//   - A client's write is over for the cache before the client can read that it is over.
//   - What is known only from what was sent is taken back when an error shows that the server skipped it.
package session
