package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const shop = "databases: {shop: {url: \"postgres://app:secret@db/shop\"}}\nauth: {users: {app: secret}}\n"

// write puts text into a file of that name and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustLoad(t *testing.T, opts Options) *Config {
	t.Helper()
	cfg, problems := Load(opts)
	if len(problems) > 0 {
		t.Fatalf("Load: %v", problems)
	}
	return cfg
}

// wantProblems loads text as YAML and checks that each of wants starts one problem's line, and that no other exists.
func wantProblems(t *testing.T, text string, wants ...string) {
	t.Helper()
	cfg, problems := Load(Options{File: write(t, "overdrive.yaml", text)})
	if len(problems) > 0 && cfg != nil {
		t.Error("Load returned a Config together with problems")
	}
	if len(problems) != len(wants) {
		t.Errorf("got %d problems, want %d:\n%v", len(problems), len(wants), problems)
	}
	for _, want := range wants {
		if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.HasPrefix(p.String(), want) }) {
			t.Errorf("no problem starts with\n%s\nin\n%v", want, problems)
		}
	}
}

func TestLoad_LeavesDefaultsForWhatTheFileDoesNotSay(t *testing.T) {
	cfg := mustLoad(t, Options{File: write(t, "o.yaml", shop)})
	want := Default()
	want.Auth.Users = map[string]Secret{"app": "secret"}
	db := DefaultDatabase()
	db.URL = "postgres://app:secret@db/shop"
	db.Upstream = Upstream{Place: Place{Network: "tcp", Address: "db:5432", Host: "db"}, User: "app", Password: "secret",
		Database: "shop", SSLMode: TLSPrefer, Vanished: DefaultVanished()}
	want.Databases = map[string]Database{"shop": db}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
	}
}

func TestLoad_ReadsTheThreeFormatsAlike(t *testing.T) {
	files := map[string]string{
		"o.yaml": `
listen: ["127.0.0.1:1", /run/overdrive]
auth: {method: md5, users: {App: 0123, app: "0x1"}}
databases:
  Shop:
    url: postgres://App@db/Shop
    users: [app]
    pool: {size: 3, wait_timeout: 5}
    cache: {enabled: off, max_result: 1KiB}
`,
		"o.toml": `
listen = ["127.0.0.1:1", "/run/overdrive"]
[auth]
method = "md5"
users = {App = "0123", app = "0x1"}
[databases.Shop]
url = "postgres://App@db/Shop"
users = ["app"]
pool = {size = 3, wait_timeout = 5}
cache = {enabled = false, max_result = "1KiB"}
`,
		"o.json": `{
"listen": ["127.0.0.1:1", "/run/overdrive"],
"auth": {"method": "md5", "users": {"App": "0123", "app": "0x1"}},
"databases": {"Shop": {
	"url": "postgres://App@db/Shop", "users": ["app"],
	"pool": {"size": 3, "wait_timeout": 5}, "cache": {"enabled": false, "max_result": 1024}}}
}`,
	}
	want := mustLoad(t, Options{File: write(t, "o.yaml", files["o.yaml"])})
	if got := want.Auth.Users; got["App"].Reveal() != "0123" || got["app"].Reveal() != "0x1" {
		t.Errorf("users lost their case or their secrets' text")
	}
	if db := want.Databases["Shop"]; db.Pool.Size != 3 || db.Cache.Enabled || db.Cache.MaxResult != KiB ||
		db.Pool.WaitTimeout != Duration(5*time.Second) {
		t.Errorf("database Shop: %+v", db)
	}
	for name, text := range files {
		if got := mustLoad(t, Options{File: write(t, name, text)}); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got  %+v\nwant %+v", name, got, want)
		}
	}
}

func TestLoad_KeepsNamesApartThatDifferOnlyInCase(t *testing.T) {
	cfg := mustLoad(t, Options{File: write(t, "o.yaml", `
auth: {method: trust}
databases:
  Shop: {url: "postgres://db/one"}
  shop: {url: "postgres://db/two"}
`)})
	if a, b := cfg.Databases["Shop"].Upstream.Database, cfg.Databases["shop"].Upstream.Database; a != "one" || b != "two" {
		t.Errorf("got %q and %q, want one and two", a, b)
	}
}

