package postgres

import (
	"errors"
	"io"
	"log/slog"
	"net"

	"overdrive/proxy/postgres/session"
)

// logEnd writes the line that says who left, and why.
func (p *Proxy) logEnd(c *client, why session.Reason, err error) {
	level := slog.LevelInfo
	switch why {
	case session.ReasonServerLost, session.ReasonNoServer, session.ReasonClientProtocol, session.ReasonListenerLost:
		level = slog.LevelWarn
	case session.ReasonPanic:
		level = slog.LevelError
	}
	if !p.server.Log().Enabled(p.server.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.Uint64("session", uint64(c.ID())), slog.String("client", c.remote()), slog.String("db", c.origin.Database),
		slog.String("user", c.User()), slog.String("reason", why.String()),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	p.server.Log().LogAttrs(p.server.Context(), level, "session ended", attrs...)
}

// logRefusal writes the line about a client that was not let in. One that hangs up before it has said who it is, as drivers
// do that ask for TLS first and as probes do, is no news.
func (p *Proxy) logRefusal(a *admission, err error) {
	level := slog.LevelWarn
	if len(a.startup.Params) == 0 && errors.Is(err, io.EOF) {
		level = slog.LevelDebug
	}
	p.server.Log().Log(p.server.Context(), level, "client refused", "client", a.nc.RemoteAddr().String(), "db", a.startup.Get("database"),
		"user", a.startup.Get("user"), "error", err)
}

// remote is the address of the client's socket, or empty.
func (c *client) remote() string {
	if conn, ok := c.Socket().(interface{ RemoteAddr() net.Addr }); ok {
		return conn.RemoteAddr().String()
	}
	return ""
}
