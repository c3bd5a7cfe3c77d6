package config

import "testing"

func TestDSN_ChangesOnePartAndKeepsTheOthersAsTheyAre(t *testing.T) {
	for _, c := range []struct {
		before string
		change func(*DSN)
		after  string
	}{
		{"postgres://a%70p:${SECRET}@one:5432/sh%6fp?sslmode=require", func(d *DSN) { d.SetHost("two") }, "postgres://a%70p:${SECRET}@two:5432/sh%6fp?sslmode=require"},
		{"postgresql://app@one/shop", func(d *DSN) { d.SetPort("5433") }, "postgresql://app@one:5433/shop"},
		{"postgres://app@one:1,two:2/shop?target_session_attrs=primary", func(d *DSN) { d.SetPort("3") }, "postgres://app@one:3,two:3/shop?target_session_attrs=primary"},
		{"postgres://app@[::1]:5432/shop", func(d *DSN) { d.SetPort("3") }, "postgres://app@[::1]:3/shop"},
		{"postgres://app@one/shop", func(d *DSN) { d.SetHost("::1") }, "postgres://app@[::1]/shop"},
		{"postgres://app@one:5433/shop", func(d *DSN) { d.SetHost("/run/postgresql") }, "postgres://app@/shop?host=/run/postgresql&port=5433"},
		{"postgres://app:x@one", func(d *DSN) { d.SetPassword("p@ss w:/?#${A}", false) }, "postgres://app:p%40ss%20w%3A%2F%3F%23%24%7BA%7D@one"},
		{"postgres://app:x@one", func(d *DSN) { d.SetPassword("${A}-$", true) }, "postgres://app:${A}-%24@one"},
		{"postgres://one?user=app&password=x", func(d *DSN) { d.SetUser("b&c"); d.SetPassword("&", false) }, "postgres://one?user=b%26c&password=%26"},
		{"postgres://app@one/shop?dbname=x", func(d *DSN) { d.SetDatabase("y z") }, "postgres://app@one/shop?dbname=y%20z"},
		{"postgres://app@one", func(d *DSN) { d.SetDatabase("y/z"); d.SetParameter("sslrootcert", "/etc/ca.crt") }, "postgres://app@one/y%2Fz?sslrootcert=/etc/ca.crt"},
		{"postgres://app@one", func(d *DSN) { d.SetHost("${HOST}") }, "postgres://app@${HOST}"},
	} {
		d, err := ParseDSN(c.before)
		if err != nil {
			t.Errorf("%s: %v", c.before, err)
			continue
		}
		if got := d.Reveal(); got != c.before {
			t.Errorf("unchanged: got %s, want %s", got, c.before)
		}
		if c.change(d); d.Reveal() != c.after {
			t.Errorf("%s: got %s, want %s", c.before, d.Reveal(), c.after)
		}
	}
}

func TestDSN_ShowsNoPassword(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://app:secret@db/shop":               "postgres://app:••••@db/shop",
		"postgres://app:${SECRET}@db/shop":            "postgres://app:${SECRET}@db/shop",
		"postgres://app:a${SECRET}@db/shop":           "postgres://app:••••@db/shop",
		"postgres://db/shop?user=app&password=secret": "postgres://db/shop?user=app&password=••••",
		"postgres://app@db":                           "postgres://app@db",
	} {
		d, err := ParseDSN(text)
		if err != nil || d.String() != want {
			t.Errorf("%s: got %v, %v, want %s", text, d, err, want)
		}
	}
}

func TestDSN_RefusesWhatIsNone(t *testing.T) {
	for text, want := range map[string]string{
		"mysql://app:x@db/shop":         "mysql:// is not supported yet: Overdrive serves PostgreSQL only",
		"db/shop":                       errNotURL.Error(),
		"postgres://app:hun/ter2@db":    errEncoding.Error(),
		"postgres://app:hunter#2@db":    errEncoding.Error(),
		"http://app:x@db.example/index": errNotURL.Error(),
	} {
		if _, err := ParseDSN(text); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
