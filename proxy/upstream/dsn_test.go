package upstream

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

func TestParseURL_ReadsBothForms(t *testing.T) {
	base := Target{Host: "db", Port: 5432, SSLMode: SSLPrefer}
	with := func(change func(*Target)) Target {
		t := base
		change(&t)
		return t
	}
	for _, c := range []struct {
		dsn  string
		want Target
	}{
		{"postgres://db", base},
		{"postgresql://db/", base},
		{"POSTGRES://db", base},
		{"host=db", base},
		{"postgres://app:secret@db:6000/shop", with(func(t *Target) {
			t.User, t.Password, t.Port, t.Database = "app", "secret", 6000, "shop"
		})},
		{"postgres://a%40pp:p%2Fw%3A%25@db/sh%20op", with(func(t *Target) {
			t.User, t.Password, t.Database = "a@pp", "p/w:%", "sh op"
		})},
		{"postgres://app:se:cret@db", with(func(t *Target) { t.User, t.Password = "app", "se:cret" })},
		{"postgres://app@[::1]:6000", with(func(t *Target) { t.User, t.Host, t.Port = "app", "::1", 6000 })},
		{"postgres://[::1]", with(func(t *Target) { t.Host = "::1" })},
		{"postgres://%2Frun%2Fpostgresql/shop", with(func(t *Target) { t.Host, t.Database = "/run/postgresql", "shop" })},
		{"postgres:///shop?host=/run/postgresql&port=6000", with(func(t *Target) {
			t.Host, t.Port, t.Database = "/run/postgresql", 6000, "shop"
		})},
		{"postgres://db?user=app&password=p%26w&dbname=shop", with(func(t *Target) {
			t.User, t.Password, t.Database = "app", "p&w", "shop"
		})},
		{"postgres://db?sslmode=verify-ca&sslrootcert=ca&sslcert=c&sslkey=k&connect_timeout=3", with(func(t *Target) {
			t.SSLMode, t.SSLRootCert, t.SSLCert, t.SSLKey, t.ConnectTimeout = SSLVerifyCA, "ca", "c", "k", 3*time.Second
		})},
		{"postgres://db?sslrootcert=system", with(func(t *Target) { t.SSLMode, t.SSLRootCert = SSLVerifyFull, "system" })},
		{"postgres://db?connect_timeout=-1", base},
		{"postgres://db?hostaddr=10.0.0.1", with(func(t *Target) { t.Address = "10.0.0.1" })},
		{"hostaddr=10.0.0.1", with(func(t *Target) { t.Host, t.Address = "10.0.0.1", "10.0.0.1" })},
		{"postgres://db?application_name=my%20app&options=-c%20geqo%3Doff&search_path=a,b&client_encoding=UTF8",
			with(func(t *Target) {
				t.RuntimeParams = map[string]string{"application_name": "my app", "options": "-c geqo=off",
					"search_path": "a,b", "client_encoding": "UTF8"}
			})},
		{"postgres://db?keepalives_idle=5&channel_binding=prefer&gssencmode=disable&target_session_attrs=any", base},
		{`host=db user = app password='it\'s \\ here' dbname=a\ b  options='-c geqo=off'`, with(func(t *Target) {
			t.User, t.Password, t.Database = "app", `it's \ here`, "a b"
			t.RuntimeParams = map[string]string{"options": "-c geqo=off"}
		})},
		{"host=other host=db password=''", base},
	} {
		got, err := ParseURL(c.dsn)
		if err != nil {
			t.Errorf("ParseURL(%q): %v", c.dsn, err)
			continue
		}
		if !maps.Equal(got.RuntimeParams, c.want.RuntimeParams) {
			t.Errorf("ParseURL(%q): got parameters %q, want %q", c.dsn, got.RuntimeParams, c.want.RuntimeParams)
		}
		if show(got) != show(c.want) {
			t.Errorf("ParseURL(%q):\n got %s\nwant %s", c.dsn, show(got), show(c.want))
		}
	}
}

// show prints all fields but the parameters; a Target itself will not.
func show(t Target) string {
	return fmt.Sprintf("%q", []any{t.Host, t.Address, fmt.Sprint(t.Port), t.Database, t.User, t.Password, t.ServerName,
		t.SSLMode, t.SSLRootCert, t.SSLCert, t.SSLKey, t.ConnectTimeout.String()})
}

