package config

import (
	"cmp"
	"errors"
	"slices"

	"github.com/spf13/viper"
)

// connectionStringKey is not a key of the file but the flag that stands for one.
const connectionStringKey = "connection-string"

// addOnly makes dsn the one database, and its user the one who may log in, over every other source. A problem is reported
// under the flag that carries dsn.
func addOnly(v *viper.Viper, dsn ConnectionString, r *report) {
	up, err := parseUpstream(dsn)
	switch {
	case err != nil:
	case v.IsSet("databases"):
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
	// Without a name in the URL the database is named as its user, which is libpq's rule.
	name := cmp.Or(up.Database, up.User)
	v.Set("databases", []any{map[string]any{entryName: name, entryValue: map[string]any{"url": dsn}}})
	v.Set("auth.users", []any{map[string]any{entryName: up.User, entryValue: up.Password}})
}

// showAllToUsers has whoever may log in see everything on the console and the dashboard. In the one-line mode that is one user, beside whom
// there is nobody who could.
func (c *Config) showAllToUsers() {
	for user := range c.Auth.Users {
		if !slices.Contains(c.Admin.Users, user) && !slices.Contains(c.Admin.StatsUsers, user) {
			c.Admin.StatsUsers = append(c.Admin.StatsUsers, user)
		}
	}
}
