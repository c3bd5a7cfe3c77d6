package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// upstreamOf returns what a database's url with these parameters means.
func upstreamOf(t *testing.T, query string) Upstream {
	t.Helper()
	cfg := mustLoad(t, Options{File: write(t, "o.yaml", withQuery(query))})
	return cfg.Databases["shop"].Upstream
}

// withQuery is a file whose one database has a url with these parameters.
func withQuery(query string) string {
	return strings.Replace(shop, "db/shop", "db/shop?"+query, 1)
}

func TestURL_SystemsAuthoritiesWantTheNameToBeCompared(t *testing.T) {
	for _, query := range []string{"sslrootcert=system", "sslrootcert=system&sslmode=verify-full", "sslmode=verify-full"} {
		if got := upstreamOf(t, query).SSLMode; got != TLSVerifyFull {
			t.Errorf("%s: got sslmode %s, want verify-full", query, got)
		}
	}
	for _, mode := range []string{"disable", "allow", "prefer", "require", "verify-ca"} {
		wantProblems(t, withQuery("sslrootcert=system&sslmode="+mode),
			"databases.shop.url: sslrootcert=system needs sslmode=verify-full, got sslmode="+mode+" (overdrive.yaml:1)")
	}
	wantProblems(t, withQuery("sslmode=verify-ca"), "databases.shop.url: sslmode=verify-ca needs sslrootcert")
}

