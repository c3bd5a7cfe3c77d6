package proxy

import (
	"errors"
	"io"
	"log/slog"

	"overdrive/proxy/loop"
)

// SessionID numbers the sessions of a process in the log.
type SessionID uint64

// logEnd writes the line that says who left, and why.
func (s *Server) logEnd(c *session, why reason, err error) {
	level := slog.LevelInfo
	switch why {
	case reasonClientClosed:
		level = slog.LevelDebug
	case reasonServerLost, reasonNoServer, reasonClientProtocol:
		level = slog.LevelWarn
	case reasonPanic:
		level = slog.LevelError
	}
	if !s.log.Enabled(s.context, level) {
		return
	}
	attrs := []slog.Attr{
		slog.Uint64("session", uint64(c.id)), slog.String("db", c.origin.database), slog.String("user", c.user),
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

// endReason tells a fault of ours from one of the socket.
func endReason(err error) reason {
	var p *loop.PanicError
	if errors.As(err, &p) {
		return reasonPanic
	}
	return reasonClientLost
}
