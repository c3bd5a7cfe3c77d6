package config

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// setenv sets variables for the rest of the test.
func setenv(t *testing.T, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		t.Setenv(pairs[i], pairs[i+1])
	}
}

// viper folds the case of keys, at any depth, and takes a dot for a step into a table.
func TestLoad_LetsViperFoldNoNameAndNoKey(t *testing.T) {
	files := map[string]string{
		"o.yaml": "auth: {method: trust, users: {App: A, APP: B}}\n" +
			`databases: {My.Shop: {url: "postgres://db/one"}, my.shop: {url: "postgres://db/two"}, Name: {url: "postgres://db/three"}}`,
		"o.toml": "[auth]\nmethod = \"trust\"\nusers = {App = \"A\", APP = \"B\"}\n[databases]\n\"My.Shop\" = {url = \"postgres://db/one\"}\n" +
			"\"my.shop\" = {url = \"postgres://db/two\"}\nName = {url = \"postgres://db/three\"}\n",
		"o.json": `{"auth": {"method": "trust", "users": {"App": "A", "APP": "B"}}, "databases": {"My.Shop": {"url": "postgres://db/one"},
			"my.shop": {"url": "postgres://db/two"}, "Name": {"url": "postgres://db/three"}}}`,
	}
	for name, text := range files {
		cfg := mustLoad(t, Options{File: write(t, name, text)})
		if u := cfg.Auth.Users; len(u) != 2 || u["App"] != "A" || u["APP"] != "B" {
			t.Errorf("%s: users %q", name, slices.Sorted(maps.Keys(u)))
		}
		for db, want := range map[string]string{"My.Shop": "one", "my.shop": "two", "Name": "three"} {
			if got := cfg.Databases[db].Upstream.Database; got != want || len(cfg.Databases) != 3 {
				t.Errorf("%s: database %s is %q of %d, want %q of 3", name, db, got, len(cfg.Databases), want)
			}
		}
	}
	wantProblems(t, shop+"LOOPS: 1\nlog: {Level: debug}\ncache.memory: 1GiB\n",
		"LOOPS: is not a known key; the nearest is loops (overdrive.yaml:3)",
		"log.Level: is not a known key; the nearest is log.level (overdrive.yaml:4)",
		`"cache.memory": is not a known key; the nearest is `)
}

func TestLoad_TakesAKeyWithoutAValueForItsDefault(t *testing.T) {
	got := mustLoad(t, Options{File: write(t, "o.yaml", "listen:\nlog:\nlimits: {max_clients: , login_timeout: 5s}\nadmin: {users: }\n"+
		strings.Replace(shop, "shop\"}", "shop\", users: , pool: , cache: {max_age: }}", 1))})
	want := mustLoad(t, Options{File: write(t, "o.yaml", "limits: {login_timeout: 5s}\n"+shop)})
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	wantProblems(t, "auth: {users: {app: }}\ndatabases: {shop: }\n",
		"auth.users.app: must not be empty (overdrive.yaml:1)", "databases.shop.url: must be set (overdrive.yaml:2)")
}