// A URL means the same whatever libpq's environment says.
func TestURL_IsNotCompletedFromTheEnvironment(t *testing.T) {
	want := upstreamOf(t, "")
	for _, name := range []string{"PGSSLMODE", "PGSSLROOTCERT", "PGREQUIREAUTH", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD",
		"PGOPTIONS", "PGSSLCERT", "PGSSLKEY", "PGCONNECT_TIMEOUT", "PGAPPNAME", "PGSERVICE"} {
		t.Setenv(name, "7")
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.MkdirAll(filepath.Join(home, ".postgresql"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".postgresql", "root.crt"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := upstreamOf(t, ""); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestURL_SaysWhatTheServerMayAskFor(t *testing.T) {
	for _, good := range []string{"scram-sha-256", "none,md5", "!password,!md5", "gss,scram-sha-256", ""} {
		if got := upstreamOf(t, "require_auth="+good).RequireAuth; got != good {
			t.Errorf("got %q, want %q", got, good)
		}
	}
	for _, bad := range []string{"scram", "md5,!none", "md5,md5", "gss", "!none,!password,!md5,!scram-sha-256", "md5,"} {
		wantProblems(t, withQuery("require_auth="+bad), "databases.shop.url: require_auth ")
	}
}

func TestURL_SaysWhetherTheProofIsBoundToTheCertificate(t *testing.T) {
	for _, good := range []ChannelBinding{"disable", "prefer", "require"} {
		if got := upstreamOf(t, "channel_binding="+string(good)).ChannelBinding; got != good {
			t.Errorf("got %q, want %q", got, good)
		}
	}
	wantProblems(t, withQuery("channel_binding=always"), "databases.shop.url: channel_binding must be one of disable, prefer, require, got \"always\"")
}

func TestURL_SaysHowAVanishedServerIsNoticed(t *testing.T) {
	if got, want := upstreamOf(t, "").Vanished, DefaultVanished(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got := upstreamOf(t, "keepalives=0&keepalives_idle=7&keepalives_interval=2&keepalives_count=9&tcp_user_timeout=1500").Vanished
	want := Vanished{KeepAlives: false, Idle: Duration(7 * time.Second), Interval: Duration(2 * time.Second), Count: 9,
		UserTimeout: Duration(1500 * time.Millisecond)}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := upstreamOf(t, "keepalives_idle=0&keepalives_interval=0&keepalives_count=0&tcp_user_timeout=0").Vanished; got != DefaultVanished() {
		t.Errorf("zeros: got %+v, want the defaults", got)
	}
	for _, bad := range []string{"keepalives=2", "keepalives=on", "keepalives_idle=x", "keepalives_idle=40000",
		"keepalives_interval=-1", "keepalives_count=128", "tcp_user_timeout=1s"} {
		name, _, _ := strings.Cut(bad, "=")
		wantProblems(t, withQuery(bad), "databases.shop.url: "+name+" must be")
	}
}

func TestURL_NamesSeveralHosts(t *testing.T) {
	load := func(url string) Upstream {
		t.Helper()
		file := strings.Replace(shop, "db/shop", url, 1)
		return mustLoad(t, Options{File: write(t, "o.yaml", file)}).Databases["shop"].Upstream
	}
	for url, want := range map[string]string{
		"a:1,b:2/shop?target_session_attrs=primary":                "a:1,b:2",
		"a,b:2/shop?target_session_attrs=read-write":               "a:5432,b:2",
		"a,b/shop?target_session_attrs=primary":                    "a:5432,b:5432",
		"a,b/shop?port=7&target_session_attrs=primary":             "a:7,b:7",
		"x/shop?host=a,b&port=1,2&target_session_attrs=primary":    "a:1,b:2",
		"[::1]:1,[::2]:2/shop?target_session_attrs=primary":        "[::1]:1,[::2]:2",
		"x/shop?host=/run/a,b&port=1&target_session_attrs=primary": "/run/a/.s.PGSQL.1,b:1",
		"a:1/shop?target_session_attrs=primary":                    "a:1",
		"a:1/shop?target_session_attrs=any":                        "a:1",
	} {
		if up := load(url); up.Addresses() != want {
			t.Errorf("%s: got %s, want %s", url, up.Addresses(), want)
		}
	}
	up := load("a:1,b:2/shop?target_session_attrs=read-write")
	if len(up.Others) != 1 || up.Host != "a" || up.Others[0].Host != "b" || up.SessionAttrs != SessionReadWrite {
		t.Errorf("got %+v", up)
	}
	const dsn ConnectionString = "postgres://app:se,cret@a:1,b:2/shop?target_session_attrs=primary"
	if got, want := dsn.String(), "postgres://app:xxxxx@a:1,b:2/shop?target_session_attrs=primary"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestURL_RefusesHostsThatAreNotOneServer(t *testing.T) {
	for url, want := range map[string]string{
		"a,b/shop":                                "several hosts need target_session_attrs",
		"a,b/shop?target_session_attrs=any":       "several hosts need target_session_attrs",
		"a/shop?target_session_attrs=standby":     "target_session_attrs must be one of any, primary, read-write",
		"a,b/shop?port=1,2,3":                     "got 3 ports for 2 hosts",
		"a,/shop?target_session_attrs=primary":    "must name a host",
		"a:1,b:x/shop?target_session_attrs=any":   "must be a URL",
		"a:1,b:0/shop?target_session_attrs=any":   "several hosts need",
		"a,b:0/shop?target_session_attrs=primary": "the port must be between 1 and 65535",
	} {
		wantProblems(t, strings.Replace(shop, "db/shop", url, 1), "databases.shop.url: "+want)
	}
}

func TestURL_RefusesWhatItCannotKeep(t *testing.T) {
	for query, want := range map[string]string{
		"sslnegotiation=direct":               "the parameter sslnegotiation is not supported",
		"sslmode=verify":                      "sslmode must be one of",
		"sslmode=on":                          `sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full, got "on"`,
		"sslmode=require&sslmode=verify-full": "the parameter sslmode must be there once",
		"sslcert=/nowhere.crt":                "sslcert and sslkey must be set together",
		"sslrootcert=/nowhere.crt":            "sslrootcert",
		"requireauth=md5":                     "the parameter requireauth is not known; the nearest is require_auth",
	} {
		wantProblems(t, withQuery(query), "databases.shop.url: "+want)
	}
}
