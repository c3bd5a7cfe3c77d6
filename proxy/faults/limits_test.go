//go:build linux

package faults

import "time"

// The load.
const (
	clients = 40
	servers = 5

	statementTimeout = time.Second     // of the role that everybody works as
	waitTimeout      = 5 * time.Second // for a server connection
	connectTimeout   = 2 * time.Second // to the server

	steady = 700 * time.Millisecond // of load before and after a fault
	pause  = 20 * time.Millisecond  // at most, between two requests of a client
)

// limits are what every fault is held to. They are generous where a slow machine could meet them: the table shows what was
// needed. In make test, which must not fail on a machine that is busy otherwise, times count slack times.
var limits = struct {
	recovery time.Duration // from the end of the fault until every client has written again; a fault may set its own
	answer   time.Duration // of any request, beyond the time that the fault lasts: an answer or an error
	rest     time.Duration // from the end of the load until no lease, waiter or dial is left
	cache    time.Duration // until a statement hits again
	stop     time.Duration // of the program, from SIGTERM to its end

	// mustHit says that a statement which does not hit again in time is a failure, and not only shown in the table as "never".
	mustHit bool

	wordless int // connections that end without an error being told, in each fault that cuts no message

	descriptors, goroutines int   // that may be more than before
	memory                  int64 // that may be more than before, in bytes
}{
	recovery: 2 * time.Second,
	answer:   waitTimeout + 2*connectTimeout + 3*time.Second,
	rest:     5 * time.Second,
	cache:    15 * time.Second,
	stop:     20 * time.Second,

	mustHit: true,

	wordless: 0,

	descriptors: 2 * servers, // connections that the pool had not needed yet, each with the relay's end elsewhere
	goroutines:  8,
	memory:      24 << 20,
}

const slack = 4
