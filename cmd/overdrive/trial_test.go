package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/config"
	"overdrive/proxy/proxytest"
)

// lockedPostgres is a server that wants passwords, with a user app whose password is right.
func lockedPostgres(t *testing.T) *proxytest.Postgres {
	t.Helper()
	pg := proxytest.StartPostgres(t, proxytest.WithHBA("host all all 127.0.0.1/32 scram-sha-256"))
	pg.Exec("create role app login password 'right'")
	return pg
}

func TestServe_TriesItsUpstreamsAndSaysWhatItFound(t *testing.T) {
	pg := lockedPostgres(t)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	s, _ := serveHere(t, "--config", file(t, "o.yaml", fmt.Sprintf(`auth: {users: {app: pw}}
databases:
  good: {url: "postgres://app:right@%[1]s/postgres"}
  wrong: {url: "postgres://app:other@%[1]s/postgres"}
  gone: {url: "postgres://app:right@%[2]s/postgres"}
  own: {url: "postgres://%[1]s/postgres"}
`, pg.Addr(), nobody.Addr())))
	seen := make(map[string]map[string]any)
	for line := range s.lines {
		if message, _ := line["msg"].(string); strings.HasPrefix(message, "upstream ") {
			db, _ := line["db"].(string)
			seen[db] = line
		}
		if len(seen) == 4 {
			break
		}
	}
	good := seen["good"]
	if version, _ := good["version"].(string); good["msg"] != "upstream answers" || good["level"] != "INFO" || version == "" || strings.Contains(version, " ") ||
		good["user"] != "app" || good["tls"] != "off" || good["took"].(float64) <= 0 {
		t.Errorf("good: got %v", good)
	}
	for db, c := range map[string]struct{ code, words string }{
		"wrong": {"28P01", "password authentication failed"}, "gone": {"", "connection refused"},
	} {
		line := seen[db]
		if words, _ := line["error"].(string); line["msg"] != "upstream cannot be used" || line["level"] != "WARN" || line["code"] != c.code ||
			!strings.Contains(words, c.words) || strings.Contains(words, "other") {
			t.Errorf("%s: got %v", db, line)
		}
	}
	if own := seen["own"]; own["msg"] != "upstream was not tried: clients log in as themselves" {
		t.Errorf("own: got %v", own)
	}
}

// A server that never answers holds up neither the start nor the end.
func TestServe_WaitsForNoTrial(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	began := time.Now()
	_, stop := serveHere(t, "--connection-string", "postgres://app:pw@"+silent.Addr().String()+"/shop")
	nc, err := silent.Accept() // the trial is under way
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	stop()
	if took := time.Since(began); took > upstreamLoginLimit/2 {
		t.Errorf("start and end took %v", took)
	}
}

func TestServe_SaysHowClientsConnect(t *testing.T) {
	dir := t.TempDir()
	one := &config.Config{Databases: map[string]config.Database{"my shop": {Upstream: config.Upstream{User: "app", Password: "secret"}}}}
	open := &config.Config{Databases: map[string]config.Database{"shop": {}}, TLS: config.TLS{Mode: config.TLSRequire}}
	two := &config.Config{Databases: map[string]config.Database{"a": {}, "b": {}}}
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 6432} }
	for _, c := range []struct {
		cfg  *config.Config
		at   net.Addr
		want string
	}{
		{one, tcp("127.0.0.1"), "postgres://app@127.0.0.1:6432/my%20shop"},
		{one, tcp("0.0.0.0"), "postgres://app@127.0.0.1:6432/my%20shop"},
		{one, tcp("::"), "postgres://app@[::1]:6432/my%20shop"},
		{one, &net.UnixAddr{Net: "unix", Name: dir + "/" + socketName}, "postgres://app@/my%20shop?host=" + dir + "&port=6432"},
		{open, tcp("10.0.0.1"), "postgres://USER@10.0.0.1:6432/shop?sslmode=require"},
		{two, tcp("10.0.0.1"), "postgres://USER@10.0.0.1:6432/DATABASE"},
	} {
		if got := dsnAt(c.cfg, c.at); got != c.want {
			t.Errorf("at %v: got %s, want %s", c.at, got, c.want)
		}
	}
}

// The client has proved who it is. That the proxy is refused at the server is no word about the client's password.
func TestServe_TellsNobodyThatTheProxysPasswordIsTheirs(t *testing.T) {
	pg := lockedPostgres(t)
	s, _ := serveHere(t, "--config", file(t, "o.yaml", fmt.Sprintf(`auth: {users: {app: pw, guest: pw}}
databases:
  ours: {url: "postgres://app:other@%[1]s/postgres", users: [guest]}
  theirs: {url: "postgres://%[1]s/postgres"}
`, pg.Addr())))
	for _, user := range []string{"app", "guest"} {
		_, err := pgconn.Connect(t.Context(), dsnOf(s, user, "pw", "ours"))
		var told *pgconn.PgError
		if !errors.As(err, &told) || told.Code != "08006" || told.Severity != "FATAL" ||
			told.Message != `the proxy's own login at the server of database "ours", as "app", was refused: `+
				`password authentication failed for user "app" (SQLSTATE 28P01)` {
			t.Errorf("%s: got %v", user, err)
		}
	}
	wantRefusal(t, dsnOf(s, "app", "wrong", "ours"), "28P01") // it is theirs
	wantRefusal(t, dsnOf(s, "app", "pw", "theirs"), "28P01")  // the server's word on the client's own
}

func TestServe_LetsTheOneUserOfAConnectionStringSeeTheConsole(t *testing.T) {
	s, _ := serveHere(t, "--connection-string", sharedDSN(t))
	console := login(t, dsnOf(s, "postgres", "pw", "overdrive"))
	for _, command := range []string{"SHOW POOLS", "SHOW CLIENTS", "SHOW CONFIG", "SHOW CACHE", "SHOW QUERIES"} {
		if _, err := console.Exec(t.Context(), command).ReadAll(); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	failsWith(t, console, "SHUTDOWN", "42501", "permission denied")
}
