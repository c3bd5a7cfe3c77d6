// Package settings is about the run-time parameters of PostgreSQL sessions: sets of them, which are compared by pointer, and the
// one table of what each parameter that Overdrive knows of is.
//
//	Set       what a client wants, or a server has; immutable
//	Interner  makes equal sets the same pointer
//	Draft     a set that is being changed
//	Trait     what the table knows of a parameter
//
// It is a leaf: it imports nothing of ours and knows no wire format, so a session and the tests of the classifier can use it alike.
package settings
