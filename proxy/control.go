package proxy

import (
	"fmt"
	"strings"
	"time"

	"overdrive/pool"
	"overdrive/proxy/traffic"
)

// This file is what operators are shown: by the console and the command line, whichever protocol a database speaks. All that fills
// it in may be called at any time from any goroutine, and none of that is on the way of a statement.

// A ControlError refuses something that an operator asked for.
type ControlError struct {
	Code    string // SQLSTATE
	Message string
}

func (e *ControlError) Error() string { return e.Message }

// Purge says what is to be dropped of a database's cache: one of these.
type Purge struct {
	All    bool
	Tag    string
	Query  uint64 // fingerprint
	Schema string // of Table; empty: any
	Table  string
}

// String writes what is purged for people.
func (p Purge) String() string {
	switch {
	case p.All:
		return "all"
	case p.Tag != "":
		return "tag " + p.Tag
	case p.Table != "":
		return "table " + strings.TrimPrefix(p.Schema+"."+p.Table, ".")
	}
	return fmt.Sprintf("query %016x", p.Query)
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

	ServerTime time.Duration // of servers, on batches that ended with it
	Repeats    int64         // sent to a server by a session right behind another, with other values
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

// PoolStatus is one pool as it is at the moment.
type PoolStatus struct {
	Database, User string // by the name clients use; at the server
	Mode           string
	Clients        int64  // logged in
	Pinned         int64  // of these, tied to their servers
	PinnedWaits    uint64 // waits for a server that began while some client was
	Cancels        int64  // cancel requests that are on their way to the server
	pool.Stats
}

// ServerStatus is one server connection that clients are given.
type ServerStatus struct {
	ID             uint64
	Database, User string // by the name clients use; at the server
	State          string // active: a client holds it; idle; tested: it is being cleaned; being_canceled: a cancel request is on its way
	Application    string // application_name of the client that holds it
	PID            uint32 // of the server's process, or 0
	Link           uint64 // ID of the client that holds it, or 0
	Prepared       int    // statements
	CloseNeeded    bool   // it is closed when it is next released
	Wire
}

// MemoryStatus is what one part of the process takes of the memory, in bytes.
type MemoryStatus struct {
	Name       string
	Used, Free int64
}

// An Ending is how an operator has the program end.
type Ending uint8

const (
	EndNow         Ending = iota
	EndWithServers        // when no server connection is held any more; who waits for one is sent away
	EndWithClients        // when the last client has left by itself
)

// TrafficStatus is what has passed of one server user of a database since the proxy began. Its counters never fall, but for a database that
// was taken out of the configuration and came back. For all of a database, add up its users, the empty one among them (Counts.Add, Counters.Add).
type TrafficStatus struct {
	Database, User string // by the name clients use; at the server. The empty user stands for some of those who are gone
	traffic.Counts
	Pool pool.Counters // of the user's pools, those that are closed among them
}

// LoopStatus is one event loop.
type LoopStatus struct {
	Clients int64 // that live there, or are on their way
	// Turns are the times that the turns of the loop took. What comes while a turn is on waits for its end, so a long one is what
	// everybody on the loop feels.
	Turns traffic.Distribution
}

// CatalogStatus is how the catalog of a database is looked after. Databases of one upstream share their numbers.
type CatalogStatus struct {
	Database string
	Looks    traffic.Distribution // of the times that it took to ask whether the catalog has changed, and to read it if it has
	Loads    traffic.Distribution // of the times that it took to read the catalog anew
	Failures uint64               // looks that came to nothing, so that nothing could be cached, or only for a while
}

// DatabaseStatus is one name that clients may connect to.
type DatabaseStatus struct {
	Name, Host     string
	Port           int
	Upstream       string // the database's name at the server
	User           string // that every server connection logs in as; empty: the client's
	Mode           string
	Limits         pool.Limits
	Servers        int // connections open
	Clients        int64
	CachingEnabled bool
	Paused         bool // its servers are left in peace until RESUME
	Disabled       bool // nobody new is let in
}
