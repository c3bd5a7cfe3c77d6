package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// ConnectionString is the URL of a database: postgres://user:password@host:port/database?sslmode=…. Whatever prints it
// prints it without its password; Reveal returns it whole.
type ConnectionString string

// Reveal returns the connection string with its password.
func (c ConnectionString) Reveal() string { return string(c) }

// String returns the connection string without its password, or a placeholder when it is not a URL.
func (c ConnectionString) String() string {
	if c == "" {
		return ""
	}
	u, err := parseURL(string(c))
	if err != nil {
		return redacted
	}
	if u.Query().Has("password") {
		return redacted
	}
	return u.Redacted()
}

// GoString, MarshalText and LogValue print what String does.
func (c ConnectionString) GoString() string             { return strconv.Quote(c.String()) }
func (c ConnectionString) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
func (c ConnectionString) LogValue() slog.Value         { return slog.StringValue(c.String()) }

// Upstream is a ConnectionString taken apart.
type Upstream struct {
	Network string // "tcp" or "unix"
	Address string // host:port, or the path of the socket
	Host    string // the name that the server's certificate must have; empty for a Unix socket

	User     string // empty when every client is its own server user
	Password Secret
	Database string // empty until Load fills in the name clients use

	SSLMode     TLSMode
	SSLRootCert string // file; empty or "system" means the system's roots
	SSLCert     string // file of our certificate, with SSLKey
	SSLKey      string

	ApplicationName string
	Options         string   // the startup parameter of that name
	ConnectTimeout  Duration // 0 when the URL does not say
}

const defaultPort = "5432"

var (
	errNotURL   = errors.New("must be a URL such as postgres://user:password@host:5432/database")
	errEncoding = errors.New("must be a URL; special characters in its password must be percent-encoded")
)

// parseURL parses a URL of PostgreSQL. Its errors quote nothing, since what cannot be parsed may be a password.
func parseURL(dsn string) (*url.URL, error) {
	scheme, rest, found := strings.Cut(dsn, "://")
	if !found || scheme != "postgres" && scheme != "postgresql" {
		return nil, errNotURL
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, errEncoding
	}
	// A bare # ? or / in a password ends the authority early and leaves its @ behind.
	if u.User == nil && strings.Contains(rest, "@") || strings.Contains(dsn, "#") {
		return nil, errEncoding
	}
	return u, nil
}

// parseUpstream takes dsn apart. Problems name a parameter at most, never a value of user, password or host.
func parseUpstream(dsn ConnectionString) (Upstream, error) {
	up := Upstream{Network: "tcp", SSLMode: TLSPrefer}
	u, err := parseURL(string(dsn))
	if err != nil {
		return up, err
	}
	host, port := u.Hostname(), u.Port()
	if u.User != nil {
		up.User = u.User.Username()
		password, _ := u.User.Password()
		up.Password = Secret(password)
	}
	up.Database = strings.TrimPrefix(u.Path, "/")
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return up, errEncoding
	}
	for name, values := range query {
		if len(values) != 1 {
			return up, fmt.Errorf("the parameter %s must be there once", quoteName(name))
		}
		if err := up.parameter(name, values[0], &host, &port); err != nil {
			return up, err
		}
	}
	return up, up.address(host, port)
}

// parameter sets what one parameter of the URL's query says, in libpq's words.
func (up *Upstream) parameter(name, value string, host, port *string) error {
	switch name {
	case "host":
		*host = value
	case "port":
		*port = value
	case "user":
		up.User = value
	case "password":
		up.Password = Secret(value)
	case "dbname":
		up.Database = value
	case "sslmode":
		up.SSLMode = TLSMode(value)
		return oneOf(up.SSLMode, tlsModes)
	case "sslrootcert":
		up.SSLRootCert = value
	case "sslcert":
		up.SSLCert = value
	case "sslkey":
		up.SSLKey = value
	case "application_name":
		up.ApplicationName = value
	case "options":
		up.Options = value
	case "connect_timeout":
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return errors.New("connect_timeout must be a number of seconds")
		}
		return up.ConnectTimeout.UnmarshalText([]byte(strconv.FormatUint(n, 10)))
	default:
		return otherParameter(name, value)
	}
	return nil
}

// otherParameter accepts the parameters of libpq that ask for nothing we do not do anyway.
func otherParameter(name, value string) error {
	harmless := map[string]string{
		"channel_binding": "disable prefer", "gssencmode": "disable prefer", "target_session_attrs": "any",
	}
	allowed, known := harmless[name]
	if !known {
		best, _ := nearest(name, parameters)
		return fmt.Errorf("the parameter %s is not known; the nearest is %s", quoteName(name), best)
	}
	for one := range strings.FieldsSeq(allowed) {
		if value == one {
			return nil
		}
	}
	return fmt.Errorf("the parameter %s is not supported yet with this value", name)
}

var parameters = []string{
	"host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey",
	"application_name", "options", "connect_timeout",
}

// address fills in Network, Address and Host. A host that is an absolute path is the directory of a Unix socket.
func (up *Upstream) address(host, port string) error {
	if port == "" {
		port = defaultPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("the port must be between 1 and 65535")
	}
	switch {
	case host == "":
		return errors.New("must name a host")
	case strings.Contains(host, ","):
		return errors.New("several hosts are not supported yet")
	case filepath.IsAbs(host):
		up.Network, up.Address = "unix", filepath.Join(host, ".s.PGSQL."+port)
	default:
		up.Host, up.Address = host, net.JoinHostPort(host, port)
	}
	return nil
}

// files returns the names of the files that the URL mentions, for checking and for making them absolute.
func (up *Upstream) files() []*string {
	names := []*string{&up.SSLCert, &up.SSLKey}
	if up.SSLRootCert != "system" {
		names = append(names, &up.SSLRootCert)
	}
	return names
}
