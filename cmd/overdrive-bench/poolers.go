package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"overdrive/proxy/proxytest/pglocal"
)

// preparedSince is the minor version of PgBouncer 1 since which prepared statements work in transaction mode.
const preparedSince = 21

// addPgBouncers adds PgBouncer in transaction mode. A version that cannot do prepared statements in it does them in
// session mode, under a name that says so.
func (l *lab) addPgBouncers(ctx context.Context) error {
	program, err := findProgram("pgbouncer", "pgbouncer")
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return fmt.Errorf("%s --version: %w", program, err)
	}
	version := regexp.MustCompile(`1\.(\d+)`).FindSubmatch(out)
	if version == nil {
		return fmt.Errorf("%s --version says %q", program, out)
	}
	minor, err := strconv.Atoi(string(version[1]))
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "PgBouncer %s\n", version[0])
	if minor >= preparedSince {
		return l.addPgBouncer(ctx, program, "pgbouncer", "transaction", l.opts.pool, transactionModes, "max_prepared_statements = 200")
	}
	if err := l.addPgBouncer(ctx, program, "pgbouncer", "transaction", l.opts.pool, []string{"simple", "extended", modeLocal, modeSerial}, ""); err != nil {
		return err
	}
	// In session mode every client needs a server connection.
	size := max(l.opts.pool, slices.Max(l.opts.clients))
	return l.addPgBouncer(ctx, program, "pgbouncer (session)", "session", size, []string{"prepared"}, "")
}

func (l *lab) addPgBouncer(ctx context.Context, program, name, mode string, size int, modes []string, more string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	users := filepath.Join(l.dir, "userlist.txt")
	if err := os.WriteFile(users, []byte(`"`+pglocal.Superuser+`" ""`+"\n"), 0o644); err != nil {
		return err
	}
	ini := filepath.Join(l.dir, "pgbouncer-"+mode+".ini")
	text := fmt.Sprintf(`[databases]
%s = host=127.0.0.1 port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = %s
default_pool_size = %d
max_client_conn = 100000
log_connections = 0
log_disconnections = 0
ignore_startup_parameters = extra_float_digits
%s
`, database, l.postgres.Port(), port, users, mode, size, more)
	if err := os.WriteFile(ini, []byte(text), 0o644); err != nil {
		return err
	}
	args := []string{ini}
	if os.Geteuid() == 0 {
		args = append([]string{"--user", "nobody"}, args...) // it refuses to run as root
	}
	p, err := l.start("pgbouncer-"+mode, program, args...)
	if err != nil {
		return err
	}
	l.addSQL(&target{name: name, modes: modes, port: port, pid: p.pid()})
	return p.awaitSQL(ctx, port)
}

// addOverdrives adds the program that is to be measured, and beside it the one before, if there is one.
func (l *lab) addOverdrives(ctx context.Context) error {
	program := l.opts.overdrive
	if program == "" {
		program = filepath.Join(l.dir, "overdrive")
		cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "overdrive/cmd/overdrive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	if err := l.addVersion(ctx, program, ""); err != nil {
		return err
	}
	if l.opts.before == "" {
		return nil
	}
	return l.addVersion(ctx, l.opts.before, beforeSuffix)
}

// addVersion adds one program without its cache for pgbench's own workloads, with it for those that are about it, and once
// more for a cache that is full.
func (l *lab) addVersion(ctx context.Context, program, suffix string) error {
	if err := l.addOverdrive(ctx, program, targetPlain+suffix, false, append([]string{modeTPCB}, transactionModes...)); err != nil {
		return err
	}
	if err := l.addOverdrive(ctx, program, targetCache+suffix, true, []string{modeCached, modeAggregate, modeHerd, modeTPCB, modeSerial, modeLocal, modeMillion}); err != nil {
		return err
	}
	if !slices.Contains(l.opts.modes, modeMillion) {
		return nil
	}
	return l.addOverdrive(ctx, program, targetMillion+suffix, true, []string{modeMillion})
}

func (l *lab) addOverdrive(ctx context.Context, program, name string, cache bool, modes []string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	file := filepath.Join(l.dir, fmt.Sprintf("overdrive-%d.yaml", port))
	text := fmt.Sprintf(`listen: ["127.0.0.1:%d"]
http: ""
log: {level: warn}
auth: {method: trust}
limits: {max_clients: 100000}
cache: {memory: 2GiB}
databases:
  %s:
    url: postgres://%s@127.0.0.1:%d/%s?sslmode=disable
    pool: {size: %d}
    cache: {enabled: %v, max_age: 1h}
`, port, database, pglocal.Superuser, l.postgres.Port(), database, l.opts.pool, cache)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	p, err := l.start(filepath.Base(file), program, "serve", "--config", file)
	if err != nil {
		return err
	}
	l.addSQL(&target{name: name, modes: modes, port: port, pid: p.pid()})
	return p.awaitSQL(ctx, port)
}
