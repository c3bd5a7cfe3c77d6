package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"overdrive/config"
	"overdrive/proxy/proxytest"
)

// twoDatabases is a configuration of two databases on the shared server, whose users and roles are these.
func twoDatabases(t *testing.T, extra string) string {
	t.Helper()
	pg := proxytest.SharedPostgres(t)
	return file(t, "o.yaml", fmt.Sprintf(`
auth: {users: {postgres: pw, root: rootpw}}
admin: {users: [root]}
databases:
  one: {url: "postgres://postgres:pw@%s/postgres?sslmode=disable"}
  two: {url: "postgres://postgres:pw@%s/template1?sslmode=disable"}
%s`, pg.Addr(), pg.Addr(), extra))
}

// command runs a command against the service s.
func (s *service) command(t *testing.T, args ...string) result {
	t.Helper()
	return runToEnd(t, append(args, "--listen", s.address)...)
}

func TestCommands_SpeakToTheRunningServer(t *testing.T) {
	proxytest.SharedPostgres(t).Exec("drop table if exists commands; create table commands as select 1 as a")
	from := []string{"--connection-string", sharedDSN(t)}
	s, _ := serveHere(t, from...)
	with := func(args ...string) []string { return append(args, from...) }

	got := s.command(t, with("explain", "select a from commands where a = 'hidden'")...)
	for _, want := range []string{"status", "cacheable\n", "public.commands\n", "in the key: DateStyle  "} {
		if got.code != exitDone || !strings.Contains(got.out, want) {
			t.Errorf("explain lacks %q: %+v", want, got)
		}
	}
	got = s.command(t, with("explain", "--json", "--verify", "--database=postgres", "select random()")...)
	var explained map[string]any
	if err := json.Unmarshal([]byte(got.out), &explained); err != nil || explained["status"] != "volatile" ||
		explained["the server's tree agrees"] != "yes" || explained["max_age"] != 60.0 || explained["calls"] != 0.0 {
		t.Errorf("explain --json: got %+v, %v", got, err)
	}

	conn := login(t, at(t, sharedDSN(t), s.address))
	status := ""
	for asked := time.Now(); status != "hit"; {
		if time.Since(asked) > catalogLimit {
			t.Fatalf("nothing is cached; the last status is %q", status)
		}
		query(t, conn, "select a from commands")
		status = query(t, conn, "show overdrive.status")
	}
	got = s.command(t, with("purge", "--table", "public.commands")...)
	if got.code != exitDone || got.out != "postgres: purged table public.commands\n" {
		t.Errorf("purge: got %+v", got)
	}
	query(t, conn, "select a from commands")
	if got := query(t, conn, "show overdrive.status"); got != "miss" {
		t.Errorf("after the purge: got %s", got)
	}
	for _, what := range [][]string{{"--all"}, {"--tag=it's"}, {"--query=00000000000000ff"}} {
		if got := s.command(t, with(append([]string{"purge", "--json"}, what...)...)...); got.code != exitDone ||
			!strings.HasPrefix(got.out, `[{"database":"postgres","purged":"`) {
			t.Errorf("purge %q: got %+v", what, got)
		}
	}

	got = s.command(t, with("stats", "--json")...)
	var stats struct{ Cache, Queries []map[string]any }
	if err := json.Unmarshal([]byte(got.out), &stats); err != nil || len(stats.Cache) != 1 || stats.Cache[0]["hits"].(float64) < 1 {
		t.Errorf("stats --json: got %+v, %v", got, err)
	}
	if strings.Contains(got.out, "hidden") {
		t.Errorf("stats show a constant: %s", got.out)
	}
	got = s.command(t, with("stats")...)
	if got.code != exitDone || !strings.HasPrefix(got.out, "database  mode") || !strings.Contains(got.out, "  fingerprint  ") {
		t.Errorf("stats: got %+v", got)
	}
}

func TestCommands_FailWithOneAndAReason(t *testing.T) {
	s, _ := serveHere(t, "--config", twoDatabases(t, ""))
	from := "--config=" + twoDatabases(t, "")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"purge", "--all", from}, "there are several databases"},
		{[]string{"purge", "--all", "--database=three", from}, `no database "three"`},
		{[]string{"purge", "--table=nowhere", "--database=one", from}, `table "nowhere" does not exist`},
		{[]string{"purge", "--query=xyz", "--database=one", from}, "is no fingerprint"},
		{[]string{"explain", "select 1", "--user=stranger", from}, "password authentication failed"},
		{[]string{"stats", "--database=one", "--config=nowhere.yaml"}, "cannot be read"},
	} {
		got := s.command(t, c.args...)
		if got.code != exitFailed || !strings.Contains(got.errOut, c.want) {
			t.Errorf("%q: got %+v, want exit code 1 and %q", c.args, got, c.want)
		}
	}
	if got := s.command(t, "stats", from); got.code != exitDone || !strings.Contains(got.out, "\ntwo ") {
		t.Errorf("an administrator sees all: got %+v", got)
	}
}

