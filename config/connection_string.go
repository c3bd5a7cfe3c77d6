package config

import (
	"cmp"
	"errors"
)

// connectionStringKey is not a key of the file but the flag that stands for one.
const connectionStringKey = "connection-string"

// addOnly makes dsn the configuration's one database. A problem is reported under the flag that carries dsn.
func (c *Config) addOnly(dsn ConnectionString, r *report) {
	up, err := parseUpstream(dsn)
	switch {
	case err != nil:
	case c.Databases != nil:
		err = errors.New("cannot be used together with a file")
	case up.User == "":
		err = errors.New("must name a user")
	case up.Password == "":
		err = errors.New("must hold a password, with which clients log in; without one, use a file")
	}
	if err != nil {
		r.add(connectionStringKey, "%v", err)
		return
	}
	db := DefaultDatabase()
	db.URL = dsn
	c.Auth.Users = map[string]Secret{up.User: up.Password}
	// Without a name in the URL the database is named as its user, which is libpq's rule.
	c.Databases = map[string]Database{cmp.Or(up.Database, up.User): db}
}
