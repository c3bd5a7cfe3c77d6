package config

import (
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// This file makes and changes the text of a database's url, as it stands in the file: references to variables are kept.

// DSN is the text of a url taken apart. Its parts are as they stand there: percent-encoded, references to variables among them.
type DSN struct {
	scheme             string
	user, password     string
	hasUser, hasSecret bool
	hosts              []string // with their ports
	path               string
	query              []string // name=value
}

// NewDSN begins a url that says nothing yet.
func NewDSN() *DSN { return &DSN{scheme: "postgres"} }

// errMySQL is what becomes of MySQL's users for now.
var errMySQL = errors.New("mysql:// is not supported yet: Overdrive serves PostgreSQL only")

// ParseDSN takes the text of a url apart.
func ParseDSN(text string) (*DSN, error) {
	scheme, rest, found := strings.Cut(text, "://")
	switch {
	case strings.EqualFold(scheme, "mysql"):
		return nil, errMySQL
	case !found || scheme != "postgres" && scheme != "postgresql":
		return nil, errNotURL
	case strings.Contains(rest, "#"):
		return nil, errEncoding
	}
	d := &DSN{scheme: scheme}
	rest, query, _ := strings.Cut(rest, "?")
	if query != "" {
		d.query = strings.Split(query, "&")
	}
	authority, path, hasPath := strings.Cut(rest, "/")
	if hasPath {
		d.path = "/" + path
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		d.user, d.password, d.hasSecret = strings.Cut(authority[:at], ":")
		d.hasUser = true
		authority = authority[at+1:]
	}
	if strings.Contains(path, "@") && !d.hasUser {
		return nil, errEncoding
	}
	if authority != "" {
		d.hosts = strings.Split(authority, ",")
	}
	return d, nil
}

// reveal is the text with a password.
func (d *DSN) reveal(password string) string {
	s := d.scheme + "://"
	if d.hasUser {
		s += d.user
		if d.hasSecret {
			s += ":" + password
		}
		s += "@"
	}
	s += strings.Join(d.hosts, ",") + d.path
	if len(d.query) > 0 {
		s += "?" + strings.Join(d.query, "&")
	}
	return s
}

// Reveal is the text with its password.
func (d *DSN) Reveal() string { return d.reveal(d.password) }

// hidden stands for a password where people look.
const hidden = "••••"

// String is the text for people: a password is hidden, but for one that is a reference to a variable and nothing else.
func (d *DSN) String() string {
	shown := *d
	shown.query = nil
	for _, parameter := range d.query {
		if name, value, _ := strings.Cut(parameter, "="); name == "password" {
			parameter = name + "=" + hide(value)
		}
		shown.query = append(shown.query, parameter)
	}
	return shown.reveal(hide(d.password))
}

var reference = regexp.MustCompile(`^\$\{[A-Za-z_][A-Za-z0-9_]*\}$`)

func hide(password string) string {
	if password == "" || reference.MatchString(password) {
		return password
	}
	return hidden
}

// encode makes a text part of a url. Well-formed references to variables stay, as Load encodes what they stand for.
func encode(text string, references bool) string {
	var b strings.Builder
	for text != "" {
		start, end := -1, -1
		if references {
			if at := anyReference.FindStringIndex(text); at != nil {
				start, end = at[0], at[1]
			}
		}
		if start < 0 {
			start, end = len(text), len(text)
		}
		b.WriteString(strings.ReplaceAll(url.QueryEscape(text[:start]), "+", "%20"))
		b.WriteString(text[start:end])
		text = text[end:]
	}
	return b.String()
}

var anyReference = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)

// SetUser names the user of the server.
func (d *DSN) SetUser(user string) {
	if !d.parameter("user", encode(user, true)) {
		d.user, d.hasUser = encode(user, true), true
	}
}

