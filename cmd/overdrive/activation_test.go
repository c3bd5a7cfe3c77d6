package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// passed starts the program with sockets that somebody else listens on, as systemd does. Only a process that knows its own number can be
// told that they are meant for it, so a shell stands between.
func passed(t *testing.T, files []*os.File, args []string) *service {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", fmt.Sprintf(`export LISTEN_PID=$$ LISTEN_FDS=%d; exec "$0" "$@"`, len(files)), os.Args[0]}, args...)...)
	cmd.ExtraFiles = files
	return newService(t, startApart(t, cmd))
}

// tcpSocket listens on a free port, and returns what can be passed on.
func tcpSocket(t *testing.T) (*os.File, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, l.Addr().String()
}

func TestServe_TakesTheSocketsThatItIsPassed(t *testing.T) {
	clients, address := tcpSocket(t)
	http, health := tcpSocket(t)
	dir, err := os.MkdirTemp("", "sockets")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, socketName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	local, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	stray, unused := tcpSocket(t)

	// 127.0.0.1:0 was passed by nobody, and is opened.
	s := passed(t, []*os.File{stray, clients, local, http}, []string{"serve", "--log-format=json", "--connection-string", sharedDSN(t),
		"--listen", strings.Join([]string{address, dir, "127.0.0.1:0"}, ","), "--http", health})
	if line := s.await("a socket of the service manager is for no address of the configuration"); line["address"] != unused {
		t.Errorf("got %v, want %s", line, unused)
	}
	if got := query(t, login(t, at(t, sharedDSN(t), address)), "select 1"); got != "1" {
		t.Errorf("by TCP: got %q", got)
	}
	if got := query(t, login(t, "postgres://postgres:pw@/postgres?port=6432&host="+dir), "select 2"); got != "2" {
		t.Errorf("by the Unix socket: got %q", got)
	}
	if got := runToEnd(t, "healthcheck", "--http", health); got.code != exitDone {
		t.Errorf("health: got %+v", got)
	}
}

func TestServe_TakesAPassedSocketBackAfterAReload(t *testing.T) {
	kept, keptAddress := tcpSocket(t)
	moved, movedAddress := tcpSocket(t)
	listening := func(addresses ...string) string {
		return fmt.Sprintf("http: \"\"\nlisten: [%q]\n", strings.Join(addresses, `", "`)) + reloadable(t, "one")
	}
	unquoted := func(text string) string { return strings.ReplaceAll(text, `\"`, `"`) }
	conf := file(t, "o.yaml", unquoted(listening(keptAddress, movedAddress)))
	cmd := exec.Command("sh", "-c", `export LISTEN_PID=$$ LISTEN_FDS=2; exec "$0" "$@"`, os.Args[0], "serve", "--log-format=json", "--config", conf)
	cmd.ExtraFiles = []*os.File{kept, moved}
	log := startApart(t, cmd)
	s := &service{t: t, lines: make(chan map[string]any, 1000), address: keptAddress}
	go s.follow(log)
	s.await("listening")
	s.await("listening")
	for _, addresses := range [][]string{{keptAddress}, {keptAddress, movedAddress}} {
		rewrite(t, conf, unquoted(listening(addresses...)))
		if err := s.reload(); err != nil {
			t.Fatal(err)
		}
	}
	s.address = movedAddress
	query(t, login(t, dsnOf(s, "app", "pw", "one")), "select 1")
}

func TestSockets_AreForTheAddressesThatMeanThem(t *testing.T) {
	tcp := func(ip string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: port} }
	for _, c := range []struct {
		at      net.Addr
		address string
		want    bool
	}{
		{tcp("127.0.0.1", 6432), "127.0.0.1:6432", true},
		{tcp("127.0.0.1", 6432), "localhost:6432", true},
		{tcp("127.0.0.1", 6432), "127.0.0.1:6433", false},
		{tcp("127.0.0.1", 6432), "0.0.0.0:6432", false},
		{tcp("::", 6432), "127.0.0.1:6432", false},
		{tcp("::", 6432), "0.0.0.0:6432", true},
		{tcp("::", 6432), ":6432", true},
		{tcp("0.0.0.0", 6432), "[::]:6432", true},
		{tcp("::1", 6432), "[::1]:6432", true},
		{tcp("::1", 6432), "/run/overdrive", false},
		{&net.UnixAddr{Name: "/run/overdrive/" + socketName}, "/run/overdrive", true},
		{&net.UnixAddr{Name: "/run/overdrive/" + socketName}, "/run/overdrive/", true},
		{&net.UnixAddr{Name: "/run/overdrive/other"}, "/run/overdrive", false},
		{&net.UnixAddr{Name: "/run/overdrive/" + socketName}, "127.0.0.1:6432", false},
	} {
		if got := (sockets{{address: c.at}}).find(c.address) != nil; got != c.want {
			t.Errorf("%v for %s: got %v", c.at, c.address, got)
		}
	}
	both := sockets{{address: tcp("::", 6432)}, {address: tcp("0.0.0.0", 6432)}}
	if both.find("0.0.0.0:6432") != both[1] {
		t.Error("an address takes another socket though the very same is there")
	}
}
