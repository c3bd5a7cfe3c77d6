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
// A session is let in (startup.go), is told of events (events.go, timeouts.go, holding.go), has its messages routed (client.go,
// extended.go), is given a server connection when it needs one (link.go), gets its answers from there (serverconn.go, holding.go,
// answers.go) or from the cache (cached.go), and ends, whatever state everything is in (ending.go, cleaner.go). What all sessions of one server user of one database share is its Identity; what
// the events of one loop share is its Workspace.
//
// Invariants, asserted in tests:
//
//   - A server connection has at most one holder, and is released only if it owes no reply, is in no transaction, has no batch or copy
//     open, and its settings are known.
//   - No byte of an answer of ours, or of the cache, is written before every reply owed ahead of it.
//   - A client's write is over for the cache before the client can read that it is over.
//   - What is known only from what was sent is taken back when an error shows that the server skipped it.
//
// The files stand on floors. A call goes to the right on its floor, or to a floor below; a test holds it. It does not count a call by
// an interface: a ServerConn tells its holder, which is mostly a Session, what the server has said.
//
//	events    holding.go hearing.go timeouts.go startup.go events.go show.go
//	routing   client.go extended.go
//	cache     cached.go unit.go refresh.go
//	client    adopt.go batchreset.go prepare.go own.go neverset.go sqlnames.go effects.go lending.go heldbegin.go fitness.go lens.go localnames.go exact.go withheld.go
//	          bringback.go learn.go takein.go askstate.go handover.go returns.go resets.go pins.go
//	link      ending.go link.go patientask.go cleaner.go errand.go patience.go session.go stains.go encodings.go
//	          sending.go begun.go lenses.go coalesce.go state.go atrest.go news.go
//	server    cancelling.go serverconn.go answers.go half.go insertions.go withheldreplies.go leftovers.go strays.go holder.go marks.go underway.go ghosts.go alterations.go
//	leaves    identity.go owned.go traffic.go witness.go entry.go ownsettings.go ledger.go statement.go hint.go replies.go driver.go params.go
//	          workspace.go scratch.go repeats.go reason.go messages.go subscription.go limits.go
//
// These calls go up, since what follows is an event of its own:
//
//	events.go → startup.go      a server that was granted to a session which has not begun lets it begin
//	events.go → timeouts.go     a cancel request ends a wait as a timer does
//	patience.go → timeouts.go   sets the timers
//	sending.go → ending.go      sets the timer of a transaction that is idle
//	handover.go → events.go     so is one that has waited for the listener
//	ending.go → events.go       a session that leaves is looked at as after any event
//	link.go → events.go         so is one whose release had to wait for a moment
package session