func TestLoad_LooksAtNoVariableUnlessTold(t *testing.T) {
	setenv(t, "OVERDRIVE_LOOPS", "7", "PW", "hunter2")
	if cfg := mustLoad(t, Options{File: write(t, "o.yaml", shop)}); cfg.Loops != 0 {
		t.Errorf("got %d loops, want the default", cfg.Loops)
	}
	_, problems := Load(Options{File: write(t, "o.yaml", shop+"http: ${PW}\n")})
	if got, want := problems.Error(), "http: the environment variable PW is not set (o.yaml:3)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Names of files that a flag or a variable gives are the user's, who is in the working directory.
func TestLoad_StartsNamesOfFilesWhereTheyWereWritten(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, user := range map[string]string{"here.txt": "here", "etc/there.txt": "there"} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(`"`+user+`" "pw"`), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join("etc", "o.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(shop, "users:", "users_file: there.txt, users:", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg := mustLoad(t, Options{File: file}); cfg.Auth.Users["there"] != "pw" {
		t.Errorf("file: users_file is %s", cfg.Auth.UsersFile)
	}
	setenv(t, "OVERDRIVE_AUTH_USERS_FILE", "here.txt")
	if cfg := mustLoad(t, Options{File: file, Environment: true}); cfg.Auth.Users["here"] != "pw" {
		t.Errorf("variable: users_file is %s", cfg.Auth.UsersFile)
	}
}

func TestLoad_PrefersFlagThenEnvironmentThenFile(t *testing.T) {
	file := write(t, "o.yaml", shop+"cache: {memory: 1MiB}\nlog: {level: debug}\nlisten: [\"127.0.0.1:1\"]\n")
	setenv(t, "OVERDRIVE_CACHE_MEMORY", "2MiB", "OVERDRIVE_LISTEN", "127.0.0.1:2, [::1]:2", "OVERDRIVE_HTTP", "")
	opts := Options{File: file, Environment: true}
	opts.Flags = pflag.NewFlagSet("", pflag.ContinueOnError)
	AddFlags(opts.Flags)
	cfg := mustLoad(t, opts)
	if cfg.Log.Level != "debug" || cfg.Cache.Memory != 2*MiB || cfg.HTTP != "" {
		t.Errorf("environment over file: got %+v", cfg)
	}
	if got, want := cfg.Listen, []string{"127.0.0.1:2", "[::1]:2"}; !slices.Equal(got, want) {
		t.Errorf("listen: got %q, want %q", got, want)
	}
	if err := opts.Flags.Parse([]string{"--cache-memory=3MiB", "--listen=127.0.0.1:3", "--listen", "/run"}); err != nil {
		t.Fatal(err)
	}
	cfg = mustLoad(t, opts)
	if got, want := cfg.Listen, []string{"127.0.0.1:3", "/run"}; !slices.Equal(got, want) || cfg.Cache.Memory != 3*MiB {
		t.Errorf("flags over environment: got %q and %v", got, cfg.Cache.Memory)
	}
}

func TestLoad_ForgivesAFilesBadValueThatAFlagReplaces(t *testing.T) {
	file := write(t, "o.yaml", shop+"cache: {memory: lots}\n")
	setenv(t, "OVERDRIVE_CACHE_MEMORY", "2MiB")
	cfg := mustLoad(t, Options{File: file, Environment: true})
	if cfg.Cache.Memory != 2*MiB {
		t.Errorf("got %v, want 2MiB", cfg.Cache.Memory)
	}
}

func TestLoad_NamesTheVariableOfABadValue(t *testing.T) {
	setenv(t, "OVERDRIVE_LOOPS", "many")
	_, problems := Load(Options{File: write(t, "o.yaml", shop), Environment: true})
	if got, want := problems.Error(), `loops: must be a whole number, got "many" (OVERDRIVE_LOOPS)`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLoad_PutsVariablesIntoValues(t *testing.T) {
	setenv(t, "PW", "p@s:s/w?o#r%d", "HOST", "db:5433", "URL", "postgres://app:p%40@db/x")
	cfg := mustLoad(t, Options{
		Environment: true,
		File: write(t, "o.yaml", `
auth: {users: {app: "a${PW}z", other: "$${PW}"}}
databases:
  shop: {url: "postgres://app:${PW}@${HOST}/shop"}
  whole: {url: "${URL}"}
`),
	})
	if got, want := cfg.Auth.Users["app"].Reveal(), "ap@s:s/w?o#r%dz"; got != want {
		t.Errorf("user: got %q, want %q", got, want)
	}
	if got, want := cfg.Auth.Users["other"].Reveal(), "${PW}"; got != want {
		t.Errorf("escaped: got %q, want %q", got, want)
	}
	up := cfg.Databases["shop"].Upstream
	if up.Password.Reveal() != "p@s:s/w?o#r%d" || up.Address != "db:5433" || up.User != "app" {
		t.Errorf("url: got %q at %q", up.Password.Reveal(), up.Address)
	}
	if got, want := cfg.Databases["whole"].Upstream.Password.Reveal(), "p@"; got != want {
		t.Errorf("whole url: got %q, want %q", got, want)
	}
}

func TestFromConnectionString_IsOneDatabaseAndItsUser(t *testing.T) {
	cfg, problems := FromConnectionString("postgresql://App:se%40cret@db:5433/Shop?sslmode=require&application_name=x", nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got, want := cfg.Listen, []string{"127.0.0.1:6432"}; !slices.Equal(got, want) {
		t.Errorf("listen: got %q, want %q", got, want)
	}
	if cfg.Auth.Method != AuthSCRAM || cfg.Auth.Users["App"].Reveal() != "se@cret" || len(cfg.Auth.Users) != 1 {
		t.Errorf("auth: %+v", cfg.Auth)
	}
	if !slices.Equal(cfg.Admin.StatsUsers, []string{"App"}) || len(cfg.Admin.Users) != 0 {
		t.Errorf("admin: %+v, want its user to see everything and to do nothing", cfg.Admin)
	}
	want := Upstream{Place: Place{Network: "tcp", Address: "db:5433", Host: "db"}, User: "App", Password: "se@cret", Database: "Shop",
		SSLMode: TLSRequire, ApplicationName: "x", Vanished: DefaultVanished()}
	if got := cfg.Databases["Shop"].Upstream; !reflect.DeepEqual(got, want) {
		t.Errorf("upstream: got %+v, want %+v", got, want)
	}
	cfg, _ = FromConnectionString("postgres://app:pw@/?host=/run/pg", []string{"/run/o", "[::]:1"})
	if cfg == nil || cfg.Databases["app"].Upstream.Address != "/run/pg/.s.PGSQL.5432" || len(cfg.Listen) != 2 {
		t.Errorf("socket: %+v", cfg)
	}
}

func TestSettings_HaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]string{}
	for _, s := range settings {
		for _, name := range []string{s.flag(), s.env()} {
			if other, twice := seen[name]; twice {
				t.Errorf("%s names both %s and %s", name, other, s.key)
			}
			seen[name] = s.key
		}
	}
	if _, found := seen["OVERDRIVE_CACHE_MEMORY"]; !found {
		t.Error("OVERDRIVE_CACHE_MEMORY is missing")
	}
}
