package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"overdrive/proxy/loop"
)

// Options make a Server. The zero values are usable.
type Options struct {
	Logger *slog.Logger // nil: nothing is logged
	// Loops is the number of event loops; 0 means one per processor.
	Loops int
	Limits
}

// Limits bound what clients may take. They can be changed while the server runs: see SetLimits.
type Limits struct {
	MaxClients   int           // 0: no limit
	LoginTimeout time.Duration // 0: one minute
	// MaxLoginsPerAddress bounds the connections of one address that are not logged in yet; 0: no limit.
	MaxLoginsPerAddress int
}

func (l Limits) withDefaults() Limits {
	if l.LoginTimeout <= 0 {
		l.LoginTimeout = DefaultLoginTimeout
	}
	return l
}

// A Server serves clients on any number of listeners. It is made by New, and must be stopped by Shutdown. Safe for concurrent use.
type Server struct {
	limits   atomic.Pointer[Limits]
	log      *slog.Logger
	registry registry
	judges   *judges
	ids      atomic.Uint64 // the last one given out
	door
	crew
	life

	mu        sync.Mutex // guards the fields below
	listeners map[net.Listener]struct{}
	protocols []Protocol
}

// A door is what a client passes on its way in.
type door struct {
	gate      *gate         // those on their way
	farewells chan struct{} // holds one token for each client that is being turned away with words
	clients   atomic.Int64  // who are logged in, and count against MaxClients
	shut      atomic.Bool   // see Shut
}

