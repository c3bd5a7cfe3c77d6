package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"overdrive/config"
	"overdrive/proxy/postgres"
	"overdrive/proxy/postgres/upstream"
)

// This file tries the login of a database before it is written down.

// visit is what became of the visit to a database.
type visit struct {
	place string
	known bool            // the server's certificate is verified, if there is one
	found *postgres.Found // nil if there is no user to log in as
}

// visitLimit bounds a visit: the login, and the catalog of a large database.
const visitLimit = time.Minute

// visitDatabase logs in to a database of a draft. Its error says why that does not work, and what to do.
func visitDatabase(ctx context.Context, d *config.Draft, name string) (*visit, error) {
	cfg, problems := d.Config()
	for _, p := range problems {
		if strings.HasPrefix(p.Key, "databases.") && strings.HasSuffix(p.Key, ".url") && cfg.Databases[name].Upstream.Address == "" {
			return nil, fmt.Errorf("the login cannot be tried: %s; set it, or use --skip-check", p.Text)
		}
	}
	db := cfg.Databases[name]
	v := &visit{place: db.Upstream.Addresses()}
	v.known = db.Upstream.SSLRootCert != "" || db.Upstream.SSLMode == config.TLSVerifyCA || db.Upstream.SSLMode == config.TLSVerifyFull
	to := target(&db.Upstream)
	if to.User == "" {
		return v, nil
	}
	ctx, cancel := context.WithTimeout(ctx, visitLimit)
	defer cancel()
	var err error
	if v.found, err = postgres.Survey(ctx, to); err != nil {
		return nil, fmt.Errorf("%w%s; nothing was written", err, advice(err, &db.Upstream))
	}
	return v, nil
}

// advice says what to do about a login that failed.
func advice(err error, up *config.Upstream) string {
	var server *upstream.ServerError
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var hostname x509.HostnameError
	text := ""
	switch {
	case errors.As(err, &server):
		text = adviceOnCode(server.Code)
	case errors.As(err, &hostname):
		text = "the certificate is for another name: use that name as the host, or sslmode=verify-ca with --ca-certificate"
	case errors.As(err, &certificate):
		text = "name the file of the authority that signed the certificate with --ca-certificate"
	case errors.As(err, &name):
		text = "is the name of the host right?"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		text = "does PostgreSQL run there, and listen on this address and port?"
	case errors.Is(err, context.DeadlineExceeded):
		text = "nothing answers: is there a firewall between, or is the address wrong?"
	case up.Password == "" && up.User != "":
		text = "no password was given: --password-stdin, --password or PGPASSWORD"
	}
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

func adviceOnCode(code string) string {
	switch code {
	case "28P01":
		return "is the password right, and the user?"
	case "28000":
		return "pg_hba.conf of the server must let in this user, from this address, with TLS or without as sslmode says"
	case "3D000":
		return "name the database at the server with --database"
	case "53300":
		return "the server takes no more connections now"
	case "57P03":
		return "the server is starting or stopping"
	case "42501":
		return "GRANT CONNECT ON DATABASE … TO the user"
	}
	return ""
}

// server says what the server is.
func (v *visit) server() string {
	f := v.found
	if f == nil {
		return v.place + ", not tried: clients log in as themselves"
	}
	version, _, _ := strings.Cut(f.Version, " ")
	over := "no TLS"
	if f.TLS != "" {
		if over = f.TLS; !v.known {
			over += " (the certificate is not verified)"
		}
	}
	text := fmt.Sprintf("PostgreSQL %s at %s, %s, login %s, query %s", version, v.place, over, milliseconds(f.Login), milliseconds(f.Query))
	if f.Connections > 0 {
		text += fmt.Sprintf(", at most %d connections", f.Connections)
	}
	if f.ReadOnly {
		text += ", read-only"
	}
	return text
}

func inMilliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

// cache says what the cache can do there.
func (v *visit) cache() string {
	switch {
	case v.found == nil:
		return "not tried"
	case v.found.Uncached != nil:
		return "nothing can be cached: " + v.found.Uncached.Error()
	}
	return fmt.Sprintf("works: the catalog can be read (tables: %d, views: %d)", v.found.Tables, v.found.Views)
}

// addTo adds for programs what was found.
func (v *visit) addTo(o map[string]any) {
	f := v.found
	if f == nil {
		return
	}
	o["server"] = map[string]any{
		"address": v.place, "version": f.Version, "tls": f.TLS, "verified": f.TLS != "" && v.known,
		"login_ms": inMilliseconds(f.Login), "query_ms": inMilliseconds(f.Query),
		"max_connections": f.Connections, "read_only": f.ReadOnly,
	}
	cache := map[string]any{"possible": f.Uncached == nil, "tables": f.Tables, "views": f.Views}
	if f.Uncached != nil {
		cache["reason"] = f.Uncached.Error()
	}
	o["cache"] = cache
}

// clientDSN is how clients come to a database: at the server's first TCP address, else by its socket. The password is that of dsn.
func clientDSN(cfg *config.Config, name string, dsn *config.DSN, withPassword bool) string {
	host, port := "127.0.0.1", "6432"
	for i := len(cfg.Listen) - 1; i >= 0; i-- {
		if h, p, err := net.SplitHostPort(cfg.Listen[i]); err == nil {
			host, port = reachable(h), p
		} else if len(cfg.Listen) == 1 && filepath.IsAbs(cfg.Listen[i]) {
			host, port = cfg.Listen[i], strings.TrimPrefix(socketName, ".s.PGSQL.")
		}
	}
	return clientURL(cfg, dsn.Client(host, port, name, clientUser(cfg, name), withPassword))
}

// clientUser is who logs in to a database, as far as the configuration says.
func clientUser(cfg *config.Config, name string) string {
	return cmp.Or(cfg.Databases[name].Upstream.User, "USER")
}

// dsnAt is how clients come to what listens at an address: without a password, and with a word to fill in where there is a choice.
func dsnAt(cfg *config.Config, at net.Addr) string {
	name := "DATABASE"
	if len(cfg.Databases) == 1 {
		for name = range cfg.Databases {
		}
	}
	host, port, err := net.SplitHostPort(at.String())
	if host = reachable(host); err != nil { // a Unix socket
		host, port = filepath.Dir(at.String()), strings.TrimPrefix(filepath.Base(at.String()), ".s.PGSQL.")
	}
	return clientURL(cfg, config.NewDSN().Client(host, port, name, clientUser(cfg, name), false))
}

// clientURL is the text of a client's url, with what clients must ask for.
func clientURL(cfg *config.Config, client *config.DSN) string {
	switch cfg.TLS.Mode {
	case config.TLSRequire, config.TLSVerifyCA, config.TLSVerifyFull:
		client.SetParameter("sslmode", string(config.TLSRequire))
	case config.TLSDisable, config.TLSAllow, config.TLSPrefer:
	}
	return client.Reveal()
}
