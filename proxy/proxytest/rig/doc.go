// Package rig runs a proxy in the process of a test, in front of a real PostgreSQL or of a server that the test scripts, and the clients
// of both. It is for tests that see the proxy from outside.
//
//	Start      an instance, for as long as the test lasts
//	Connect    a client of it; Direct one of the server itself
//	PairBench  both next to each other, who must hear the same
//	relays     between the proxy and the server, which hold and count what passes
package rig