// SetPassword gives the user a password. With references, ${NAME} in it stands for a variable; else it is these characters.
func (d *DSN) SetPassword(password string, references bool) {
	if !d.parameter("password", encode(password, references)) {
		d.password, d.hasSecret, d.hasUser = encode(password, references), true, true
	}
}

// SetDatabase names the database at the server.
func (d *DSN) SetDatabase(name string) {
	if !d.parameter("dbname", encode(name, true)) {
		d.path = "/" + encode(name, true)
	}
}

// SetHost names the server in place of all hosts, with the port of the first. A path is the directory of a Unix socket.
func (d *DSN) SetHost(host string) {
	port := ""
	if len(d.hosts) > 0 {
		_, port = splitPort(d.hosts[0])
	}
	if filepath.IsAbs(host) {
		d.hosts = nil
		d.SetParameter("host", host)
		if port != "" {
			d.SetParameter("port", port)
		}
		return
	}
	if d.parameter("host", encode(host, true)) {
		return
	}
	d.hosts = []string{withPort(host, port)}
}

// SetPort is the port of all hosts.
func (d *DSN) SetPort(port string) {
	if d.parameter("port", port) {
		return
	}
	if len(d.hosts) == 0 {
		d.SetParameter("port", port)
	}
	for i, host := range d.hosts {
		name, _ := splitPort(host)
		d.hosts[i] = withPort(name, port)
	}
}

func splitPort(host string) (name, port string) {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return strings.Trim(host[:i], "[]"), host[i+1:]
	}
	return strings.Trim(host, "[]"), ""
}

func withPort(name, port string) string {
	if port != "" {
		return net.JoinHostPort(name, port)
	}
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}

// SetParameter sets a parameter of the query.
func (d *DSN) SetParameter(name, value string) {
	value = strings.ReplaceAll(encode(value, true), "%2F", "/") // which is easier to read, and means the same there
	if !d.parameter(name, value) {
		d.query = append(d.query, name+"="+value)
	}
}

// parameter changes a parameter that is there, whose value is encoded already.
func (d *DSN) parameter(name, value string) bool {
	for i, one := range d.query {
		if key, _, _ := strings.Cut(one, "="); key == name {
			d.query[i] = name + "=" + value
			return true
		}
	}
	return false
}

// Literal is a text that stands for itself in the file: what looks like a reference to a variable is none.
func Literal(text string) string { return strings.ReplaceAll(text, "${", "$${") }

// secret is the password as it stands in the text.
func (d *DSN) secret() string {
	for _, one := range d.query {
		if value, found := strings.CutPrefix(one, "password="); found {
			return value
		}
	}
	return d.password
}

// HasPassword says whether the text holds one.
func (d *DSN) HasPassword() bool { return d.secret() != "" }

// HasUser says whether the text names a user.
func (d *DSN) HasUser() bool {
	return d.user != "" || slices.ContainsFunc(d.query, func(one string) bool { return strings.HasPrefix(one, "user=") })
}

// Secret returns the password as a value of its own in the file, such as one of auth.users: not encoded, with the same references. ok is
// false if that cannot be written.
func (d *DSN) Secret() (text string, ok bool) {
	raw := d.secret()
	for raw != "" {
		start, end := len(raw), len(raw)
		if at := anyReference.FindStringIndex(raw); at != nil {
			start, end = at[0], at[1]
		}
		plain, err := url.PathUnescape(raw[:start])
		if err != nil || start < end && strings.HasSuffix(plain, "$") { // $${ would be no reference
			return "", false
		}
		text += Literal(plain) + raw[start:end]
		raw = raw[end:]
	}
	return text, text != ""
}

// Client returns the text of a url by which a client comes to a database: at a place of ours, as a user, with d's password or without.
func (d *DSN) Client(host, port, database, user string, withPassword bool) *DSN {
	c := NewDSN()
	c.SetUser(user)
	if withPassword {
		c.password, c.hasSecret = d.secret(), true
	}
	c.SetHost(host)
	c.SetPort(port)
	c.SetDatabase(database)
	return c
}
