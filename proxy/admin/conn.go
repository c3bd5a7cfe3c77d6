package admin

import (
	"bufio"
	"context"
	"errors"
	"net"
	"time"

	"overdrive/proxy/pgwire"
)

// conn is one connection to the console. It belongs to the goroutine that runs it.
type conn struct {
	ctx     context.Context
	console *Console
	nc      net.Conn
	in      *bufio.Reader
	out     []byte // not yet sent
	caller  caller

	statements map[string]*statement
	portals    map[string]*portal
	skipping   bool // after an error of the extended protocol: up to Sync
}

func newConn(ctx context.Context, c *Console, nc net.Conn, who caller) *conn {
	return &conn{
		ctx: ctx, console: c, nc: nc, in: bufio.NewReader(nc), caller: who,
		statements: make(map[string]*statement), portals: make(map[string]*portal),
	}
}

// run serves the client until it leaves, breaks the protocol, or the proxy has stopped.
func (c *conn) run() {
	defer context.AfterFunc(c.ctx, func() {
		_ = c.nc.SetReadDeadline(time.Unix(0, 0))
		_ = c.nc.SetWriteDeadline(time.Now().Add(partingLimit))
	})()
	if c.greet() != nil {
		return
	}
	for {
		typ, body, err := c.read()
		switch {
		case c.ctx.Err() != nil:
			c.part(&commandError{codeShutdown, "the proxy has stopped"})
			return
		case errors.Is(err, pgwire.ErrLength):
			c.part(&commandError{codeProtocolViolation, err.Error()})
			return
		case err != nil || typ == pgwire.Terminate:
			return
		}
		if err := c.take(typ, body); err != nil {
			var f *commandError
			if errors.As(err, &f) {
				c.part(f)
			}
			return
		}
	}
}

// read waits for a message. Its first byte may be long in coming, the others may not.
func (c *conn) read() (typ byte, body []byte, err error) {
	_ = c.nc.SetReadDeadline(time.Time{})
	if err := c.ctx.Err(); err != nil { // the deadline that said so may just have been taken away
		return 0, nil, err
	}
	if _, err := c.in.Peek(1); err != nil {
		return 0, nil, err
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(messageLimit))
	return pgwire.ReadMessage(c.in, maxMessage)
}

// flush sends what was said.
func (c *conn) flush() error {
	limit := messageLimit
	if c.ctx.Err() != nil {
		limit = partingLimit
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(limit))
	_, err := c.nc.Write(c.out)
	c.out = c.out[:0]
	return err
}

// part says why the conversation is over.
func (c *conn) part(f *commandError) {
	c.out = pgwire.AppendError(c.out, f.report("FATAL"))
	_ = c.flush()
}

// greet tells the client that it is logged in. The version is one that drivers can read, of the protocol's behaviour; SHOW VERSION
// has the program's.
func (c *conn) greet() error {
	c.out = pgwire.AppendMessage(c.out, pgwire.Authentication, []byte{0, 0, 0, 0})
	for _, p := range [][2]string{
		{"server_version", "15.0 (Overdrive " + c.console.options.Version + ")"}, {"server_encoding", "UTF8"},
		{"client_encoding", "UTF8"}, {"DateStyle", "ISO, MDY"}, {"TimeZone", "UTC"}, {"integer_datetimes", "on"},
		{"standard_conforming_strings", "on"}, {"is_superuser", "off"}, {"session_authorization", c.caller.user},
	} {
		c.out = pgwire.AppendParameterStatus(c.out, p[0], p[1])
	}
	c.out = pgwire.AppendMessage(c.out, pgwire.BackendKeyData, make([]byte, 8)) // there is nothing to cancel
	c.out = pgwire.AppendReady(c.out, pgwire.TxIdle)
	return c.flush()
}

// take deals with one message. An error ends the connection; a *commandError is told to the client first.
func (c *conn) take(typ byte, body []byte) error {
	switch typ {
	case pgwire.Query:
		c.skipping = false
		return c.query(body)
	case pgwire.Sync:
		c.skipping = false
		clear(c.portals)
		c.out = pgwire.AppendReady(c.out, pgwire.TxIdle)
		return c.flush()
	case pgwire.Flush:
		return c.flush()
	case pgwire.Parse, pgwire.Bind, pgwire.Describe, pgwire.Execute, pgwire.Close:
		if c.skipping {
			return nil
		}
		if err := c.extended(typ, body); err != nil {
			c.refuse(err)
			c.skipping = true
		}
		if len(c.out) > maxMessage { // a pipeline that waits for nothing
			return c.flush()
		}
		return nil
	}
	return fail(codeProtocolViolation, "unexpected message type %q", typ)
}

// refuse tells the client of an error that ends a statement.
func (c *conn) refuse(err error) {
	c.out = pgwire.AppendError(c.out, asCommandError(err).report("ERROR"))
}

// query runs a simple Query.
func (c *conn) query(body []byte) error {
	sql, err := pgwire.SplitQuery(body)
	if err != nil {
		return fail(codeProtocolViolation, "malformed Query message")
	}
	delete(c.statements, "") // as a server does
	st, err := parse(string(sql))
	switch {
	case err != nil:
		c.refuse(err)
	case st == nil:
		c.out = pgwire.AppendEmpty(c.out, pgwire.EmptyQueryResponse)
	default:
		rows, err := c.execute(st)
		if err != nil {
			c.refuse(err)
			break
		}
		c.out = appendDescription(c.out, st.command.columns, nil)
		for _, row := range rows {
			c.out = appendRow(c.out, row, nil)
		}
		c.out = pgwire.AppendString(c.out, pgwire.CommandComplete, st.command.tag(len(rows)))
	}
	c.out = pgwire.AppendReady(c.out, pgwire.TxIdle)
	return c.flush()
}
