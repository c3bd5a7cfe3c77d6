// Package consistency holds no code, only tests: clients who read and write at random through the proxy, and a history of what they
// have seen, which is checked against what the freshness levels promise. docs/consistency.md tells how; make consistency runs it for
// as long as one likes.
package consistency
