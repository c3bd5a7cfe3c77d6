package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"overdrive/proxy/postgres/pgauth"
)

// login has pgconn log in over nc, which is dialled and secured. The deadline is that of nc.
func login(nc net.Conn, t Target, cred *pgauth.Credential) (*Conn, error) {
	config, err := t.config(cred.User())
	if err != nil {
		return nil, err
	}
	require, err := t.requirement()
	if err != nil {
		return nil, err
	}
	tc, secured := nc.(*tls.Conn)
	if secured && config.ChannelBinding == bindingPrefer && !canBind(tc) {
		config.ChannelBinding = bindingDisable
	}
	g := &gate{out: nc, auth: cred.NewLogin(require, secured || t.IsUnix()), budget: maxLogin}
	g.password = func(p string) { config.Password = p }
	config.DialFunc = once(nc)
	config.BuildFrontend = func(r io.Reader, _ io.Writer) *pgproto3.Frontend {
		g.in = r
		return pgproto3.NewFrontend(g, g)
	}
	logged, err := pgconn.ConnectConfig(context.Background(), config)
	if err != nil {
		return nil, g.reason(err)
	}
	return g.handOver(logged, nc)
}

// once is a dialler for one attempt: pgconn also dials to cancel what a connection that failed may be doing.
func once(nc net.Conn) pgconn.DialFunc {
	var dialled atomic.Bool
	return func(context.Context, string, string) (net.Conn, error) {
		if dialled.Swap(true) {
			return nil, net.ErrClosed
		}
		return nc, nil
	}
}

// reason says why pgconn failed: for what the gate has seen, else for what pgconn itself found.
func (g *gate) reason(err error) error {
	if g.err != nil {
		return g.err
	}
	var failed *pgconn.ConnectError
	if errors.As(err, &failed) {
		err = failed.Unwrap()
	}
	if all, ok := err.(interface{ Unwrap() []error }); ok && len(all.Unwrap()) == 1 { // one for each attempt, and one was made
		if err = all.Unwrap()[0]; errors.Unwrap(err) != nil {
			err = errors.Unwrap(err) // without the address, which pgconn does not know
		}
	}
	return g.auth.Blame(err)
}

// handOver takes the connection back from pgconn.
func (g *gate) handOver(logged *pgconn.PgConn, nc net.Conn) (*Conn, error) {
	h, err := logged.Hijack()
	if err != nil {
		return nil, err
	}
	if len(h.ParameterStatuses) > maxParams {
		return nil, fmt.Errorf("%w: more than %d parameters", errWire, maxParams)
	}
	ahead, err := g.rest(nc)
	if err != nil {
		return nil, fmt.Errorf("hand over the connection: %w", err)
	}
	return &Conn{NC: h.Conn, Ahead: ahead, PID: h.PID, Secret: h.SecretKey, Params: h.ParameterStatuses}, nil
}

// canBind reports whether SCRAM can be bound to the server's certificate. RFC 5929 does not say how to where the certificate's
// signature has no hash, as with Ed25519; pgconn then says that the server offers no binding, which PostgreSQL takes for an attack.
func canBind(tc *tls.Conn) bool {
	certificates := tc.ConnectionState().PeerCertificates
	return len(certificates) > 0 && certificates[0].SignatureAlgorithm != x509.PureEd25519
}