func TestCommands_TakePGPASSWORDFromTheEnvironment(t *testing.T) {
	s, _ := serveHere(t, "--config", twoDatabases(t, ""))
	t.Setenv("PGPASSWORD", "rootpw")
	from := "--config=" + twoDatabases(t, "")
	if got := s.command(t, "stats", "--user=root", from); got.code != exitDone {
		t.Errorf("the right password: got %+v", got)
	}
	if got := s.command(t, "stats", "--user=postgres", from); got.code != exitFailed {
		t.Errorf("a wrong password: got %+v", got)
	}
}

func TestAccount_IsSomebodyWhoCanLogIn(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	verifier := "SCRAM-SHA-256$4096:c2FsdA==$" + key + ":" + key
	const tail = `
databases:
  shop: {url: "postgres://app:upstream@db/shop", users: [other]}
  free: {url: "postgres://db/free"}
`
	for what, c := range map[string]struct {
		file, database string
		want           account
	}{
		"the url's user":              {"auth: {users: {app: plain, other: x}}" + tail, "shop", account{"app", "plain"}},
		"a verifier":                  {"auth: {users: {app: '" + verifier + "', other: x}}" + tail, "shop", account{"app", "upstream"}},
		"no url's user":               {"auth: {users: {app: plain, other: x, root: r}}\nadmin: {users: [root]}" + tail, "free", account{"root", "r"}},
		"all databases":               {"auth: {users: {app: plain, other: x, root: r}}\nadmin: {stats_users: [root]}" + tail, "", account{"root", "r"}},
		"all databases, no privilege": {"auth: {users: {app: plain, other: x}}" + tail, "", account{"app", "plain"}},
		"trust":                       {"auth: {method: trust}" + strings.Replace(tail, "app:upstream", "app", 1), "shop", account{"app", ""}},
	} {
		cfg, problems := config.Load(config.Options{File: file(t, "o.yaml", c.file)})
		if problems != nil {
			t.Fatalf("%s: %v", what, problems)
		}
		flags := consoleFlags{database: c.database}
		if got, err := flags.account(cfg); got != c.want || err != nil {
			t.Errorf("%s: got %+v, %v, want %+v", what, got, err, c.want)
		}
	}
}

func TestConsoleSettings_FindTheFirstAddress(t *testing.T) {
	for listen, want := range map[string]string{
		"0.0.0.0:7000": "127.0.0.1:7000", "[::]:7000": "::1:7000", ":7000": "127.0.0.1:7000", "db.local:6432": "db.local:6432",
		"/run/overdrive": "/run/overdrive:6432", "127.0.0.1:0": "",
	} {
		cfg := config.Default()
		cfg.Listen = []string{listen, "127.0.0.1:1"}
		got, err := consoleSettings(cfg, account{"app", "secret"})
		if want == "" {
			var usage *usageError
			if !errors.As(err, &usage) {
				t.Errorf("%s: got %v", listen, err)
			}
			continue
		}
		if err != nil || fmt.Sprintf("%s:%d", got.Host, got.Port) != want || got.Database != "overdrive" || got.User != "app" {
			t.Errorf("%s: got %+v, %v", listen, got, err)
		}
	}
}

func TestWatch_LooksOnceASecondUntilItIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began, looks := time.Now(), 0
		err := watch(ctx, func() error {
			if looks++; looks == 4 {
				cancel()
			}
			return nil
		})
		if took := time.Since(began); err != nil || looks != 4 || took != 3*time.Second {
			t.Errorf("got %d looks in %v, %v", looks, took, err)
		}
		if err := watch(t.Context(), func() error { return io.ErrUnexpectedEOF }); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a look that fails: got %v", err)
		}
		if err := watch(ctx, func() error { return io.ErrUnexpectedEOF }); err != nil {
			t.Errorf("a look that is interrupted: got %v", err)
		}
	})
}

func TestTable_KeepsACellOnOneLine(t *testing.T) {
	long := strings.Repeat("é", 200)
	var out strings.Builder
	err := (&table{columns: []string{"a", "b"}, rows: [][][]byte{{[]byte("x\n  y"), []byte(long)}, {nil, nil}}}).print(&out)
	if want := "a    b\nx y  " + strings.Repeat("é", 99) + "…\n     \n"; out.String() != want || err != nil {
		t.Errorf("got %q, %v, want %q", out.String(), err, want)
	}
}
