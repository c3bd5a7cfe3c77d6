package admin

import (
	"context"
	"log/slog"

	"overdrive/proxy"
)

// Proxy is what the console looks at and acts on; *postgres.Proxy is one. Its errors of type *proxy.ControlError are shown with
// their SQLSTATE.
type Proxy interface {
	DatabaseNames() []string
	MayUse(database, user string) bool

	Explain(ctx context.Context, database, user, sql string, verify bool) (proxy.Explanation, error)
	Advise(ctx context.Context, database, user string) ([]proxy.Advice, error)
	Purge(ctx context.Context, database string, what proxy.Purge) (purged []string, err error)

	Caches() []proxy.CacheStatus
	Queries(database string) []proxy.QueryStatus
	Pools() []proxy.PoolStatus
	Databases() []proxy.DatabaseStatus
	Clients(ctx context.Context) []proxy.ClientStatus
}

// Options make a Console.
type Options struct {
	Logger  *slog.Logger // nil: nothing is logged
	Version string       // of the program

	// Admins may do everything, StatsUsers see everything.
	Admins, StatsUsers []string
	// Users is the number of users that are known.
	Users int
	// Config is what SHOW CONFIG shows.
	Config []Setting
	// Reload has the program read its configuration again. Its error says why it could not, and nothing has changed then; nil: there is no
	// such thing.
	Reload func() error
}

// Setting is one key of the configuration, without secrets.
type Setting struct {
	Key, Value, Default string
	Changeable          bool // by RELOAD; else it counts when the program starts again
}
