// Package metrics shows Prometheus what the proxy counts. It is the only room that knows a metrics library: whoever counts does so in small
// structs of its own, and this room reads their snapshots when it is scraped.
//
//	scrape ─▶ Handler ─▶ registry ─▶ collector ─▶ snapshots of Proxy, Server and the program
//
// Between scrapes it does nothing and keeps nothing. Every label has a bounded number of values: databases come from the configuration, words
// are known beforehand, and of the users of a database the first comers are shown one by one and all others as one.
//
// docs/metrics.md lists what there is; a test compares it with a scrape.
package metrics