// A crew is the event loops, and how many of them are used.
type crew struct {
	workers []*Worker
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

// DefaultLoginTimeout is that of Options.
const DefaultLoginTimeout = time.Minute

// New starts the event loops of a server that nobody can reach yet.
func New(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Loops <= 0 {
		o.Loops = runtime.GOMAXPROCS(0)
	}
	s := &Server{
		log: o.Logger, judges: newJudges(runtime.GOMAXPROCS(0)),
		door:      door{gate: newGate(), farewells: make(chan struct{}, maxFarewells)},
		crew:      crew{arrival: make(chan struct{}, 1)},
		life:      life{quiet: make(chan struct{})},
		listeners: make(map[net.Listener]struct{}),
	}
	s.SetLimits(o.Limits)
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

// vanishedLimit is how long a client or a server may acknowledge nothing of what was sent to it. It is what the defaults of the
// probes on a connection at rest add up to.
const vanishedLimit = 30 * time.Second

func (s *Server) startWorker(i int) error {
	var w *Worker
	l, err := loop.New(loop.Options{
		Vanished: vanishedLimit,
		Panicked: func(p *loop.PanicError) {
			s.log.Error("contained a panic", "value", fmt.Sprint(p.Value), "stack", string(p.Stack))
		},
		TurnTook: func(d time.Duration) { w.turns.Observe(d) },
	})
	if err != nil {
		return err
	}
	w = NewWorker(i, l)
	s.workers = append(s.workers, w)
	s.loops.Go(func() {
		if err := l.Run(); err != nil && !errors.Is(err, loop.ErrClosed) {
			s.log.Error("event loop ended", "loop", i, "error", err)
		}
	})
	return nil
}

// SetLimits changes the limits. They hold for whoever comes from now on.
func (s *Server) SetLimits(l Limits) {
	l = l.withDefaults()
	s.limits.Store(&l)
	s.gate.setLimits(l.MaxClients, l.MaxLoginsPerAddress)
}

// Join has a protocol be closed by Shutdown.
func (s *Server) Join(p Protocol) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.protocols = append(s.protocols, p)
}

// Log is where the server and its protocols tell what happened.
func (s *Server) Log() *slog.Logger { return s.log }

// Context ends when the server has stopped.
func (s *Server) Context() context.Context { return s.context }

// Stopping reports whether Shutdown was called.
func (s *Server) Stopping() bool { return s.stopping.Load() }

// Go runs f in a goroutine. Shutdown waits for it, after Context has ended.
func (s *Server) Go(f func()) { s.tasks.Go(f) }

// NextID returns a number that this server has not given out before, for a session or what sessions share.
func (s *Server) NextID() uint64 { return s.ids.Add(1) }

// Workers returns the event loops, in the order of their indices. They are not to be changed.
func (s *Server) Workers() []*Worker { return s.workers }

// Loops returns how the event loops are doing, in the order of their indices.
func (s *Server) Loops() []LoopStatus {
	var list []LoopStatus
	for _, w := range s.workers {
		list = append(list, LoopStatus{Clients: w.load.Load(), Turns: w.turns.Distribution()})
	}
	return list
}

// Find returns the session with the key, or nil. To act on it, use Post of its Address.
func (s *Server) Find(k Key) Session { return s.registry.find(k) }

// Shut has nobody new be let in from now on, but by Protocols to their consoles. Who is in stays: see Deserted.
func (s *Server) Shut() { s.shut.Store(true) }

// IsShut reports whether Shut was called.
func (s *Server) IsShut() bool { return s.shut.Load() }

// Deserted reports whether no client is logged in, or about to be.
func (s *Server) Deserted() bool { return s.clients.Load() == 0 }

// LoggingIn returns how many connections over TCP are not logged in yet.
func (s *Server) LoggingIn() int { return s.gate.size() }

// One returns a session with a client that matches, or nil. To act on it, use Post of its Address. The function may be called from any
// goroutine, so it must look at nothing that changes.
func (s *Server) One(matches func(Session) bool) Session { return s.registry.one(matches) }

// Full returns an error if no more clients are let in.
func (s *Server) Full() error {
	if s.shut.Load() {
		return ErrShutdown
	}
	if limit := s.limits.Load().MaxClients; limit > 0 && s.clients.Load() >= int64(limit) {
		return full("sorry, too many clients already (limit %d)", limit)
	}
	return nil
}

// TakePlace counts one more client, if there is room. MoveIn must follow.
func (s *Server) TakePlace() error {
	n, limit := s.clients.Add(1), s.limits.Load().MaxClients
	switch {
	case s.shut.Load(): // asked last, so that nobody comes in behind Deserted
		s.clients.Add(-1)
		return ErrShutdown
	case limit > 0 && n > int64(limit):
		s.clients.Add(-1)
		return full("sorry, too many clients already (limit %d)", limit)
	}
	return nil
}

// MoveIn hands the socket of a client that is logged in to an event loop, where its session begins: Enter is called there. The
// session must call Forget when it is over.
func (s *Server) MoveIn(nc net.Conn, session Session) {
	w, seat := s.place(), session.seat()
	w.load.Add(1)
	s.registry.admit(seat)
	select {
	case s.arrival <- struct{}{}:
	default:
	}
	posted := w.Loop.Post(func() {
		conn, err := w.Loop.Adopt(nc, session)
		if err != nil {
			w.load.Add(-1)
			s.log.Error("client could not be handed to its event loop", "error", err)
			s.giveUp(nc, session, err)
			seat.Arrive(w) // whoever has something to say to it shall find that it is gone
			return
		}
		w.sessions.add(seat)
		seat.Arrive(w)
		session.Enter(conn, w)
	})
	if !posted { // the server has stopped
		nc.Close()
		s.giveUp(nil, session, ErrShutdown)
	}
}

// giveUp ends a session that never lived. nc was closed, unless it is for want of a descriptor that it could not be handed over.
func (s *Server) giveUp(nc net.Conn, session Session, why error) {
	if !OutOfDescriptors(why) {
		nc = nil
	}
	session.GiveUp(nc, why)
	s.forget(session.seat())
}

// Forget takes a session off the books that is over, on its loop.
func (s *Server) Forget(session Session) {
	seat := session.seat()
	seat.Here().remove(seat)
	s.forget(seat)
}

func (s *Server) forget(seat *Seat) {
	s.registry.forget(seat)
	s.clients.Add(-1)
	s.noteQuiet()
}
