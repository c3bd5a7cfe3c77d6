package admin

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"overdrive/proxy/postgres/pgwire"
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

	number, secret uint32             // the key of cancel requests
	giveUp         context.CancelFunc // ends what it waits for; nil: nothing. The switchboard's mutex guards it
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
		case errors.Is(err, errIdle):
			c.part(&commandError{codeIdleTimeout, fmt.Sprintf("terminating connection that was idle for %v", idleLimit)})
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

// errIdle ends a connection whose client was silent for too long.
var errIdle = errors.New("idle for too long")

// read waits for a message. Its first byte may be long in coming, the others may not.
func (c *conn) read() (typ byte, body []byte, err error) {
	_ = c.nc.SetReadDeadline(c.patience())
	if err := c.ctx.Err(); err != nil { // the deadline that said so may just have been taken away
		return 0, nil, err
	}
	if _, err := c.in.Peek(1); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errIdle
		}
		return 0, nil, err
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(messageLimit))
	return pgwire.ReadMessage(c.in, maxMessage)
}

// patience is when a client that stays silent must go. An administrator, who has a place that nobody else can take, may stay.
func (c *conn) patience() time.Time {
	if c.caller.admin {
		return time.Time{}
	}
	return time.Now().Add(idleLimit)
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

// say adds messages to what is sent with the next flush.
func (c *conn) say(messages ...pgproto3.BackendMessage) {
	for _, m := range messages {
		out, err := m.Encode(c.out)
		if err != nil {
			panic(fmt.Sprintf("admin: %T: %v", m, err)) // larger than a message can be
		}
		c.out = out
	}
}

// part says why the conversation is over.
func (c *conn) part(f *commandError) {
	c.say(f.response("FATAL"))
	_ = c.flush()
}

// greet tells the client that it is logged in. The version is one that drivers can read, of the protocol's behaviour; SHOW VERSION
// has the program's.
func (c *conn) greet() error {
	c.say(&pgproto3.AuthenticationOk{})
	for _, p := range [][2]string{
		{"server_version", "15.0 (Overdrive " + c.console.options.Load().Version + ")"}, {"server_encoding", "UTF8"},
		{"client_encoding", "UTF8"}, {"DateStyle", "ISO, MDY"}, {"TimeZone", "UTC"}, {"integer_datetimes", "on"},
		{"standard_conforming_strings", "on"}, {"is_superuser", "off"}, {"session_authorization", c.caller.user},
	} {
		c.say(&pgproto3.ParameterStatus{Name: p[0], Value: p[1]})
	}
	c.say(&pgproto3.BackendKeyData{ProcessID: c.number, SecretKey: binary.BigEndian.AppendUint32(nil, c.secret)}, ready)
	return c.flush()
}

// ready says that the next statement may come. The console knows no transactions.
var ready = &pgproto3.ReadyForQuery{TxStatus: 'I'}

// take deals with one message. An error ends the connection; a *commandError is told to the client first.
func (c *conn) take(typ byte, body []byte) error {
	switch typ {
	case pgwire.Query:
		c.skipping = false
		return c.query(body)
	case pgwire.Sync:
		c.skipping = false
		clear(c.portals)
		c.say(ready)
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
	c.say(asCommandError(err).response("ERROR"))
}

// query runs a simple Query.
func (c *conn) query(body []byte) error {
	var m pgproto3.Query
	if err := decode(&m, body); err != nil {
		return err
	}
	delete(c.statements, "") // as a server does
	st, err := parse(m.String)
	switch {
	case err != nil:
		c.refuse(err)
	case st == nil:
		c.say(&pgproto3.EmptyQueryResponse{})
	default:
		rows, err := c.execute(st)
		if err != nil {
			c.refuse(err)
			break
		}
		if st.width() > 0 {
			c.say(description(st.command.columns, nil))
		}
		for _, row := range rows {
			c.say(dataRow(st.command.columns, row, nil))
		}
		c.say(complete(st.command, len(rows)))
	}
	c.say(ready)
	return c.flush()
}

// decode reads the body of a message.
func decode(m pgproto3.FrontendMessage, body []byte) error {
	if m.Decode(body) != nil {
		return fail(codeProtocolViolation, "malformed %s message", strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3."))
	}
	return nil
}