// Programs that write JSON may escape slashes, and characters beyond 16 bits in two halves. YAML knows neither.
func TestLoad_ReadsEveryEscapeOfJSON(t *testing.T) {
	cfg := mustLoad(t, Options{File: write(t, "o.json", `{"auth": {"users": {"app": "a\/\ud83d\ude00\u0022"}},
		"databases": {"shop": {"url": "postgres:\/\/app@db\/shop"}}}`)})
	if got, want := cfg.Auth.Users["app"].Reveal(), "a/😀\""; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoad_ReportsEveryProblemAtOnce(t *testing.T) {
	wantProblems(t, `
listn: 1
listen: [":x", "run", "127.0.0.1:1", "127.0.0.1:1"]
http: nowhere
log: {level: loud, format: xml}
loops: -1
auth: {method: scram-sha-256, users: {app: ""}}
limits: {max_clients: 0, max_message: 2GiB, login_timeout: 0}
cache: {memory: 1MB}
databases:
  shop:
    url: ${MISSING}
    pool: {size: 0, min_idle: -1, mode: forever, wait_timeout: -1s, idle_timeout: soon, max_lifetime: -1, on_pin: never}
    cache: {max_age: -1, stale_while_revalidate: -1, max_result: 0, freshness: always, enabled: maybe}
  bad.name:
    url: mysql://db
    cache: {max_age: {}, rules: [{match: "("}]}
`,
		`listn: is not a known key; the nearest is listen (overdrive.yaml:2)`,
		`listen[0]: must be host:port or an absolute directory, got ":x" (overdrive.yaml:3)`,
		`listen[1]: must be host:port`,
		`listen[3]: "127.0.0.1:1" is there twice`,
		`http: must be host:port or empty, got "nowhere"`,
		`log.level: must be one of debug, info, warn, error, got "loud"`,
		`log.format: must be one of text, json, got "xml"`,
		`loops: must be between 0 and 1024, got -1`,
		`auth.users.app: must not be empty`,
		`limits.max_clients: must be at least 1, got 0`,
		`limits.max_message: must be between 16KiB and 1GiB, got 2GiB`,
		`limits.login_timeout: must be at least 1ns, got 0s`,
		`cache.memory: must be a size such as 256MiB or 1GiB, got "1MB"`,
		`databases.shop.url: the environment variable MISSING is not set`,
		`databases.shop.pool.size: must be at least 1, got 0`,
		`databases.shop.pool.min_idle: must be between 0 and 1, got -1`,
		`databases.shop.pool.mode: must be one of transaction, session, statement, got "forever"`,
		`databases.shop.pool.on_pin: must be one of pin, error, got "never"`,
		`databases.shop.pool.wait_timeout: must be at least 0s, got -1s`,
		`databases.shop.pool.idle_timeout: must be a duration such as 15s or 1h30m, got "soon"`,
		`databases.shop.pool.max_lifetime: must be at least 0s, got -1s`,
		`databases.shop.cache.max_age: must be at least 0s, got -1s`,
		`databases.shop.cache.stale_while_revalidate: must be at least 0s`,
		`databases.shop.cache.max_result: must be at least 1, got 0`,
		`databases.shop.cache.freshness: must be one of ttl, tracked, session, strict, got "always"`,
		`databases.shop.cache.enabled: must be true or false, got "maybe"`,
		`databases."bad.name".url: must be a URL such as postgres://`,
		`databases."bad.name".cache.max_age: must be a single value, not a table`,
		`databases."bad.name".cache.rules[0].match: is not a regular expression`,
		`databases."bad.name".cache.rules[0]: must set enabled, max_age, stale_while_revalidate, clock or tags`,
	)
}

func TestLoad_NamesTheNearestKey(t *testing.T) {
	for path, want := range map[string]string{
		"listne":                "listen",
		"Listen":                "listen",
		"log.levle":             "log.level",
		"max_clients":           "limits.max_clients",
		"databases.shop.poll":   "databases.shop.pool",
		"databases.shop.size":   "databases.<name>.pool.size",
		"databases.shop.maxage": "databases.<name>.cache.max_age",
		"databases.shop.xxxxxx": "databases.shop.url", // nothing is near; something is still named
	} {
		parts := strings.Split(path, ".")
		file := strings.Join(parts, ": {") + ": " + strings.Repeat("}", len(parts)-1)
		_, problems := load(Options{File: "o.yaml"}, []byte(file))
		got := ""
		for _, p := range problems {
			if p.Key == path {
				_, got, _ = strings.Cut(p.Text, "the nearest is ")
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestLoad_RefusesWhatIsNotBuiltYet(t *testing.T) {
	wantProblems(t, strings.Replace(shop, "auth: {", "auth: {method: cert, ", 1), "auth.method: cert is not supported yet")
	wantProblems(t, strings.Replace(shop, "shop\"}", "shop\", cache: {freshness: tracked}}", 1),
		"databases.shop.cache.freshness: tracked is not supported yet")
}

func TestLoad_WantsTheFilesThatATLSModeNeeds(t *testing.T) {
	for _, mode := range []string{"verify-ca", "verify-full"} {
		wantProblems(t, shop+"tls: {mode: "+mode+"}\n",
			"tls.cert_file: must be set, since tls.mode is "+mode, "tls.client_ca_file: must be set, since tls.mode is "+mode)
		wantProblems(t, shop+"tls: {mode: "+mode+", client_ca_file: nowhere.crt}\n",
			"tls.cert_file: must be set, since tls.mode is "+mode, "tls.client_ca_file: cannot be read")
	}
}

// Two names of one upstream share a cache, which can only have one policy.
func TestLoad_WantsOneCachePolicyForOneUpstream(t *testing.T) {
	const file = `
auth: {users: {app: secret, admin: secret}}
databases:
  a: {url: "postgres://app:secret@db/shop", cache: {max_age: 5s}}
  b: {url: "postgresql://admin:secret@db:5432/shop?sslmode=disable", cache: {max_age: %s}}
  c: {url: "postgres://app:secret@db:5433/shop"}
  d: {url: "postgres://app:secret@db/other"}
  shop: {url: "postgres://app:secret@db", cache: {max_age: %s, enabled: %s}}
`
	wantProblems(t, fmt.Sprintf(file, "5s", "5s", "on"))
	wantProblems(t, fmt.Sprintf(file, "6s", "5s", "off"),
		"databases.b.cache: databases.a and databases.b are the same upstream database: their cache settings must be equal "+
			"(overdrive.yaml:5)",
		"databases.shop.cache: databases.a and databases.shop are the same upstream database: their cache settings must be equal")
}

func TestLoad_WantsSomebodyWhoCanLogIn(t *testing.T) {
	wantProblems(t, "databases: {shop: {url: \"postgres://app@db\"}}",
		"databases.shop: nobody can log in: app is not in auth.users")
	wantProblems(t, "databases: {shop: {url: \"postgres://db\"}}", "databases.shop: nobody can log in: auth.users is empty")
	wantProblems(t, strings.Replace(shop, "shop\"}", "shop\", users: [admin]}", 1),
		"databases.shop.users[0]: admin is not in auth.users")
	wantProblems(t, "databases: {shop: {url: \"postgres://app@db\"}}\nauth: {method: trust}")
}

func TestLoad_ReportsAFileThatCannotBeUsed(t *testing.T) {
	for name, text := range map[string]string{
		"o.ini": "x", "o.yaml": "a: [", "o.toml": "a = ", "o.json": "{",
		"twice.yaml": "loops: 1\nloops: 2", "twice.json": `{"loops":1,"loops":2}`,
		"two.yaml": "loops: 1\n---\nloops: 2", "tail.json": "{} {}",
		"cycle.yaml": "a: &a [*a]", "list.yaml": "[1]",
	} {
		if _, problems := Load(Options{File: write(t, name, text)}); len(problems) == 0 {
			t.Errorf("%s: no problem", name)
		}
	}
	_, problems := Load(Options{File: "/nowhere/o.yaml"})
	if got, want := problems.Error(), "cannot be read: no such file or directory (/nowhere/o.yaml)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLoad_FollowsAliasesAndMerges(t *testing.T) {
	cfg := mustLoad(t, Options{File: write(t, "o.yaml", `
auth: {method: trust}
databases:
  one: &one
    url: postgres://db/one
    pool: &pool {size: 7}
  two: {<<: *one, url: "postgres://db/two"}
  three: {url: "postgres://db/three", pool: *pool}
`)})
	for _, name := range []string{"one", "two", "three"} {
		if db := cfg.Databases[name]; db.Pool.Size != 7 || db.Upstream.Database != name {
			t.Errorf("%s: %+v", name, db)
		}
	}
}

func TestConfig_ShowsNoSecret(t *testing.T) {
	cfg := mustLoad(t, Options{File: write(t, "o.yaml", shop)})
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	db := cfg.Databases["shop"]
	slog.New(slog.NewTextHandler(&log, nil)).Info("loaded", "config", cfg, "url", db.URL, "secret", db.Upstream.Password)
	for _, text := range []string{
		string(asJSON), log.String(), fmt.Sprint(cfg), fmt.Sprintf("%+v %#v %v %s %q", *cfg, *cfg, db, db.URL, db.Upstream.Password),
	} {
		if strings.Contains(text, ":secret@") || strings.Contains(text, `"secret"`) || strings.Contains(text, "app:secret") {
			t.Errorf("a secret shows in %s", text)
		}
	}
}

func TestLoad_ShowsNoSecretInProblems(t *testing.T) {
	for _, url := range []string{
		"postgres://app:hunter2@db:99999/x", "postgres://app:hun/ter2@db/x", "postgres://app:12?hunter2=@db/x",
		"postgres://app:1#hunter2@db", "postgres://app:hunter2%zz@db", "hunter2", "postgres://app:hunter2@db?sslmode=x",
		"postgres://app:hunter2@a,b/x", "postgres://app:${hunter2", "postgres://app:hunter2@db?password=hunter2&nix=hunter2",
	} {
		_, problems := Load(Options{File: write(t, "o.json", fmt.Sprintf(`{"databases":{"shop":{"url":%q}}}`, url))})
		if text := problems.Error(); text == "" || strings.Contains(text, "hunter2") {
			t.Errorf("%s: %q", url, text)
		}
		_, problems = FromConnectionString(url, nil)
		if text := problems.Error(); text == "" || strings.Contains(text, "hunter2") {
			t.Errorf("one line, %s: %q", url, text)
		}
	}
	setenv(t, "PW", "hunter2")
	_, problems := Load(Options{
		File: write(t, "o.yaml", shop+"loops: ${PW}\nlimits: {login_timeout: \"${PW}\"}"), Environment: true,
	})
	if text := problems.Error(); strings.Contains(text, "hunter2") || !strings.Contains(text, "${PW}") {
		t.Errorf("variable: %q", text)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(0, []byte(shop))
	f.Add(0, []byte("a: &a {<<: *a}\n"))
	f.Add(0, []byte("<<: [{listen: x}, {loops: ${X}}]"))
	f.Add(1, []byte("[databases.x]\nurl = \"postgres://a:${X}@b\"\n"))
	f.Add(2, []byte(`{"databases":{"x":{"url":"postgres://a@b","cache":{"rules":[{"tags":["a"]}]}}}}`))
	f.Setenv("X", "x@y")
	f.Fuzz(func(t *testing.T, format int, data []byte) {
		name := [...]string{"o.yaml", "o.toml", "o.json"}[uint(format)%3]
		cfg, problems := load(Options{File: name, Environment: true}, data)
		if (cfg == nil) == (len(problems) == 0) {
			t.Fatalf("got a config: %v, problems: %v", cfg != nil, problems)
		}
		if got := strings.Count(problems.Error(), "\n"); got >= max(len(problems), 1) {
			t.Fatalf("%d problems on %d lines", len(problems), got+1)
		}
	})
}
