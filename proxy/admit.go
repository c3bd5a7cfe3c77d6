package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"overdrive/proxy/loop"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/session"
)

// This file is the start of a client connection, up to the moment it is known who it is: plain blocking code in a
// goroutine of its own, under one deadline. Every read takes exactly one message from the socket, so nothing that was
// sent in plain text can be taken for a part of what comes after a TLS handshake.
//
//	accept ─▶ [GSSENCRequest: N] ─▶ [SSLRequest: S, handshake | N] ─▶ StartupMessage ─▶ authentication ─▶ loop
//	                                                            └───▶ CancelRequest

// TLSMode says what clients may or must do about TLS, in libpq's words seen from the server.
type TLSMode uint8

const (
	TLSDisable TLSMode = iota // TLS is not offered
	TLSPrefer                 // offered; allow means the same on this side
	TLSRequire                // plain text is refused. Checking client certificates is the tls.Config's business
)

// An admission is one client on its way in.
type admission struct {
	server  *Server
	nc      net.Conn
	arrival *arrival // at the gate; nil: not counted
	startup pgwire.Startup
	secure  bool
}

// maxOpeners bounds the requests that a client may put before its StartupMessage.
const maxOpeners = 4

// refusalError ends an admission with words for the client.
type refusalError struct{ code, message string }

func (e *refusalError) Error() string { return e.message }

func refuse(code, format string, args ...any) error {
	return &refusalError{code, fmt.Sprintf(format, args...)}
}

// errCancelled ends an admission that was a cancel request.
var errCancelled = errors.New("cancel request")

// admit leads a client in. It owns nc until the session does. Who is still on the way in when the server has stopped is out
// of time at once.
func (s *Server) admit(nc net.Conn, t *arrival) {
	a := &admission{server: s, nc: nc, arrival: t}
	_ = nc.SetDeadline(time.Now().Add(s.options.LoginTimeout))
	defer context.AfterFunc(s.context, func() { _ = nc.SetDeadline(time.Unix(0, 0)) })()
	err := a.run()
	if t.leave() && err != nil {
		err = refuse(pgwire.CodeTooManyConnections, "gave way to a newer connection while it was logging in")
	}
	a.end(err)
}

// full says that no more clients are let in. The console is not one of them: it is needed most when nobody else gets in.
func (s *Server) full() error {
	if limit := s.options.MaxClients; limit > 0 && s.clients.Load() >= int64(limit) {
		return refuse(pgwire.CodeTooManyConnections, "sorry, too many clients already (limit %d)", limit)
	}
	return nil
}

// takePlace counts one more client, if there is room.
func (s *Server) takePlace() error {
	if n, limit := s.clients.Add(1), s.options.MaxClients; limit > 0 && n > int64(limit) {
		s.clients.Add(-1)
		return refuse(pgwire.CodeTooManyConnections, "sorry, too many clients already (limit %d)", limit)
	}
	return nil
}

// errConsole ends an admission that was a visit to the console, which is over.
var errConsole = errors.New("console")

func (a *admission) isForConsole() bool {
	return a.server.options.Console != nil && slices.Contains(consoleNames, a.databaseName())
}

// serveConsole returns when the visit is over. A console stays until the server has stopped: it may be wanted to see how that
// goes on.
func (a *admission) serveConsole(user string) error {
	a.arrival.leave()
	_ = a.nc.SetDeadline(time.Time{})
	a.server.options.Console.Serve(a.server.context, a.nc, user)
	return errConsole
}

// end closes the connection if its client was not let in, with words for it if there are any.
func (a *admission) end(err error) {
	if err == nil {
		return
	}
	var refusal *refusalError
	if errors.As(err, &refusal) {
		report := pgwire.ErrorReport{Severity: "FATAL", Code: refusal.code, Message: refusal.message}
		_, _ = a.nc.Write(pgwire.AppendError(nil, report))
	}
	a.nc.Close()
	if !errors.Is(err, errCancelled) && !errors.Is(err, errConsole) {
		a.server.logRefusal(a, err)
	}
}

func (a *admission) run() error {
	if err := a.open(); err != nil {
		return err
	}
	if a.server.options.TLSMode == TLSRequire && !a.secure && a.nc.LocalAddr().Network() != "unix" {
		return refuse(pgwire.CodeInvalidAuthorization, "connection requires TLS")
	}
	if err := a.negotiate(); err != nil {
		return err
	}
	user := a.startup.Get("user")
	if user == "" {
		return refuse(pgwire.CodeInvalidAuthorization, "no PostgreSQL user name specified in startup packet")
	}
	if !a.isForConsole() {
		if err := a.server.full(); err != nil {
			return err
		}
	}
	if err := a.authenticate(user); err != nil {
		return err
	}
	if a.isForConsole() {
		return a.serveConsole(user)
	}
	origin, err := a.server.originFor(a.databaseName(), user)
	if err != nil {
		return err
	}
	defer a.server.letGo(origin)
	raw, err := startupSettings(a.startup.Params)
	var entry *session.Entry
	if err == nil {
		entry, err = session.NewEntry(raw)
	}
	if err != nil {
		return refuse(pgwire.CodeInvalidParameter, "%v", err)
	}
	if entry.Size() > maxStartupSettings {
		return refuse(pgwire.CodeConfigurationLimit, "more than %d startup parameters", maxStartupSettings)
	}
	if a.server.stopping.Load() {
		return refuse(pgwire.CodeAdminShutdown, "%v", errShutdown)
	}
	if err := a.server.takePlace(); err != nil {
		return err
	}
	a.arrival.leave()
	_ = a.nc.SetDeadline(time.Time{})
	a.server.moveIn(a.nc, origin, user, entry)
	return nil
}

