package upstream

import (
	"bufio"
	"context"
	"errors"
	"net"
	"time"

	"overdrive/proxy/postgres/pgauth"
)

// Dialer opens connections to a target. It is immutable and safe for concurrent use.
type Dialer struct {
	Target Target

	// Wrap is put around the socket, under TLS if there is any, before the first byte. Closing what it returns closes the
	// socket. During login it must read and write the socket as such, so that the socket's deadlines hold. Nil changes
	// nothing.
	Wrap func(net.Conn) net.Conn
}

// Conn is a connection that is logged in and waits for its first query. The receiver owns NC.
type Conn struct {
	NC     net.Conn          // the wrapped socket, or a *tls.Conn over it; no deadline is set
	Ahead  []byte            // what the server said after it was ready, as far as it was read: comes before what NC reads
	PID    uint32            // of the server process, for Cancel by Home; 0 if the server gave none
	Secret []byte            // to go with PID, 4 to 256 bytes; nil if the server gave none
	Params map[string]string // what ParameterStatus said during the login, names as they came
	Home   *Dialer           // leads to this very server, for Cancel

	in *bufio.Reader // of Ahead and NC, once there was a Query
}

func (d *Dialer) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if d.Target.ConnectTimeout > 0 {
		return context.WithTimeout(ctx, d.Target.ConnectTimeout)
	}
	return context.WithCancel(ctx)
}

// try opens a connection and talks over it, once for each kind of connection that sslmode provides. The connection is
// closed if talk fails, else it is left to talk.
func (d *Dialer) try(ctx context.Context, talk func(net.Conn) error) error {
	if err := d.Target.checkRoots(); err != nil {
		return err
	}
	attempts := d.Target.attempts()
	secured, err := d.tryOnce(ctx, attempts[0], talk)
	if err == nil || len(attempts) == 1 || ctx.Err() != nil || !worthAnother(attempts[0], secured, err) {
		return err
	}
	if _, second := d.tryOnce(ctx, attempts[1], talk); second != nil {
		return &bothError{first: err, second: second}
	}
	return nil
}

// worthAnother reports whether the other kind of connection may fare better, libpq's rule but for errors that pass by
// themselves.
func worthAnother(first encryption, secured bool, err error) bool {
	var server *ServerError
	refused := errors.As(err, &server) && !server.passing()
	if first == plain {
		return refused || errors.Is(err, pgauth.ErrMethod) // over TLS it may ask for a password in clear
	}
	return errors.Is(err, errHandshake) || secured && refused
}

// tryOnce reports beside the error whether TLS was in use.
func (d *Dialer) tryOnce(ctx context.Context, enc encryption, talk func(net.Conn) error) (secured bool, err error) {
	network, address := d.Target.endpoint()
	socket, err := d.Target.Vanished.dialer().DialContext(ctx, network, address)
	if err != nil {
		return false, err
	}
	// When ctx ends, every read and write under way or to come fails at once.
	stop := context.AfterFunc(ctx, func() { _ = socket.SetDeadline(time.Unix(1, 0)) })
	nc := socket
	if d.Wrap != nil {
		nc = d.Wrap(socket)
	}
	secured, err = d.converse(ctx, nc, enc, talk)
	if !stop() {
		err = context.Cause(ctx) // even if all went well: the deadline is about to be, or has been, set
	}
	if err != nil {
		_ = nc.Close()
	}
	return secured, err
}

func (d *Dialer) converse(ctx context.Context, nc net.Conn, enc encryption, talk func(net.Conn) error) (bool, error) {
	if enc == plain {
		return false, talk(nc)
	}
	over, err := d.Target.startTLS(ctx, nc, enc)
	if err != nil {
		return false, err
	}
	return over != nc, talk(over)
}
