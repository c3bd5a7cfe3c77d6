package proxy

import (
	"errors"
	"io"
	"log/slog"

	"overdrive/proxy/postgres/session"
)

// logEnd writes the line that says who left, and why.
func (s *Server) logEnd(c *client, why session.Reason, err error) {
	level := slog.LevelInfo
	switch why {
	case session.ReasonClientClosed:
		level = slog.LevelDebug
	case session.ReasonServerLost, session.ReasonNoServer, session.ReasonClientProtocol:
		level = slog.LevelWarn
	case session.ReasonPanic:
		level = slog.LevelError
	}
	if !s.log.Enabled(s.context, level) {
		return
	}
	attrs := []slog.Attr{
		slog.Uint64("session", uint64(c.ID())), slog.String("db", c.origin.Database), slog.String("user", c.User()),
		slog.String("reason", why.String()),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	s.log.LogAttrs(s.context, level, "session ended", attrs...)
}

// logRefusal writes the line about a client that was not let in. One that hangs up before it has said who it is, as drivers
// do that ask for TLS first and as probes do, is no news.
func (s *Server) logRefusal(a *admission, err error) {
	level := slog.LevelWarn
	if len(a.startup.Params) == 0 && errors.Is(err, io.EOF) {
		level = slog.LevelDebug
	}
	s.log.Log(s.context, level, "client refused", "client", a.nc.RemoteAddr().String(), "db", a.startup.Get("database"),
		"user", a.startup.Get("user"), "error", err)
}
