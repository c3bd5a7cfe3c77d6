package postgres

import (
	"crypto/tls"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"overdrive/proxy"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/settings"
	"overdrive/proxy/traffic"
	"overdrive/querycache"
)

// Options make a Proxy. Databases and Users are required; the zero values of the others are usable.
type Options struct {
	Databases []Database
	// Users finds the secret of a client. It may be called from many goroutines.
	Users       func(user string) (pgauth.Secret, bool)
	AuthMethod  pgauth.Method
	TLS         *tls.Config
	TLSMode     TLSMode
	MaxMessage  int // bytes of one message; 0: 1 GiB
	MaxPrepared int // bytes that the prepared statements of one client may keep; 0: 64 MiB
	Cache       *querycache.Cache
	// Witness is told of single batches of clients; nil: nobody is.
	Witness *traffic.Witness
	// Console serves clients of the databases overdrive and pgbouncer; nil: there are no such databases.
	Console Console
}

// A Proxy serves the clients of a proxy.Server that speak PostgreSQL's protocol. It is made by New, and closed by the server's Shutdown.
// Safe for concurrent use.
type Proxy struct {
	server        *proxy.Server
	cache         *querycache.Cache
	console       Console
	witness       *traffic.Witness
	given         atomic.Pointer[given]
	limits        session.Limits
	interner      settings.Interner
	authenticator *pgauth.Authenticator
	logins        chan struct{} // holds one token for each proof that is being checked
	places        []*place      // by the index of the worker
	refusals      traffic.ByWord

	mu sync.Mutex // guards the fields below
	directory
	stops
}

// A directory is what there is by name. Proxy.mu guards it.
type directory struct {
	origins   map[originKey]*origin
	leaving   map[*origin]struct{}         // that the configuration has no more, and whose clients are still to go
	upstreams map[string]*upstreamDatabase // by name
	noRoom    map[string]time.Time         // by database: when it was last looked in vain for a user who can be given up
	accounts  accounts
}

type originKey struct{ database, user string }

// DefaultMaxMessage is that of Options.
const DefaultMaxMessage = 1 << 30

// New has a server serve PostgreSQL's clients: give the Proxy to its Serve.
func New(server *proxy.Server, o Options) *Proxy {
	p := &Proxy{
		server: server, cache: o.Cache, console: o.Console, witness: o.Witness, refusals: traffic.NewByWord(refusalWords),
		authenticator: pgauth.NewAuthenticator(pgauth.Options{}), logins: make(chan struct{}, runtime.GOMAXPROCS(0)),
		directory: directory{
			origins: make(map[originKey]*origin), leaving: make(map[*origin]struct{}), upstreams: make(map[string]*upstreamDatabase), noRoom: make(map[string]time.Time),
			accounts: newAccounts(),
		},
		stops: stops{paused: make(map[string]uint64), disabled: make(map[string]bool)},
	}
	p.take(o)
	for _, w := range server.Workers() {
		here := new(place)
		here.SetClock(w.Loop.Now, time.Since)
		here.CountIn(w.Index)
		p.places = append(p.places, here)
	}
	server.Join(p)
	server.Go(p.lookForUnused)
	return p
}

// take has options be what is given.
func (p *Proxy) take(o Options) *given {
	if o.MaxMessage <= 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.MaxPrepared <= 0 {
		o.MaxPrepared = session.DefaultMaxPrepared
	}
	g := &given{Options: o, databases: make(map[string]*Database)}
	for _, db := range o.Databases {
		g.databases[db.Name] = &db
	}
	p.limits.Set(o.MaxMessage, o.MaxPrepared)
	p.given.Store(g)
	return g
}

// Prepare derives SCRAM verifiers from plain secrets in the background, so that a user's first login is as fast as the
// others. It need not be called.
func (p *Proxy) Prepare(secrets map[string]pgauth.Secret) {
	p.server.Go(func() {
		for user, secret := range secrets {
			if p.server.Context().Err() != nil {
				return
			}
			if secret.Kind() == pgauth.KindPlain {
				p.authenticator.Prepare(user, secret)
			}
		}
	})
}
