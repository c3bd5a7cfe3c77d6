package session

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"overdrive/proxy/postgres/settings"
	"overdrive/proxy/traffic"
	"overdrive/querycache"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// PoolMode says for how long a client keeps the server connection that it was given.
type PoolMode uint8

// The three modes, by PgBouncer's names.
const (
	TransactionPooling PoolMode = iota // until its transaction ends
	SessionPooling                     // until it leaves
	StatementPooling                   // for one statement; transaction blocks are refused
)

// String returns the mode in PgBouncer's word.
func (m PoolMode) String() string {
	switch m {
	case SessionPooling:
		return "session"
	case StatementPooling:
		return "statement"
	case TransactionPooling:
		return "transaction"
	}
	return "unknown"
}

// An Identity is one server user of one database, with all that the sessions which share it have in common: the statements
// prepared there, what its server reports, how texts are read, and its view of the cache. Safe for concurrent use.
type Identity struct {
	IdentityOptions
	statements *statementTable
	pins       pinCount
	Ghosts     Ghosts // backends that may still write, though their connections are gone
	startups   startups
	profile    atomic.Pointer[profile]
	era        atomic.Uint64 // see Era
	farewell   atomic.Pointer[string]
	lenses
}

// A pinCount counts the sessions of an identity that are tied to their servers, and what that costs the others.
type pinCount struct {
	now   atomic.Int64
	waits atomic.Uint64 // for a server, that began while there was such a session
}

// Pinned returns how many sessions are tied to their servers, and how many waits for a server have begun while there were any.
func (o *Identity) Pinned() (now int64, waits uint64) { return o.pins.now.Load(), o.pins.waits.Load() }

// noteWait is called when a session begins to wait for a server.
func (c *pinCount) noteWait() {
	if c.now.Load() > 0 {
		c.waits.Add(1)
	}
}

// IdentityOptions are what an identity is made of. They stay as they are.
type IdentityOptions struct {
	ID       uint64 // unique in the process; part of cache keys
	Database string // as clients call it
	User     string // at the server
	Mode     PoolMode
	Limits   *Limits
	Interner *settings.Interner
	Cache    *querycache.Database // nil: caching is off
	// InTransactions: the BEGIN of a client is held back until a server is needed, see heldbegin.go.
	InTransactions bool
	// RefusePins: a statement that would tie its session to a server is an error.
	RefusePins bool
	Tallies    *verdict.Tallies // of the texts that the identity's clients send
	// Meter counts what passes, by the words of Vocabulary. It has a lane for each Workspace. nil: there is one Workspace, and nobody reads.
	Meter *traffic.Meter
	// Witness is told of single batches; nil: nobody is.
	Witness *traffic.Witness
	Watch   Watch
	// Alterations and Owned are those of the upstream database, which all of its identities share; nil: there is no other identity.
	Alterations *Alterations
	Owned       *Owned
}

// Part says what clients are told whose sessions end because they were drained; by default it is what PostgreSQL says when it stops.
func (o *Identity) Part(words string) { o.farewell.Store(&words) }

// parting is what they are told.
func (o *Identity) parting() string {
	if words := o.farewell.Load(); words != nil {
		return *words
	}
	return "terminating connection due to administrator command"
}

// Begin initialises o, which must be zero.
func (o *Identity) Begin(options IdentityOptions) {
	o.IdentityOptions = options
	if o.Meter == nil {
		o.Meter = traffic.NewMeter(1, Vocabulary())
	}
	if o.Owned == nil {
		o.Owned = &Owned{}
	}
	if o.Alterations == nil {
		o.Alterations = &Alterations{}
	}
	o.statements = newStatementTable()
	o.Usual = &Lens{Classifier: classify.New(o.Tallies)}
}

// A Watch looks after the catalog of an identity's database. Its methods may be called from any goroutine and do not block.
type Watch interface {
	// Follow has the catalog be known from now on.
	Follow()
	// Ask has the catalog looked at soon.
	Ask()
	// Changed tells that a statement has changed the catalog; shared says that something has changed which all databases of the
	// server have in common. When it returns, nothing that the old catalog allowed is kept any more.
	Changed(shared bool)
	// Touched is Changed where it is known what may have changed.
	Touched(by []*classify.Touch)
}

// startups are the settings of startup packets that a server has been asked for. The zero value has none.
type startups struct {
	mu    sync.Mutex               // guards the fields below
	known map[string]*settings.Set // as the server spelled them, by rawKey
	bytes int                      // of the keys of known
}

// canonical returns how the server spelled the settings, or nil.
func (u *startups) canonical(raw []settings.Setting) *settings.Set {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.known[rawKey(raw)]
}

// remember notes how the server spelled them. What was known before is forgotten when there is too much of it.
func (u *startups) remember(raw []settings.Setting, want *settings.Set) {
	u.mu.Lock()
	defer u.mu.Unlock()
	key := rawKey(raw)
	if u.known == nil || len(u.known) >= settings.MaxSets || u.bytes+len(key) > maxKnownBytes {
		u.known, u.bytes = make(map[string]*settings.Set), 0
	}
	u.bytes += len(key)
	u.known[key] = want
}

