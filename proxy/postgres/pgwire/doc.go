// Package pgwire cuts PostgreSQL protocol 3.0 streams into messages and reads and writes the few message bodies a proxy
// must understand. It does no I/O of its own except ReadMessage and ReadStartup, which serve the blocking start of a
// connection and never read a byte beyond the message asked for.
//
// A message is a type byte, a four byte big-endian length that counts itself, and a body:
//
//	 type   length (body + 4)    body
//	┌────┬────┬────┬────┬────┬────────────
//	│ 'D'│ 00 │ 00 │ 00 │ 0b │ …
//	└────┴────┴────┴────┴────┴────────────
//
// The steady state works on the header alone: PeekHeader tells type and size of what stands at the front of a buffer, the
// caller decides, and the body travels on without being decoded. Every length is checked before it is used in arithmetic,
// whichever peer it came from.
//
// Message layouts are those of the chapter "Frontend/Backend Protocol", section "Message Formats", of the PostgreSQL manual.
package pgwire
