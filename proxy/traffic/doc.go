// Package traffic counts what passes through a proxy, whatever the protocol, so that somebody else can read it at any time.
//
//	a loop ─▶ Lane ─┐
//	a loop ─▶ Lane ─┼─ Meter ─▶ Counts   a snapshot
//	rare events ────┘
//
// A Meter belongs to one server user of one database. On the way of a statement an event loop counts in a Lane of its own, so that no
// two processors write the same memory; what is rare is counted in the Meter itself. Nothing here locks, allocates once the Lane is there, or
// reads a clock: whoever counts brings the time.
package traffic
