package proxy_test

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
	"overdrive/proxy/pgauth"
	"overdrive/proxy/proxytest"
	"overdrive/proxy/upstream"
	"overdrive/querycache"
)

// An instance is a proxy that runs in the test's process, in front of a real server or one that a test scripts.
type instance struct {
	*proxy.Server
	address string
	cache   *querycache.Cache
}

// setup is what a test changes of the usual instance.
type setup struct {
	upstream string // host:port
	database string
	user     string // at the server; empty: postgres
	mode     proxy.PoolMode
	size     int
	wait     time.Duration
	caching  bool
	options  func(*proxy.Options)
}

// start runs an instance until the test ends. Clients may be anybody who is "postgres" and need no password.
func start(tb testing.TB, s setup) *instance {
	tb.Helper()
	host, port, err := net.SplitHostPort(s.upstream)
	if err != nil {
		tb.Fatal(err)
	}
	number, _ := strconv.Atoi(port)
	if s.user == "" {
		s.user = "postgres"
	}
	if s.wait == 0 {
		s.wait = 20 * time.Second
	}
	in := &instance{cache: querycache.New(querycache.Options{})}
	o := proxy.Options{
		Logger:     slog.New(slog.NewTextHandler(testLog{tb}, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Loops:      2,
		Users:      func(string) (pgauth.Secret, bool) { return pgauth.Secret{}, true },
		AuthMethod: pgauth.MethodTrust,
		Cache:      in.cache,
		Databases: []proxy.Database{{
			Name:   s.database,
			Target: upstream.Target{Host: host, Port: number, Database: s.database, User: s.user, SSLMode: upstream.SSLDisable, ConnectTimeout: 5 * time.Second},
			Mode:   s.mode,
			Pool:   pool.Limits{Size: s.size, WaitTimeout: s.wait},
			Cache:  &querycache.Policy{Enabled: s.caching, MaxAge: time.Hour, MaxResult: 50 << 20},
		}},
	}
	if s.options != nil {
		s.options(&o)
	}
	if in.Server, err = proxy.New(o); err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	in.address = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- in.Serve(l) }()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := in.Shutdown(ctx); err != nil {
			tb.Errorf("shutdown: %v", err)
		}
		if err := <-served; !errors.Is(err, proxy.ErrServerClosed) {
			tb.Errorf("serve: %v", err)
		}
	})
	return in
}

// dial logs a client in.
func (in *instance) dial(tb testing.TB, login proxytest.Login) *proxytest.Wire {
	tb.Helper()
	w, err := proxytest.Dial(tb.Context(), in.address, login)
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
