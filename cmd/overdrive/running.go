package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"overdrive/config"
	"overdrive/proxy"
	"overdrive/proxy/admin"
	"overdrive/proxy/admin/dashboard"
	"overdrive/proxy/postgres"
	"overdrive/querycache"
)

// running is a proxy that takes clients from its listeners, by a configuration that may change: see reload.go.
type running struct {
	log     *logger
	server  *proxy.Server
	clients *postgres.Proxy
	console *admin.Console
	cache   *querycache.Cache
	witness *witness
	manager manager
	sockets sockets

	tasks   sync.WaitGroup
	failed  chan error        // says why a listener takes no more clients
	endings chan proxy.Ending // says how an administrator wants the program to end

	origin
	reloading sync.Mutex // guards the fields below; held for as long as a reload takes
	cfg       *config.Config
	board     *dashboard.Handler      // nil: there is none
	listeners map[string]net.Listener // by the address in the configuration
	closed    map[net.Listener]bool   // by us

	reloads reloads
}

// An origin is where a configuration comes from.
type origin struct {
	file string // empty: there is none
	load func() (*config.Config, error)
}

// maxEndings is how often the program may be told to end before anybody listens, or goes on to listen.
const maxEndings = 8

// start opens the addresses and lets clients in. The caller must stop what is running. The end of ctx spares the first clients the wait for the
// catalogs, and stops nothing.
func start(ctx context.Context, cfg *config.Config, from origin, passed sockets, log *logger) (*running, error) {
	r := &running{
		log: log, manager: manager{log.Logger}, sockets: passed, cfg: cfg, origin: from, failed: make(chan error, 1),
		endings:   make(chan proxy.Ending, maxEndings),
		listeners: make(map[string]net.Listener), closed: make(map[net.Listener]bool),
	}
	r.reloads.loaded = time.Now()
	opened, err := r.open(cfg.Listen)
	if err != nil {
		return nil, err
	}
	if err := r.build(cfg); err != nil {
		closeAll(opened)
		return nil, err
	}
	ahead, cancel := context.WithTimeout(ctx, aheadLimit)
	defer cancel()
	r.clients.LookAhead(ahead)
	r.serve(opened)
	return r, nil
}

// aheadLimit is how long the first clients wait for the catalogs of the databases. A server that is down answers sooner.
const aheadLimit = 5 * time.Second

// open opens those of the addresses that are not open yet: all, or none.
func (r *running) open(addresses []string) (map[string]net.Listener, error) {
	opened := make(map[string]net.Listener)
	for _, address := range addresses {
		if r.listeners[address] != nil || opened[address] != nil {
			continue
		}
		l, err := r.sockets.listen(address)
		if err != nil {
			closeAll(opened)
			return nil, fmt.Errorf("listen: %w", err)
		}
		opened[address] = l
		if err := awaitFirstWord(l); err != nil {
			r.log.Warn("the kernel hands clients over before they speak", "address", address, "error", err)
		}
	}
	return opened, nil
}

// serve lets clients in by listeners that were opened.
func (r *running) serve(opened map[string]net.Listener) {
	for address, l := range opened {
		r.listeners[address] = l
		r.log.Info("listening", "address", l.Addr().String(), "dsn", dsnAt(r.cfg, l.Addr()))
		r.tasks.Go(func() {
			err := r.server.Serve(l, r.clients)
			if errors.Is(err, proxy.ErrServerClosed) {
				return
			}
			r.reloading.Lock()
			defer r.reloading.Unlock()
			if r.closed[l] {
				delete(r.closed, l)
				return
			}
			select {
			case r.failed <- err:
			default: // another has failed already
			}
		})
	}
}

// stop lets transactions finish within limit. It returns an error if clients had to be cut off; nothing runs any more in
// either case.
func (r *running) stop(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := r.server.Shutdown(ctx)
	r.tasks.Wait()
	r.witness.tracing.Load().close()
	return err
}

// keepWatched serves the watchdog of the service manager, until the caller calls unwatch.
func (r *running) keepWatched() (unwatch func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var watchdog sync.WaitGroup
	watchdog.Go(func() { r.manager.keepWatched(ctx, r.alive) })
	return func() {
		cancel()
		watchdog.Wait()
	}
}

// alive returns an error if an event loop stands still. Whoever stops has a limit for that, and loops that end in their turn.
func (r *running) alive(ctx context.Context) error {
	err := r.server.Alive(ctx)
	if r.server.Stopping() {
		return nil
	}
	return err
}

// patience is how long clients may take to finish what is open when they have to go.
func (r *running) patience() time.Duration {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	return time.Duration(r.cfg.Limits.ShutdownTimeout)
}
