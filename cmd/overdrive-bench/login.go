package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"overdrive/proxy/proxytest/pglocal"
)

// Workloads that are about coming and going: one connection, one SELECT, for each transaction.
const (
	modeConnect = "connect"     // in plain text, without a password
	modeSecure  = "connect-tls" // TLS 1.3 and SCRAM
)

// loginPassword is what clients log in with where a password is asked for.
const loginPassword = "a password of thirty-two letters"

// locks is what a pooler needs to ask its clients for TLS and SCRAM.
type locks struct {
	verifier  string // of loginPassword, as PostgreSQL keeps it: no pooler has to make one of a password at each login
	cert, key string // files
}

// secure returns the locks, made once.
func (l *lab) secure(ctx context.Context) (*locks, error) {
	if l.locks != nil {
		return l.locks, nil
	}
	verifier, err := l.learnVerifier(ctx)
	if err != nil {
		return nil, fmt.Errorf("a SCRAM verifier: %w", err)
	}
	k := &locks{verifier: verifier, cert: filepath.Join(l.dir, "cert.pem"), key: filepath.Join(l.dir, "key.pem")}
	if err := k.write(); err != nil {
		return nil, fmt.Errorf("a certificate: %w", err)
	}
	l.locks = k
	return k, nil
}

// learnVerifier has the server make a verifier. The server itself trusts everybody, with a password as without.
func (l *lab) learnVerifier(ctx context.Context) (string, error) {
	conn, err := connect(ctx, l.postgres.Port(), false)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	sql := fmt.Sprintf("SET password_encryption = 'scram-sha-256'; ALTER ROLE %s PASSWORD '%s';"+
		" SELECT rolpassword FROM pg_authid WHERE rolname = '%[1]s'", pglocal.Superuser, loginPassword)
	answers, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	rows := answers[len(answers)-1].Rows
	if len(rows) != 1 {
		return "", fmt.Errorf("%d rows", len(rows))
	}
	return string(rows[0][0]), nil
}

// write makes a key and a certificate that it signs itself. Other users may read both: PgBouncer does not run as root.
func (k *locks) write() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for file, block := range map[string]*pem.Block{k.cert: {Type: "CERTIFICATE", Bytes: cert}, k.key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pgbouncer returns the settings of a PgBouncer that asks for TLS and SCRAM.
func (k *locks) pgbouncer() string {
	return fmt.Sprintf("auth_type = scram-sha-256\nclient_tls_sslmode = require\nclient_tls_cert_file = %s\nclient_tls_key_file = %s", k.cert, k.key)
}

// overdrive returns those of an Overdrive, its keys auth and tls.
func (k *locks) overdrive() string {
	return fmt.Sprintf("auth: {method: scram-sha-256, users: {%s: %q}}\ntls: {mode: require, cert_file: %q, key_file: %q}",
		pglocal.Superuser, k.verifier, k.cert, k.key)
}
