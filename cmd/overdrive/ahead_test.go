package main

import (
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
