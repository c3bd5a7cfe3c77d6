package proxy

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"overdrive/pool"
	"overdrive/proxy/pgauth"
	"overdrive/proxy/upstream"
	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// PoolMode says for how long a client keeps the server connection that it was given.
type PoolMode uint8

// The three modes, by PgBouncer's names.
const (
	TransactionPooling PoolMode = iota // until its transaction ends
	SessionPooling                     // until it leaves
	StatementPooling                   // for one statement; transaction blocks are refused
)

// An origin is one identity at one upstream database, with all that the sessions which share it have in common: the pool
// of connections that are logged in as it, the statements prepared there, what its server reports, and its view of
// the cache. Safe for concurrent use.
type origin struct {
	id            uint64 // unique in the process; part of cache keys
	database      string // as clients call it
	user          string // at the server
	mode          PoolMode
	maxMessage    int
	interner      *interner
	statements    *statementTable
	tallies       *classify.Tallies    // of the texts that its clients send
	usual         *lens                // of sessions that have changed neither search_path nor role
	cache         *querycache.Database // nil: caching is off
	pool          *pool.Pool[*serverConn]
	dialer        *upstream.Dialer
	credential    *pgauth.Credential
	dropped       func(c *serverConn, held bool) // a connection's socket is gone
	keeper        *catalogKeeper                 // of the catalogs of its lenses
	kick          chan struct{}                  // asks for the catalog to be loaded
	ddl           func(*querycache.Database)     // tells all origins of a database that its catalog changed
	sessions      atomic.Int64                   // alive
	arrived       atomic.Uint64                  // sessions, ever
	refreshing    atomic.Int64                   // sessions without a client
	maxRefreshing int64                          // bounds them
	pinned        atomic.Int64                   // sessions that are tied to their server

	profile atomic.Pointer[profile]
	mu      sync.Mutex // guards the fields below
	known   map[string]*settings
	lenses  []*lens // besides the usual one
}

// A profile is what a server reports of itself at login.
type profile struct {
	base  *settings // parameters that can be set, at their defaults for this identity
	fixed []setting // the others, in the order of their names
}

// introduce notes what a server reported at login and returns its settings.
func (o *origin) introduce(params map[string]string) *settings {
	var base, fixed []setting
	for name, value := range params {
		it := setting{strings.ToLower(name), name, value}
		if settable(name) {
			base = append(base, it)
		} else {
			fixed = append(fixed, it)
		}
	}
	slices.SortFunc(fixed, func(a, b setting) int { return strings.Compare(a.key, b.key) })
	p := &profile{base: o.interner.intern(base), fixed: fixed}
	o.profile.Store(p)
	return p.base
}

// base is what a client without settings of its own has. Only valid once a server was seen.
func (o *origin) base() *settings { return o.profile.Load().base }

// fixed are the parameters that describe the server.
func (o *origin) fixed() []setting { return o.profile.Load().fixed }

// logsInAs says whether fresh servers say of themselves that this is their user.
func (o *origin) logsInAs(user string) bool {
	return slices.ContainsFunc(o.fixed(), func(it setting) bool { return it.key == "session_authorization" && it.value == user })
}

// canonical returns the settings of a client that asked for raw in its startup packet, or nil if no server has been asked
// for them yet.
func (o *origin) canonical(raw []setting) *settings {
	p := o.profile.Load()
	if p == nil {
		return nil
	}
	if len(raw) == 0 {
		return p.base
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.known[rawKey(raw)]
}

// remember notes how the server spelled the settings of a startup packet.
func (o *origin) remember(raw []setting, want *settings) {
	if len(raw) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil || len(o.known) >= maxSets {
		o.known = make(map[string]*settings)
	}
	o.known[rawKey(raw)] = want
}

func rawKey(raw []setting) string {
	var b strings.Builder
	for _, it := range raw {
		b.WriteString(it.key)
		b.WriteByte(0)
		b.WriteString(it.value)
		b.WriteByte(0)
	}
	return b.String()
}

// reported returns the part of a set that the server reports by itself.
func (o *origin) reported(s *settings) *settings {
	base := o.base()
	items := slices.Clone(s.items)
	items = slices.DeleteFunc(items, func(it setting) bool { _, ok := base.get(it.key); return !ok })
	if len(items) == len(s.items) {
		return s
	}
	return o.interner.intern(items)
}

// doubtful is the value of a parameter whose value is not known. No client can ask for it.
const doubtful = "\x00"

// unreported returns what a server has after has was changed to want: what it reports is in has already, the rest is as
// wanted, or in doubt if the change may yet be rolled back.
func (o *origin) unreported(has, want *settings, certain bool) *settings {
	next := o.reported(has)
	base := next
	add := func(s *settings, value func(setting) string) {
		for _, it := range s.items {
			if _, ok := base.get(it.key); !ok {
				next = o.interner.with(next, it.name, value(it))
			}
		}
	}
	if !certain {
		add(has, func(setting) string { return doubtful })
		add(want, func(setting) string { return doubtful })
		return next
	}
	add(want, func(it setting) string { return it.value })
	return next
}

// doubt returns has with a parameter, or "all", no longer known where the server does not report it.
func (o *origin) doubt(has *settings, name string) *settings {
	next := has
	for _, it := range has.items {
		if _, reported := o.base().get(it.key); !reported && (name == "all" || it.key == name) {
			next = o.interner.with(next, it.name, doubtful)
		}
	}
	return next
}

// harmless are parameters that do not change what names mean, or whose rights count.
var harmless = map[string]bool{
	"array_nulls": true, "bytea_output": true, "client_min_messages": true, "default_text_search_config": true,
	"default_transaction_isolation": true, "extra_float_digits": true, "geqo": true,
	"idle_in_transaction_session_timeout": true, "idle_session_timeout": true, "jit": true, "lc_messages": true,
	"lc_monetary": true, "lc_numeric": true, "lc_time": true, "lock_timeout": true, "plan_cache_mode": true,
	"random_page_cost": true, "statement_timeout": true, "tcp_keepalives_idle": true, "tcp_user_timeout": true,
	"transform_null_equals": true, "work_mem": true, "xmlbinary": true, "xmloption": true,
}

// catalogChanged forgets what is known of the catalog, under whatever name and user, until it was loaded again.
func (o *origin) catalogChanged() {
	o.ddl(o.cache)
}
