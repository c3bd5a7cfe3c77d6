package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// An authority signs certificates and keeps them as files in one directory.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// sign makes name.crt and name.key. The first certificate signs itself.
func (a *authority) sign(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, parentKey := a.cert, a.key
	if parent == nil {
		parent, parentKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".crt", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", keyDER)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(a.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// identity is the part of a DSN with which a client shows a certificate.
func (a *authority) identity(name string) string {
	return "&sslcert=" + a.file(name+".crt") + "&sslkey=" + a.file(name+".key")
}

func TestServe_AsksForCertificatesAsItsTLSModeSays(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	ours.sign("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	client := x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	ours.sign("client", &client)
	theirs.sign("client", &client)
	secure := "sslmode=verify-full&sslrootcert=" + ours.file("ca.crt")

	for mode, want := range map[string]struct{ plain, secure, ours, theirs bool }{
		"prefer":      {plain: true, secure: true, ours: true, theirs: true},
		"require":     {plain: false, secure: true, ours: true, theirs: true},
		"verify-ca":   {plain: false, secure: false, ours: true, theirs: false},
		"verify-full": {plain: false, secure: false, ours: true, theirs: false},
	} {
		s, stop := serveHere(t, "--connection-string", sharedDSN(t), "--tls-mode", mode,
			"--tls-cert-file", ours.file("server.crt"), "--tls-key-file", ours.file("server.key"),
			"--tls-client-ca-file", ours.file("ca.crt"))
		for _, c := range []struct {
			name, parameters string
			want             bool
		}{
			{"plain text", "sslmode=disable", want.plain},
			{"TLS", secure, want.secure},
			{"TLS and a certificate of ours", secure + ours.identity("client"), want.ours},
			{"TLS and a certificate of others", secure + theirs.identity("client"), want.theirs},
		} {
			conn, err := pgconn.Connect(t.Context(), fmt.Sprintf("postgres://postgres:pw@%s/postgres?%s", s.address, c.parameters))
			if err == nil {
				conn.Close(t.Context())
			}
			if got := err == nil; got != c.want {
				t.Errorf("%s, %s: got %v, let in: want %v", mode, c.name, err, c.want)
			}
		}
		stop()
	}
}
