package config

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

var (
	logLevels      = []string{"debug", "info", "warn", "error"}
	logFormats     = []string{"text", "json"}
	authMethods    = []AuthMethod{AuthSCRAM, AuthMD5, AuthPassword, AuthCert, AuthTrust}
	poolModes      = []PoolMode{PoolTransaction, PoolSession, PoolStatement}
	onPins         = []OnPin{OnPinPin, OnPinError}
	inTransactions = []InTransactions{InTransactionsNever, InTransactionsFirstReads}
	tlsModes       = []TLSMode{TLSDisable, TLSAllow, TLSPrefer, TLSRequire, TLSVerifyCA, TLSVerifyFull}
	freshnesses    = []Freshness{FreshnessTTL, FreshnessTracked, FreshnessSession, FreshnessStrict}
)

const (
	maxLoops = 1024
	// largestMessage is PostgreSQL's own limit on a message.
	largestMessage = GiB
	// smallestMessage leaves room for any startup packet, which PostgreSQL bounds at 10000 bytes.
	smallestMessage                   = 16 * KiB
	smallestCache                     = MiB
	smallestPrepared, largestPrepared = MiB, GiB
)

// validate checks cfg, completes what is derived from other keys, and reports every problem.
//
// File names inside URLs start at dir.
func validate(cfg *Config, dir string, r *report) {
	v := &validator{report: r, dir: dir}
	v.listen(cfg.Listen)
	if cfg.HTTP != "" {
		v.check("http", checkHostPort(cfg.HTTP, "host:port or empty"))
	}
	v.check("log.level", oneOf(cfg.Log.Level, logLevels))
	v.check("log.format", oneOf(cfg.Log.Format, logFormats))
	atLeast(v, "log.slow_statement", cfg.Log.SlowStatement, 0)
	v.check("traces.endpoint", checkEndpoint(cfg.Traces.Endpoint))
	between(v, "loops", cfg.Loops, 0, maxLoops)
	v.auth(&cfg.Auth)
	v.tls(&cfg.TLS)
	atLeast(v, "limits.max_clients", cfg.Limits.MaxClients, 1)
	between(v, "limits.max_message", cfg.Limits.MaxMessage, smallestMessage, largestMessage)
	between(v, "limits.max_prepared_bytes", cfg.Limits.MaxPrepared, smallestPrepared, largestPrepared)
	atLeast(v, "limits.login_timeout", cfg.Limits.LoginTimeout, 1)
	atLeast(v, "limits.max_logins_per_address", cfg.Limits.MaxLoginsPerAddress, 0)
	atLeast(v, "limits.shutdown_timeout", cfg.Limits.ShutdownTimeout, 0)
	atLeast(v, "cache.memory", cfg.Cache.Memory, smallestCache)
	if len(cfg.Databases) == 0 && !v.failed(connectionStringKey) {
		v.check("databases", errors.New("must name at least one database"))
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Databases)) {
		db := cfg.Databases[name]
		v.database(name, &db, cfg.Auth)
		cfg.Databases[name] = db
	}
	v.sharedCaches(cfg.Databases)
	v.memoryFloors(cfg)
	v.admin(cfg)
	unsupported(cfg, v)
}

// checkEndpoint checks where traces go to.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must be http://host:port or https://host:port, with a path or without, or empty")
	}
	return nil
}

// validator adds problems for keys that have none yet.
type validator struct {
	*report
	dir string
}

func (v *validator) check(key string, err error) {
	if err != nil && !v.failed(key) {
		v.add(key, "%v", err)
	}
}

func atLeast[T cmp.Ordered](v *validator, key string, got, least T) {
	if got < least {
		v.check(key, fmt.Errorf("must be at least %v, got %v", least, got))
	}
}

func between[T cmp.Ordered](v *validator, key string, got, least, most T) {
	if got < least || got > most {
		v.check(key, fmt.Errorf("must be between %v and %v, got %v", least, most, got))
	}
}

func oneOf[T ~string](got T, known []T) error {
	if slices.Contains(known, got) {
		return nil
	}
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = string(k)
	}
	return fmt.Errorf("must be one of %s, got %q", strings.Join(names, ", "), got)
}

func (v *validator) listen(addresses []string) {
	if len(addresses) == 0 {
		v.check("listen", errors.New("must name at least one address"))
	}
	for i, address := range addresses {
		key := fmt.Sprintf("listen[%d]", i)
		switch {
		case slices.Contains(addresses[:i], address):
			v.check(key, fmt.Errorf("%q is there twice", address))
		case !filepath.IsAbs(address):
			v.check(key, checkHostPort(address, "host:port or an absolute directory"))
		}
	}
}

func checkHostPort(address, want string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("must be %s, got %q", want, address)
	}
	return nil
}

func (v *validator) auth(a *Auth) {
	v.check("auth.method", oneOf(a.Method, authMethods))
	for _, name := range slices.Sorted(maps.Keys(a.Users)) {
		key := join("auth.users", name)
		if name == "" {
			v.check(key, errors.New("a user must have a name"))
		}
		v.check(key, checkSecret(a.Users[name], a.Method))
	}
	if a.UsersFile == "" {
		return
	}
	listed, err := readUserlist(a.UsersFile)
	if err != nil {
		v.check("auth.users_file", err)
		return
	}
	if a.Users == nil {
		a.Users = make(map[string]Secret)
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if _, twice := a.Users[name]; twice {
			v.add("auth.users_file", "%s is in auth.users too", quoteName(name))
		} else if err := checkSecret(listed[name], a.Method); err != nil {
			v.add("auth.users_file", "the secret of %s %v", quoteName(name), err)
		}
		a.Users[name] = listed[name]
	}
}

