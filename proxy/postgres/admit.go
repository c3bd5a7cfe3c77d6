package postgres

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"overdrive/proxy"
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
	proxy   *Proxy
	nc      net.Conn
	arrival *proxy.Arrival // at the gate; nil: not counted
	startup pgwire.Startup
	secure  bool
	proof   []byte // our own, AuthenticationSASLFinal, which goes out with what comes behind it; nil: none
}

// maxOpeners bounds the requests that a client may put before its StartupMessage.
const maxOpeners = 4

// errCancelled ends an admission that was a cancel request.
var errCancelled = errors.New("cancel request")

// Admit leads a client in, until its session begins: see proxy.Protocol.
func (p *Proxy) Admit(nc net.Conn, arrival *proxy.Arrival) {
	a := &admission{proxy: p, nc: nc, arrival: arrival}
	err := a.run()
	if arrival.Leave() && err != nil {
		err = refuse(pgwire.CodeTooManyConnections, "gave way to a newer connection while it was logging in")
	}
	a.end(err)
}

// TurnAway tells a client why it is not let in: see proxy.Protocol.
func (p *Proxy) TurnAway(nc net.Conn, why error, limit time.Duration) {
	a := &admission{proxy: p, nc: nc}
	_ = nc.SetDeadline(time.Now().Add(limit))
	err := a.open()
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		err = why
		_ = nc.SetDeadline(time.Now().Add(limit))
	}
	a.end(err)
}

// errConsole ends an admission that was a visit to the console, which is over.
var errConsole = errors.New("console")

func (a *admission) isForConsole() bool {
	return a.proxy.console != nil && slices.Contains(consoleNames, a.databaseName())
}

// serveConsole returns when the visit is over. A console stays until the server has stopped: it may be wanted to see how that
// goes on.
func (a *admission) serveConsole(user string) error {
	a.arrival.Leave()
	if _, err := a.nc.Write(a.proof); err != nil {
		return err
	}
	_ = a.nc.SetDeadline(time.Time{})
	a.proxy.console.Serve(a.proxy.server.Context(), a.nc, user)
	return errConsole
}

// end closes the connection if its client was not let in, with words for it if there are any.
func (a *admission) end(err error) {
	if err == nil {
		return
	}
	if words := farewell(err); words != nil {
		_, _ = a.nc.Write(append(a.proof, words...))
	}
	a.nc.Close()
	if !errors.Is(err, errCancelled) && !errors.Is(err, errConsole) {
		a.proxy.logRefusal(a, err)
	}
}

func (a *admission) run() error {
	if err := a.open(); err != nil {
		return err
	}
	if a.proxy.now().TLSMode == TLSRequire && !a.secure && a.nc.LocalAddr().Network() != "unix" {
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
		if err := a.proxy.server.Full(); err != nil {
			return err
		}
	}
	if err := a.authenticate(user); err != nil {
		return err
	}
	if a.isForConsole() {
		return a.serveConsole(user)
	}
	origin, err := a.proxy.originFor(a.databaseName(), user)
	if err != nil {
		return err
	}
	defer a.proxy.letGo(origin)
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
	if a.proxy.server.Stopping() {
		return refuse(pgwire.CodeAdminShutdown, "%v", proxy.ErrShutdown)
	}
	if err := a.proxy.server.TakePlace(); err != nil {
		return err
	}
	a.arrival.Leave()
	_ = a.nc.SetDeadline(time.Time{})
	entry.Owe(a.proof)
	a.proxy.moveIn(a.nc, origin, user, entry)
	return nil
}

// open reads what comes before the StartupMessage, and that.
func (a *admission) open() error {
	for range maxOpeners {
		code, rest, err := pgwire.ReadStartup(a.nc)
		switch {
		case errors.Is(err, pgwire.ErrLength): // a Terminate, say, or another protocol: in silence, as the server does
			return fmt.Errorf("startup packet: %w", err)
		case err != nil:
			return err
		}
		switch code {
		case pgwire.SSLRequestCode:
			err = a.secureUp(rest)
		case pgwire.GSSENCRequestCode:
			_, err = a.nc.Write([]byte{'N'})
		case pgwire.CancelRequestCode:
			a.proxy.cancelClient(rest)
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
	o := a.proxy.now()
	switch {
	case a.secure || len(rest) != 0:
		return refuse(pgwire.CodeProtocolViolation, "unexpected SSLRequest")
	case o.TLS == nil || o.TLSMode == TLSDisable || a.nc.LocalAddr().Network() == "unix":
		_, err := a.nc.Write([]byte{'N'})
		return err
	}
	if _, err := a.nc.Write([]byte{'S'}); err != nil {
		return err
	}
	conn := tls.Server(loop.Wrap(a.nc), o.TLS)
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
	o := a.proxy.now()
	secret, known := o.Users(user)
	x := a.proxy.authenticator.NewExchange(o.AuthMethod, user, secret)
	for ask := x.Start(); ask != nil || !x.Done(); {
		if ask != nil {
			message := pgwire.AppendMessage(nil, pgwire.Authentication, ask)
			if x.Done() { // that is AuthenticationSASLFinal
				a.proof = message
				break
			}
			if _, err := a.nc.Write(message); err != nil {
				return err
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
	a.proxy.logins <- struct{}{}
	defer func() { <-a.proxy.logins }()
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
