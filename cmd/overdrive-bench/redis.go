package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const (
	redisValueBytes = 64    // about what a row of pgbench's SELECT takes on the wire
	redisCalibrate  = 20000 // requests of the run that finds out how many fill the duration
)

// addRedis adds a Redis that keeps nothing on disk, filled with the keys that redis-benchmark reads.
func (l *lab) addRedis(ctx context.Context) error {
	server, err := findProgram("redis-server", "redis-server")
	if err != nil {
		return err
	}
	client, err := findProgram("redis-benchmark", "redis-tools")
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	p, err := l.start("redis", server, "--port", itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--dir", l.dir)
	if err != nil {
		return err
	}
	if err := p.await(ctx, func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+itoa(port))
		if err == nil {
			conn.Close()
		}
		return err
	}); err != nil {
		return err
	}
	r := &redis{lab: l, client: client, port: port, pid: p.pid()}
	if _, err := r.bench(ctx, "set", 1, 20*l.opts.keys); err != nil {
		return err
	}
	l.targets = append(l.targets, &target{name: "redis GET", modes: []string{modeCached}, port: port, pid: p.pid(), measure: r.measure})
	return nil
}

type redis struct {
	lab       *lab
	client    string
	port, pid int
}

// measure runs GETs for about the duration. redis-benchmark counts requests rather than seconds.
func (r *redis) measure(ctx context.Context, _ string, clients int) (sample, error) {
	trial, err := r.bench(ctx, "get", clients, redisCalibrate)
	if err != nil {
		return sample{}, err
	}
	n := max(int(trial.PerSecond*r.lab.opts.duration.Seconds()), redisCalibrate)
	before, err := cpuTime(r.pid)
	if err != nil {
		return sample{}, err
	}
	s, err := r.bench(ctx, "get", clients, n)
	if err != nil {
		return sample{}, err
	}
	after, err := cpuTime(r.pid)
	s.CPU = (after - before) / time.Duration(n)
	return s, err
}

func (r *redis) bench(ctx context.Context, command string, clients, requests int) (sample, error) {
	args := []string{
		"-h", "127.0.0.1", "-p", itoa(r.port), "-t", command, "-c", itoa(clients), "-n", itoa(requests),
		"-r", itoa(r.lab.opts.keys), "-d", itoa(redisValueBytes), "--csv",
	}
	// One thread is redis-benchmark without threads, which is cheaper than with one.
	if threads := min(clients, r.lab.opts.threads); threads > 1 {
		args = append(args, "--threads", itoa(threads))
	}
	out, err := exec.CommandContext(ctx, r.client, args...).Output()
	if err != nil {
		return sample{}, fmt.Errorf("redis-benchmark: %w", err)
	}
	return readRedis(string(out))
}

// readRedis reads the two lines of redis-benchmark's CSV by the names of its columns.
func readRedis(out string) (sample, error) {
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 2 {
		return sample{}, fmt.Errorf("redis-benchmark printed %q", out)
	}
	values := make(map[string]float64)
	for i, name := range rows[0] {
		if v, err := strconv.ParseFloat(rows[1][i], 64); err == nil {
			values[name] = v
		}
	}
	for _, name := range []string{"rps", "p50_latency_ms", "p99_latency_ms"} {
		if _, found := values[name]; !found {
			return sample{}, fmt.Errorf("redis-benchmark printed no %s: %q", name, out)
		}
	}
	ms := float64(time.Millisecond)
	return sample{
		PerSecond: values["rps"],
		P50:       time.Duration(values["p50_latency_ms"] * ms),
		P99:       time.Duration(values["p99_latency_ms"] * ms),
	}, nil
}
