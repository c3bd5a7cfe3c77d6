//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// fixedRows is how many rows the table has that nobody writes.
const fixedRows = 50

// outcome is what a client knows of a transaction of his.
type outcome uint8

const (
	committed outcome = iota
	rolledBack
	unknown // the connection was lost before the answer
)

// A client works at its own rows, so that it knows what every answer must be.
type client struct {
	load *load
	id   int
	conn *pgconn.PgConn // nil: lost

	// The client's counter is a version that only grows. An answer shows the last one that was acknowledged, or a later one whose
	// outcome is not known; from then on that one is.
	counter  int
	doubtful []int // ascending
	version  int   // the latest given out
	// ledger is what became of the client's transactions, by number.
	ledger []outcome

	tenant   string // that app.tenant was set to on this connection; empty: not
	prepared bool

	wrote atomic.Bool // since this was last reset
}

// A wrongAnswer is what the proxy must never give.
type wrongAnswer struct{ text string }

func (w *wrongAnswer) Error() string { return w.text }

func wrong(format string, args ...any) error { return &wrongAnswer{fmt.Sprintf(format, args...)} }

// roam sends one request after the other until the load is over.
func (c *client) roam(ctx context.Context) {
	for ctx.Err() == nil {
		c.load.gate.RLock()
		if ctx.Err() == nil {
			c.request(ctx)
		}
		c.load.gate.RUnlock()
		select {
		case <-time.After(rand.N(pause)):
		case <-ctx.Done():
		}
	}
	c.leave()
}

// request sends one request, on a new connection if need be, and has the load count how it went.
func (c *client) request(ctx context.Context) {
	within := c.load.within()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	name, err := "login", error(nil)
	if c.conn == nil {
		err = c.login(ctx)
	}
	if err == nil {
		kind := kinds[rand.IntN(len(kinds))]
		if !c.wrote.Load() {
			kind = kinds[0]
		}
		name, err = kind.name, kind.do(c, ctx)
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("no answer within %v: %w", within, err)
	}
	c.load.count(c, name, err)
	if err == nil {
		return
	}
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Severity != "ERROR" || c.conn == nil || c.conn.IsClosed() {
		c.leave()
		return
	}
	if _, err := c.conn.Exec(ctx, "rollback").ReadAll(); err != nil {
		c.load.count(c, "rollback", err)
		c.leave()
	}
}

func (c *client) login(ctx context.Context) (err error) {
	c.conn, err = pgconn.ConnectConfig(ctx, c.load.login)
	c.tenant, c.prepared = "", false
	return err
}

func (c *client) leave() {
	if c.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.conn.Close(ctx)
	}
	c.conn = nil
}

// kinds are the requests. The first writes.
var kinds = []struct {
	name string
	do   func(*client, context.Context) error
}{
	{"transaction", (*client).transact},
	{"update", (*client).update},
	{"own row, simple", func(c *client, ctx context.Context) error {
		return c.ownRow(c.simple(ctx, "select id, n from counter where id = "+strconv.Itoa(c.id)))
	}},
	{"own row, extended", func(c *client, ctx context.Context) error {
		return c.ownRow(rows(c.conn.ExecParams(ctx, "select id, n from counter where id = $1::int", c.params(), nil, nil, nil).Read()))
	}},
	{"own row, named", (*client).named},
	{"own row, pipelined", (*client).pipelined},
	{"fixed row", (*client).fixed},
	{"fixed row", (*client).fixed},
	{"settings", (*client).settings},
}

func (c *client) params() [][]byte { return [][]byte{strconv.AppendInt(nil, int64(c.id), 10)} }

// simple returns the rows of the last statement of sql, their columns joined by a space.
func (c *client) simple(ctx context.Context, sql string) ([]string, error) {
	all, err := first(c.conn.Exec(ctx, sql).ReadAll())
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return rows(all[len(all)-1])
}

// first prefers the error within a result: behind a FATAL there, the driver's own is only that the connection is closed.
func first(all []*pgconn.Result, err error) ([]*pgconn.Result, error) {
	for _, result := range all {
		if result.Err != nil {
			return nil, result.Err
		}
	}
	return all, err
}

func rows(result *pgconn.Result) (list []string, err error) {
	for _, row := range result.Rows {
		var words []string
		for _, value := range row {
			words = append(words, string(value))
		}
		list = append(list, strings.Join(words, " "))
	}
	return list, result.Err
}

