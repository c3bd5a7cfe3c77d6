package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"overdrive/config"
)

const bouncerINI = `;; An example.
[databases]
shop = host=db1 port=5433 user=app password='it''s @ 1' dbname=shop2 pool_size=7 min_pool_size=2 connect_query='select 1'
"my ""own""" = host=10.0.0.2 pool_mode=transaction
socket =
* = host=db9 auth_user=x
%include more.ini

[users]
app = pool_mode=session

[pgbouncer]
listen_addr = 127.0.0.1, ::1
listen_port = 6500
auth_type = md5
auth_file = userlist.txt
admin_users = boss, nobody
stats_users = app
max_client_conn = 500
default_pool_size = 30
server_idle_timeout = 30
query_wait_timeout = 0
server_tls_sslmode = require
tcp_keepidle = 7
server_reset_query = DISCARD ALL
auth_query = select 1
query_timeout = 5
wrong_word = 1
`

// bouncer writes the example, and returns the name of the file that is to be made of it.
func bouncer(t *testing.T, ini string) (from, to string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"pgbouncer.ini": ini, "more.ini": "more = host=db3,db4\n", "userlist.txt": "\"app\" \"secret\"\n\"boss\" \"pw\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "pgbouncer.ini"), filepath.Join(dir, "overdrive.yaml")
}

func TestImport_WritesWhatPgBouncerDoes(t *testing.T) {
	from, to := bouncer(t, bouncerINI)
	got := done(t, "import", from, "--config", to, "--database", "shop,any")
	want := `# Configuration of Overdrive: overdrive serve --config FILE
listen: [127.0.0.1:6500, "[::1]:6500"]

auth:
  method: md5
  users_file: userlist.txt

limits:
  max_clients: 500

admin:
  users: [boss]
  stats_users: [app]

databases:
  shop:
    url: postgres://app:it%27s%20%40%201@db1:5433/shop2?sslmode=require&keepalives_idle=7
    users: [boss]
    pool:
      mode: session
      size: 7
      min_idle: 2
      wait_timeout: 0s
      idle_timeout: 30s
  "my \"own\"":
    url: postgres://10.0.0.2/my%20%22own%22?sslmode=require&keepalives_idle=7
    pool:
      mode: transaction
      size: 30
      wait_timeout: 0s
      idle_timeout: 30s
  socket:
    url: postgres:///socket?host=/tmp&sslmode=require&keepalives_idle=7
    pool:
      mode: session
      size: 30
      wait_timeout: 0s
      idle_timeout: 30s
  any:
    url: postgres://db9/any?sslmode=require&keepalives_idle=7
    pool:
      mode: session
      size: 30
      wait_timeout: 0s
      idle_timeout: 30s
  more:
    url: postgres:///more?host=db3%2Cdb4&target_session_attrs=primary&sslmode=require&keepalives_idle=7
    pool:
      mode: session
      size: 30
      wait_timeout: 0s
      idle_timeout: 30s
`
	if text := read(t, to); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	for _, missing := range []string{
		"[users] app", "shop: connect_query", "*: auth_user", "more: host", "auth_query", "query_timeout", "wrong_word", "admin_users", "entries were made for shop, any",
	} {
		if !strings.Contains(got.out, missing) {
			t.Errorf("%s is not named in\n%s", missing, got.out)
		}
	}
	if strings.Contains(got.out, "server_reset_query") || strings.Contains(got.out, "it's") {
		t.Errorf("got\n%s", got.out)
	}
	if again := runToEnd(t, "import", from, "--config", to); again.code != exitFailed || !strings.Contains(again.errOut, "is there already") || read(t, to) != want {
		t.Errorf("again: got %+v", again)
	}
}

func TestImport_TakesTheServersPasswordFromTheFileOfUsers(t *testing.T) {
	from, to := bouncer(t, "[databases]\nshop = host=db user=app\n[pgbouncer]\nauth_file = userlist.txt\nauth_type = scram-sha-256\n")
	got := done(t, "import", from, "--config", to, "--json")
	var said struct {
		Databases []string
		Missing   []missing
	}
	if err := json.Unmarshal([]byte(got.out), &said); err != nil || len(said.Databases) != 1 || len(said.Missing) != 0 {
		t.Errorf("got %s, %v", got.out, err)
	}
	cfg, problems := config.Load(config.Options{File: to})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	shop := cfg.Databases["shop"]
	if shop.Upstream.Password.Reveal() != "secret" || shop.Pool.Mode != config.PoolSession || shop.Pool.WaitTimeout.String() != "2m" ||
		cfg.Limits.MaxClients != 100 {
		t.Errorf("got %+v", cfg)
	}
}

func TestImport_TakesTheLastEntryOfAName(t *testing.T) {
	for _, ini := range []string{
		"[databases]\nshop = host=old user=app\nshop = host=new user=app\n",
		"[databases]\n* = host=old\nshop = host=new user=app\n",
		"[databases]\nshop = host=new user=app\n* = host=old\n",
	} {
		from, to := bouncer(t, ini+"[pgbouncer]\nauth_file = userlist.txt\nauth_type = scram-sha-256\n")
		done(t, "import", from, "--config", to, "--database", "shop")
		if got := read(t, to); strings.Count(got, "url:") != 1 || !strings.Contains(got, "app:secret@new/shop") {
			t.Errorf("%s\ngave\n%s", ini, got)
		}
	}
}

func TestImport_SaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"[databases]\n* = host=db\n":                                       "name them with --database",
		"[databases]\nshop = host='db\n":                                   "pgbouncer.ini:2: shop: the value of host has no closing quote",
		"[databases]\nshop = host=db\nrubbish\n":                           "pgbouncer.ini:3: must be a section or key = value",
		"[databases]\nshop = host=db pool_size=0\n":                        "there is no pool without a limit",
		"[databases]\nshop = host=db\n[pgbouncer]\nlisten_port = many\n":   "pgbouncer.ini:4: listen_port: must be a number",
		"%include pgbouncer.ini\n":                                         "files include each other",
		"[databases]\nshop = host=db user=app\n[pgbouncer]\nauth_type=md5": "nobody can log in",
	} {
		from, to := bouncer(t, text)
		got := runToEnd(t, "import", from, "--config", to)
		if got.code != exitFailed || !strings.Contains(got.errOut, want) {
			t.Errorf("%q: got %+v, want %q", text, got, want)
		}
		if _, err := os.Stat(to); err == nil {
			t.Errorf("%q: the file was made", text)
		}
	}
}
