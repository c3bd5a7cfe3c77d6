package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"overdrive/pool"
	"overdrive/proxy/loop"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/settings"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache"
)

// Options make a Server. Databases and Users are required; the zero values of the others are usable.
type Options struct {
	Logger *slog.Logger
	// Loops is the number of event loops; 0 means one per processor.
	Loops     int
	Databases []Database
	// Users finds the secret of a client. It may be called from many goroutines.
	Users        func(user string) (pgauth.Secret, bool)
	AuthMethod   pgauth.Method
	TLS          *tls.Config
	TLSMode      TLSMode
	MaxClients   int           // 0: no limit
	MaxMessage   int           // bytes of one message; 0: 1 GiB
	MaxPrepared  int           // bytes that the prepared statements of one client may keep; 0: 64 MiB
	LoginTimeout time.Duration // 0: one minute
	// MaxLoginsPerAddress bounds the connections of one address that are not logged in yet; 0: no limit.
	MaxLoginsPerAddress int
	Cache               *querycache.Cache
	// Console serves clients of the databases overdrive and pgbouncer; nil: there are no such databases.
	Console Console
}

// A Database is one name that clients may connect to.
type Database struct {
	Name   string
	Target upstream.Target
	// Users may log in besides the target's own user. Without a user in the target, everybody who is known may, and
	// is its own server user.
	Users []string
	Mode  session.PoolMode
	Pool  pool.Limits
	// Cache is the policy for this database; nil: nothing is cached.
	Cache *querycache.Policy
}

// A Server serves clients on any number of listeners. It is made by New, and must be stopped by Shutdown.
type Server struct {
	options   Options
	log       *slog.Logger
	databases map[string]*Database
	registry  registry
	interner  settings.Interner
	judges    *judges
	ids       atomic.Uint64 // of sessions and identities, the last one given out
	door
	crew
	life

	mu sync.Mutex // guards the fields below
	directory
}

// A door is what a client passes on its way in.
type door struct {
	authenticator *pgauth.Authenticator
	gate          *gate         // those on their way
	logins        chan struct{} // holds one token for each proof that is being checked
	farewells     chan struct{} // holds one token for each client that is being turned away with words
	clients       atomic.Int64  // who are logged in, and count against MaxClients
}

// A crew is the event loops, and how many of them are used.
type crew struct {
	workers []*worker
	inUse   atomic.Int32  // workers that clients are given to
	arrival chan struct{} // tells spreadSessions of a new client
}

// A life is how a server ends, and what it waits for then.
type life struct {
	context  context.Context // ends when the server has stopped
	stop     context.CancelFunc
	stopping atomic.Bool
	quiet    chan struct{}  // closed when the last client has gone, once stopping
	loops    sync.WaitGroup // event loops that run
	tasks    sync.WaitGroup // everything else that runs
}

// A directory is what there is by name. Server.mu guards it.
type directory struct {
	origins   map[originKey]*origin
	upstreams map[string]*upstreamDatabase // by name
	listeners map[net.Listener]struct{}
	noRoom    map[string]time.Time // by database: when it was last looked in vain for a user who can be given up
}

type originKey struct{ database, user string }

// Defaults of Options.
const (
	DefaultMaxMessage   = 1 << 30
	DefaultLoginTimeout = time.Minute
)

