package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"overdrive/proxy/proxytest/pglocal"
)

// PostgreSQL's own regression tests, those of the server's version: 217 files of SQL for PostgreSQL 15, each run by psql, whose output is
// compared with what is expected. The files come from the source package (debian.go), the program that runs them from the server's.

// regressLimit is how long one run may take. It takes a minute.
const regressLimit = 15 * time.Minute

// regressTests are src/test/regress, built, in a folder that PostgreSQL can read.
type regressTests struct {
	dir     string // with sql, expected, data and the schedule
	libs    string // with regress.so and the modules that it is used with
	program string // pg_regress
	runs    string // the folder of the runs, by their ways' names
}

func fetchRegress(ctx context.Context, r *room) (tests, error, error) {
	bin, err := pglocal.BinDir()
	if err != nil {
		return nil, err, nil
	}
	source, missing, err := fetchSource(ctx, filepath.Join(bin, "postgres"))
	if missing != nil || err != nil {
		return nil, missing, err
	}
	t := &regressTests{dir: filepath.Join(r.dir, "tests"), libs: filepath.Join(r.dir, "libs"), runs: r.dir}
	if err := copyWritable(source.tests, t.dir); err != nil {
		return nil, nil, err
	}
	installed, err := pgConfig(ctx, bin, "--pkglibdir")
	if err != nil {
		return nil, err, nil
	}
	t.program = filepath.Join(installed, "pgxs/src/test/regress/pg_regress")
	if _, err := os.Stat(t.program); err != nil {
		return nil, err, nil
	}
	if err := os.Mkdir(t.libs, 0o755); err != nil {
		return nil, nil, err
	}
	for _, module := range []string{"refint.so", "autoinc.so"} { // of contrib/spi
		if _, err := os.Stat(filepath.Join(installed, module)); err != nil {
			return nil, err, nil
		}
		if err := os.Symlink(filepath.Join(installed, module), filepath.Join(t.libs, module)); err != nil {
			return nil, nil, err
		}
	}
	cc := exec.CommandContext(ctx, "cc", "-O2", "-fPIC", "-shared", "-I", t.dir, "-I", source.headers,
		"-o", filepath.Join(t.libs, "regress.so"), filepath.Join(t.dir, "regress.c"))
	if out, err := cc.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("regress.c cannot be compiled here: %w\n%s", err, out), nil
	}
	return t, nil, nil
}

// pgConfig asks pg_config of the server's version.
func pgConfig(ctx context.Context, bin, what string) (string, error) {
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "pg_config"), what).Output()
	return strings.TrimSpace(string(out)), err
}

// A regressServer is a PostgreSQL with an empty database for the tests.
type regressServer struct {
	*pglocal.Server
	tests *regressTests
}

const regressDatabase = "regression"

// regressSettings are those that pg_regress gives to a database which it makes itself.
var regressSettings = []string{
	"lc_messages = 'C'", "lc_monetary = 'C'", "lc_numeric = 'C'", "lc_time = 'C'", "bytea_output = 'hex'", "timezone_abbreviations = 'Default'",
}

func (t *regressTests) start(ctx context.Context) (server, error) {
	// Twenty tests at a time log in as many roles, and the proxy keeps some connections for each.
	postgres, err := pglocal.Start(ctx, pglocal.Options{MaxConnections: 300})
	if err != nil {
		return nil, err
	}
	s := &regressServer{Server: postgres, tests: t}
	err = s.Exec(ctx, "postgres", "CREATE DATABASE "+regressDatabase)
	for _, setting := range regressSettings {
		if err == nil {
			err = s.Exec(ctx, "postgres", "ALTER DATABASE "+regressDatabase+" SET "+setting)
		}
	}
	if err != nil {
		return nil, errors.Join(err, postgres.Stop())
	}
	return s, nil
}

// regressConfiguration lets in whomever the server does: the tests make roles and log in as them.
const regressConfiguration = `
listen: ["127.0.0.1:0"]
http: ""
log: {format: json}
auth: {method: trust}
admin: {stats_users: [postgres]}
databases:
  %[1]s:
    url: postgres://%[2]s/%[1]s
    pool: {mode: %[3]s, size: 30}
    cache: {enabled: %[4]t, in_transactions: first-reads}
`

func (s *regressServer) configuration(w way) string {
	return fmt.Sprintf(regressConfiguration, regressDatabase, s.Addr(), w.mode, w.cache)
}

func (s *regressServer) login() string { return "user=" + pglocal.Superuser }

func (s *regressServer) run(ctx context.Context, w way, port string) (results, error) {
	if w.mode == "" {
		port = fmt.Sprint(s.Port())
	}
	t, to := s.tests, filepath.Join(s.tests.runs, w.name)
	if err := os.MkdirAll(filepath.Join(to, "results"), 0o755); err != nil {
		return nil, err
	}
	if err := os.Chmod(filepath.Join(to, "results"), 0o777); err != nil { // the server writes files there, too
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, regressLimit)
	defer stop()
	cmd := exec.CommandContext(ctx, t.program, "--bindir="+s.BinDir(), "--inputdir="+t.dir, "--outputdir="+to, "--dlpath="+t.libs,
		"--host=127.0.0.1", "--port="+port, "--user="+pglocal.Superuser, "--use-existing", "--dbname="+regressDatabase,
		"--max-concurrent-tests=20", "--schedule="+filepath.Join(t.dir, "parallel_schedule"))
	out, err := cmd.CombinedOutput()
	if err := os.WriteFile(filepath.Join(to, "log"), out, 0o644); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("pg_regress: %w\n%s", err, out)
	}
	got := readRegress(string(out))
	if len(got) == 0 {
		return nil, fmt.Errorf("pg_regress: %w\n%s", err, out)
	}
	return got, t.differences(w, got)
}

// differences adds the lines in which the output of tests that failed differs from that of the run at PostgreSQL itself; and there, from what is
// expected.
func (t *regressTests) differences(w way, got results) error {
	like := filepath.Join(t.runs, direct.name, "results")
	if w.mode == "" {
		like = filepath.Join(t.dir, "expected")
	}
	for name, r := range got {
		if r.state != failed {
			continue
		}
		out, err := exec.Command("diff", "-U0", filepath.Join(like, name+".out"), filepath.Join(t.runs, w.name, "results", name+".out")).Output()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
			return fmt.Errorf("diff: %w", err)
		}
		r.lines = changed(string(out))
		got[name] = r
	}
	return nil
}

// changed returns the lines of a difference without where they stand.
func changed(diff string) (lines []string) {
	_, diff, _ = strings.Cut(diff, "\n@@") // behind the names of the files
	for _, line := range strings.Split(strings.TrimRight(diff, "\n"), "\n")[1:] {
		if !strings.HasPrefix(line, "@@ ") {
			lines = append(lines, strings.TrimRight(line, " "))
		}
	}
	return lines
}

// regressLine is a test's of what pg_regress prints: up to PostgreSQL 15, and from 16 on in TAP's form.
var regressLine = regexp.MustCompile(`(?m)^(?:(?:test |     )(\S+) +\.\.\. (ok|FAILED)|(ok|not ok) \d+ +[-+] (\S+) )`)

func readRegress(out string) results {
	got := make(results)
	for _, m := range regressLine.FindAllStringSubmatch(out, -1) {
		s := failed
		if m[2] == "ok" || m[3] == "ok" {
			s = passed
		}
		got[m[1]+m[4]] = result{state: s}
	}
	return got
}
