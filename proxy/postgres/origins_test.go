package postgres

import (
	"net"
	"testing"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/postgres/upstream"
)

// A pool that closes breaks off the logins under way: they are failures, though nobody is told.
func TestOrigin_ClosesItsPoolDuringALogin(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // a server that says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	server, err := proxy.New(proxy.Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Shutdown(t.Context()) })
	s := New(server, Options{})
	o, err := s.newOrigin(&Database{
		Name:   "silent",
		Target: upstream.Target{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Database: "silent", User: "postgres", SSLMode: upstream.SSLDisable},
		Pool:   pool.Limits{Size: 1, MinIdle: 1},
	}, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	o.pool.Warm()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	o.pool.Close(nil)
	<-o.pool.Done()
}
