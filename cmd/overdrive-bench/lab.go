package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"overdrive/proxy/proxytest/pglocal"
)

const database = "bench"

// target is one thing that is measured.
type target struct {
	name   string
	modes  []string // the workloads it takes part in
	port   int
	secure bool // it asks for TLS and a password
	pid    int  // the process whose time is counted; 0 when none stands between client and server
	filled bool // the large cache has all its entries
	// measure runs the workload once.
	measure func(ctx context.Context, mode string, clients int) (sample, error)
}

// lab has everything that runs.
type lab struct {
	opts      options
	dir       string // temporary
	postgres  *pglocal.Server
	processes []*process
	targets   []*target
	aggregate string // the statement of modeAggregate, once it is known
	herds     int    // that were let loose
	locks     *locks // once they are needed
}

var pgbenchModes = []string{"simple", "extended", "prepared"}

// transactionModes are what every pooler in transaction mode is compared with others by.
var transactionModes = append(slices.Clone(pgbenchModes), modeLocal, modeSerial)

// openLab starts what opts asks for. The caller must close the lab.
func openLab(ctx context.Context, opts options) (*lab, error) {
	dir, err := os.MkdirTemp("", "overdrive-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{opts: opts, dir: dir}
	if err := l.open(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) open(ctx context.Context) error {
	// Other users than root read their configuration here.
	if err := os.Chmod(l.dir, 0o755); err != nil {
		return err
	}
	var err error
	l.postgres, err = pglocal.Start(ctx, pglocal.Options{
		MaxConnections: slices.Max(l.opts.clients) + 4*max(l.opts.pool, slices.Max(l.opts.clients)) + 20,
		Settings:       map[string]string{"shared_buffers": "256MB"},
	})
	if err != nil {
		return err
	}
	if err := l.fill(ctx); err != nil {
		return err
	}
	for _, name := range l.opts.targets {
		start := map[string]func(context.Context) error{
			"direct": l.addDirect, "pgbouncer": l.addPgBouncers, "overdrive": l.addOverdrives, "redis": l.addRedis,
		}[name]
		if err := start(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// fill makes the tables of pgbench.
func (l *lab) fill(ctx context.Context) error {
	if err := l.postgres.Exec(ctx, "postgres", "create database "+database); err != nil {
		return err
	}
	cmd := l.pgbench(ctx, l.postgres.Port(), false, "--initialize", "--quiet", "--scale", strconv.Itoa(l.opts.scale))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgbench --initialize: %w\n%s", err, out)
	}
	return l.postgres.Exec(ctx, database, herdTable)
}

// pgbench returns a command that runs pgbench against port, secure if that asks for TLS and a password.
func (l *lab) pgbench(ctx context.Context, port int, secure bool, args ...string) *exec.Cmd {
	program := filepath.Join(l.postgres.BinDir(), "pgbench")
	if _, err := os.Stat(program); err != nil {
		program = "pgbench"
	}
	args = append(args, "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--username", pglocal.Superuser, database)
	cmd := exec.CommandContext(ctx, program, args...)
	// Variables such as PGOPTIONS would change what is measured.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PG") })
	if secure {
		cmd.Env = append(cmd.Env, "PGSSLMODE=require", "PGPASSWORD="+loginPassword)
	}
	return cmd
}

func (l *lab) addDirect(context.Context) error {
	l.addSQL(&target{name: "direct", modes: append([]string{modeCached, modeAggregate, modeTPCB, modeConnect}, transactionModes...), port: l.postgres.Port()})
	return nil
}

// addSQL adds a target that pgbench measures.
func (l *lab) addSQL(t *target) {
	t.measure = func(ctx context.Context, mode string, clients int) (sample, error) {
		switch mode {
		case modeHerd:
			return l.runHerd(ctx, t, clients)
		case modeMillion:
			return l.runMillion(ctx, t, clients)
		}
		return l.runPgbench(ctx, t, mode, clients)
	}
	l.targets = append(l.targets, t)
}

func (l *lab) targetsFor(mode string) []*target {
	var out []*target
	for _, t := range l.targets {
		if slices.Contains(t.modes, mode) {
			out = append(out, t)
		}
	}
	return out
}

// start starts a program whose output goes to a file of the lab.
func (l *lab) start(name string, program string, args ...string) (*process, error) {
	p, err := startProcess(filepath.Join(l.dir, name+".log"), program, args...)
	if err == nil {
		l.processes = append(l.processes, p)
	}
	return p, err
}

// close stops everything, the newest first.
func (l *lab) close() {
	for _, p := range slices.Backward(l.processes) {
		p.stop()
	}
	if l.postgres != nil {
		if err := l.postgres.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.RemoveAll(l.dir)
}
