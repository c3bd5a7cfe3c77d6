// Package leaks holds no code, only a test that is generated: every place where PostgreSQL stores an expression or code, or runs one, times
// every kind of state that a call can leave behind in a session, times both protocols, times a cache that is on or off. Clients share
// one server connection. What one of them has left behind by way of a place reaches no other, neither on the connection nor
// in an answer of the cache, and the one who left it finds what a session of its own would have.
//
//	places_test.go   where: what makes a place, and the statements that reach it
//	states_test.go   what: the expressions and the code that leave something behind
//	leaks_test.go    the cells, and what must hold in each
package leaks
