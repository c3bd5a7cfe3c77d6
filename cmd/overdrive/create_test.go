package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"overdrive/proxy/proxytest"
)

// read returns what a file holds.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// done runs the program, and fails the test unless it exits with 0.
func done(t *testing.T, args ...string) result {
	t.Helper()
	got := runToEnd(t, args...)
	if got.code != exitDone {
		t.Fatalf("%q: got %+v", args, got)
	}
	return got
}

// withLogin is a server with a user app, whose password is s3cr@t, and a table and a view.
func withLogin(t *testing.T) *proxytest.Postgres {
	t.Helper()
	pg := proxytest.StartPostgres(t, proxytest.WithHBA("host all all 127.0.0.1/32 scram-sha-256"))
	pg.Exec("create role app login password 's3cr@t'")
	pg.Exec("create table games (id int); create view recent as select * from games")
	return pg
}

func TestCreate_SaysWhatItFoundAndARunningServerFollows(t *testing.T) {
	pg := withLogin(t)
	path := file(t, "overdrive.yaml", `# Mine.
listen: ["127.0.0.1:0"]
http: "127.0.0.1:0"
log: {format: json}
databases:
  first: {url: "postgres://app:s3cr%40t@`+pg.Addr()+`/postgres"} # the first
auth:
  users:
    app: s3cr@t
`)
	s, _ := serveConfigured(t, path)
	host, port, _ := strings.Cut(pg.Addr(), ":")
	got := done(t, "create", "Second One", "--config", path, "--host", host, "--port", port, "--user=app", "--password=s3cr@t", "--database=postgres", "--origin-connection-limit=5")
	for _, want := range []string{
		"server   PostgreSQL ", " at " + pg.Addr() + ", no TLS, login ", "cache    works: the catalog can be read (tables: 1, views: 1)\n",
		"\n  postgres://app:s3cr%40t@127.0.0.1:0/Second%20One\n", `"localConnectionString": "postgres://app:s3cr%40t@127.0.0.1:0/Second%20One"`,
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("no %q in\n%s", want, got.out)
		}
	}
	if got.errOut != "" {
		t.Errorf("stderr: %s", got.errOut)
	}
	want := `  first: {url: "postgres://app:s3cr%40t@` + pg.Addr() + `/postgres"} # the first
  "Second One":
    url: postgres://app:s3cr%40t@` + pg.Addr() + `/postgres
    pool:
      size: 5
auth:
`
	if text := read(t, path); !strings.HasPrefix(text, "# Mine.\n") || !strings.Contains(text, want) {
		t.Errorf("got\n%swith no\n%s", text, want)
	}
	s.await("reloaded")
	conn := login(t, "postgres://app:s3cr%40t@"+s.address+"/Second%20One")
	if got := query(t, conn, "select current_database()"); got != "postgres" {
		t.Errorf("got %s", got)
	}
	done(t, "delete", "Second One", "--config", path)
	s.await("clients are asked to leave")
	if text := read(t, path); strings.Contains(text, "Second") {
		t.Errorf("got\n%s", text)
	}
}

func TestCreate_MakesAFileThatServes(t *testing.T) {
	pg := withLogin(t)
	path := filepath.Join(t.TempDir(), "overdrive.yaml")
	t.Setenv("OVERDRIVE_CONFIG", path)
	t.Setenv("APP_PASSWORD", "s3cr@t")
	got := done(t, "create", "postgres", "--connection-string", "postgres://app:${APP_PASSWORD}@"+pg.Addr(), "--json")
	var said struct {
		Connection string `json:"connection_string"`
		Checked    bool
		Server     struct {
			Version string
			LoginMS float64 `json:"login_ms"`
		}
		Cache struct {
			Possible bool
			Tables   int
		}
	}
	if err := json.Unmarshal([]byte(got.out), &said); err != nil {
		t.Fatalf("%v in %s", err, got.out)
	}
	if said.Connection != "postgres://app:${APP_PASSWORD}@127.0.0.1:6432/postgres" || !said.Checked || said.Server.Version == "" ||
		said.Server.LoginMS <= 0 || !said.Cache.Possible || said.Cache.Tables != 1 {
		t.Errorf("got %+v", said)
	}
	if text := read(t, path); strings.Contains(text, "s3cr") || strings.Count(text, "${APP_PASSWORD}") != 2 {
		t.Errorf("got\n%s", text)
	}
	s, _ := serveHere(t, "--config", path)
	login(t, "postgres://app:s3cr%40t@"+s.address+"/postgres")
}

