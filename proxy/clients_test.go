package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy"
	"overdrive/proxy/proxytest"
)

// patience bounds every wait for what is certain to come; a loaded machine needs some of it.
const patience = 30 * time.Second

// newDatabase makes a database of the shared server for one test, in which sql has been run.
func newDatabase(tb testing.TB, name, sql string) *proxytest.Postgres {
	tb.Helper()
	pg := proxytest.SharedPostgres(tb)
	pg.Exec("create database " + name)
	tb.Cleanup(func() { pg.Exec("drop database " + name + " with (force)") })
	pg.ExecIn(name, sql)
	return pg
}

// config is how a driver reaches the instance as postgres, without TLS.
func (in *instance) config(tb testing.TB, database string, edits ...func(*pgconn.Config)) *pgx.ConnConfig {
	tb.Helper()
	c, err := pgx.ParseConfig("user=postgres sslmode=disable")
	if err != nil {
		tb.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(in.address)
	number, _ := strconv.Atoi(port)
	c.Host, c.Port, c.Database, c.Fallbacks = host, uint16(number), database, nil
	c.ConnectTimeout = patience
	for _, edit := range edits {
		edit(&c.Config)
	}
	return c
}

// with sets a startup parameter.
func with(name, value string) func(*pgconn.Config) {
	return func(c *pgconn.Config) { c.RuntimeParams[name] = value }
}

// connect logs a client in that speaks plain pgconn.
func (in *instance) connect(tb testing.TB, database string, edits ...func(*pgconn.Config)) *pgconn.PgConn {
	tb.Helper()
	c, err := pgconn.ConnectConfig(tb.Context(), &in.config(tb, database, edits...).Config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeConn(c) })
	return c
}

// connectPgx logs a client in that uses pgx in one of its modes.
func (in *instance) connectPgx(tb testing.TB, database string, mode pgx.QueryExecMode) *pgx.Conn {
	tb.Helper()
	config := in.config(tb, database)
	config.DefaultQueryExecMode = mode
	c, err := pgx.ConnectConfig(tb.Context(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeConn(c.PgConn()) })
	return c
}

// direct logs a client in at the real server.
func direct(tb testing.TB, pg *proxytest.Postgres, database string) *pgconn.PgConn {
	tb.Helper()
	c, err := pgconn.Connect(tb.Context(), pg.DSN(database))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeConn(c) })
	return c
}

func closeConn(c *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx) // it may be gone already
}

// ask runs sql in the simple protocol and returns the rows, with a comma between values and a semicolon between rows.
func ask(tb testing.TB, c *pgconn.PgConn, sql string) string {
	tb.Helper()
	got, err := try(tb.Context(), c, sql)
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return got
}

// try is ask where an error is not the end. It may be called from any goroutine.
func try(ctx context.Context, c *pgconn.PgConn, sql string) (string, error) {
	results, err := c.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	var rows []string
	for _, r := range results {
		rows = append(rows, rowsOf(r)...)
	}
	return strings.Join(rows, ";"), nil
}

// askExtended runs sql with text parameters as Parse, Bind, Describe, Execute, Sync. format is that of the results.
func askExtended(ctx context.Context, c *pgconn.PgConn, format int16, sql string, params ...string) (string, error) {
	values := make([][]byte, len(params))
	for i, p := range params {
		values[i] = []byte(p)
	}
	r := c.ExecParams(ctx, sql, values, nil, nil, []int16{format}).Read()
	return strings.Join(rowsOf(r), ";"), r.Err
}

func rowsOf(r *pgconn.Result) []string {
	var rows []string
	for _, row := range r.Rows {
		rows = append(rows, string(bytes.Join(row, []byte(","))))
	}
	return rows
}

// state returns the SQLSTATE of an error, "" if it has none.
func state(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// wantState fails the test if err has another SQLSTATE.
func wantState(tb testing.TB, err error, want string) {
	tb.Helper()
	if got := state(err); got != want {
		tb.Fatalf("got SQLSTATE %q (%v), want %q", got, err, want)
	}
}

// fields returns the fields of an ErrorResponse by their letters.
func fields(m proxytest.Message) map[byte]string {
	all := make(map[byte]string)
	for _, f := range bytes.Split(m.Body, []byte{0}) {
		if len(f) > 0 {
			all[f[0]] = string(f[1:])
		}
	}
	return all
}

// await returns once ok says so.
func await(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	over := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-over:
			tb.Fatalf("still waiting for: %s", what)
		}
	}
}

// awaitQuery waits until a query that starts with text, written as in a literal, runs on the real server.
func awaitQuery(tb testing.TB, pg *proxytest.Postgres, text string) {
	tb.Helper()
	w := pg.Dial("postgres")
	defer w.Close()
	sql := fmt.Sprintf("select from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like '%s%%'", text)
	await(tb, text+" to run", func() bool {
		got, err := w.Ask(proxytest.Query(sql))
		return err == nil && len(got) > 0 && got[len(got)-2].String() != `CommandComplete "SELECT 0\x00"`
	})
}

// captured is a log that a test reads.
type captured struct {
	mu    sync.Mutex // guards lines
	lines []string
}

// capture makes an instance log to c rather than to the test.
func (c *captured) capture(o *proxy.Options) {
	o.Logger = slog.New(slog.NewTextHandler(c, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (c *captured) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, string(b))
	return len(b), nil
}

// await waits for a line that has all parts.
func (c *captured) await(tb testing.TB, parts ...string) {
	tb.Helper()
	await(tb, fmt.Sprintf("a line of the log with %q", parts), func() bool { return c.has(parts...) })
}

func (c *captured) has(parts ...string) bool { return c.count(parts...) > 0 }

// count returns how many lines have all parts.
func (c *captured) count(parts ...string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, line := range c.lines {
		missing := false
		for _, p := range parts {
			missing = missing || !strings.Contains(line, p)
		}
		if !missing {
			n++
		}
	}
	return n
}
