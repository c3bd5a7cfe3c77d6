package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"overdrive/config"
	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/admin"
	"overdrive/proxy/postgres"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache"
)

// This file turns a configuration into the parts that it describes.

// build makes the server, and what its clients speak.
func (r *running) build(cfg *config.Config) error {
	o, users, err := postgresOptions(cfg)
	if err != nil {
		return err
	}
	r.console = admin.New(r.consoleOptions(cfg))
	r.cache = querycache.New(querycache.Options{MaxBytes: int64(cfg.Cache.Memory)})
	r.witness = newWitness(r.log.Logger)
	if err := r.witness.follow(cfg); err != nil {
		return err
	}
	o.Console, o.Cache, o.Witness = r.console, r.cache, r.witness.Witness
	r.server, err = proxy.New(proxy.Options{Logger: r.log.Logger, Loops: loops(cfg), Limits: limits(cfg)})
	if err != nil {
		return err
	}
	r.clients = postgres.New(r.server, *o)
	r.console.Attach(r.clients)
	r.prepare(cfg, users)
	return nil
}

// prepare has the first login of each user be as fast as the others.
func (r *running) prepare(cfg *config.Config, users map[string]pgauth.Secret) {
	if cfg.Auth.Method == config.AuthSCRAM || cfg.Auth.Method == config.AuthMD5 {
		r.clients.Prepare(users)
	}
}

func limits(cfg *config.Config) proxy.Limits {
	return proxy.Limits{
		MaxClients:          cfg.Limits.MaxClients,
		LoginTimeout:        time.Duration(cfg.Limits.LoginTimeout),
		MaxLoginsPerAddress: cfg.Limits.MaxLoginsPerAddress,
	}
}

// postgresOptions returns all of the options but console and cache, and the secrets of the users that are configured.
func postgresOptions(cfg *config.Config) (*postgres.Options, map[string]pgauth.Secret, error) {
	users, err := newUsers(cfg)
	if err != nil {
		return nil, nil, err
	}
	clientTLS, err := newClientTLS(cfg.TLS)
	if err != nil {
		return nil, nil, err
	}
	method, err := pgauth.ParseMethod(string(cfg.Auth.Method))
	if err != nil {
		return nil, nil, fmt.Errorf("auth.method: %w", err)
	}
	o := &postgres.Options{
		Users:       users.find,
		AuthMethod:  method,
		TLS:         clientTLS,
		TLSMode:     tlsMode(cfg.TLS.Mode),
		MaxMessage:  int(cfg.Limits.MaxMessage),
		MaxPrepared: int(cfg.Limits.MaxPrepared),
	}
	share := floorShare(cfg)
	for name, db := range cfg.Databases {
		policy, err := cachePolicy(&db.Cache, share)
		if err != nil {
			return nil, nil, fmt.Errorf("databases.%s.cache.%w", name, err)
		}
		o.Databases = append(o.Databases, database(name, &db, policy))
	}
	slices.SortFunc(o.Databases, func(a, b postgres.Database) int { return strings.Compare(a.Name, b.Name) })
	return o, users.secrets, nil
}

func loops(cfg *config.Config) int {
	if cfg.Loops > 0 {
		return cfg.Loops
	}
	return runtime.GOMAXPROCS(0)
}

// users is who may log in. Its content never changes.
type users struct {
	secrets map[string]pgauth.Secret
	anybody bool // users without a secret too, since nobody is asked for one
}

func newUsers(cfg *config.Config) (*users, error) {
	u := &users{secrets: make(map[string]pgauth.Secret), anybody: cfg.Auth.Method == config.AuthTrust}
	for name, text := range cfg.Auth.Users {
		secret, err := pgauth.ParseSecret(text.Reveal())
		if err != nil {
			return nil, fmt.Errorf("auth.users.%s: %w", name, err)
		}
		u.secrets[name] = secret
	}
	return u, nil
}

// find returns the secret of a user, and whether there is such a user.
func (u *users) find(name string) (pgauth.Secret, bool) {
	secret, known := u.secrets[name]
	return secret, known || u.anybody
}

