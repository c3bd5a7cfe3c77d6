package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ParseURL reads postgres://user:password@host:port/database?key=value or libpq's "key=value key='quoted value'". Keys are
// libpq's ("Parameter Key Words"); one that libpq does not have is a setting for the startup message, and one that asks for
// something this package cannot do is refused rather than ignored. Environment, password files and service files are not
// consulted. Errors repeat nothing that could be a part of a password.
func ParseURL(dsn string) (Target, error) {
	var settings []setting
	var err error
	if rest, ok := cutScheme(dsn); ok {
		settings, err = parseURL(rest)
	} else {
		settings, err = parseKeywords(dsn)
	}
	if err != nil {
		return Target{}, fmt.Errorf("upstream connection string: %w", err)
	}
	t := Target{Port: DefaultPort, RuntimeParams: map[string]string{}}
	for _, s := range settings {
		if err := t.set(s.key, s.value); err != nil {
			return Target{}, fmt.Errorf("upstream connection string: %w", err)
		}
	}
	if err := t.complete(); err != nil {
		return Target{}, fmt.Errorf("upstream connection string: %w", err)
	}
	return t, nil
}

// setting is a key and its value; of two with the same key the later one counts.
type setting struct{ key, value string }

func cutScheme(dsn string) (rest string, ok bool) {
	for _, scheme := range []string{"postgres://", "postgresql://"} {
		if len(dsn) >= len(scheme) && strings.EqualFold(dsn[:len(scheme)], scheme) {
			return dsn[len(scheme):], true
		}
	}
	return "", false
}

var errEscape = errors.New("percent-encode special characters such as : / ? # @ % in user name and password")

// parseURL takes what follows the scheme. It cuts the pieces itself, since a Unix socket's directory may stand,
// percent-encoded, where url.Parse wants a host name, and since that parser's errors quote its input.
func parseURL(rest string) ([]setting, error) {
	if strings.Contains(rest, "#") {
		return nil, errEscape // a fragment to some, a part of the password to others
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	user, hostPort, hasUser := cutLast(authority, "@")
	if !hasUser {
		user, hostPort = "", authority
	}
	if strings.Contains(user, "@") || strings.ContainsAny(path, "@/") {
		return nil, errEscape
	}
	name, password, _ := strings.Cut(user, ":")
	host, port, err := cutPort(hostPort)
	if err != nil {
		return nil, err
	}
	var settings []setting
	for _, s := range []setting{{"user", name}, {"password", password}, {"host", host}, {"port", port}, {"dbname", path}} {
		value, err := url.PathUnescape(s.value)
		if err != nil {
			return nil, errEscape
		}
		if value != "" {
			settings = append(settings, setting{s.key, value})
		}
	}
	more, err := parseQuery(query)
	return append(settings, more...), err
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// cutPort splits host:port, where an IPv6 host is in brackets.
func cutPort(s string) (host, port string, err error) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, rest, ok = strings.Cut(rest, "]")
		port, isPort := strings.CutPrefix(rest, ":")
		if !ok || rest != "" && !isPort {
			return "", "", errors.New("malformed IPv6 address, want [address]:port")
		}
		return host, port, nil
	}
	host, port, _ = strings.Cut(s, ":")
	if strings.Contains(port, ":") {
		return "", "", errors.New("malformed host and port: put an IPv6 address in brackets and " + errEscape.Error())
	}
	return host, port, nil
}

// parseQuery reads key=value&key=value; as in any URL query "+" is a space.
func parseQuery(query string) ([]setting, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("malformed query after the question mark")
	}
	var settings []setting
	for key, all := range values {
		if len(all) > 1 {
			return nil, errors.New("a key is given more than once")
		}
		settings = append(settings, setting{key, all[0]})
	}
	slices.SortFunc(settings, func(a, b setting) int { return strings.Compare(a.key, b.key) })
	return settings, nil
}

// parseKeywords reads libpq's form: key = value, with values in single quotes where they hold spaces, and a backslash
// before a quote or a backslash.
func parseKeywords(s string) ([]setting, error) {
	var settings []setting
	for s = strings.TrimLeft(s, spaces); s != ""; s = strings.TrimLeft(s, spaces) {
		key, rest, ok := strings.Cut(s, "=")
		key = strings.TrimRight(key, spaces)
		if !ok || key == "" || strings.ContainsAny(key, spaces) {
			return nil, errors.New("want postgres://user:password@host:port/database or key=value pairs")
		}
		value, rest, err := cutValue(strings.TrimLeft(rest, spaces))
		if err != nil {
			return nil, err
		}
		settings, s = append(settings, setting{key, value}), rest
	}
	return settings, nil
}

const spaces = " \t\r\n\f\v"

// cutValue takes one value, quoted or not, from the front of s.
func cutValue(s string) (value, rest string, err error) {
	var b strings.Builder
	rest, quoted := strings.CutPrefix(s, "'")
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		switch {
		case c == '\\' && i+1 < len(rest):
			i++
			b.WriteByte(rest[i])
		case c == '\\':
			return "", "", errors.New("a value ends in a lone backslash")
		case quoted && c == '\'':
			return b.String(), rest[i+1:], nil
		case !quoted && strings.IndexByte(spaces, c) >= 0:
			return b.String(), rest[i:], nil
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return "", "", errors.New("a value has no closing quote")
	}
	return b.String(), "", nil
}

