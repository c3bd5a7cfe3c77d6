package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Workloads besides pgbench's own in its three protocols.
const (
	modeCached    = "cached"    // few different statements
	modeAggregate = "aggregate" // one statement that takes the server aggregateTime
	modeHerd      = "stampede"  // many clients miss one key together
	modeTPCB      = "tpcb"      // writes, which no cache helps
	modeLocal     = "local"     // a parameter that is set for each transaction
	modeSerial    = "serial"    // inserts with a serial key
	modeMillion   = "million"   // hits in a large cache and in a small one
)

var allModes = append(slices.Clone(pgbenchModes), modeCached, modeAggregate, modeHerd, modeTPCB, modeLocal, modeSerial, modeMillion, modeConnect, modeSecure)

// Targets that are named in more than one place.
const (
	targetPlain   = "overdrive"
	targetCache   = "overdrive (cache)"
	targetMillion = "overdrive (million)"
)

// rowsPerScale is how many accounts pgbench makes for each unit of its scale.
const rowsPerScale = 100_000

// clientsOf returns the numbers of clients that a workload is run with.
func (o *options) clientsOf(mode string) []int {
	switch mode {
	case modeAggregate: // more would measure how the server divides its processors
		return []int{1}
	case modeHerd:
		return []int{o.herd}
	}
	return o.clients
}

// work returns the arguments that tell pgbench what to do, once the target is warm for it.
func (l *lab) work(ctx context.Context, t *target, mode string) ([]string, error) {
	switch mode {
	case modeCached:
		return l.cachedWork(ctx, t)
	case modeAggregate:
		return l.aggregateWork(ctx, t)
	case modeTPCB:
		return []string{"--protocol", "simple", "--builtin", "tpcb-like"}, nil
	case modeConnect, modeSecure:
		args, err := l.scriptWork("connect", "SELECT 1;\n")
		return append(args, "--connect"), err
	case modeLocal:
		return l.scriptWork("local", "\\set aid random(1, 100000)\nBEGIN;\nSET LOCAL app.tenant = 'x';\n"+
			"SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\nCOMMIT;\n")
	case modeSerial:
		if err := l.postgres.Exec(ctx, database, "CREATE TABLE IF NOT EXISTS numbered (id serial, note text)"); err != nil {
			return nil, err
		}
		return l.scriptWork("serial", "INSERT INTO numbered (note) VALUES ('x');\n")
	}
	return []string{"--protocol", mode, "--select-only"}, nil
}

// script writes a file for pgbench.
func (l *lab) script(name, text string) (string, error) {
	file := filepath.Join(l.dir, name+".sql")
	return file, os.WriteFile(file, []byte(text), 0o644)
}

// scriptWork has pgbench run a script of ours by simple protocol.
func (l *lab) scriptWork(name, text string) ([]string, error) {
	file, err := l.script(name, text)
	return []string{"--protocol", "simple", "--file", file}, err
}

// warm runs a script once.
func (l *lab) warm(ctx context.Context, t *target, script string, args ...string) error {
	args = append([]string{"--no-vacuum", "--file", script}, args...)
	if out, err := l.pgbench(ctx, t.port, t.secure, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("warming: %w\n%s", err, out)
	}
	return nil
}

// cachedWork asks t for each of the statements once, so that a cache has them all.
func (l *lab) cachedWork(ctx context.Context, t *target) ([]string, error) {
	const statement = "SELECT abalance FROM pgbench_accounts WHERE aid = "
	script, err := l.script("cached", fmt.Sprintf("\\set aid random(1, %d)\n%s:aid;\n", l.opts.keys, statement))
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for key := range l.opts.keys {
		fmt.Fprintf(&b, "%s%d;\n", statement, key+1)
	}
	warm, err := l.script("warm", b.String())
	if err != nil {
		return nil, err
	}
	return []string{"--protocol", "simple", "--file", script}, l.warm(ctx, t, warm, "--transactions", "1")
}

// aggregateTime is what the statement of modeAggregate is to take.
const aggregateTime = 60 * time.Millisecond

// aggregateWork asks t for the statement once.
func (l *lab) aggregateWork(ctx context.Context, t *target) ([]string, error) {
	if l.aggregate == "" {
		statement, err := l.calibrate(ctx)
		if err != nil {
			return nil, err
		}
		l.aggregate = statement
	}
	script, err := l.script("aggregate", l.aggregate)
	if err != nil {
		return nil, err
	}
	return []string{"--protocol", "simple", "--file", script}, l.warm(ctx, t, script, "--transactions", "2")
}

// calibrate finds out how many rows the server aggregates in aggregateTime.
func (l *lab) calibrate(ctx context.Context) (string, error) {
	statement := func(rows int) string {
		return fmt.Sprintf("SELECT count(*), sum(abalance), max(filler) FROM pgbench_accounts WHERE aid <= %d;\n", rows)
	}
	rows := rowsPerScale
	for range 4 { // the first has to read from disk, and time does not grow quite in proportion
		began := time.Now()
		if err := l.postgres.Exec(ctx, database, statement(rows)); err != nil {
			return "", err
		}
		rows = min(int(float64(rows)*float64(aggregateTime)/float64(time.Since(began))), l.opts.scale*rowsPerScale)
	}
	return statement(rows), nil
}
