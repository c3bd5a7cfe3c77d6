package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
)

const sslRequest = 80877103 // code in place of the protocol version

// encryption is how one attempt treats TLS.
type encryption uint8

const (
	plain        encryption = iota // TLS is not asked for
	tlsIfOffered                   // TLS, or plain if the server says it has none
	tlsOnly                        // TLS or nothing
)

// attempts lists what to try, in order.
func (t Target) attempts() []encryption {
	if t.IsUnix() {
		return []encryption{plain}
	}
	switch t.SSLMode {
	case SSLDisable:
		return []encryption{plain}
	case SSLAllow:
		return []encryption{plain, tlsOnly}
	case SSLPrefer, "":
		return []encryption{tlsIfOffered, plain}
	case SSLRequire, SSLVerifyCA, SSLVerifyFull:
		return []encryption{tlsOnly}
	default:
		return []encryption{tlsOnly} // which tlsConfig will refuse
	}
}

// startTLS asks the server for TLS and shakes hands. Under tlsIfOffered it returns nc itself if the server has none. On
// error nc is of no further use and still open.
func (t Target) startTLS(ctx context.Context, nc net.Conn, enc encryption) (net.Conn, error) {
	config, err := t.tlsConfig()
	if err != nil {
		return nil, err
	}
	if _, err := nc.Write(untyped(binary.BigEndian.AppendUint32(nil, sslRequest))); err != nil {
		return nil, fmt.Errorf("request TLS: %w", err)
	}
	var answer [1]byte // and not a byte more: the rest belongs to the handshake
	if _, err := io.ReadFull(nc, answer[:]); err != nil {
		return nil, fmt.Errorf("request TLS: %w", err)
	}
	switch {
	case answer[0] == 'S':
		tc := tls.Client(nc, config)
		if err := tc.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", errHandshake, err)
		}
		return tc, nil
	case answer[0] == 'N' && enc == tlsIfOffered:
		return nc, nil
	case answer[0] == 'N':
		return nil, errNoTLS
	case answer[0] == 'E':
		return nil, refusedRequest(nc)
	default:
		return nil, fmt.Errorf("request TLS: %w: answer %q", errWire, answer[0])
	}
}

// refusedRequest reads the error that a server sends in place of an answer when it cannot even start a process. Nobody has
// proved to be the server yet, so the text goes into our error and is no ServerError to be shown to clients.
func refusedRequest(r io.Reader) error {
	_, body, err := readMessage(io.MultiReader(strings.NewReader("E"), r), maxMessage)
	if err != nil {
		return fmt.Errorf("request TLS: read the server's error: %w", err)
	}
	return fmt.Errorf("request TLS: server answered, unauthenticated: %.500q", parseServerError(body).Error())
}

// tlsConfig reads the files anew each time, so that renewed certificates are used from the next connection on.
func (t Target) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{
		ServerName: t.Host,
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"postgresql"}, // asked for since PostgreSQL 17, ignored before
	}
	if err := t.checkRoots(); err != nil {
		return nil, err
	}
	if err := t.loadRoots(config); err != nil {
		return nil, fmt.Errorf("%w: sslrootcert: %w", errTarget, err)
	}
	if t.SSLCert != "" {
		pair, err := tls.LoadX509KeyPair(t.SSLCert, t.SSLKey)
		if err != nil {
			return nil, fmt.Errorf("%w: sslcert and sslkey: %w", errTarget, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	switch {
	case t.SSLMode == SSLVerifyFull:
		// What crypto/tls does by itself.
	case t.SSLMode == SSLVerifyCA, t.SSLRootCert != "": // libpq checks the chain in every mode, once it has a root
		config.InsecureSkipVerify = true // its check includes the name; ours is the chain alone
		config.VerifyConnection = verifyChain(config.RootCAs)
	case slices.Contains([]SSLMode{"", SSLAllow, SSLPrefer, SSLRequire}, t.SSLMode):
		config.InsecureSkipVerify = true // these modes promise no more than a cipher
	default:
		return nil, fmt.Errorf("%w: unknown sslmode %q", errTarget, t.SSLMode)
	}
	return config, nil
}

// checkRoots refuses the system's authorities, each of which signs certificates for anybody, in modes that do not compare the
// name, as libpq does.
func (t Target) checkRoots() error {
	if t.SSLRootCert == systemRoots && t.SSLMode != SSLVerifyFull {
		return fmt.Errorf("%w: sslrootcert=system verifies nothing with sslmode=%s, want verify-full", errTarget, t.SSLMode)
	}
	return nil
}

// loadRoots leaves RootCAs nil, which is the system's, unless a file is named.
func (t Target) loadRoots(config *tls.Config) error {
	if t.SSLRootCert == "" || t.SSLRootCert == systemRoots {
		return nil
	}
	pem, err := os.ReadFile(t.SSLRootCert)
	if err != nil {
		return err
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return errors.New(t.SSLRootCert + " holds no certificate in PEM form")
	}
	return nil
}

// verifyChain checks that the server's certificate leads to one of roots, whatever name it is for.
func verifyChain(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("server has no certificate")
		}
		options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, c := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(c)
		}
		_, err := state.PeerCertificates[0].Verify(options)
		return err
	}
}