// onlyHarmless lists libpq's keys for which this package has no code, with the values that ask for nothing it lacks; a nil
// list takes any value.
var onlyHarmless = map[string][]string{
	"channel_binding":           {"", "disable", "prefer"},
	"gssencmode":                {"", "disable", "prefer"},
	"sslnegotiation":            {"", "postgres"},
	"target_session_attrs":      {"", "any"},
	"load_balance_hosts":        {"", "disable"},
	"sslcompression":            {"", "0"},
	"sslsni":                    {"", "1"},
	"ssl_min_protocol_version":  {"", "TLSv1", "TLSv1.1", "TLSv1.2"},
	"ssl_max_protocol_version":  {"", "TLSv1.3"},
	"sslcertmode":               {"", "allow"},
	"min_protocol_version":      {"", "3.0"},
	"max_protocol_version":      nil,
	"fallback_application_name": nil,
	"keepalives":                nil,
	"keepalives_idle":           nil,
	"keepalives_interval":       nil,
	"keepalives_count":          nil,
	"tcp_user_timeout":          nil,
	"krbsrvname":                nil,
	"gsslib":                    nil,
	"gssdelegation":             {"", "0"},
	"passfile":                  {""},
	"service":                   {""},
	"servicefile":               {""},
	"sslcrl":                    {""},
	"sslcrldir":                 {""},
	"sslpassword":               {""},
	"requirepeer":               {""},
	"require_auth":              {""},
}

// set takes one setting.
func (t *Target) set(key, value string) error {
	if strings.IndexByte(key, 0) >= 0 || strings.IndexByte(value, 0) >= 0 {
		return errors.New("a key or a value contains a zero byte")
	}
	switch key {
	case "host":
		t.Host = value
	case "hostaddr":
		t.Address = value
	case "port":
		return t.setPort(value)
	case "dbname", "database":
		t.Database = value
	case "user":
		t.User = value
	case "password":
		t.Password = value
	case "sslmode":
		return t.setSSLMode(value)
	case "sslrootcert":
		t.SSLRootCert = value
	case "sslcert":
		t.SSLCert = value
	case "sslkey":
		t.SSLKey = value
	case "connect_timeout":
		return t.setTimeout(value)
	default:
		return t.setOther(key, value)
	}
	return nil
}

func (t *Target) setPort(value string) error {
	port, err := strconv.ParseUint(value, 10, 16)
	if err != nil || port == 0 {
		return errors.New("port is not a number from 1 to 65535; " + errEscape.Error())
	}
	t.Port = int(port)
	return nil
}

func (t *Target) setSSLMode(value string) error {
	modes := []SSLMode{SSLDisable, SSLAllow, SSLPrefer, SSLRequire, SSLVerifyCA, SSLVerifyFull}
	if !slices.Contains(modes, SSLMode(value)) {
		return fmt.Errorf("sslmode is %q, want one of %q", value, modes)
	}
	t.SSLMode = SSLMode(value)
	return nil
}

// setTimeout reads whole seconds; zero and less mean none, as in libpq.
func (t *Target) setTimeout(value string) error {
	seconds, err := strconv.ParseInt(value, 10, 32)
	if err != nil {
		return fmt.Errorf("connect_timeout is %q, want a number of seconds", value)
	}
	t.ConnectTimeout = time.Duration(max(seconds, 0)) * time.Second
	return nil
}

func (t *Target) setOther(key, value string) error {
	harmless, known := onlyHarmless[key]
	switch {
	case !known && !isSettingName(key):
		return errors.New("a key is no name of a setting; " + errEscape.Error())
	case !known:
		t.RuntimeParams[key] = value
	case harmless != nil && !slices.Contains(harmless, value):
		return fmt.Errorf("%s with this value is not supported", key)
	}
	return nil
}

// isSettingName reports whether PostgreSQL could have a setting or protocol option of that name.
func isSettingName(key string) bool {
	for _, c := range key {
		if c != '_' && c != '.' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return key != ""
}

// complete applies defaults and judges what depends on several settings.
func (t *Target) complete() error {
	if t.Host == "" {
		t.Host = t.Address
	}
	switch {
	case t.Host == "":
		return errors.New("no host; for a Unix socket give its directory, host=/var/run/postgresql")
	case strings.Contains(t.Host, ","):
		return errors.New("several hosts are not supported")
	case t.IsUnix() && t.Address != "":
		return errors.New("hostaddr and a Unix socket exclude each other")
	case (t.SSLCert == "") != (t.SSLKey == ""):
		return errors.New("sslcert and sslkey need each other")
	case t.SSLRootCert == systemRoots && t.SSLMode != "" && t.SSLMode != SSLVerifyFull:
		return fmt.Errorf("sslrootcert=system needs sslmode=verify-full, not %s: a public authority signs anybody's certificate",
			t.SSLMode)
	case t.SSLRootCert == systemRoots:
		t.SSLMode = SSLVerifyFull
	case t.SSLMode == "":
		t.SSLMode = SSLPrefer
	}
	return nil
}