// forget forgets all of them.
func (u *startups) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.known, u.bytes = nil, 0
}

// maxKnownBytes bounds what the startup packets that are remembered take.
const maxKnownBytes = 4 << 20

func rawKey(raw []settings.Setting) string {
	var b strings.Builder
	for _, it := range raw {
		b.WriteString(it.Key)
		b.WriteByte(0)
		b.WriteString(it.Value)
		b.WriteByte(0)
	}
	return b.String()
}

// Known says whether a server was seen, so that it is known what it reports.
func (o *Identity) Known() bool { return o.profile.Load() != nil }

// A profile is what a server reports of itself at login.
type profile struct {
	base     *settings.Set      // parameters that can be set, at their defaults for this identity
	fixed    []settings.Setting // the others, in the order of their names
	encoding string             // of the database
}

// Introduce notes what a server reported at login.
func (o *Identity) Introduce(params map[string]string) { o.profile.Store(o.profileOf(params)) }

// profileOf returns what a server says that reports params.
func (o *Identity) profileOf(params map[string]string) *profile {
	var base, fixed []settings.Setting
	p := &profile{}
	for name, value := range params {
		it := settings.Of(name, value)
		if it.Key == "server_encoding" {
			p.encoding = value
		}
		if settings.Settable(name) {
			base = append(base, it)
		} else {
			fixed = append(fixed, it)
		}
	}
	slices.SortFunc(fixed, func(a, b settings.Setting) int { return strings.Compare(a.Key, b.Key) })
	p.base, p.fixed = o.Interner.Intern(base), fixed
	return p
}

// Era counts how often what a login comes with was found to have changed, by ALTER ROLE, ALTER DATABASE or the server's
// configuration. A connection is of the era in which its login began.
//
// Invariant: no answer is kept that a connection of another era than the present one gave. Its defaults may be others than those of a
// new login, though no parameter that anybody has set tells of it.
func (o *Identity) Era() uint64 { return o.era.Load() }

// BeginEra notes that what a login comes with has changed, and what the latest login was told.
func (o *Identity) BeginEra(params map[string]string) {
	o.era.Add(1)
	o.startups.forget()
	o.Introduce(params)
}

// Base is what a client without settings of its own has. Only valid once a server was seen.
func (o *Identity) Base() *settings.Set { return o.profile.Load().base }

// fixed are the parameters that describe the server.
func (o *Identity) fixed() []settings.Setting { return o.profile.Load().fixed }

// logsInAs says whether fresh servers say of themselves that this is their user.
func (o *Identity) logsInAs(user string) bool {
	return slices.ContainsFunc(o.fixed(), func(it settings.Setting) bool { return it.Key == "session_authorization" && it.Value == user })
}

// canonical returns the settings of a client that asked for raw in its startup packet, or nil if no server has been asked
// for them yet.
func (o *Identity) canonical(raw []settings.Setting) *settings.Set {
	p := o.profile.Load()
	if p == nil {
		return nil
	}
	if len(raw) == 0 {
		return p.base
	}
	return o.startups.canonical(raw)
}

// remember notes how the server spelled the settings of a startup packet.
func (o *Identity) remember(raw []settings.Setting, want *settings.Set) {
	if len(raw) > 0 {
		o.startups.remember(raw, want)
	}
}

// reported returns the part of a set that the server reports by itself.
func (o *Identity) reported(s *settings.Set) *settings.Set {
	base := o.Base()
	items := slices.Clone(s.Items())
	items = slices.DeleteFunc(items, func(it settings.Setting) bool { _, ok := base.Find(it.Key); return !ok })
	if len(items) == len(s.Items()) {
		return s
	}
	return o.Interner.Intern(items)
}

// unreported returns what a server has after has was changed to want: what it reports is in has already, the rest is as
// wanted, or in doubt if the change may yet be rolled back.
func (o *Identity) unreported(has, want *settings.Set, certain bool) *settings.Set {
	reported := o.reported(has)
	next := o.Interner.Edit(reported)
	add := func(s *settings.Set) {
		for _, it := range s.Items() {
			if told, ok := reported.Get(it.Key); ok && !(certain && told == settings.Doubtful) {
				continue
			}
			if certain {
				next.Set(it.Name, it.Value)
			} else {
				next.Set(it.Name, settings.Doubtful)
			}
		}
	}
	if !certain {
		add(has)
	}
	add(want)
	return next.Done()
}

// doubt returns has with the parameters of the given names, or all where one is "all", no longer known where the server does
// not report them.
func (o *Identity) doubt(has *settings.Set, names []string) *settings.Set {
	next := o.Interner.Edit(has)
	base := o.Base()
	for _, name := range names {
		if name == "all" {
			for _, it := range has.Items() {
				if _, reported := base.Find(it.Key); !reported {
					next.Set(it.Name, settings.Doubtful)
				}
			}
			break
		}
		it, had := has.Find(name)
		if _, reported := base.Find(name); had && !reported {
			next.Set(it.Name, settings.Doubtful)
		}
	}
	return next.Done()
}