func TestCreate_WritesNothingIfTheLoginFails(t *testing.T) {
	pg := withLogin(t)
	path := filepath.Join(t.TempDir(), "overdrive.yaml")
	for _, c := range []struct{ dsn, want string }{
		{"postgres://app:hunter2@" + pg.Addr() + "/postgres", "is the password right"},
		{"postgres://app:s3cr%40t@" + pg.Addr() + "/nowhere", "name the database at the server with --database"},
		{"postgres://app:s3cr%40t@" + pg.Addr() + "/postgres?sslmode=require", "does not offer TLS"},
		{"postgres://app:hunter2@127.0.0.1:1/postgres", "does PostgreSQL run there"},
		{"postgres://app:${NOT_SET_HERE}@" + pg.Addr(), "NOT_SET_HERE is not set; set it, or use --skip-check"},
	} {
		got := runToEnd(t, "create", "shop", "--config", path, "--connection-string", c.dsn)
		if got.code != exitFailed || got.out != "" || !strings.Contains(got.errOut, c.want) || strings.Contains(got.errOut, "hunter2") {
			t.Errorf("%s: got %+v, want %q", c.dsn, got, c.want)
		}
		if _, err := os.Stat(path); err == nil {
			t.Fatalf("%s: the file was made", c.dsn)
		}
		done(t, "create", "shop", "--config", path, "--skip-check", "--connection-string", c.dsn)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCreate_RefusesWhatCannotBe(t *testing.T) {
	path := file(t, "overdrive.yaml", "auth: {users: {app: x}}\ndatabases: {shop: {url: postgres://app:x@db/shop}}\n")
	before := read(t, path)
	for _, c := range []struct{ name, dsn, want string }{
		{"shop", "postgres://app:x@db/shop", "the database shop is there already: overdrive update shop changes it"},
		{"pgbouncer", "postgres://app:x@db/shop", "is the name of the administration's own database"},
		{"b", "mysql://app:x@db/shop", "mysql:// is not supported yet"},
		{"b", "postgres://app:x@db/shop?sslmod=require", "the nearest is sslmode"},
		{"b", "postgres://db/shop?user=nobody", "nobody can log in: nobody is not in auth.users"},
	} {
		got := runToEnd(t, "create", c.name, "--config", path, "--skip-check", "--connection-string", c.dsn)
		if got.code != exitFailed || !strings.Contains(got.errOut, c.want) || read(t, path) != before {
			t.Errorf("%s %s: got %+v, want %q", c.name, c.dsn, got, c.want)
		}
	}
	got := runToEnd(t, "create", "b", "--config", file(t, "overdrive.toml", ""), "--skip-check", "--host=db", "--user=a", "--password=b")
	if got.code != exitFailed || !strings.Contains(got.errOut, "TOML is not edited by this program") {
		t.Errorf("got %+v", got)
	}
}

func TestCreate_TakesAPasswordThatIsNotOnTheCommandLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "overdrive.yaml")
	root := rootCommand()
	var out bytes.Buffer
	root.SetIn(strings.NewReader("p@${HOME}\r\n"))
	root.SetOut(&out)
	root.SetArgs([]string{"create", "shop", "--config", path, "--skip-check", "--host=db", "--user=app", "--password-stdin"})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := read(t, path)
	if !strings.Contains(text, "app:p%40%24%7BHOME%7D@db") || !strings.Contains(text, "$${HOME}") {
		t.Errorf("got\n%s", text)
	}
	t.Setenv("PGPASSWORD", "other")
	got := done(t, "create", "second", "--config", path, "--skip-check", "--origin-host=db2", "--origin-user=app")
	if !strings.Contains(read(t, path), "postgres://app:other@db2") || !strings.Contains(got.errOut, "which is not the one given") ||
		strings.Contains(got.out, "other") {
		t.Errorf("got %+v and\n%s", got, read(t, path))
	}
}

func TestCreate_SaysWhatIsWrongWithAPasswordOnStandardInput(t *testing.T) {
	never, _ := io.Pipe()
	interrupted, interrupt := context.WithCancel(t.Context())
	interrupt()
	for _, c := range []struct {
		ctx  context.Context
		in   io.Reader
		want string
	}{
		{t.Context(), strings.NewReader("\n"), "there is no password on the first line of standard input"},
		{t.Context(), strings.NewReader(""), "there is no password on the first line of standard input"},
		{t.Context(), strings.NewReader("a\x00b\n"), "zero byte"},
		{t.Context(), strings.NewReader(strings.Repeat("x", maxPassword+1)), "longer than 65536 bytes"},
		{t.Context(), iotest.ErrReader(errors.New("broken")), "read password from standard input: broken"},
		{interrupted, never, "canceled"},
	} {
		path := filepath.Join(t.TempDir(), "overdrive.yaml")
		root := rootCommand()
		root.SetIn(c.in)
		root.SetArgs([]string{"create", "shop", "--config", path, "--skip-check", "--host=db", "--user=app", "--password-stdin"})
		err := root.ExecuteContext(c.ctx)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "%!") {
			t.Errorf("got %v, want %q", err, c.want)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%q: the file was made", c.want)
		}
	}
}

