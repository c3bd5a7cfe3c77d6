package upstream

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strconv"
	"testing"
	"time"
)

// standbyOf starts a standby that follows p, with p's certificates.
func standbyOf(t *testing.T, p *postgres) *postgres {
	t.Helper()
	backup, err := findBinary("pg_basebackup")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "upstream")
	if err != nil {
		t.Fatal(err)
	}
	s := &postgres{dir: dir, port: freePort(t), log: new(bytes.Buffer)}
	t.Cleanup(s.stop)
	out, err := s.command(t, backup, "-h", p.dir, "-p", strconv.Itoa(p.port), "-U", "postgres", "-D", dir+"/data", "-X", "stream",
		"-R", "-c", "fast", "--no-sync").CombinedOutput()
	if err != nil {
		t.Fatalf("pg_basebackup: %v\n%s", err, out)
	}
	s.launch(t, p.dir)
	return s
}

// at is the place of a server in a target that names several.
func (p *postgres) at() Endpoint {
	return Endpoint{Host: "localhost", Address: "127.0.0.1", Port: p.port}
}

// among leads to the first of several hosts that will do.
func among(t *testing.T, attrs string, hosts ...Endpoint) Target {
	t.Helper()
	on := &postgres{port: hosts[0].Port}
	target := on.target(t, "scram", "verify-full", "")
	target.Others, target.SessionAttrs = hosts[1:], attrs
	return target
}

func TestConnect_FindsThePrimaryAmongSeveralHostsAndFollowsAFailover(t *testing.T) {
	primary := startPostgres(t, true)
	defer primary.stop()
	standby := standbyOf(t, primary)
	nobody := Endpoint{Host: "localhost", Address: "127.0.0.1", Port: freePort(t)}
	ca := primary.dir + "/ca.crt"
	expect := func(want *postgres, attrs string, hosts ...Endpoint) {
		t.Helper()
		target := among(t, attrs, hosts...)
		target.SSLRootCert = ca
		conn, err := connect(t, target)
		switch {
		case want == nil:
			if !errors.Is(err, errUnsuited) || Permanent(err) {
				t.Errorf("%s of %v: got %v, want %v", attrs, hosts, err, errUnsuited)
			}
			return
		case err != nil:
			t.Fatalf("%s of %v: %v", attrs, hosts, err)
		}
		if _, secured := conn.NC.(*tls.Conn); !secured || conn.NC.RemoteAddr().(*net.TCPAddr).Port != want.port {
			t.Errorf("%s of %v: got %v by %T, want port %d", attrs, hosts, conn.NC.RemoteAddr(), conn.NC, want.port)
		}
		if got := conn.Home.Target; got.Port != want.port || got.Others != nil {
			t.Errorf("%s of %v: home is %v, want port %d alone", attrs, hosts, got, want.port)
		}
	}
	for _, attrs := range []string{SessionPrimary, SessionReadWrite} {
		expect(primary, attrs, primary.at(), standby.at())
		expect(primary, attrs, standby.at(), primary.at())
		expect(primary, attrs, nobody, standby.at(), primary.at())
		expect(nil, attrs, standby.at())
		expect(nil, attrs, nobody, standby.at(), nobody)
	}
	expect(standby, SessionAny, nobody, standby.at(), primary.at())

	writer := among(t, SessionReadWrite, primary.at())
	writer.SSLRootCert, writer.RuntimeParams = ca, map[string]string{"options": "-c default_transaction_read_only=on"}
	if _, err := connect(t, writer); !errors.Is(err, errUnsuited) {
		t.Errorf("read-only by default: got %v, want %v", err, errUnsuited)
	}

	primary.die()
	expect(nil, SessionPrimary, primary.at(), standby.at())
	standby.sql(t, "SELECT pg_catalog.pg_promote()")
	expect(standby, SessionPrimary, primary.at(), standby.at())
}

