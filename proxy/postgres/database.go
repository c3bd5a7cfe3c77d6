package postgres

import (
	"slices"

	"overdrive/pool"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache"
)

// A Database is one name that clients may connect to.
type Database struct {
	Name   string
	Target upstream.Target
	// Users may log in besides the target's own user. Without a user in the target, everybody who is known may, and
	// is its own server user.
	Users []string
	Mode  session.PoolMode
	// RefusePins: what ties a session to its server is an error, unless clients keep their servers anyway.
	RefusePins bool
	Pool       pool.Limits
	// Cache is the policy for this database; nil: nothing is cached.
	Cache *querycache.Policy
}

// admits says whether a user who has proved to be one may use the database.
func (db *Database) admits(user string) bool {
	return db.Target.User == "" || db.Target.User == user || slices.Contains(db.Users, user)
}
