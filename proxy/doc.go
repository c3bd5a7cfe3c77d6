// Package proxy is the story of one client connection of PostgreSQL: it is let in (admit.go), becomes a session on an
// event loop (session.go), has its messages routed (client.go, extended.go), is given a server connection when it needs
// one (link.go, broker.go), gets its answers from there (serverconn.go, holding.go, answers.go) or from the cache (cached.go),
// and ends, whatever state everything is in (session.end, cleaner.go).
//
//	client ──▶ session ──── owed replies ───▶ serverConn ──▶ PostgreSQL
//	              │  ▲                           │  ▲
//	   cache ◀────┘  └── granted ── broker ◀─────┘  └── leased from and returned to the pool
//
// Invariants, asserted in tests:
//
//   - A server connection has at most one holder, and is pooled only if it owes no reply, is in no transaction, has no batch
//     or copy open, and its settings are known.
//   - No byte of an answer of ours, or of the cache, is written before every reply owed ahead of it.
//   - A client's write is over for the cache before the client can read that it is over.
//   - What is known only from what was sent is taken back when an error shows that the server skipped it.
//
// The machine, session and serverConn, does no I/O: it acts through peer and broker. Server drives it with sockets.
package proxy