func newClientTLS(t config.TLS) (*tls.Config, error) {
	if t.CertFile == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("tls.cert_file: %w", err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	// A client has no host name to compare, so full verification of it is what verification of its authority is.
	if t.Mode != config.TLSVerifyCA && t.Mode != config.TLSVerifyFull {
		return c, nil
	}
	pem, err := os.ReadFile(t.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("tls.client_ca_file: %w", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls.client_ca_file: %s holds no certificate", t.ClientCAFile)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c, nil
}

func tlsMode(m config.TLSMode) postgres.TLSMode {
	switch m {
	case config.TLSDisable:
		return postgres.TLSDisable
	case config.TLSAllow, config.TLSPrefer:
		return postgres.TLSPrefer
	case config.TLSRequire, config.TLSVerifyCA, config.TLSVerifyFull:
		return postgres.TLSRequire
	}
	return postgres.TLSRequire
}

func database(name string, db *config.Database, policy *querycache.Policy) postgres.Database {
	return postgres.Database{
		Name:   name,
		Target: target(&db.Upstream),
		Users:  db.Users,
		Mode:   poolMode(db.Pool.Mode),

		RefusePins: db.Pool.OnPin == config.OnPinError,
		Pool: pool.Limits{
			Size:        db.Pool.Size,
			MinIdle:     db.Pool.MinIdle,
			WaitTimeout: time.Duration(db.Pool.WaitTimeout),
			IdleTimeout: time.Duration(db.Pool.IdleTimeout),
			MaxLifetime: time.Duration(db.Pool.MaxLifetime),
		},
		Cache: policy,
	}
}

func poolMode(m config.PoolMode) postgres.PoolMode {
	switch m {
	case config.PoolSession:
		return postgres.SessionPooling
	case config.PoolStatement:
		return postgres.StatementPooling
	case config.PoolTransaction:
		return postgres.TransactionPooling
	}
	return postgres.TransactionPooling
}

func vanished(v config.Vanished) upstream.Vanished {
	return upstream.Vanished{
		Off: !v.KeepAlives, Idle: time.Duration(v.Idle), Interval: time.Duration(v.Interval), Count: v.Count,
		UserTimeout: time.Duration(v.UserTimeout),
	}
}

// upstreamLoginLimit bounds one login at a server whose URL does not say, as Hyperdrive does.
const upstreamLoginLimit = 15 * time.Second

func target(up *config.Upstream) upstream.Target {
	t := upstream.Target{
		Database: up.Database, User: up.User, Password: up.Password.Reveal(),
		SSLMode: upstream.SSLMode(up.SSLMode), SSLRootCert: up.SSLRootCert, SSLCert: up.SSLCert, SSLKey: up.SSLKey,
		Demands: upstream.Demands{
			RequireAuth: up.RequireAuth, ChannelBinding: string(up.ChannelBinding), SessionAttrs: string(up.SessionAttrs),
		},
		Vanished:       vanished(up.Vanished),
		ConnectTimeout: time.Duration(up.ConnectTimeout), RuntimeParams: make(map[string]string),
	}
	first := endpoint(up.Place)
	t.Host, t.Port = first.Host, first.Port
	for _, other := range up.Others {
		t.Others = append(t.Others, endpoint(other))
	}
	if t.ConnectTimeout == 0 {
		t.ConnectTimeout = upstreamLoginLimit
	}
	if up.ApplicationName != "" {
		t.RuntimeParams["application_name"] = up.ApplicationName
	}
	if up.Options != "" {
		t.RuntimeParams["options"] = up.Options
	}
	return t
}

func endpoint(p config.Place) upstream.Endpoint {
	e := upstream.Endpoint{Host: p.Host}
	port := ""
	if p.Network == "unix" {
		e.Host = filepath.Dir(p.Address)
		port = strings.TrimPrefix(filepath.Base(p.Address), ".s.PGSQL.")
	} else {
		_, port, _ = net.SplitHostPort(p.Address)
	}
	e.Port, _ = strconv.Atoi(port)
	return e
}
