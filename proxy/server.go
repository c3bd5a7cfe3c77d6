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
	"overdrive/proxy/pgauth"
	"overdrive/proxy/upstream"
	"overdrive/querycache"
	"overdrive/querycache/classify"
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
	LoginTimeout time.Duration // 0: one minute
	Cache        *querycache.Cache
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
	Mode  PoolMode
	Pool  pool.Limits
	// Cache is the policy for this database; nil: nothing is cached.
	Cache *querycache.Policy
}

// A Server serves clients on any number of listeners. It is made by New, and must be stopped by Shutdown.
type Server struct {
	options       Options
	log           *slog.Logger
	context       context.Context // ends when the server has stopped
	stop          context.CancelFunc
	workers       []*worker
	databases     map[string]*Database
	authenticator *pgauth.Authenticator
	registry      registry
	interner      interner
	loops         sync.WaitGroup
	tasks         sync.WaitGroup // everything else that runs
	inUse         atomic.Int32   // workers that clients are given to
	arrival       chan struct{}  // tells spreadSessions of a new client
	clients       atomic.Int64   // who count against MaxClients: all that are in or on their way in
	ids           atomic.Uint64
	stopping      atomic.Bool
	judges        chan struct{} // holds one token for each text that is being judged
	quiet         chan struct{} // closed when the last client has gone, once stopping

	mu        sync.Mutex // guards the fields below
	origins   map[originKey]*origin
	tallies   map[string]*classify.Tallies // by cacheName
	listeners map[net.Listener]struct{}
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
	if o.LoginTimeout <= 0 {
		o.LoginTimeout = DefaultLoginTimeout
	}
	s := &Server{
		options: o, log: o.Logger, authenticator: pgauth.NewAuthenticator(pgauth.Options{}),
		databases: make(map[string]*Database), origins: make(map[originKey]*origin), tallies: make(map[string]*classify.Tallies),
		listeners: make(map[net.Listener]struct{}), quiet: make(chan struct{}),
		arrival: make(chan struct{}, 1), judges: make(chan struct{}, runtime.GOMAXPROCS(0)),
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
	return s, nil
}

func (s *Server) startWorker(i int) error {
	l, err := loop.New(loop.Options{Panicked: func(p *loop.PanicError) {
		s.log.Error("contained a panic", "value", fmt.Sprint(p.Value), "stack", string(p.Stack))
	}})
	if err != nil {
		return err
	}
	w := &worker{index: i, loop: l}
	w.broker = &loopBroker{server: s, worker: w}
	w.post = func(f func()) { l.Post(f) }
	w.alarm = func(d time.Duration, f func()) stopper { return l.AfterFunc(d, f) }
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

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("proxy: server closed")

// Serve accepts clients from l until Shutdown, which closes l. It always returns an error.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	if s.stopping.Load() {
		l.Close()
	}
	var pause time.Duration
	for {
		nc, err := l.Accept()
		switch {
		case s.stopping.Load():
			if err == nil {
				nc.Close()
			}
			return ErrServerClosed
		case err == nil:
			pause = 0
			s.receive(nc)
			continue
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept: %w", err)
		}
		// Out of descriptors or memory: others may leave, so wait and go on.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.log.Error("accept failed", "error", err, "retry_in", pause)
		select {
		case <-time.After(pause):
		case <-s.context.Done():
		}
	}
}

// receive takes on a client that has just connected.
func (s *Server) receive(nc net.Conn) {
	count, limit := s.clients.Add(1), s.options.MaxClients
	if limit > 0 && count > int64(limit) {
		s.clients.Add(-1)
		s.tasks.Go(func() { s.turnAway(nc, limit) })
		return
	}
	s.tasks.Go(func() { s.admit(nc) })
}

// moveIn hands an authenticated client to an event loop, where its session begins.
func (s *Server) moveIn(nc net.Conn, o *origin, user string, raw []setting, own func(*session)) {
	w := s.place()
	w.load.Add(1)
	c := &session{id: SessionID(s.ids.Add(1)), origin: o, worker: w, user: user, rawStartup: raw, onlyReads: true}
	own(c)
	c.startupOwn = own
	c.broker = w.broker
	o.arrived.Add(1)
	if o.sessions.Add(1) == 1 {
		o.askCatalog()
	}
	s.registry.admit(c, w)
	select {
	case s.arrival <- struct{}{}:
	default:
	}
	posted := w.loop.Post(func() {
		conn, err := w.loop.Adopt(nc, c)
		if err != nil {
			w.load.Add(-1)
			s.forget(c)
			s.log.Error("client could not be handed to its event loop", "error", err)
			return
		}
		c.client = conn
		w.sessions.add(c)
		c.start()
		if s.stopping.Load() {
			c.drain()
		}
	})
	if !posted { // the server has stopped
		s.forget(c)
		nc.Close()
	}
}

// originFor finds or makes the identity at the upstream under which a client works.
func (s *Server) originFor(database, user string) (*origin, error) {
	db, ok := s.databases[database]
	if !ok {
		return nil, refuse(codeInvalidCatalogName, "database %q does not exist", database)
	}
	if !db.admits(user) {
		return nil, refuse(codeInvalidAuthorization, "user %q is not permitted to connect to database %q", user, database)
	}
	return s.originOf(db, user)
}

// originOf is originFor for whoever may act for user on the database.
func (s *Server) originOf(db *Database, user string) (*origin, error) {
	key := originKey{db.Name, user}
	if db.Target.User != "" {
		key.user = db.Target.User
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.origins[key]; o != nil {
		return o, nil
	}
	o, err := s.newOrigin(db, key.user)
	if err != nil {
		return nil, err
	}
	s.origins[key] = o
	return o, nil
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
