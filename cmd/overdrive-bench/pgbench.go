package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sample is one measurement.
type sample struct {
	PerSecond float64       `json:"per_second"`
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
	// CPU is the processor time of the target's process per transaction; 0 when there is no such process.
	CPU          time.Duration `json:"cpu_ns"`
	Transactions int64         `json:"transactions"`
	// Upstream is how many of them the server saw; 0 where that is not counted.
	Upstream int64 `json:"upstream,omitempty"`
}

// loggedShare is the share of transactions whose times pgbench writes down. It is enough for a percentile of a run of
// thousands, and writing all of them takes processor time from what is measured.
const loggedShare = "0.25"

var (
	processedLine = regexp.MustCompile(`number of transactions actually processed: (\d+)`)
	tpsLine       = regexp.MustCompile(`tps = ([0-9.]+) \((?:without initial connection time|including reconnection times)\)`)
	failedLine    = regexp.MustCompile(`number of failed transactions: (\d+)`)
)

// runPgbench warms t for a workload and measures it.
func (l *lab) runPgbench(ctx context.Context, t *target, mode string, clients int) (sample, error) {
	work, err := l.work(ctx, t, mode)
	if err != nil {
		return sample{}, err
	}
	share := loggedShare
	if mode == modeAggregate { // there are few
		share = "1"
	}
	return l.runWork(ctx, t, clients, share, work)
}

// runWork measures one run of pgbench against t, with arguments that say what to do.
func (l *lab) runWork(ctx context.Context, t *target, clients int, share string, work []string) (sample, error) {
	dir, err := os.MkdirTemp(l.dir, "pgbench-")
	if err != nil {
		return sample{}, err
	}
	defer os.RemoveAll(dir)
	args := append([]string{
		"--no-vacuum", "--client", itoa(clients), "--jobs", itoa(min(clients, l.opts.threads)),
		"--time", itoa(int(l.opts.duration.Seconds())),
		"--log", "--log-prefix", filepath.Join(dir, "log"), "--sampling-rate", share,
	}, work...)
	before, err := cpuTime(t.pid)
	if err != nil {
		return sample{}, err
	}
	out, err := l.pgbench(ctx, t.port, t.secure, args...).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("pgbench: %w\n%s", err, out)
	}
	after, err := cpuTime(t.pid)
	if err != nil {
		return sample{}, err
	}
	return readRun(string(out), dir, after-before)
}

// readRun makes a sample of what pgbench printed and logged.
func readRun(out, logDir string, cpu time.Duration) (sample, error) {
	processed, tps := processedLine.FindStringSubmatch(out), tpsLine.FindStringSubmatch(out)
	if processed == nil || tps == nil {
		return sample{}, fmt.Errorf("pgbench printed no result:\n%s", out)
	}
	if failed := failedLine.FindStringSubmatch(out); failed != nil && failed[1] != "0" {
		return sample{}, fmt.Errorf("transactions failed:\n%s", out)
	}
	n, err := strconv.ParseInt(processed[1], 10, 64)
	if err != nil || n == 0 {
		return sample{}, fmt.Errorf("pgbench processed %q transactions", processed[1])
	}
	perSecond, err := strconv.ParseFloat(tps[1], 64)
	if err != nil {
		return sample{}, err
	}
	latencies, err := readLatencies(logDir)
	if err != nil {
		return sample{}, err
	}
	return sample{
		PerSecond: perSecond, P50: percentile(latencies, 50), P99: percentile(latencies, 99), CPU: cpu / time.Duration(n),
		Transactions: n,
	}, nil
}

// readLatencies reads pgbench's logs, one line for each transaction: its time, in microseconds, is the third field. They
// are returned in ascending order.
func readLatencies(dir string) ([]time.Duration, error) {
	logs, err := filepath.Glob(filepath.Join(dir, "log.*"))
	if err != nil {
		return nil, err
	}
	var all []time.Duration
	for _, name := range logs {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(fields) < 3 {
				continue
			}
			if us, err := strconv.ParseInt(fields[2], 10, 64); err == nil {
				all = append(all, time.Duration(us)*time.Microsecond)
			}
		}
		f.Close()
		if err := lines.Err(); err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	return all, nil
}

// percentile returns the p-th percentile of sorted, by the nearest rank, or 0 when there is nothing.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max((len(sorted)*p+99)/100, 1)-1]
}
