package rig

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

	"overdrive/proxy/proxytest"
)

// Patience bounds every wait for what is certain to come; a loaded machine needs some of it.
const Patience = time.Minute

// NewDatabase makes a database of the shared server for one test, in which sql has been run.
func NewDatabase(tb testing.TB, name, sql string) *proxytest.Postgres {
	tb.Helper()
	pg := proxytest.SharedPostgres(tb)
	pg.Exec("create database " + name)
	tb.Cleanup(func() { pg.Exec("drop database " + name + " with (force)") })
	pg.ExecIn(name, sql)
	return pg
}

// Config is how a driver reaches the instance as postgres, without TLS.
func (in *Instance) Config(tb testing.TB, database string, edits ...func(*pgconn.Config)) *pgx.ConnConfig {
	tb.Helper()
	c, err := pgx.ParseConfig("user=postgres sslmode=disable")
	if err != nil {
		tb.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(in.Address)
	number, _ := strconv.Atoi(port)
	c.Host, c.Port, c.Database, c.Fallbacks = host, uint16(number), database, nil
	c.ConnectTimeout = Patience
	for _, edit := range edits {
		edit(&c.Config)
	}
	return c
}

// With sets a startup parameter.
func With(name, value string) func(*pgconn.Config) {
	return func(c *pgconn.Config) { c.RuntimeParams[name] = value }
}

// Connect logs a client in that speaks plain pgconn.
func (in *Instance) Connect(tb testing.TB, database string, edits ...func(*pgconn.Config)) *pgconn.PgConn {
	tb.Helper()
	c, err := pgconn.ConnectConfig(tb.Context(), &in.Config(tb, database, edits...).Config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { CloseConn(c) })
	return c
}

// ConnectPgx logs a client in that uses pgx in one of its modes.
func (in *Instance) ConnectPgx(tb testing.TB, database string, mode pgx.QueryExecMode) *pgx.Conn {
	tb.Helper()
	config := in.Config(tb, database)
	config.DefaultQueryExecMode = mode
	c, err := pgx.ConnectConfig(tb.Context(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { CloseConn(c.PgConn()) })
	return c
}

// Direct logs a client in at the real server.
func Direct(tb testing.TB, pg *proxytest.Postgres, database string) *pgconn.PgConn {
	tb.Helper()
	c, err := pgconn.Connect(tb.Context(), pg.DSN(database))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { CloseConn(c) })
	return c
}

// CloseConn says goodbye for a client.
func CloseConn(c *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx) // it may be gone already
}

// Ask runs sql in the simple protocol and returns the rows, with a comma between values and a semicolon between rows.
func Ask(tb testing.TB, c *pgconn.PgConn, sql string) string {
	tb.Helper()
	got, err := Try(tb.Context(), c, sql)
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return got
}

// Try is ask where an error is not the end. It may be called from any goroutine.
func Try(ctx context.Context, c *pgconn.PgConn, sql string) (string, error) {
	results, err := c.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	var rows []string
	for _, r := range results {
		rows = append(rows, RowsOf(r)...)
	}
	return strings.Join(rows, ";"), nil
}

// AskExtended runs sql with text parameters as Parse, Bind, Describe, Execute, Sync. format is that of the results.
func AskExtended(ctx context.Context, c *pgconn.PgConn, format int16, sql string, params ...string) (string, error) {
	values := make([][]byte, len(params))
	for i, p := range params {
		values[i] = []byte(p)
	}
	r := c.ExecParams(ctx, sql, values, nil, nil, []int16{format}).Read()
	return strings.Join(RowsOf(r), ";"), r.Err
}

// RowsOf returns the rows of a result, each with a comma between its values.
func RowsOf(r *pgconn.Result) []string {
	var rows []string
	for _, row := range r.Rows {
		rows = append(rows, string(bytes.Join(row, []byte(","))))
	}
	return rows
}

// State returns the SQLSTATE of an error, "" if it has none.
func State(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// WantState fails the test if err has another SQLSTATE.
func WantState(tb testing.TB, err error, want string) {
	tb.Helper()
	if got := State(err); got != want {
		tb.Fatalf("got SQLSTATE %q (%v), want %q", got, err, want)
	}
}

// Fields returns the Fields of an ErrorResponse by their letters.
func Fields(m proxytest.Message) map[byte]string {
	all := make(map[byte]string)
	for _, f := range bytes.Split(m.Body, []byte{0}) {
		if len(f) > 0 {
			all[f[0]] = string(f[1:])
		}
	}
	return all
}

// Await returns once ok says so.
func Await(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	over := time.After(Patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-over:
			tb.Fatalf("still waiting for: %s", what)
		}
	}
}

// AwaitQuery waits until a query that starts with text, written as in a literal, runs on the real server.
func AwaitQuery(tb testing.TB, pg *proxytest.Postgres, text string) {
	tb.Helper()
	w := pg.Dial("postgres")
	defer w.Close()
	sql := fmt.Sprintf("select from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like '%s%%'", text)
	Await(tb, text+" to run", func() bool {
		got, err := w.Ask(proxytest.Query(sql))
		return err == nil && len(got) > 0 && got[len(got)-2].String() != `CommandComplete "SELECT 0\x00"`
	})
}

// Captured is a log that a test reads.
type Captured struct {
	Mu    sync.Mutex // guards lines
	Lines []string
}

// Capture makes an instance log to c rather than to the test.
func (c *Captured) Capture(o *Options) {
	o.Logger = slog.New(slog.NewTextHandler(c, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write takes a line of the log.
func (c *Captured) Write(b []byte) (int, error) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.Lines = append(c.Lines, string(b))
	return len(b), nil
}

// Await waits for a line that has all parts.
func (c *Captured) Await(tb testing.TB, parts ...string) {
	tb.Helper()
	Await(tb, fmt.Sprintf("a line of the log with %q", parts), func() bool { return c.Has(parts...) })
}

// Has says whether the log has a line with all parts.
func (c *Captured) Has(parts ...string) bool { return c.Count(parts...) > 0 }

// Count returns how many lines have all parts.
func (c *Captured) Count(parts ...string) int {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	n := 0
	for _, line := range c.Lines {
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
