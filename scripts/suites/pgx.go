package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"overdrive/proxy/proxytest/pglocal"
)

// pgx's own tests, in the version of go.mod, whose module has them. They get the roles, the extensions and the environment that
// pgx's continuous integration gives them, certificates included; those that want CockroachDB, CrateDB, PgBouncer or PostgreSQL 18 are
// skipped.

var (
	pgxPackages = []string{".", "./pgconn", "./pgtype", "./pgxpool"}

	pgxRoles = []string{"pgx_md5", "pgx_scram", "pgx_pw", "pgx_ssl", "pgx_sslcert"}
)

const (
	pgxModule   = "github.com/jackc/pgx/v5"
	pgxDatabase = "pgx_test"
	pgxPassword = "secret"
)

// pgxTests are the module in a folder of its own.
type pgxTests struct{ dir string }

func (t *pgxTests) setup(name string) string { return filepath.Join(t.dir, "testsetup", name) }

// fetchPgx copies the module, whose files in the module cache cannot be written to, and compiles its tests.
func fetchPgx(ctx context.Context, r *room) (tests, error, error) {
	out, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", pgxModule).Output()
	if err != nil {
		return nil, fmt.Errorf("go mod download %s: %w", pgxModule, err), nil
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return nil, nil, err
	}
	t := &pgxTests{dir: filepath.Join(r.dir, "module")}
	if err := copyWritable(module.Dir, t.dir); err != nil {
		return nil, nil, err
	}
	if out, err := inFolder(ctx, t.dir, append([]string{"go", "test", "-exec", "true", "-vet=off"}, pgxPackages...)...); err != nil {
		return nil, fmt.Errorf("its tests cannot be built here: %w\n%s", err, out), nil
	}
	if out, err := inFolder(ctx, t.setup(""), "go", "run", "generate_certs.go"); err != nil {
		return nil, nil, fmt.Errorf("generate_certs.go: %w\n%s", err, out)
	}
	return t, nil, nil
}

// inFolder runs a command in a folder.
func inFolder(ctx context.Context, dir string, command ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	return cmd.CombinedOutput()
}

// copyWritable copies the files below a directory.
func copyWritable(from, to string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, below), 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, below), content, 0o644)
	})
}

// A pgxServer is a PostgreSQL for pgx's tests.
type pgxServer struct {
	*pglocal.Server
	tests   *pgxTests
	sockets string // where the proxy has its Unix socket
}

func (t *pgxTests) start(ctx context.Context) (server, error) {
	files := make(map[string][]byte)
	for name, from := range map[string]string{"server.crt": "localhost.crt", "server.key": "localhost.key", "root.crt": "ca.pem"} {
		content, err := os.ReadFile(t.setup(from))
		if err != nil {
			return nil, err
		}
		files[name] = content
	}
	hba, err := os.ReadFile(t.setup("pg_hba.conf"))
	if err != nil {
		return nil, err
	}
	postgres, err := pglocal.Start(ctx, pglocal.Options{
		// The tests have up to 100 connections, and the proxy has some for each role.
		MaxConnections: 300,
		HBA:            append(strings.Split(strings.TrimSpace(string(hba)), "\n"), "host all postgres 127.0.0.1/32 trust"),
		Settings:       map[string]string{"ssl": "on", "ssl_ca_file": "root.crt"},
		Files:          files,
	})
	if err != nil {
		return nil, err
	}
	s := &pgxServer{Server: postgres, tests: t, sockets: filepath.Dir(t.dir)}
	if err := s.furnish(ctx); err != nil {
		return nil, errors.Join(err, postgres.Stop())
	}
	return s, nil
}

// furnish makes the database, with psql, since pgx's file has commands of it.
func (s *pgxServer) furnish(ctx context.Context) error {
	if err := s.Exec(ctx, "postgres", "CREATE DATABASE "+pgxDatabase); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.BinDir(), "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", s.DSN(pgxDatabase),
		"-f", s.tests.setup("postgresql_setup.sql"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("psql: %w\n%s", err, out)
	}
	return nil
}

// pgxConfiguration has each client log in at the server as itself, as without a proxy. Pinned clients keep a server each.
const pgxConfiguration = `
listen: ["127.0.0.1:0", "%[1]s"]
http: ""
log: {format: json}
auth: {users: {%[2]s}}
tls: {mode: prefer, cert_file: "%[3]s", key_file: "%[4]s", client_ca_file: "%[5]s"}
admin: {stats_users: [pgx_md5]}
databases:
  %[6]s:
    url: postgres://%[7]s/%[6]s?sslmode=require
    pool: {mode: %[8]s, size: 30}
    cache: {enabled: %[9]t, in_transactions: first-reads}
`

