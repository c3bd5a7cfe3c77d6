// Package faults holds no code, only tests: what becomes of 40 clients on 5 server connections when the server, the way to it
// or what it allows breaks down under a steady load, and whether everything is as before when that is over.
//
//	40 clients ──▶ overdrive serve ──▶ relay ──▶ PostgreSQL
//	each checks    the real program,   holes,    killed, stopped, restarted,
//	its answers    5 servers           resets…   out of connections…
//
// Every fault has a proxy of its own, once with the cache and once without it, and always a statement_timeout:
//
//	before   load; then rest: leases, descriptors, goroutines, memory
//	during   the fault, under load, until every client has written again
//	after    load without an error; then rest: the same figures
//
// A table line is printed for each. The test fails if an answer was wrong, an acknowledged COMMIT is not there exactly once, a
// client waited too long, an error had no SQLSTATE or one that the fault does not explain, or something did not come back.
// What "too long" and "come back" mean is in limits_test.go; what can happen is in table_test.go.
//
// make test runs a few of the faults, make test-faults all of them (FAULTS='black hole' those whose names contain it). Linux
// only: the black hole is a filter of its sockets, and the figures come from /proc.
package faults
