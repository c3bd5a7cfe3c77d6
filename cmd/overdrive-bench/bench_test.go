package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPercentile_IsTheNearestRank(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      int
		want   time.Duration
	}{
		{nil, 50, 0}, {hundred[:1], 99, 1}, {hundred, 50, 50}, {hundred, 99, 99}, {hundred[:3], 50, 2}, {hundred[:10], 99, 10},
	} {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("%d-th of %d: got %d, want %d", c.p, len(c.sorted), got, c.want)
		}
	}
}

const pgbenchSaid = `transaction type: <builtin: select only>
number of transactions actually processed: 4
number of failed transactions: 0 (0.000%)
latency average = 0.100 ms
initial connection time = 2.000 ms
tps = 12345.678901 (without initial connection time)
`

func TestReadRun_ReadsWhatPgbenchPrintsAndLogs(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"log.1": "0 1 30 0 1700000000 1\n0 2 10 0 1700000000 2\n", "log.1.1": "1 1 20 0 1700000000 1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readRun(pgbenchSaid, dir, 400*time.Microsecond)
	want := sample{PerSecond: 12345.678901, P50: 20 * time.Microsecond, P99: 30 * time.Microsecond, CPU: 100 * time.Microsecond, Transactions: 4}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	// With --connect pgbench words it differently.
	if got, err := readRun(strings.Replace(pgbenchSaid, "without initial connection time", "including reconnection times", 1), dir, 0); err != nil ||
		got.PerSecond != want.PerSecond {
		t.Errorf("got %+v, %v, want %v per second", got, err, want.PerSecond)
	}
	for _, said := range []string{
		"", strings.Replace(pgbenchSaid, "processed: 4", "processed: 0", 1), strings.Replace(pgbenchSaid, "transactions: 0", "transactions: 1", 1),
	} {
		if _, err := readRun(said, dir, 0); err == nil {
			t.Errorf("%q passed for a result", said)
		}
	}
}

func TestReadRedis_FindsColumnsByName(t *testing.T) {
	got, err := readRedis(`"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"GET","40000.00","0.02","0.01","0.020","0.03","0.050","1.0"
`)
	want := sample{PerSecond: 40000, P50: 20 * time.Microsecond, P99: 50 * time.Microsecond}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := readRedis("\"test\",\"rps\"\n\"GET\",\"1\"\n"); err == nil {
		t.Error("output without latencies passed")
	}
}

func TestTable_ShowsMediansAndRatios(t *testing.T) {
	r := newResults()
	add := func(target string, perSecond float64, cpu time.Duration) {
		r.add(cell{"simple", 16, target}, sample{PerSecond: perSecond, P50: time.Millisecond, CPU: cpu})
	}
	for _, noise := range []float64{0, 5, -900} {
		add("direct", 1000+noise, 0)
	}
	add("pgbouncer", 500, 20*time.Microsecond)
	add("overdrive", 750, 15*time.Microsecond)
	var table strings.Builder
	if err := writeTable(&table, r, options{modes: []string{"simple"}, clients: []int{16}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| simple | 16 | direct | 1000 | 1000.0 |  |  |  |  |  |",
		"| simple | 16 | pgbouncer | 500 | 1000.0 |  | 20.0 | 0.50 |  |  |",
		"| simple | 16 | overdrive | 750 | 1000.0 |  | 15.0 | 0.75 | 0.75 |  |",
	} {
		if !strings.Contains(table.String(), want+"\n") {
			t.Errorf("no row\n%s\nin\n%s", want, &table)
		}
	}
}

func TestParseFlags_RefusesNonsense(t *testing.T) {
	for _, arg := range []string{"-clients=x", "-clients=0", "-targets=odyssey", "-modes=fast", "-rounds=0", "-duration=1ms", "-idle=-1"} {
		if _, err := parseFlags([]string{arg}); err == nil {
			t.Errorf("%s was accepted", arg)
		}
	}
	if o, err := parseFlags(nil); err != nil || o.rounds != 5 || len(o.clients) != 3 {
		t.Errorf("defaults: got %+v, %v", o, err)
	}
}

func TestProcfs_KnowsThisProcess(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("there is no /proc")
	}
	for start := time.Now(); time.Since(start) < 50*time.Millisecond; { // at least a few ticks of work
	}
	if got, err := cpuTime(os.Getpid()); err != nil || got <= 0 || got > time.Hour {
		t.Errorf("processor time: got %v, %v", got, err)
	}
	if got, err := residentBytes(os.Getpid()); err != nil || got < 1<<20 {
		t.Errorf("memory: got %d, %v", got, err)
	}
}