func (s *pgxServer) configuration(w way) string {
	var users []string
	for _, role := range pgxRoles {
		users = append(users, role+": "+pgxPassword)
	}
	return fmt.Sprintf(pgxConfiguration, s.sockets, strings.Join(users, ", "), s.tests.setup("localhost.crt"), s.tests.setup("localhost.key"),
		s.tests.setup("ca.pem"), pgxDatabase, s.Addr(), w.mode, w.cache)
}

func (s *pgxServer) login() string { return "user=pgx_md5 password=" + pgxPassword }

// proxySocketPort is in the name of each Unix socket of the proxy.
const proxySocketPort = "6432"

// environment tells the tests where the server is. It differs from way to way in that only.
func (s *pgxServer) environment(w way, port string) []string {
	sockets, socketPort := s.sockets, proxySocketPort
	if w.mode == "" {
		port = strconv.Itoa(s.Port())
		sockets, socketPort = s.SocketDir(), port
	}
	at := func(host, port, user, more string) string {
		return fmt.Sprintf("host=%s port=%s user=%s password=%s dbname=%s %s", host, port, user, pgxPassword, pgxDatabase, more)
	}
	tls := "sslmode=verify-full sslrootcert=" + s.tests.setup("ca.pem")
	certificate := strings.Replace(at("localhost", port, "pgx_sslcert", tls), "password="+pgxPassword+" ", "", 1) +
		" sslcert=" + s.tests.setup("pgx_sslcert.crt") + " sslkey=" + s.tests.setup("pgx_sslcert.key")
	return append(os.Environ(),
		"PGX_TEST_DATABASE="+at("127.0.0.1", port, "pgx_md5", ""),
		"PGX_TEST_TCP_CONN_STRING="+at("127.0.0.1", port, "pgx_md5", ""),
		"PGX_TEST_UNIX_SOCKET_CONN_STRING="+at(sockets, socketPort, "pgx_md5", ""),
		"PGX_TEST_MD5_PASSWORD_CONN_STRING="+at("127.0.0.1", port, "pgx_md5", ""),
		"PGX_TEST_PLAIN_PASSWORD_CONN_STRING="+at("127.0.0.1", port, "pgx_pw", ""),
		"PGX_TEST_SCRAM_PASSWORD_CONN_STRING="+at("127.0.0.1", port, "pgx_scram", "channel_binding=disable"),
		"PGX_TEST_SCRAM_PLUS_CONN_STRING="+at("localhost", port, "pgx_ssl", tls+" channel_binding=require"),
		"PGX_TEST_TLS_CONN_STRING="+at("localhost", port, "pgx_ssl", tls+" channel_binding=disable"),
		"PGX_TEST_TLS_CLIENT_CONN_STRING="+certificate,
		"PGX_SSL_PASSWORD=certpw")
}

func (s *pgxServer) run(ctx context.Context, w way, port string) (results, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-count=1", "-vet=off", "-timeout", "15m"}, pgxPackages...)...)
	cmd.Dir, cmd.Env = s.tests.dir, s.environment(w, port)
	log, err := os.Create(filepath.Join(filepath.Dir(s.tests.dir), w.name+".json"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) { // that it exits with 1 is told by the tests that fail
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := log.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return readGoTest(log)
}

// temporary is the directory of a test, in names that pgx makes from it.
var temporary = regexp.MustCompile(`/[^ ']*/\d{3}/`)

// readGoTest reads what go test -json prints. The lines of a test that fails are what it printed.
func readGoTest(in io.Reader) (results, error) {
	got := make(results)
	said := make(map[string][]string)
	ends := map[string]state{"pass": passed, "skip": skipped, "fail": failed}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return nil, err
		}
		var event struct{ Action, Package, Test, Output string }
		if json.Unmarshal(line, &event) != nil || event.Test == "" { // of the build, or of a package
			continue
		}
		name := path.Base(strings.TrimSuffix(event.Package, "/v5")) + "." + temporary.ReplaceAllString(event.Test, "/")
		if event.Action == "output" {
			said[name] = append(said[name], strings.TrimRight(event.Output, "\n"))
		}
		if s, ended := ends[event.Action]; ended {
			r := result{state: s}
			if s == failed {
				r.lines = said[name]
			}
			got[name] = r
		}
	}
}
