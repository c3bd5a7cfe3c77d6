package upstream

import (
	"fmt"
	"maps"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/postgres/pgauth"
)

// This file is what pgconn is told. pgconn's own way to a Config reads libpq's environment and files, so all that it could
// read is said here, and everything that counts comes from the Target.

// Values of libpq's channel_binding.
const (
	bindingPrefer  = "prefer"
	bindingDisable = "disable"
	bindingRequire = "require"
)

// explicit leaves pgconn no question. The host is a path, so that no name is looked up for it: Dialer has dialled already.
const explicit = "host=/ port=1 dbname=none user=none password=none passfile='' servicefile='' sslmode=disable sslcert='' " +
	"sslkey='' sslrootcert='' sslcertmode=disable sslpassword='' sslsni=0 sslnegotiation=postgres target_session_attrs=any " +
	"connect_timeout=0 min_protocol_version=3.0 max_protocol_version=3.0 channel_binding=prefer require_auth=''"

// blank is copied for each login. It is made before main begins: it takes a variable out of the environment for a moment, since
// pgconn looks for the service file whenever PGSERVICE is set, whatever else is said.
var blank, errBlank = func() (*pgconn.Config, error) {
	if service, set := os.LookupEnv("PGSERVICE"); set {
		_ = os.Unsetenv("PGSERVICE")
		defer func() { _ = os.Setenv("PGSERVICE", service) }()
	}
	return pgconn.ParseConfig(explicit)
}()

// config is what pgconn has to know to log in over a connection that there is: user, database and the runtime parameters.
// The password is withheld until the server has asked for it. Protocol 3.0 is asked for: 3.2 has nothing but longer cancel keys,
// which stay between us and the server, and there are servers and poolers that refuse what they do not know.
func (t Target) config(user string) (*pgconn.Config, error) {
	if errBlank != nil {
		return nil, fmt.Errorf("prepare logins: %w", errBlank)
	}
	if user == "" {
		return nil, fmt.Errorf("%w: no user to log in as", errTarget)
	}
	for name, value := range t.RuntimeParams {
		if name == "" || name == "user" || name == "database" {
			return nil, fmt.Errorf("%w: runtime parameter %q", errTarget, name)
		}
		if hasZero(name) || hasZero(value) {
			return nil, fmt.Errorf("%w: zero byte in startup parameter %q", errTarget, name)
		}
	}
	if hasZero(user) || hasZero(t.Database) {
		return nil, fmt.Errorf("%w: zero byte in the name of user or database", errTarget)
	}
	c := blank.Copy()
	c.User, c.Database, c.Password = user, t.Database, ""
	c.RuntimeParams = maps.Clone(t.RuntimeParams)
	switch t.ChannelBinding {
	case "":
	case bindingPrefer, bindingDisable, bindingRequire:
		c.ChannelBinding = t.ChannelBinding
	default:
		return nil, fmt.Errorf("%w: unknown channel_binding %q", errTarget, t.ChannelBinding)
	}
	return c, nil
}

func hasZero(s string) bool { return strings.IndexByte(s, 0) >= 0 }

// requirement is what the server may ask of us.
func (t Target) requirement() (pgauth.Requirement, error) {
	require, err := pgauth.ParseRequirement(t.RequireAuth)
	if err != nil {
		return require, fmt.Errorf("%w: %w", errTarget, err)
	}
	if t.ChannelBinding == bindingRequire {
		require = require.WithBinding()
	}
	return require, nil
}
