// Package loop moves bytes between many sockets on few goroutines. It knows no protocol.
//
// A Loop is a goroutine that owns sockets: it waits until some are ready, reads each into its one read buffer, shows
// the bytes to the socket's Handler, and writes what the handlers asked for. Nothing on the way of a byte takes a lock,
// allocates, or wakes another goroutine. An idle connection has no goroutine and no buffer.
//
// # A turn
//
//	      ┌─▶ wait ─────── asks the kernel, and sleeps until it has something, unless there is something else to do
//	      │    │
//	      │   sockets ──── for each one ready: read a buffer ─▶ OnData ─▶ settle; then flush what could not go before
//	      │    │
//	      │   revisit ──── conns of which the kernel has nothing to say: plaintext left inside a tls.Conn ─▶ OnData,
//	      │    │           output gone after congestion ─▶ OnDrained; settle after each
//	      │   posted ───── functions of other goroutines, in order; settle after each
//	      │    │
//	      └── timers ───── those that are due; settle after each. Now and then, giveWay to the Go scheduler
//
//	settle: flush every conn that was written to, in one system call each ─▶ copy what the kernel did not take
//	        ─▶ OnError of conns that broke, one by one, each settled in turn
//
// So whatever a callback writes may lie in the read buffer, or in a scratch buffer of the handler's, and need not be
// copied: before anything overwrites it, it has gone out or been copied. Each conn gets at most one buffer of OnData for
// each event, however much it has to say.
//
// # The life of a Conn
//
//	        Adopt                    Close, or reading or writing failed
//	nc ────────────▶ on a loop ─────────────────────────────────────────▶ closed
//	                  │  ▲   │                                              ▲
//	             Move │  │   │ CloseAfterFlush       output out, or limit   │
//	                  ▼  │   └──────────────▶ closing ──────────────────────┘
//	             between two loops ─────────────────────────────────────────▶ closed, if the loop it goes to is
//
//	closing: no callback, writes are dropped.    between two loops: no callback, and nobody may call a method.
//
// On a loop, two things are independent of each other:
//
//	reading:  yes ──PauseRead──▶ no ──ResumeRead──▶ yes        either ──the peer's end──▶ OnEOF, never again
//	writing:  idle ──Write──▶ pending ──kernel took it──▶ idle
//	                             │ above HighWater                 ▲
//	                             ▼                                 │
//	                         Congested ──pending is zero again──▶ OnDrained
//
// A relay from a to b is thereby: on OnData of a, write to b; if b is congested, pause a; on OnDrained of b, resume a.
// Nothing waits for anything else, so the two directions of a link cannot hold each other up, and no more is held than
// HighWater and one read buffer for each direction.
//
// # TLS
//
// A connection is born elsewhere: handshake and login are done by blocking code with deadlines. If its transport came
// from Wrap, a tls.Conn can be adopted afterwards. The records then come from the loop's non-blocking reads and go
// to the conn's output. A read that finds nothing returns an error that calls itself temporary, after which a tls.Conn
// can be read on. Renegotiation (TLS 1.2) must be off, as it is unless asked for: a handshake cannot be interrupted in
// that way.
//
// # Platforms
//
// epoll.go is for Linux. portable.go imitates it with goroutines, for development elsewhere; the build tag
// portable_loop chooses it on Linux, too, so that the same tests run on both:
//
//	go test -race ./proxy/loop && go test -race -tags portable_loop ./proxy/loop
package loop