// ownRow checks an answer that must be the client's own row.
func (c *client) ownRow(list []string, err error) error {
	if err != nil {
		return err
	}
	var id, n int
	if len(list) != 1 {
		return wrong("client %d asked for its row and got %q", c.id, list)
	}
	if _, err := fmt.Sscan(list[0], &id, &n); err != nil || id != c.id {
		return wrong("client %d asked for its row and got %q", c.id, list)
	}
	if n != c.counter && !slices.Contains(c.doubtful, n) {
		return wrong("client %d saw %d in its row, want %d or one of %v", c.id, n, c.counter, c.doubtful)
	}
	c.knows(n)
	return nil
}

// knows notes that the counter has been n.
func (c *client) knows(n int) {
	c.counter = n
	c.doubtful = slices.DeleteFunc(c.doubtful, func(v int) bool { return v <= n })
}

// learn notes what became of a write of version n.
func (c *client) learn(n int, what outcome) {
	switch what {
	case committed:
		c.knows(n)
		c.wrote.Store(true)
	case unknown:
		c.doubtful = append(c.doubtful, n)
	case rolledBack:
	}
}

// fate is what an error says of the statement that it answers.
func fate(err error) outcome {
	var refused *pgconn.PgError
	switch {
	case err == nil:
		return committed
	case errors.As(err, &refused) && refused.Severity == "ERROR":
		return rolledBack
	}
	return unknown
}

// update writes the counter outside of a block. A late one does no harm: the counter only grows.
func (c *client) update(ctx context.Context) error {
	c.version++
	_, err := c.simple(ctx, fmt.Sprintf("update counter set n = greatest(n, %d) where id = %d", c.version, c.id))
	c.learn(c.version, fate(err))
	return err
}

// transact writes a line into the ledger and the counter, all or nothing.
func (c *client) transact(ctx context.Context) error {
	c.version++
	number := len(c.ledger)
	c.ledger = append(c.ledger, rolledBack)
	for _, sql := range []string{
		"begin",
		fmt.Sprintf("insert into ledger values (%d, %d)", c.id, number),
		fmt.Sprintf("update counter set n = greatest(n, %d) where id = %d", c.version, c.id),
	} {
		if _, err := c.simple(ctx, sql); err != nil {
			return err
		}
	}
	list, err := c.simple(ctx, fmt.Sprintf("select id, n from counter where id = %d", c.id))
	if err != nil {
		return err
	}
	if want := fmt.Sprint(c.id, c.version); len(list) != 1 || list[0] != want {
		return wrong("client %d saw %q in its transaction, want %q", c.id, list, want)
	}
	_, err = c.simple(ctx, "commit")
	c.ledger[number] = fate(err)
	c.learn(c.version, fate(err))
	return err
}

func (c *client) named(ctx context.Context) error {
	if !c.prepared {
		if _, err := c.conn.Prepare(ctx, "own", "select id, n from counter where id = $1::int", nil); err != nil {
			return err
		}
		c.prepared = true
	}
	return c.ownRow(rows(c.conn.ExecPrepared(ctx, "own", c.params(), nil, nil).Read()))
}

func (c *client) pipelined(ctx context.Context) error {
	b := &pgconn.Batch{}
	for range 3 {
		b.ExecParams("select id, n from counter where id = $1::int", c.params(), nil, nil, nil)
	}
	all, err := first(c.conn.ExecBatch(ctx, b).ReadAll())
	if err != nil {
		return err
	}
	if len(all) != 3 {
		return wrong("client %d sent three queries and got %d answers", c.id, len(all))
	}
	for _, result := range all {
		if err := c.ownRow(rows(result)); err != nil {
			return err
		}
	}
	return nil
}

// fixed reads what nobody writes, which the cache may keep.
func (c *client) fixed(ctx context.Context) error {
	id := rand.IntN(fixedRows)
	list, err := c.simple(ctx, fmt.Sprintf("select id, word from fixed where id = %d", id))
	if want := fmt.Sprint(id, " word ", id); err == nil && (len(list) != 1 || list[0] != want) {
		return wrong("client %d got %q, want %q", c.id, list, want)
	}
	return err
}

// settings makes settings of the client's own, and looks whether they are there.
func (c *client) settings(ctx context.Context) error {
	tenant := fmt.Sprint("tenant ", c.id)
	timeout := fmt.Sprint(statementTimeout.Milliseconds()+1+int64(c.id), "ms") // not said in seconds
	if c.tenant == "" {
		if _, err := c.simple(ctx, fmt.Sprintf("set app.tenant = '%s'; set statement_timeout = '%s'", tenant, timeout)); err != nil {
			return err
		}
		c.tenant = tenant
	}
	list, err := c.simple(ctx, "select current_setting('app.tenant', true) || ' ' || current_setting('statement_timeout')")
	if want := tenant + " " + timeout; err == nil && (len(list) != 1 || list[0] != want) {
		return wrong("client %d has the settings %q, want %q", c.id, list, want)
	}
	return err
}
