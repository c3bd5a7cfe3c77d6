package upstream

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"overdrive/proxy/postgres/pgauth"
)

// SSLMode is libpq's sslmode.
type SSLMode string

// The modes, from careless to strict.
const (
	SSLDisable    SSLMode = "disable"
	SSLAllow      SSLMode = "allow"
	SSLPrefer     SSLMode = "prefer"
	SSLRequire    SSLMode = "require"
	SSLVerifyCA   SSLMode = "verify-ca"
	SSLVerifyFull SSLMode = "verify-full"
)

// systemRoots as SSLRootCert means the certificates the operating system trusts.
const systemRoots = "system"

// Target is a server and how to log in to it. It never prints its password.
type Target struct {
	Host     string // name, address, or the directory of a Unix socket (begins with "/")
	Address  string // address to dial in place of Host, which then only names the certificate; libpq's hostaddr
	Port     int
	Others   []Endpoint // to be tried in this order where the one above will not do
	Database string     // empty: the user's name
	User     string     // empty: every login brings its own
	Password string

	SSLMode     SSLMode // empty: SSLPrefer
	SSLRootCert string  // file, "system", or empty: no verification or the system's roots, as the mode asks
	SSLCert     string  // file of the client certificate, with SSLKey
	SSLKey      string
	Demands

	Vanished       Vanished          // how a server that is gone without a word is noticed
	ConnectTimeout time.Duration     // bound of one Connect or Cancel beside its context; 0: none
	RuntimeParams  map[string]string // settings in the startup message: application_name, options, search_path…
}

// Demands are what a server must do to be the one that is meant.
type Demands struct {
	RequireAuth    string // libpq's require_auth; empty: anything but a password in clear without TLS
	ChannelBinding string // libpq's channel_binding; empty: "prefer"
	SessionAttrs   string // libpq's target_session_attrs; empty: "any"
}

// IsUnix reports whether the target is a Unix socket.
func (t Target) IsUnix() bool {
	return t.Address == "" && strings.HasPrefix(t.Host, "/")
}

// endpoint is what net.Dial takes.
func (t Target) endpoint() (network, address string) {
	port := strconv.Itoa(t.Port)
	switch {
	case t.Address != "":
		return "tcp", net.JoinHostPort(t.Address, port)
	case t.IsUnix():
		return "unix", t.Host + "/.s.PGSQL." + port
	default:
		return "tcp", net.JoinHostPort(t.Host, port)
	}
}

// Credential is the login of the target's own user. Keep it: it remembers what SCRAM has computed.
func (t Target) Credential() (*pgauth.Credential, error) {
	secret, err := pgauth.PlainSecret(t.Password)
	if err != nil {
		return nil, fmt.Errorf("password of upstream user %q: %w", t.User, err)
	}
	return pgauth.NewCredential(t.User, secret), nil
}

// String is a URL without the password, for people.
func (t Target) String() string {
	_, address := t.endpoint()
	for _, other := range t.each()[1:] {
		_, next := other.endpoint()
		address += "," + next
	}
	u := url.URL{Scheme: "postgres", Host: address, Path: "/" + t.Database}
	if t.IsUnix() {
		u.Host, u.RawQuery = "", url.Values{"host": {t.Host}, "port": {strconv.Itoa(t.Port)}}.Encode()
	}
	if t.User != "" {
		u.User = url.User(t.User)
	}
	return u.String()
}

// Format writes String, whatever the verb.
func (t Target) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue keeps the password out of structured logs.
func (t Target) LogValue() slog.Value { return slog.StringValue(t.String()) }