func readUserlist(name string) (map[string]Secret, error) {
	data, err := readFile(name)
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("is larger than %v", Size(maxFileBytes))
	}
	return parseUserlist(string(data))
}

// needsSecrets says whether a user without a secret cannot log in. Not while the list of secrets has a problem itself.
func (v *validator) needsSecrets(a Auth) bool {
	if a.Method != AuthSCRAM && a.Method != AuthMD5 && a.Method != AuthPassword {
		return false
	}
	return !v.failed("auth.users_file") && !v.failed("auth.users")
}

func (v *validator) tls(t *TLS) {
	v.check("tls.mode", oneOf(t.Mode, tlsModes))
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		v.check("tls.key_file", errors.New("must be set, since tls.cert_file is"))
	case t.KeyFile != "" && t.CertFile == "":
		v.check("tls.cert_file", errors.New("must be set, since tls.key_file is"))
	case t.CertFile != "":
		v.check("tls.cert_file", checkKeyPair(t.CertFile, t.KeyFile))
	case slices.Contains([]TLSMode{TLSRequire, TLSVerifyCA, TLSVerifyFull}, t.Mode):
		v.check("tls.cert_file", fmt.Errorf("must be set, since tls.mode is %s", t.Mode))
	}
	if t.ClientCAFile != "" {
		v.check("tls.client_ca_file", checkRoots(t.ClientCAFile))
	} else if t.Mode == TLSVerifyCA || t.Mode == TLSVerifyFull {
		v.check("tls.client_ca_file", fmt.Errorf("must be set, since tls.mode is %s", t.Mode))
	}
}

func checkKeyPair(cert, key string) error {
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		return fmt.Errorf("cannot be loaded with its key: %w", err)
	}
	return nil
}

func checkRoots(name string) error {
	data, err := readFile(name)
	if err != nil {
		return err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(data) {
		return errors.New("holds no certificate in PEM form")
	}
	return nil
}

// database checks one database and fills in its Upstream.
func (v *validator) database(name string, db *Database, auth Auth) {
	key := join("databases", name)
	if name == "" {
		v.check(key, errors.New("a database must have a name"))
	}
	if name == "overdrive" || name == "pgbouncer" {
		v.check(key, errors.New("is the name of the administration's own database"))
	}
	v.upstream(key+".url", name, db)
	v.whoMayLogIn(key, db, auth)

	p := db.Pool
	v.check(key+".pool.mode", oneOf(p.Mode, poolModes))
	v.check(key+".pool.on_pin", oneOf(p.OnPin, onPins))
	atLeast(v, key+".pool.size", p.Size, 1)
	between(v, key+".pool.min_idle", p.MinIdle, 0, max(p.Size, 1))
	atLeast(v, key+".pool.wait_timeout", p.WaitTimeout, 0)
	atLeast(v, key+".pool.idle_timeout", p.IdleTimeout, 0)
	atLeast(v, key+".pool.max_lifetime", p.MaxLifetime, 0)

	v.databaseCache(key+".cache", db.Cache)
}

func (v *validator) upstream(key, name string, db *Database) {
	if db.URL == "" {
		v.check(key, errors.New("must be set"))
		return
	}
	up, err := parseUpstream(db.URL)
	if err != nil {
		v.check(key, err)
		return
	}
	up.Database = cmp.Or(up.Database, name)
	for _, file := range up.files() {
		resolve(v.dir, file)
	}
	if (up.SSLCert == "") != (up.SSLKey == "") {
		v.check(key, errors.New("sslcert and sslkey must be set together"))
	} else if up.SSLCert != "" {
		v.check(key, checkKeyPair(up.SSLCert, up.SSLKey))
	}
	if up.SSLRootCert != "" && up.SSLRootCert != systemRoots {
		if err := checkRoots(up.SSLRootCert); err != nil {
			v.check(key, fmt.Errorf("sslrootcert %w", err))
		}
	}
	db.Upstream = up
}

// whoMayLogIn finds databases that nobody could use for want of a secret.
func (v *validator) whoMayLogIn(key string, db *Database, auth Auth) {
	if len(db.Users) > 0 && db.URL != "" && db.Upstream.Address != "" && db.Upstream.User == "" {
		v.check(key+".users", errors.New("has no effect, since the url names no user"))
	}
	if !v.needsSecrets(auth) {
		return
	}
	unknown := func(name string) bool { _, found := auth.Users[name]; return !found }
	for i, name := range db.Users {
		if unknown(name) {
			v.check(fmt.Sprintf("%s.users[%d]", key, i), fmt.Errorf("%s is not in auth.users", quoteName(name)))
		}
	}
	if user := db.Upstream.User; user != "" && unknown(user) && len(db.Users) == 0 {
		v.check(key, fmt.Errorf("nobody can log in: %s is not in auth.users", quoteName(user)))
	}
	if db.Upstream.Address != "" && db.Upstream.User == "" && len(auth.Users) == 0 {
		v.check(key, errors.New("nobody can log in: auth.users is empty"))
	}
}

// unsupported refuses what can be written but is not built yet, wherever ignoring it would change answers or security.
func unsupported(cfg *Config, v *validator) {
	notYet := errors.New("is not supported yet")
	if cfg.Auth.Method == AuthCert {
		v.check("auth.method", fmt.Errorf("cert %w", notYet))
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Databases)) {
		key, c := join("databases", name)+".cache", cfg.Databases[name].Cache
		if c.Freshness != FreshnessTTL {
			v.check(key+".freshness", fmt.Errorf("%s %w", c.Freshness, notYet))
		}
	}
}