// New starts the event loops of a server that nobody can reach yet.
func New(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Loops <= 0 {
		o.Loops = runtime.GOMAXPROCS(0)
	}
	if o.MaxMessage <= 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.MaxPrepared <= 0 {
		o.MaxPrepared = session.DefaultMaxPrepared
	}
	if o.LoginTimeout <= 0 {
		o.LoginTimeout = DefaultLoginTimeout
	}
	s := &Server{
		options: o, log: o.Logger, databases: make(map[string]*Database), judges: newJudges(runtime.GOMAXPROCS(0)),
		door: door{
			authenticator: pgauth.NewAuthenticator(pgauth.Options{}), gate: newGate(o.MaxClients, o.MaxLoginsPerAddress),
			logins: make(chan struct{}, runtime.GOMAXPROCS(0)), farewells: make(chan struct{}, maxFarewells),
		},
		crew: crew{arrival: make(chan struct{}, 1)},
		life: life{quiet: make(chan struct{})},
		directory: directory{
			origins: make(map[originKey]*origin), upstreams: make(map[string]*upstreamDatabase),
			listeners: make(map[net.Listener]struct{}), noRoom: make(map[string]time.Time),
		},
	}
	for _, db := range o.Databases {
		s.databases[db.Name] = &db
	}
	s.context, s.stop = context.WithCancel(context.Background())
	for i := range o.Loops {
		if err := s.startWorker(i); err != nil {
			s.halt()
			return nil, fmt.Errorf("event loop %d: %w", i, err)
		}
	}
	s.tasks.Go(s.spreadSessions)
	s.tasks.Go(s.lookForUnused)
	return s, nil
}

// vanishedLimit is how long a client or a server may acknowledge nothing of what was sent to it. It is what the defaults of the
// probes on a connection at rest add up to.
const vanishedLimit = 30 * time.Second

func (s *Server) startWorker(i int) error {
	l, err := loop.New(loop.Options{Vanished: vanishedLimit, Panicked: func(p *loop.PanicError) {
		s.log.Error("contained a panic", "value", fmt.Sprint(p.Value), "stack", string(p.Stack))
	}})
	if err != nil {
		return err
	}
	w := &worker{index: i, server: s, loop: l}
	w.post = l.Post
	w.SetClock(l.Now)
	w.alarm = func(d time.Duration, f func()) session.Timer { return l.AfterFunc(d, f) }
	s.workers = append(s.workers, w)
	s.loops.Go(func() {
		if err := l.Run(); err != nil && !errors.Is(err, loop.ErrClosed) {
			s.log.Error("event loop ended", "loop", i, "error", err)
		}
	})
	return nil
}

// Prepare derives SCRAM verifiers from plain secrets in the background, so that a user's first login is as fast as the
// others. It need not be called.
func (s *Server) Prepare(secrets map[string]pgauth.Secret) {
	s.tasks.Go(func() {
		for user, secret := range secrets {
			if s.context.Err() != nil {
				return
			}
			if secret.Kind() == pgauth.KindPlain {
				s.authenticator.Prepare(user, secret)
			}
		}
	})
}

// moveIn hands an authenticated client to an event loop, where its session begins.
func (s *Server) moveIn(nc net.Conn, o *origin, user string, entry *session.Entry) {
	w := s.place()
	w.load.Add(1)
	c := newClient(o, w.index)
	c.Begin(c, session.ID(s.ids.Add(1)), &o.Identity, user, entry)
	o.arrived.Add(1)
	if o.sessions.Add(1) == 1 {
		o.askCatalog()
		o.mayBeBack()
	}
	s.registry.admit(c)
	select {
	case s.arrival <- struct{}{}:
	default:
	}
	posted := w.loop.Post(func() {
		conn, err := w.loop.Adopt(nc, c)
		if err != nil {
			w.load.Add(-1)
			c.GiveUp()
			c.address.arrive(w) // whoever has something to say to it shall find that it is gone
			s.forget(c)
			s.log.Error("client could not be handed to its event loop", "error", err)
			if outOfDescriptors(err) {
				s.tasks.Go(func() { part(nc, errNoDescriptor) })
			}
			return
		}
		w.sessions.add(c)
		c.address.arrive(w)
		c.Start(conn, &w.Workspace)
		if s.stopping.Load() {
			c.Drain()
		}
	})
	if !posted { // the server has stopped
		s.forget(c)
		nc.Close()
	}
}

// admits says whether a user who has proved to be one may use the database.
func (db *Database) admits(user string) bool {
	if db.Target.User == "" || db.Target.User == user {
		return true
	}
	for _, u := range db.Users {
		if u == user {
			return true
		}
	}
	return false
}
