// Package pgauth is PostgreSQL authentication as bytes in, bytes out: it opens no socket, starts no goroutine and reads no
// clock. Message bodies go in and come out without their type byte and length (PostgreSQL documentation, "Message Flow",
// Start-up, and "SASL Authentication"; RFC 5802 and RFC 7677 for SCRAM-SHA-256).
//
// There are two sides. An [Authenticator] hands out an [Exchange] for each client that logs in to us:
//
//	             ┌──▶ Done                                              trust
//	Start ──▶ New┼──▶ AwaitPassword ──▶ Done | Failed                   password, md5
//	             └──▶ AwaitInitial ──▶ AwaitProof ──▶ Done | Failed     scram-sha-256
//
// and a [Credential] hands out a [Login] for each server connection on which we are the client. It stands before a SCRAM
// client, which may belong to somebody else, lets through what a server may ask, and gives that client the password only
// once the server has asked for SCRAM:
//
//	Fresh ─┬─────────────────────────────▶ Done      AuthenticationOk at once (trust)
//	       ├──▶ Answered ────────────────▶ Done      cleartext or md5 answered, then Ok
//	       └──▶ Proving ──▶ Verifying ──▶ Trusted ──▶ Done
//	            SASL        Continue      Final, then Ok
//
// Any message out of place, malformed or too long ends a machine with an error; every later call repeats a refusal.
//
// What a stranger learns: an exchange for a name we do not know sends messages of the same number and shape as one for a
// known name and fails with the same error, after the same arithmetic. Its salt is a keyed hash of the name, so asking
// twice shows nothing, and names with a plain secret get their salt from the same hash. Two traces remain, as in
// PostgreSQL: a stored verifier made elsewhere with an unusual salt length or iteration count is visible as such, and the
// first login of a plain secret takes one key derivation longer unless [Authenticator.Prepare] did it ahead.
//
// Deriving a SCRAM key costs about a millisecond of processor at the usual 4096 iterations. Callers limit how many
// exchanges compute at once.
package pgauth