// open reads what comes before the StartupMessage, and that.
func (a *admission) open() error {
	for range maxOpeners {
		code, rest, err := pgwire.ReadStartup(a.nc)
		switch {
		case errors.Is(err, pgwire.ErrLength):
			return refuse(pgwire.CodeProtocolViolation, "invalid length of startup packet")
		case err != nil:
			return err
		}
		switch code {
		case pgwire.SSLRequestCode:
			err = a.secureUp(rest)
		case pgwire.GSSENCRequestCode:
			_, err = a.nc.Write([]byte{'N'})
		case pgwire.CancelRequestCode:
			a.server.cancelClient(rest)
			return errCancelled
		default:
			return a.readStartup(code, rest)
		}
		if err != nil {
			return err
		}
	}
	return refuse(pgwire.CodeProtocolViolation, "too many requests before the startup packet")
}

// secureUp answers SSLRequest.
func (a *admission) secureUp(rest []byte) error {
	config := a.server.options.TLS
	switch {
	case a.secure || len(rest) != 0:
		return refuse(pgwire.CodeProtocolViolation, "unexpected SSLRequest")
	case config == nil || a.server.options.TLSMode == TLSDisable || a.nc.LocalAddr().Network() == "unix":
		_, err := a.nc.Write([]byte{'N'})
		return err
	}
	if _, err := a.nc.Write([]byte{'S'}); err != nil {
		return err
	}
	conn := tls.Server(loop.Wrap(a.nc), config)
	if err := conn.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	a.nc, a.secure = conn, true
	return nil
}

func (a *admission) readStartup(version uint32, rest []byte) (err error) {
	if version>>16 != pgwire.Version30>>16 {
		return refuse(pgwire.CodeFeatureNotSupported, "unsupported frontend protocol %d.%d: server supports 3.0 to 3.0",
			version>>16, version&0xffff)
	}
	if a.startup, err = pgwire.ParseStartup(version, rest); err != nil {
		return refuse(pgwire.CodeProtocolViolation, "%v", err)
	}
	switch a.startup.Get("replication") {
	case "", "false", "off", "no", "0":
		return nil
	}
	return refuse(pgwire.CodeFeatureNotSupported, "replication connections are not supported")
}

// negotiate tells a client of a newer minor version, or with options of the protocol, that neither is known here.
func (a *admission) negotiate() error {
	unknown := a.startup.Unknown()
	if a.startup.Version == pgwire.Version30 && len(unknown) == 0 {
		return nil
	}
	_, err := a.nc.Write(pgwire.AppendNegotiate(nil, unknown))
	return err
}

// databaseName is the one asked for; the user's name if none is, as in PostgreSQL.
func (a *admission) databaseName() string {
	if db := a.startup.Get("database"); db != "" {
		return db
	}
	return a.startup.Get("user")
}

// authenticate has the client prove that it is user. An unknown user goes through the same exchange and fails with the
// same words as a wrong password.
func (a *admission) authenticate(user string) error {
	o := &a.server.options
	secret, known := o.Users(user)
	x := a.server.authenticator.NewExchange(o.AuthMethod, user, secret)
	for ask := x.Start(); ask != nil || !x.Done(); {
		if ask != nil {
			if _, err := a.nc.Write(pgwire.AppendMessage(nil, pgwire.Authentication, ask)); err != nil {
				return err
			}
			if x.Done() { // that was AuthenticationSASLFinal
				break
			}
		}
		typ, body, err := pgwire.ReadMessage(a.nc, pgauth.MaxResponseBytes)
		switch {
		case errors.Is(err, pgwire.ErrLength):
			return refuse(pgwire.CodeProtocolViolation, "invalid length of password message")
		case err != nil:
			return err
		case typ != pgwire.PasswordMessage:
			return refuse(pgwire.CodeProtocolViolation, "expected password response, got message type %d", typ)
		}
		if ask, err = a.judge(x, body); err != nil {
			return authRefusal(user, err)
		}
	}
	if !known {
		return authRefusal(user, pgauth.ErrPassword)
	}
	return nil
}

// judge checks a proof. To derive a key takes a millisecond of a processor, so only as many are checked at a time as there are
// processors.
func (a *admission) judge(x *pgauth.Exchange, body []byte) ([]byte, error) {
	a.server.logins <- struct{}{}
	defer func() { <-a.server.logins }()
	return x.Next(body)
}

func authRefusal(user string, err error) error {
	switch {
	case errors.Is(err, pgauth.ErrProtocol):
		return refuse(pgwire.CodeProtocolViolation, "%v", err)
	case errors.Is(err, pgauth.ErrUnsupported):
		return refuse(pgwire.CodeFeatureNotSupported, "%v", err)
	}
	return refuse(pgwire.CodeInvalidPassword, "password authentication failed for user %q", user)
}