func TestParseURL_RefusesWithoutShowingThePassword(t *testing.T) {
	for _, c := range []struct{ dsn, want string }{
		{"", "no host"},
		{"db", "key=value"},
		{"postgres:///shop", "no host"},
		{"postgres://app:hunter2@", "no host"},
		{"postgres://app:hunter2@db:port", "port"},
		{"postgres://app:hunter2@db:0", "port"},
		{"postgres://app:hunter2@db:65536", "port"},
		{"postgres://app:hunter2@[::1", "IPv6"},
		{"postgres://app:hunter2@[::1]x", "IPv6"},
		{"postgres://app:hunter2@::1", "brackets"},
		{"postgres://app:%zzhunter2@db", "percent-encode"},
		{"postgres://app:x/hunter2@db/shop", "percent-encode"},
		{"postgres://app:1/hunter2@db/shop", "percent-encode"},
		{"postgres://app:x?hunter2@db/shop", "percent-encode"},
		{"postgres://app:1?hunter2@db/shop", "percent-encode"},
		{"postgres://app:1#hunter2@db/shop", "percent-encode"},
		{"postgres://app:x@hunter2@db/shop", "percent-encode"},
		{"postgres://app:hunter2@db,db2/shop", "several hosts"},
		{"postgres://app:hunter2@db?sslmode=maybe", "sslmode"},
		{"postgres://app:hunter2@db?sslmode=require&sslrootcert=system", "verify-full"},
		{"postgres://app:hunter2@db?sslcert=c", "sslkey"},
		{"postgres://app:hunter2@db?connect_timeout=soon", "connect_timeout"},
		{"postgres://app:hunter2@db?a=%zz", "query"},
		{"postgres://app@db?password=hunter2&password=hunter3", "more than once"},
		{"postgres://app:hunter2@db?=x", "no name"},
		{"postgres://app:hunter2@db?a%00b=x", "zero byte"},
		{"postgres://app:hunter2%00@db", "zero byte"},
		{"postgres://app:hunter2@db?channel_binding=require", "channel_binding"},
		{"postgres://app:hunter2@db?service=x", "service"},
		{"postgres://app:hunter2@db?target_session_attrs=read-write", "target_session_attrs"},
		{"host=db password='hunter2", "quote"},
		{`host=db password=hunter2\`, "backslash"},
		{"host=db password=x hunter2", "key=value"},
		{"host=/run hostaddr=10.0.0.1", "exclude"},
	} {
		_, err := ParseURL(c.dsn)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseURL(%q): got %v, want an error with %q", c.dsn, err, c.want)
		} else if strings.Contains(err.Error(), "hunter") {
			t.Errorf("ParseURL(%q): the error shows the password: %v", c.dsn, err)
		}
	}
}

func TestParseURL_DoesNotLookAtTheEnvironment(t *testing.T) {
	t.Setenv("PGHOST", "elsewhere")
	t.Setenv("PGUSER", "mallory")
	t.Setenv("PGPASSWORD", "x")
	t.Setenv("PGSSLMODE", "disable")
	got, err := ParseURL("postgres://db")
	if err != nil {
		t.Fatal(err)
	}
	if got.User != "" || got.Password != "" || got.SSLMode != SSLPrefer || got.Host != "db" {
		t.Errorf("got %s", show(got))
	}
}

func TestTarget_NeverPrintsItsPassword(t *testing.T) {
	target, err := ParseURL("postgres://app:hunter2@db:6000/shop")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, value := range []any{target, &target, Dialer{Target: target}, target.LogValue()} {
			if got := fmt.Sprintf(verb, value); strings.Contains(got, "hunter2") {
				t.Errorf("%s of %T: got %s", verb, value, got)
			}
		}
	}
	if got, want := target.String(), "postgres://app@db:6000/shop"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("postgres://app:secret@db:6000/shop?sslmode=require&a=b")
	f.Add(`host=db user='it\'s'`)
	f.Fuzz(func(t *testing.T, dsn string) {
		target, err := ParseURL(dsn)
		if err == nil && (target.Host == "" || target.Port < 1 || target.Port > 65535 || target.SSLMode == "") {
			t.Fatalf("ParseURL(%q): incomplete target %s", dsn, show(target))
		}
	})
}
