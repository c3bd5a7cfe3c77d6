// Command overdrive-bench measures Overdrive beside PgBouncer, beside PostgreSQL itself, and its cache beside Redis, on
// one machine in the same minutes. docs/benchmarks.md says how to run it and how to read what it prints.
//
// It starts everything it measures, from programs it finds or installs, on free ports and with directories of its own, and
// stops those processes and no others.
//
// The rounds are interleaved: each round visits every workload, number of clients and target once, and each round starts
// with another target. A machine that slows down for a while then slows all of them, and the median forgets it.
package main
