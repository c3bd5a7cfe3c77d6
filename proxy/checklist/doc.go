// Package checklist holds no code, only tests: one or more for each numbered case of docs/checklist.md, a list of what caches and
// poolers in front of PostgreSQL have got wrong. Each test has a database of its own, since a change of the catalog makes the whole
// database miss, and one of three benches:
//
//	rig.PairBench clients of the proxy next to clients of the server, who say the same and must hear the same:
//	              K what makes a key, S settings of the session, P the protocol
//	writerBench   a writer and a reader through the proxy, and the server's word: F functions, W statements
//	              that look like reads, I what invalidates
//	steppedBench  one event loop, a cache whose clock stands still, and a relay that holds questions and answers, so that the
//	              order of events is certain: T transactions, R races, A security, O operation
package checklist
