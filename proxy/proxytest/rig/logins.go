package rig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/proxytest"
)

// UserList finds secrets as they are written in a user list.
func UserList(tb testing.TB, texts map[string]string) func(string) (pgauth.Secret, bool) {
	tb.Helper()
	secrets := make(map[string]pgauth.Secret)
	for user, text := range texts {
		secret, err := pgauth.ParseSecret(text)
		if err != nil {
			tb.Fatal(err)
		}
		secrets[user] = secret
	}
	return func(user string) (pgauth.Secret, bool) {
		secret, ok := secrets[user]
		return secret, ok
	}
}

// As logs in under a name with a password.
func As(user, password string) func(*pgconn.Config) {
	return func(c *pgconn.Config) { c.User, c.Password = user, password }
}

// Authority makes a CA, and a configuration of a server at 127.0.0.1 whose certificate it signed.
func Authority(tb testing.TB) (server *tls.Config, roots *x509.CertPool) {
	tb.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		tb.Fatal(err)
	}
	root, err := x509.ParseCertificate(caDER)
	if err != nil {
		tb.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(root)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

// MakeRoles makes roles for as long as the test lasts. Call it before the database is made that they own things in.
func MakeRoles(t *testing.T, pg *proxytest.Postgres, names ...string) {
	t.Helper()
	for _, name := range names {
		pg.Exec("drop role if exists " + name + "; create role " + name + " login")
		t.Cleanup(func() { pg.Exec("drop role if exists " + name) })
	}
}

// OneServer leaves all clients one server connection to take turns on.
func OneServer(o *Options) { o.Databases[0].Pool.Size = 1 }
