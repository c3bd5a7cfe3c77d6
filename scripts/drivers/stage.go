package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"overdrive/proxy/proxytest/pglocal"
)

// What every program is told. The server never lets anybody in without a SCRAM proof, nor does the proxy.
const (
	user     = "app"
	password = "Secret-of-app-1"
	database = "shop"
	host     = "localhost" // the name in the proxy's certificate
)

// patience is how long the program may take to listen, and to end.
const patience = 30 * time.Second

// A stage is a PostgreSQL and a built program. Each driver has a database and a proxy of its own on it, so that nothing is
// cached, pinned or counted that another driver asked for.
type stage struct {
	dir      string // for the program, its configuration and certificates
	schema   string
	postgres *pglocal.Server
}

// setStage starts PostgreSQL and builds the program into dir.
func setStage(ctx context.Context, dir, schemaFile string) (*stage, error) {
	schema, err := os.ReadFile(schemaFile)
	if err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", filepath.Join(dir, "overdrive"), "./cmd/overdrive")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	if err := writeCertificates(dir); err != nil {
		return nil, err
	}
	postgres, err := pglocal.Start(ctx, pglocal.Options{
		HBA: []string{"host all all 127.0.0.1/32 scram-sha-256"},
		// As in PostgreSQL's container image. A framework that wants UTC, by this name, has to set it.
		Settings: map[string]string{"timezone": "Etc/UTC"},
	})
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, schema: string(schema), postgres: postgres}
	if err := postgres.Exec(ctx, "postgres", "CREATE ROLE "+user+" LOGIN PASSWORD '"+password+"'"); err != nil {
		_ = postgres.Stop()
		return nil, err
	}
	return s, nil
}

// clear makes the database anew.
func (s *stage) clear(ctx context.Context) error {
	if err := s.postgres.Exec(ctx, "postgres", "DROP DATABASE IF EXISTS "+database+" WITH (FORCE)"); err != nil {
		return err
	}
	if err := s.postgres.Exec(ctx, "postgres", "CREATE DATABASE "+database); err != nil {
		return err
	}
	return s.postgres.Exec(ctx, database, s.schema)
}

// configuration leaves everything at its default but what the scenario is about.
const configuration = `
listen: ["127.0.0.1:0"]
http: ""
log: {format: json}
auth: {users: {%[1]s: %[2]s}}
tls: {mode: require, cert_file: server.crt, key_file: server.key}
admin: {stats_users: [%[1]s]}
databases:
  %[3]s:
    url: postgres://%[1]s:%[2]s@%[4]s/%[3]s?require_auth=scram-sha-256
    pool: {mode: transaction, size: %[5]d}
    cache: {in_transactions: %[6]s}
`

// A proxy is a running `overdrive serve`.
type proxy struct {
	cmd  *exec.Cmd
	port string
	gone chan struct{} // closed when its log has ended

	mu  sync.Mutex // guards log
	log []string   // the latest lines
}

// serve starts the program and waits until it takes clients.
func (s *stage) serve() (*proxy, error) {
	file := filepath.Join(s.dir, "overdrive.yaml")
	reads := "first-reads"
	if os.Getenv("IN_TRANSACTIONS") == "off" {
		reads = "never"
	}
	text := fmt.Sprintf(configuration, user, password, database, s.postgres.Addr(), servers, reads)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p := &proxy{cmd: exec.Command(filepath.Join(s.dir, "overdrive"), "serve", "--config", file), gone: make(chan struct{})}
	log, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	listening := make(chan string, 1)
	go p.follow(log, listening)
	select {
	case address := <-listening:
		_, p.port, err = net.SplitHostPort(address)
		return p, err
	case <-p.gone:
		return nil, fmt.Errorf("the proxy ended at once:\n%s", p.said())
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		return nil, fmt.Errorf("the proxy does not listen:\n%s", p.said())
	}
}

// follow reads the log to its end.
func (p *proxy) follow(log io.Reader, listening chan<- string) {
	defer close(p.gone)
	for in := bufio.NewScanner(log); in.Scan(); {
		var line struct{ Msg, Address string }
		if json.Unmarshal(in.Bytes(), &line) == nil && line.Msg == "listening" {
			listening <- line.Address
		}
		p.mu.Lock()
		if p.log = append(p.log, in.Text()); len(p.log) > 20 {
			p.log = p.log[1:]
		}
		p.mu.Unlock()
	}
}

// said returns the latest lines of the log.
func (p *proxy) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log, "\n")
}

// stop has the program end by itself.
func (p *proxy) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	<-p.gone
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("the proxy's end: %w\n%s", err, p.said())
	}
	return nil
}
