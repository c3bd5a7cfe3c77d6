package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/loop"
	"overdrive/proxy/postgres/catalog"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/settings"
	"overdrive/proxy/postgres/upstream"
)

// newTestOrigin returns an origin without a pool or a server.
func newTestOrigin() *origin {
	o := &origin{proxy: &Proxy{server: new(proxy.Server), places: []*place{{}}}, follow: func() {}}
	o.keeper = catalog.New(catalog.Options{Identity: &o.Identity})
	o.proxy.limits.Set(DefaultMaxMessage, session.DefaultMaxPrepared)
	o.Begin(session.IdentityOptions{ID: 1, Database: "test", User: "tester", Limits: &o.proxy.limits, Interner: &settings.Interner{}, Watch: o})
	return o
}

// startWorker runs a loop until the test ends.
func startWorker(t *testing.T) *proxy.Worker {
	t.Helper()
	l, err := loop.New(loop.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Run() }()
	t.Cleanup(func() {
		l.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return proxy.NewWorker(0, l)
}

func tcpPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// The pool that wants it may be closed while a connection is on its way to a loop that is busy.
func TestOrigin_AConnectionThatMovesInTooLateIsClosed(t *testing.T) {
	w := startWorker(t)
	ours, theirs := tcpPair(t)
	defer theirs.Close()
	ctx, stop := context.WithCancel(t.Context())
	busy := make(chan struct{})
	w.Loop.Post(func() { <-busy })
	stop()
	if _, err := newTestOrigin().moveIn(ctx, &upstream.Conn{NC: ours}, 0, w); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(busy)
	_ = theirs.SetDeadline(time.Now().Add(5 * time.Second))
	if b, err := io.ReadAll(theirs); err != nil || string(b) != "X\x00\x00\x00\x04" {
		t.Errorf("got %q, %v, want Terminate and the end", b, err)
	}
}

// A connection that leaves the pool says goodbye, on the loop where it lives.
func TestOrigin_AConnectionThatLeavesThePoolSaysGoodbye(t *testing.T) {
	w := startWorker(t)
	ours, theirs := tcpPair(t)
	defer theirs.Close()
	c, err := newTestOrigin().moveIn(t.Context(), &upstream.Conn{NC: ours}, 0, w)
	if err != nil {
		t.Fatal(err)
	}
	closeServer(c, pool.CloseIdle)
	_ = theirs.SetDeadline(time.Now().Add(5 * time.Second))
	if b, err := io.ReadAll(theirs); err != nil || string(b) != "X\x00\x00\x00\x04" {
		t.Errorf("got %q, %v, want Terminate and the end", b, err)
	}
}
