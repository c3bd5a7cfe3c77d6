package rig

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"testing"
	"time"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/postgres"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/upstream"
	"overdrive/proxy/proxytest"
	"overdrive/querycache"
)

// An Instance is a proxy that runs in the test's process, in front of a real server or one that a test scripts.
type Instance struct {
	*postgres.Proxy
	Server  *proxy.Server
	Address string
	Cache   *querycache.Cache
}

// Setup is what a test changes of the usual instance.
type Setup struct {
	Upstream string // host:port
	Database string
	User     string // at the server; empty: postgres
	Mode     postgres.PoolMode
	Size     int
	Wait     time.Duration
	Caching  bool
	Options  func(*Options)
}

// Options are those of the server and of the Proxy that it serves.
type Options struct {
	Shared
	postgres.Options
}

// Shared are the options of the server.
type Shared = proxy.Options

// Start runs an instance until the test ends. Clients may be anybody who is "postgres" and need no password.
func Start(tb testing.TB, s Setup) *Instance {
	tb.Helper()
	host, port, err := net.SplitHostPort(s.Upstream)
	if err != nil {
		tb.Fatal(err)
	}
	number, _ := strconv.Atoi(port)
	if s.User == "" {
		s.User = "postgres"
	}
	if s.Wait == 0 {
		s.Wait = 20 * time.Second
	}
	in := &Instance{Cache: querycache.New(querycache.Options{Poison: true})}
	var o Options
	o.Shared = proxy.Options{
		Logger: slog.New(slog.NewTextHandler(testLog{tb}, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Loops:  2,
	}
	o.Options = postgres.Options{
		Users:      func(string) (pgauth.Secret, bool) { return pgauth.Secret{}, true },
		AuthMethod: pgauth.MethodTrust,
		Cache:      in.Cache,
		Databases: []postgres.Database{{
			Name:   s.Database,
			Target: upstream.Target{Host: host, Port: number, Database: s.Database, User: s.User, SSLMode: upstream.SSLDisable, ConnectTimeout: 5 * time.Second},
			Mode:   s.Mode,
			Pool:   pool.Limits{Size: s.Size, WaitTimeout: s.Wait},
			Cache:  &querycache.Policy{Enabled: s.Caching, MaxAge: time.Hour, MaxResult: 50 << 20},
		}},
	}
	if s.Options != nil {
		s.Options(&o)
	}
	if in.Server, err = proxy.New(o.Shared); err != nil {
		tb.Fatal(err)
	}
	in.Proxy = postgres.New(in.Server, o.Options)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	in.Address = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- in.Server.Serve(l, in.Proxy) }()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if err := in.Server.Shutdown(ctx); err != nil {
			tb.Errorf("shutdown: %v", err)
		}
		if err := <-served; !errors.Is(err, proxy.ErrServerClosed) {
			tb.Errorf("serve: %v", err)
		}
	})
	return in
}

// Dial logs a client in.
func (in *Instance) Dial(tb testing.TB, login proxytest.Login) *proxytest.Wire {
	tb.Helper()
	w, err := proxytest.Dial(tb.Context(), in.Address, login)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { w.Close() })
	return w
}

// testLog shows the proxy's log with the test.
type testLog struct{ tb testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	l.tb.Logf("%s", b)
	return len(b), nil
}
