package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"
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
	Place
	Others       []Place // further hosts, to be tried in this order
	SessionAttrs SessionAttrs

	User     string // empty when every client is its own server user
	Password Secret
	Database string // empty until Load fills in the name clients use

	SSLMode     TLSMode
	SSLRootCert string // file; "system" means the system's roots, with verify-full only
	SSLCert     string // file of our certificate, with SSLKey
	SSLKey      string
	RequireAuth string // libpq's require_auth: methods that the server may ask for; empty: our own rule

	ChannelBinding ChannelBinding

	ApplicationName string
	Options         string   // the startup parameter of that name
	ConnectTimeout  Duration // 0 when the URL does not say
	Vanished        Vanished
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
	u, err := splitAuthority(dsn)
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
	up := Upstream{Vanished: DefaultVanished()}
	u, err := parseURL(string(dsn))
	if err != nil {
		return up, err
	}
	hosts, ports := hostsOf(u)
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
		if err := up.parameter(name, values[0], &hosts, &ports); err != nil {
			return up, err
		}
	}
	if err := up.verification(); err != nil {
		return up, err
	}
	return up, up.places(hosts, ports)
}

// parameter sets what one parameter of the URL's query says, in libpq's words.
func (up *Upstream) parameter(name, value string, hosts, ports *[]string) error {
	switch name {
	case "host":
		*hosts = strings.Split(value, ",")
	case "port":
		*ports = strings.Split(value, ",")
	case "target_session_attrs":
		up.SessionAttrs = SessionAttrs(value)
		return named(name, oneOf(up.SessionAttrs, sessionAttrs))
	case "user":
		up.User = value
	case "password":
		up.Password = Secret(value)
	case "dbname":
		up.Database = value
	case "sslmode":
		up.SSLMode = TLSMode(value)
		return named(name, oneOf(up.SSLMode, tlsModes))
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
	case "require_auth":
		up.RequireAuth = value
		return checkRequireAuth(value)
	case "channel_binding":
		up.ChannelBinding = ChannelBinding(value)
		return named(name, oneOf(up.ChannelBinding, channelBindings))
	case "connect_timeout":
		n, err := count(name, value, "seconds")
		up.ConnectTimeout = Duration(n) * Duration(time.Second)
		return err
	default:
		if known, err := up.Vanished.parameter(name, value); known {
			return err
		}
		return otherParameter(name, value)
	}
	return nil
}

// named is an error about the value of a parameter, with the parameter's name in front; nil stays nil.
func named(parameter string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %w", parameter, err)
}

// count reads a number that a parameter holds.
func count(name, value, unit string) (int, error) {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%s must be a number of %s", name, unit)
	}
	return int(n), nil
}

// otherParameter accepts the parameters of libpq that ask for nothing we do not do anyway.
func otherParameter(name, value string) error {
	harmless := map[string]string{
		"gssencmode":     "disable prefer",
		"sslnegotiation": "postgres", "sslcompression": "0", "sslsni": "1", "load_balance_hosts": "disable",
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
	"application_name", "options", "connect_timeout", "require_auth", "channel_binding", "target_session_attrs", "keepalives", "keepalives_idle", "keepalives_interval",
	"keepalives_count", "tcp_user_timeout",
}

// files returns the names of the files that the URL mentions, for checking and for making them absolute.
func (up *Upstream) files() []*string {
	names := []*string{&up.SSLCert, &up.SSLKey}
	if up.SSLRootCert != systemRoots {
		names = append(names, &up.SSLRootCert)
	}
	return names
}
