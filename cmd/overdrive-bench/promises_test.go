package main

import (
	"net"
	"strings"
	"testing"
	"time"
)

func TestPromises_AreHeldAgainstTheirLimits(t *testing.T) {
	r := newResults()
	r.add(cell{modeAggregate, 1, "direct"}, sample{P50: 60 * time.Millisecond})
	r.add(cell{modeAggregate, 1, targetCache}, sample{P50: 100 * time.Microsecond})
	r.add(cell{modeHerd, 1000, targetCache}, sample{Upstream: 2})
	for _, round := range []time.Duration{50, 100, 200} { // the machine is slower and slower
		r.add(cell{modeTPCB, 16, "overdrive"}, sample{CPU: 100 * round})
		r.add(cell{modeTPCB, 16, targetCache}, sample{CPU: 102 * round})
	}
	r.add(cell{modeMillion, 16, targetMillion}, sample{P99: time.Millisecond}) // there is no small one to compare with
	got := promisesTable(r)
	for _, want := range []string{
		"direct ÷ hit | 1 | ≥ 500 | 600.00 | yes |", "miss one key together | 1000 | ≤ 1 | 2.00 | no |", "on ÷ off | 16 | ≤ 1.03 | 1.02 | yes |",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if rows := strings.Count(got, "\n"); rows != 6 { // an empty one, two of the head, three promises
		t.Errorf("got %d lines:\n%s", rows, got)
	}
	if got := promisesTable(newResults()); got != "" {
		t.Errorf("of nothing: got %q", got)
	}
}

// answering is a server that gives each of its clients one reply.
func answering(t *testing.T, reply string, n int) (clients []net.Conn) {
	t.Helper()
	for range n {
		client, server := net.Pipe()
		t.Cleanup(func() { client.Close() })
		go func() {
			defer server.Close()
			if _, err := server.Read(make([]byte, 100)); err == nil {
				_, _ = server.Write([]byte(reply))
			}
		}()
		clients = append(clients, client)
	}
	return clients
}

func TestStampede_WaitsForEverybodysAnswer(t *testing.T) {
	const ready = "Z\x00\x00\x00\x05I"
	latencies, err := stampede(answering(t, "C\x00\x00\x00\x04"+ready, 10), "select 1")
	if err != nil || len(latencies) != 10 || latencies[0] <= 0 {
		t.Errorf("got %v, %v, want ten", latencies, err)
	}
	for _, bad := range []string{"E\x00\x00\x00\x05x" + ready, "C\x00\x00\x00\x04", ""} {
		if _, err := stampede(answering(t, bad, 3), "select 1"); err == nil {
			t.Errorf("the reply %q passed", bad)
		}
	}
}

func TestClientsOf_SomeWorkloadsHaveTheirOwn(t *testing.T) {
	o, err := parseFlags([]string{"-clients=2,4", "-herd=50", "-scale=1"})
	if err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[string]int{"simple": 2, modeTPCB: 2, modeMillion: 2, modeAggregate: 1, modeHerd: 50} {
		if got := o.clientsOf(mode); got[0] != want {
			t.Errorf("%s: got %v, want %d", mode, got, want)
		}
	}
	if o.entries != rowsPerScale {
		t.Errorf("%d entries of %d rows", o.entries, rowsPerScale)
	}
}
