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
	"strings"

	"overdrive/proxy/proxytest/pglocal"
)

// preparedSince is the minor version of PgBouncer 1 since which prepared statements work in transaction mode.
const preparedSince = 21

// A pooler is one that is to be started.
type pooler struct {
	name  string
	modes []string // the workloads it takes part in
	locks *locks   // nil: it lets everybody in
	cache bool     // of an Overdrive
	size  int      // of the pool
	mode  string   // of a PgBouncer's pool
	more  string   // of a PgBouncer's settings
}

// addPgBouncers adds PgBouncer in transaction mode, and once more with TLS and SCRAM if that is measured. A version that cannot do
// prepared statements in that mode does them in session mode, under a name that says so.
func (l *lab) addPgBouncers(ctx context.Context) error {
	program := l.opts.pgbouncer
	if program == "" {
		var err error
		if program, err = findProgram("pgbouncer", "pgbouncer"); err != nil {
			return err
		}
	}
	minor, err := pgbouncerVersion(ctx, program)
	if err != nil {
		return err
	}
	all := []pooler{{name: "pgbouncer", mode: "transaction", size: l.opts.pool, modes: append([]string{modeConnect}, transactionModes...),
		more: "max_prepared_statements = 200"}}
	if minor < preparedSince {
		// In session mode every client needs a server connection.
		size := max(l.opts.pool, slices.Max(l.opts.clients))
		all[0].modes, all[0].more = []string{"simple", "extended", modeLocal, modeSerial, modeConnect}, ""
		all = append(all, pooler{name: "pgbouncer (session)", mode: "session", size: size, modes: []string{"prepared"}})
	}
	if slices.Contains(l.opts.modes, modeSecure) {
		locks, err := l.secure(ctx)
		if err != nil {
			return err
		}
		all = append(all, pooler{name: "pgbouncer", mode: "transaction", size: l.opts.pool, modes: []string{modeSecure}, locks: locks, more: locks.pgbouncer()})
	}
	for _, p := range all {
		if err := l.addPgBouncer(ctx, program, p); err != nil {
			return err
		}
	}
	return nil
}

// pgbouncerVersion returns the n of PgBouncer 1.n.
func pgbouncerVersion(ctx context.Context, program string) (int, error) {
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return 0, fmt.Errorf("%s --version: %w", program, err)
	}
	version := regexp.MustCompile(`1\.(\d+)(?:\.\d+)?`).FindSubmatch(out)
	if version == nil {
		return 0, fmt.Errorf("%s --version says %q", program, out)
	}
	fmt.Fprintf(os.Stderr, "PgBouncer %s\n", version[0])
	return strconv.Atoi(string(version[1]))
}

func (l *lab) addPgBouncer(ctx context.Context, program string, b pooler) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	secret := ""
	if b.locks != nil {
		secret = b.locks.verifier
	}
	users := filepath.Join(l.dir, fmt.Sprintf("userlist-%d.txt", port))
	if err := os.WriteFile(users, fmt.Appendf(nil, "%q %q\n", pglocal.Superuser, secret), 0o644); err != nil {
		return err
	}
	ini := filepath.Join(l.dir, fmt.Sprintf("pgbouncer-%d.ini", port))
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
`, database, l.postgres.Port(), port, users, b.mode, b.size, b.more)
	if err := os.WriteFile(ini, []byte(text), 0o644); err != nil {
		return err
	}
	args := []string{ini}
	if os.Geteuid() == 0 {
		args = append([]string{"--user", "nobody"}, args...) // it refuses to run as root
	}
	p, err := l.start(filepath.Base(ini), program, args...)
	if err != nil {
		return err
	}
	return l.addPooler(ctx, b, p, port)
}

// addPooler adds a pooler that was started.
func (l *lab) addPooler(ctx context.Context, b pooler, p *process, port int) error {
	l.addSQL(&target{name: b.name, modes: b.modes, port: port, secure: b.locks != nil, pid: p.pid()})
	return p.awaitSQL(ctx, port, b.locks != nil)
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

// addVersion adds one program without its cache for pgbench's own workloads, with it for those that are about it, once more for a
// cache that is full, and once with TLS and SCRAM, these two if they are measured.
func (l *lab) addVersion(ctx context.Context, program, suffix string) error {
	all := []pooler{
		{name: targetPlain, modes: append([]string{modeTPCB, modeConnect}, transactionModes...)},
		{name: targetCache, cache: true, modes: []string{modeCached, modeAggregate, modeHerd, modeTPCB, modeSerial, modeLocal, modeMillion}},
	}
	if slices.Contains(l.opts.modes, modeMillion) {
		all = append(all, pooler{name: targetMillion, cache: true, modes: []string{modeMillion}})
	}
	if slices.Contains(l.opts.modes, modeSecure) {
		locks, err := l.secure(ctx)
		if err != nil {
			return err
		}
		all = append(all, pooler{name: targetPlain, modes: []string{modeSecure}, locks: locks})
	}
	for _, p := range all {
		p.name += suffix
		if err := l.addOverdrive(ctx, program, p); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) addOverdrive(ctx context.Context, program string, o pooler) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	auth := "auth: {method: trust}"
	if o.locks != nil {
		auth = o.locks.overdrive()
	}
	http := ""
	if l.opts.scrape && !strings.HasSuffix(o.name, beforeSuffix) {
		if http, err = scraped(ctx); err != nil {
			return err
		}
	}
	file := filepath.Join(l.dir, fmt.Sprintf("overdrive-%d.yaml", port))
	text := fmt.Sprintf(`listen: ["127.0.0.1:%d"]
http: %q
log: {level: warn}
%s
limits: {max_clients: 100000}
cache: {memory: 2GiB}
databases:
  %s:
    url: postgres://%s@127.0.0.1:%d/%s?sslmode=disable
    pool: {size: %d}
    cache: {enabled: %v, max_age: 1h}
`, port, http, auth, database, pglocal.Superuser, l.postgres.Port(), database, l.opts.pool, o.cache)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	p, err := l.start(filepath.Base(file), program, "serve", "--config", file)
	if err != nil {
		return err
	}
	return l.addPooler(ctx, o, p, port)
}
