package proxy

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"overdrive/proxy/postgres/pgwire"
)

// This file and its neighbours control_*.go are the operators' side of a Server: what the console and the command line look
// at and act on. All of it may be called at any time from any goroutine, and none of it is on the way of a statement.

// A Console serves the connections of administrators.
type Console interface {
	// Serve speaks with a client that has proved to be user, beginning with AuthenticationOk. It owns nc and closes it. It
	// blocks until the conversation is over, which must be soon after ctx ends.
	Serve(ctx context.Context, nc net.Conn, user string)
}

// consoleNames are the names under which clients find the Console.
var consoleNames = []string{"overdrive", "pgbouncer"}

// A ControlError refuses something that an operator asked for.
type ControlError struct {
	Code    string // SQLSTATE
	Message string
}

func (e *ControlError) Error() string { return e.Message }

func controlError(code, format string, args ...any) error {
	return &ControlError{code, fmt.Sprintf(format, args...)}
}

// SQLSTATEs that only operators see.
const (
	codeUndefinedTable = "42P01"
	codeNotInState     = "55000"
)

// DatabaseNames returns the names that clients may connect to, in order.
func (s *Server) DatabaseNames() []string { return slices.Sorted(maps.Keys(s.databases)) }

// MayUse says whether a user who has proved to be one may log in to the database.
func (s *Server) MayUse(database, user string) bool {
	db := s.databases[database]
	return db != nil && db.admits(user)
}

// databaseNamed returns an error for operators if there is no such database.
func (s *Server) databaseNamed(name string) (*Database, error) {
	db := s.databases[name]
	if db == nil {
		return nil, controlError(pgwire.CodeInvalidCatalogName, "database %q does not exist", name)
	}
	return db, nil
}

// allOrigins returns the origins there are, in order of database and user.
func (s *Server) allOrigins() []*origin {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Collect(maps.Values(s.origins))
	slices.SortFunc(list, func(a, b *origin) int {
		if c := strings.Compare(a.Database, b.Database); c != 0 {
			return c
		}
		return strings.Compare(a.User, b.User)
	})
	return list
}

// originsOf returns the origins of the upstream database that the name means, under whatever name they came.
func (s *Server) originsOf(db *Database) []*origin {
	s.mu.Lock()
	u := s.upstreamOf(db.Target)
	s.mu.Unlock()
	return slices.DeleteFunc(s.allOrigins(), func(o *origin) bool { return o.upstream != u })
}

// Purge says what is to be dropped of a database's cache: one of these.
type Purge struct {
	All    bool
	Tag    string
	Query  uint64 // fingerprint
	Schema string // of Table; empty: any
	Table  string
}

// CacheStatus is what became of a database's statements, and what is kept of it now. Databases of one upstream share a cache,
// and so all of these numbers.
type CacheStatus struct {
	Database                                      string
	Enabled, DryRun                               bool
	Entries, Bytes, Floor, DryEntries             int64
	Hits, Stale, Coalesced, Misses, Refreshes     int64
	WouldHit                                      int64 // misses that a dry run kept from being hits
	Evictions, Invalidations, RacesLost, Oversize int64
}

// QueryStatus is what the cache saw of the statements of one shape.
type QueryStatus struct {
	Database       string
	Fingerprint    uint64
	Shape          string // the text without its constants
	Status, Reason string // of the latest verdict
	Tables         []string

	Calls, Hits, Stale, Coalesced, Misses, WouldHit int64

	MeanMiss time.Duration // how long the server took for an answer that was kept
	Entries  int64         // kept now
	Bytes    int64         // of those
	Youngest time.Duration // age of the youngest of those
}

// An Explanation says what the cache would do with a statement, and why.
type Explanation struct {
	Database, User string // whose statement it is: by the name clients use; at the server
	Status, Reason string // cacheable, disabled, hint or the verdict's word; why, unless cacheable
	DryRun         bool

	Tables   []string // schema.name of all that is read, views included
	Writes   []string // schema.name of what may be changed; "everything"; nil: nothing
	Settings []NameValue
	// Needs names further settings that the answer depends on, because a policy reads them. Each client has its own.
	Needs []string

	Rule                 int    // that matched, counted from 1; 0: none
	RuleText             string // its conditions
	MaxAge               time.Duration
	StaleWhileRevalidate time.Duration
	Tags                 []string
	Ignored              []string // words of the hint that mean nothing

	Query  *QueryStatus // nil: not seen yet
	Oracle *OracleAnswer
}

// NameValue is a setting.
type NameValue struct{ Name, Value string }

// OracleAnswer is the verdict on what the server itself made of a statement.
type OracleAnswer struct {
	Agrees bool   // nothing that the verdict allows is refused by it, and it reads no other tables
	Status string // cacheable, or why not
	Reason string
	Reads  []string // schema.name
}
