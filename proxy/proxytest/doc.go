// Package proxytest gives tests both sides of the wire:
//
//	Wire ──▶ what is tested ──▶ Postgres   a real server of its own (proxytest/pglocal)
//	                         └▶ FakeServer a scripted one, for what a real server never does
//
// Wire is a raw client: it sends bytes and returns the messages that come back, in their order, without a driver's
// opinion of them. A Script is a conversation in a text file; run against PostgreSQL and against the proxy, its
// transcripts must be equal byte for byte.
//
// The package frames messages by itself rather than with proxy/postgres/pgwire, so that a mistake there does not hide itself.
package proxytest
