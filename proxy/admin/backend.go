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
	Traffic() []proxy.TrafficStatus
	Databases() []proxy.DatabaseStatus
	Clients(ctx context.Context) []proxy.ClientStatus
	Servers(ctx context.Context) []proxy.ServerStatus
	Memory() []proxy.MemoryStatus
	LoggingIn() int // connections that are not logged in yet
	IsShut() bool   // nobody new is let in, because the end has begun

	// Each of these is for one database, or for all if the name is empty, but for Disable and Enable, which want one.
	Pause(ctx context.Context, database string) error
	Resume(database string) error
	Kill(database string) error
	Reconnect(database string) error
	WaitClose(ctx context.Context, database string) error
	Disable(database string) error
	Enable(database string) error
	KillClient(id uint64) error
}

// Options make a Console.
type Options struct {
	Logger  *slog.Logger // nil: nothing is logged
	Version string       // of the program

	// Admins may do everything, StatsUsers see everything.
	Admins, StatsUsers []string
	// Users are those that the configuration knows.
	Users []string
	// Config is what SHOW CONFIG shows.
	Config []Setting
	// Reload has the program read its configuration again. Its error says why it could not, and nothing has changed then; nil: there is no
	// such thing.
	Reload func() error
	// Set changes one key of the configuration until Reload; nil: there is no such thing.
	Set func(path []string, value string) error
	// Shutdown has the program end, and does not wait for that; nil: there is no such thing.
	Shutdown func(how proxy.Ending) error
}

// Setting is one key of the configuration, without secrets.
type Setting struct {
	Key, Value, Default string
	Changeable          bool // by RELOAD; else it counts when the program starts again
}