func TestUpdate_ChangesWhatFlagsNameAndNothingElse(t *testing.T) {
	path := file(t, "overdrive.yaml", `auth: {method: trust}
databases:
  shop:
    url: postgres://app:${DB_PASSWORD}@db:5432/shop?sslmode=require # keep
    cache: {max_age: 10s} # short
`)
	got := done(t, "update", "shop", "--config", path, "--skip-check", "--host=db2", "--swr=7", "--caching-disabled=false", "--pool-mode=session")
	want := `auth: {method: trust}
databases:
  shop:
    url: postgres://app:${DB_PASSWORD}@db2:5432/shop?sslmode=require # keep
    cache: {max_age: 10s, enabled: true, stale_while_revalidate: 7s} # short
    pool:
      mode: session
`
	if text := read(t, path); text != want {
		t.Errorf("got\n%swant\n%s", text, want)
	}
	if !strings.Contains(got.out, "postgres://app:${DB_PASSWORD}@db2:5432/shop") || !strings.Contains(got.errOut, "DB_PASSWORD is not set") {
		t.Errorf("got %+v", got)
	}
	for _, args := range [][]string{{"update", "shpo", "--swr=1"}, {"delete", "shpo"}, {"get", "shpo"}} {
		got := runToEnd(t, append(args, "--config", path)...)
		if got.code != exitFailed || got.errOut != "overdrive: there is no database \"shpo\"; the nearest is shop\n" {
			t.Errorf("%q: got %+v", args, got)
		}
	}
	got = runToEnd(t, "update", "shop", "--config", path, "--pool-mode=fast", "--origin-connection-limit=0")
	if got.code != exitFailed || strings.Count(got.errOut, "\n") != 2 || read(t, path) != want {
		t.Errorf("got %+v", got)
	}
}

func TestUpdate_TriesTheLoginWhereTheURLChanges(t *testing.T) {
	pg := withLogin(t)
	path := file(t, "overdrive.yaml", "auth: {users: {app: x}}\ndatabases: {postgres: {url: postgres://app:s3cr%40t@"+pg.Addr()+"}}\n")
	before := read(t, path)
	got := runToEnd(t, "update", "postgres", "--config", path, "--password=hunter2")
	if got.code != exitFailed || !strings.Contains(got.errOut, "is the password right") || read(t, path) != before {
		t.Errorf("got %+v", got)
	}
	done(t, "update", "postgres", "--config", path, "--password=s3cr@t", "--sslmode=disable")
	if want := strings.Replace(before, pg.Addr()+"}", pg.Addr()+"?sslmode=disable}", 1); strings.ReplaceAll(read(t, path), `"`, "") != want {
		t.Errorf("got\n%s", read(t, path))
	}
}

func TestList_ShowsNumbersAsNumbersAndNoPasswords(t *testing.T) {
	for ext, text := range map[string]string{
		".yaml": "auth: {method: trust}\ndatabases:\n  shop: {url: \"postgres://app:hunter2@db/shop\", pool: {size: 7}}\n  b: {url: \"postgres://app:${UNSET_HERE}@db2/b\", cache: {enabled: false}}\n",
		".toml": "auth.method = 'trust'\n[databases.shop]\nurl = 'postgres://app:hunter2@db/shop'\npool.size = 7\n[databases.b]\nurl = 'postgres://app:${UNSET_HERE}@db2/b'\ncache.enabled = false\n",
		".json": `{"auth": {"method": "trust"}, "databases": {"shop": {"url": "postgres://app:hunter2@db/shop", "pool": {"size": 7}}, "b": {"url": "postgres://app:${UNSET_HERE}@db2/b", "cache": {"enabled": false}}}}`,
	} {
		path := file(t, "overdrive"+ext, text)
		got := done(t, "list", "--config", path)
		if strings.Contains(got.out, "hunter2") || len(strings.Split(got.out, "\n")) != 4 || !strings.Contains(got.out, "disabled") {
			t.Errorf("%s: got\n%s", ext, got.out)
		}
		var all []struct {
			Name   string
			URL    string
			Origin struct{ Port int }
			Limit  int `json:"origin_connection_limit"`
		}
		if err := json.Unmarshal([]byte(done(t, "list", "--config", path, "--json").out), &all); err != nil {
			t.Fatal(err)
		}
		if len(all) != 2 || all[0].URL != "postgres://app:${UNSET_HERE}@db2/b" || all[1].URL != "postgres://app:••••@db/shop" || all[1].Limit != 7 ||
			all[0].Origin.Port != 5432 {
			t.Errorf("%s: got %+v", ext, all)
		}
		if got := done(t, "get", "shop", "--config", path); strings.Contains(got.out, "hunter2") || !strings.Contains(got.out, "postgres://app:••••@db/shop") {
			t.Errorf("%s: got\n%s", ext, got.out)
		}
	}
}
