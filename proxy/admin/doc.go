// Package admin is the console: a virtual database that speaks PostgreSQL's protocol, simple and extended, and answers commands
// about the proxy itself, in PgBouncer's vocabulary where PgBouncer has the word.
//
//	Console.Serve ─▶ conn: messages in, messages out ─▶ statement (command.go) ─▶ rows (show*.go, cache.go) ─▶ Proxy
//	                                                         └──▶ control.go ─▶ Proxy, or the program (Options)
//
// Administrators are few and in no hurry, so a connection is one goroutine that blocks. It is bounded all the same: in the
// number of connections, the size of a message, the time for half a message, for an answer to be read and between messages, and
// in what a client may prepare. Administrators have places of their own. A command that waits is given up when its client hangs up or
// sends a cancel request (attend.go).
//
// # Who may do what
//
// Everybody here has proved who he is. What he may do hangs on the privilege of the command:
//
//	own     on the databases that he may log in to; the others are not there for him
//	stats   see everything: admin.stats_users and admin.users
//	admin   everything, on all databases: admin.users
//
// Nothing that is shown holds a constant of anybody's statement: statements are shown by their shape.
package admin