// die ends the server and keeps its files.
func (p *postgres) die() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// A server that was there, and would not have us, is not passed over: as with libpq, the others would be asked with the same
// password.
func TestConnect_DoesNotAskTheNextHostWhenTheLoginFailed(t *testing.T) {
	on := serverWithTLS(t)
	second, listening := listen(t)
	for _, change := range []func(*Target){
		func(t *Target) { t.Password = "guess" },
		func(t *Target) { t.Database = "nowhere" },
		func(t *Target) { t.User = "crowd"; t.Password = "crowd" },
		func(t *Target) { t.RequireAuth = "md5" },
		func(t *Target) { t.SSLMode, t.SSLRootCert = SSLVerifyFull, "/nowhere" },
	} {
		target := on.target(t, "scram", "disable", "")
		target.Others = []Endpoint{{Host: "127.0.0.1", Port: listening.Port}}
		change(&target)
		if _, err := connect(t, target); err == nil {
			t.Error("got in")
		}
	}
	_ = second.(*net.TCPListener).SetDeadline(time.Now().Add(time.Millisecond))
	if nc, err := second.Accept(); err == nil {
		_ = nc.Close()
		t.Error("the next host was asked")
	}
}

func TestConnect_TimeoutIsForEachHost(t *testing.T) {
	on := serverWithTLS(t)
	_, silent := listen(t)
	target := on.target(t, "scram", "disable", "")
	target.Others = []Endpoint{{Host: target.Host, Address: target.Address, Port: target.Port}}
	target.Port, target.ConnectTimeout = silent.Port, time.Second
	if _, err := connect(t, target); err != nil {
		t.Errorf("got %v, want to be let in by the second host", err)
	}
}

// Before version 14 a server does not say at the login what it is, and some poolers keep it to themselves.
func TestConn_AsksAServerThatDoesNotTellWhatItIs(t *testing.T) {
	row := func(standby, readOnly string) string {
		if standby == "" {
			return msg('D', "\x00\x02\xff\xff\xff\xff\x00\x00\x00"+string(rune(len(readOnly)))+readOnly)
		}
		return msg('D', "\x00\x02\x00\x00\x00\x02on\x00\x00\x00"+string(rune(len(readOnly)))+readOnly)
	}
	for _, c := range []struct {
		says, attrs string
		want        error
	}{
		{row("", "off"), SessionPrimary, nil},
		{row("", "on"), SessionPrimary, nil},
		{row("on", "on"), SessionPrimary, errUnsuited},
		{row("", "off"), SessionReadWrite, nil},
		{row("", "on"), SessionReadWrite, errUnsuited},
		{row("", "off") + row("", "off"), SessionPrimary, errWire},
		{"", SessionPrimary, errWire},
		{msg('D', "\x00\x00"), SessionPrimary, errWire},
		{"", "standby", errTarget},
	} {
		conn := &Conn{NC: script(c.says, ready, "more")}
		if err := conn.suits(c.attrs); !errors.Is(err, c.want) {
			t.Errorf("%s, server says %q: got %v, want %v", c.attrs, c.says, err, c.want)
		}
		if c.want == nil && string(conn.Ahead) != "more" {
			t.Errorf("%s: got %q ahead, want what the server said behind its answer", c.attrs, conn.Ahead)
		}
	}
	asked := &scripted{in: bytes.NewReader([]byte(row("", "off") + ready))}
	conn := &Conn{NC: asked, Params: map[string]string{"in_hot_standby": "off", "default_transaction_read_only": "off"}}
	if err := conn.suits(SessionReadWrite); err != nil || asked.out.Len() > 0 {
		t.Errorf("a server that tells: got %v, and %q was asked", err, asked.out.String())
	}
}

// A host may have several addresses, and a cancel request is for one of them.
func TestConn_HomeIsTheAddressThatAnswered(t *testing.T) {
	p := serverWithTLS(t)
	target := p.target(t, "scram", "verify-full", "sslrootcert="+p.dir+"/ca.crt")
	target.Address = ""
	conn, err := connect(t, target)
	if err != nil {
		t.Fatal(err)
	}
	if home := conn.Home.Target; home.Address != "127.0.0.1" || home.Host != "localhost" {
		t.Errorf("got %q for %q", home.Address, home.Host)
	}
	slept := make(chan error, 1)
	go func() { slept <- query(conn, "SELECT pg_sleep(60)") }()
	isRunning(t, p, conn.PID)
	if err := conn.Home.Cancel(t.Context(), conn.PID, conn.Secret); err != nil {
		t.Error(err)
	}
	if err := <-slept; codeOf(err) != "57014" {
		t.Errorf("got %v, want it cancelled", err)
	}
}
