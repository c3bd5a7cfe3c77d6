package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"overdrive/proxy"
)

// Limits of what clients of the console may take.
const (
	maxMessage = 128 << 10 // twice the longest statement that the cache looks at
	maxNames   = 100       // statements, and portals, of one connection

	// messageLimit bounds the time for the rest of a message of which the first byte has come, and for the client to take
	// an answer.
	messageLimit = 10 * time.Second
	// idleLimit is how long a client that is no administrator may be silent between messages. Who watches the proxy asks more
	// often.
	idleLimit = 10 * time.Minute
	// partingLimit bounds what is left to do once the proxy has stopped.
	partingLimit = time.Second
)

// SQLSTATEs (appendix "PostgreSQL Error Codes").
const (
	codeProtocolViolation  = "08P01"
	codeInvalidParameter   = "22023"
	codeNoStatement        = "26000"
	codeNoPortal           = "34000"
	codeNoDatabase         = "3D000"
	codeUnsupported        = "0A000"
	codePrivilege          = "42501"
	codeSyntax             = "42601"
	codeTooManyConnections = "53300"
	codeLimit              = "53400"
	codeCanceled           = "57014"
	codeShutdown           = "57P01"
	codeIdleTimeout        = "57P05"
	codeConfigFile         = "F0000"
	codeInternal           = "XX000"
)

// Console serves administrators. Its methods may be called from any goroutine.
type Console struct {
	proxy   Proxy
	options atomic.Pointer[Options]
	log     *slog.Logger
	places  places
	period  period
	switchboard
}

// New returns a Console. Attach must be called before Serve.
func New(o Options) *Console {
	c := &Console{log: o.Logger}
	c.options.Store(&o)
	c.period.begin(time.Now())
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Reconfigure changes the options, but for the logger. Who may do what is settled when he logs in.
func (c *Console) Reconfigure(o Options) { c.options.Store(&o) }

// Attach tells the console whom it is about. Call it once, before clients can come: the proxy is made with the console, and so
// after it.
func (c *Console) Attach(p Proxy) { c.proxy = p }

// Serve speaks with a client that has proved to be user, until it leaves or ctx ends. It closes nc.
func (c *Console) Serve(ctx context.Context, nc net.Conn, user string) {
	defer nc.Close()
	defer func() {
		if v := recover(); v != nil { // a fault of ours costs this connection and no other
			c.log.Error("contained a panic", "value", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	conn := newConn(ctx, c, nc, c.callerOf(user))
	if !conn.caller.stats && len(conn.caller.databases) == 0 {
		conn.part(&commandError{codePrivilege, fmt.Sprintf("user %q may not use the console", user)})
		return
	}
	if err := c.places.take(&conn.caller); err != nil {
		conn.part(asCommandError(err))
		return
	}
	defer c.places.leave(&conn.caller)
	c.switchboard.enter(conn)
	defer c.switchboard.leave(conn)
	conn.run()
}

// A caller is who asks, and what he may ask for.
type caller struct {
	user         string
	admin, stats bool
	databases    []string // that he may log in to
}

func (c *Console) callerOf(user string) caller {
	o := c.options.Load()
	who := caller{user: user, admin: slices.Contains(o.Admins, user)}
	who.stats = who.admin || slices.Contains(o.StatsUsers, user)
	for _, name := range c.proxy.DatabaseNames() {
		if c.proxy.MayUse(name, user) {
			who.databases = append(who.databases, name)
		}
	}
	return who
}

// sees says whether a database is there for the caller; acts, whether he may do something to it.
func (w *caller) sees(database string) bool { return w.stats || slices.Contains(w.databases, database) }
func (w *caller) acts(database string) bool { return w.admin || slices.Contains(w.databases, database) }

// A commandError is what the client is told went wrong.
type commandError struct{ code, message string }

func (f *commandError) Error() string { return f.message }

func fail(code, format string, args ...any) error {
	return &commandError{code, fmt.Sprintf(format, args...)}
}

func (f *commandError) response(severity string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{Severity: severity, SeverityUnlocalized: severity, Code: f.code, Message: f.message}
}

// asCommandError gives an error an SQLSTATE. What the proxy refuses has one already.
func asCommandError(err error) *commandError {
	var f *commandError
	var refused *proxy.ControlError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &refused):
		return &commandError{refused.Code, refused.Message}
	case errors.Is(err, context.Canceled):
		return &commandError{codeCanceled, "canceling statement due to user request"}
	case errors.Is(err, context.DeadlineExceeded):
		return &commandError{codeCanceled, "the server did not answer in time"}
	}
	return &commandError{codeInternal, err.Error()}
}
