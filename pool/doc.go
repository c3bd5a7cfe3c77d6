// Package pool shares a bounded number of connections among many callers
// that never block.
//
// A caller asks with Acquire. It gets a Lease at once when a connection is
// idle; otherwise its Waiter is queued and it is told later, by a callback
// from any goroutine. That suits an event loop: the callback posts to the
// loop, and no goroutine is parked for a client that waits.
//
// The package is generic over the connection and knows nothing of it: no
// protocol, no sockets, no loops. A Home is a small number the caller gives
// meaning to (the index of an event loop); the pool prefers an idle
// connection whose home is the waiter's.
//
// # States
//
// One Lease accompanies one connection from its dial to its end, so an
// Acquire allocates nothing.
//
//	start ──▶ Dialing ──▶ Idle ◀──▶ Leased ──▶ Resetting ──▶ Idle …
//	             │          │         │            │
//	             └──────────┴────┬────┴────────────┘
//	                             ▼
//	                    Closed(CloseReason)                       terminal
//
// While callers wait Idle is skipped: a connection that was dialled or
// released goes straight to Leased with the oldest of them.
//
// # Invariants
//
//   - dialing + idle + leased + resetting + reserved ≤ size. After the size was
//     lowered, the sum may stay above it but only falls. Reserved are slots
//     that a Reservation holds for a connection which is not the pool's.
//   - A connection has at most one lease holder.
//   - Waiters are served strictly in order of arrival. Nobody waits while a
//     connection is idle, unless only a fresh one will do. While the pool is
//     paused none is idle.
//   - A released connection goes to the oldest waiter, so never back to the
//     caller that released it while anybody else waits.
//   - A login that fails refuses nobody while a connection is open, or another
//     login in progress: who waits may yet be served.
//   - A queued Acquire is answered exactly once: Granted, or Refused, or
//     Cancel returned true.
//   - Close is called exactly once for each connection that Dial returned.
//
// # Locking and callbacks
//
// One mutex guards a pool. Every call decides under it and then, after
// unlocking, tells others what was decided: Granted, Refused and
// Options.Close run on whichever goroutine caused them, under no lock, and
// may call the pool. They must not block and must not panic.
//
// The pool's own goroutines are one per login in progress and, for a moment,
// one for its single timer. The timer is armed only while something can
// expire: a waiter, an idle connection, or the pause before the next login.
package pool
