package main

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"overdrive/proxy/proxytest"
)

func TestServe_TheFirstReadAfterTheStartIsKept(t *testing.T) {
	pg := proxytest.StartPostgres(t)
	pg.Exec("create table scores(id int); insert into scores values (1)")
	dsn := "postgres://postgres:pw@" + pg.Addr() + "/postgres?sslmode=disable"
	s, _ := serveHere(t, "--connection-string", dsn)
	conn := login(t, at(t, dsn, s.address))
	for _, want := range []string{"miss", "hit"} {
		query(t, conn, "select id from scores")
		if got := query(t, conn, "show overdrive.status"); got != want {
			t.Errorf("the status is %s (%s), want %s", got, query(t, conn, "show overdrive.reason"), want)
		}
	}
}

func TestServe_EndsWhileTheCatalogsAreAwaited(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, anywhere([]string{"--connection-string", "postgres://postgres:pw@" + l.Addr().String() + "/postgres?sslmode=disable"}), io.Discard, io.Discard)
	}()
	if _, err := l.Accept(); err != nil { // of the keeper, which is told nothing
		t.Fatal(err)
	}
	began := time.Now()
	cancel()
	if code := <-ended; code != exitDone || time.Since(began) >= aheadLimit {
		t.Errorf("exit code %d after %v, want %d sooner than the catalogs are given up", code, time.Since(began), exitDone)
	}
}

// A server that takes connections and says nothing keeps clients out no longer than aheadLimit.
func TestServe_StartsWithoutTheServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	began := time.Now()
	serveHere(t, "--connection-string", "postgres://postgres:pw@"+l.Addr().String()+"/postgres?sslmode=disable")
	if took := time.Since(began); took > aheadLimit+20*time.Second {
		t.Errorf("it took %v", took)
	}
}
