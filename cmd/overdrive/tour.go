package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A tour is a client that shows, step by step, what the proxy does to its statements. A step that does not go as it
// should ends the tour with an error, so what is shown is what happened.
type tour struct {
	out    io.Writer
	proxy  string // DSN
	direct string // DSN of the same database without the proxy
	conn   *pgconn.PgConn
	before reading // the report before the write
}

// walk goes through all steps.
func (t *tour) walk(ctx context.Context) (err error) {
	if t.conn, err = pgconn.Connect(ctx, t.proxy); err != nil {
		return err
	}
	defer t.conn.Close(context.WithoutCancel(ctx))
	for _, step := range []func(context.Context) error{t.awaitCatalog, t.reads, t.freshness, t.pinned, t.pooled} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (t *tour) say(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

// title starts a step.
func (t *tour) title(text string) { t.say("\n%s", text) }

// catalogLimit bounds the wait for a moment that comes within a fraction of a second after the first login.
const catalogLimit = 10 * time.Second

// awaitCatalog waits until the proxy knows the tables and functions of the database. Before that it caches nothing, and
// the tour would show the wait and not the cache.
func (t *tour) awaitCatalog(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, catalogLimit)
	defer cancel()
	for {
		if _, err := t.run(ctx, "select name from products where id = 1"); err != nil {
			return err
		}
		status, err := t.show(ctx, "status")
		if err != nil || status == "miss" || status == "hit" {
			return err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("nothing is cached; the status of a plain read is %q: %w", status, ctx.Err())
		}
	}
}

// reads shows the same report twice.
func (t *tour) reads(ctx context.Context) error {
	t.title("A report, read for the first time. PostgreSQL computes it:")
	t.say("  %s   [$1 = %s]", demoReport, demoCategory)
	cold, err := t.report(ctx, "miss")
	if err != nil {
		return err
	}
	t.title("The same report again. Overdrive answers:")
	warm, err := t.report(ctx, "hit")
	if err != nil {
		return err
	}
	t.say("  %.0f times as fast", cold.took.Seconds()/warm.took.Seconds())
	t.before = warm
	return nil
}

// freshness shows a write and the report right after it.
func (t *tour) freshness(ctx context.Context) error {
	t.title("An order comes in, through Overdrive too:")
	began := time.Now()
	if _, err := t.run(ctx, demoOrder, demoProduct); err != nil {
		return err
	}
	t.say("  %s   [$1 = %s]   %s", demoOrder, demoProduct, milliseconds(time.Since(began)))
	t.title("The report at once after it. What it reads has changed, so PostgreSQL computes it anew:")
	after, err := t.report(ctx, "miss")
	if err != nil {
		return err
	}
	if after.orders == t.before.orders {
		return fmt.Errorf("the report still reads %s orders", after.orders)
	}
	_, err = t.report(ctx, "hit")
	return err
}

// pinned shows when a session keeps a server connection to itself.
func (t *tour) pinned(ctx context.Context) error {
	t.title("Clients share server connections. A session whose state lives in PostgreSQL keeps one to itself, and says why:")
	for _, step := range []struct{ sql, want string }{{"create temporary table cart (product integer)", "temporary object: cart"}, {"discard all", ""}} {
		if _, err := t.run(ctx, step.sql); err != nil {
			return err
		}
		why, err := t.show(ctx, "pinned")
		if err != nil {
			return err
		}
		t.say("  %-47s   SHOW overdrive.pinned: %q", step.sql, why)
		if why != step.want {
			return fmt.Errorf("%s pins the session by %q, want %q", step.sql, why, step.want)
		}
	}
	return nil
}

// A reading is one answer to the report, and what the proxy did to get it.
type reading struct {
	orders, revenue string
	took            time.Duration
}

// report reads the report and shows it. The proxy must have given it the status want.
func (t *tour) report(ctx context.Context, want string) (reading, error) {
	began := time.Now()
	row, err := t.run(ctx, demoReport, demoCategory)
	if err != nil {
		return reading{}, err
	}
	r := reading{took: time.Since(began)}
	if len(row) != 2 {
		return r, errors.New("the report has no row")
	}
	r.orders, r.revenue = row[0], row[1]
	status, err := t.show(ctx, "status")
	if err != nil {
		return r, err
	}
	t.say("  %s orders, revenue %s   %10s   SHOW overdrive.status: %s", r.orders, r.revenue, milliseconds(r.took), status)
	if status != want {
		return r, fmt.Errorf("the status of the report is %q, want %q", status, want)
	}
	return r, nil
}

// show asks the proxy about the session.
func (t *tour) show(ctx context.Context, name string) (string, error) {
	row, err := t.run(ctx, "show overdrive."+name)
	if err != nil {
		return "", err
	}
	if len(row) != 1 {
		return "", fmt.Errorf("show overdrive.%s has no row", name)
	}
	return row[0], nil
}

func (t *tour) run(ctx context.Context, sql string, params ...string) ([]string, error) {
	return firstRow(ctx, t.conn, sql, params...)
}

// firstRow runs a statement by the extended protocol and returns its first row, or nil if there is none.
func firstRow(ctx context.Context, conn *pgconn.PgConn, sql string, params ...string) ([]string, error) {
	values := make([][]byte, len(params))
	for i, p := range params {
		values[i] = []byte(p)
	}
	result := conn.ExecParams(ctx, sql, values, nil, nil, nil).Read()
	if result.Err != nil {
		return nil, fmt.Errorf("%s: %w", sql, result.Err)
	}
	if len(result.Rows) == 0 {
		return nil, nil
	}
	var row []string
	for _, column := range result.Rows[0] {
		row = append(row, string(column))
	}
	return row, nil
}

// milliseconds writes a duration so that a column of them is read at a glance.
func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }
