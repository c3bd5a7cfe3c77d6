package main

import (
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/proxytest"
)

func TestCheck_LogsInToEveryDatabase(t *testing.T) {
	pg := proxytest.StartPostgres(t, proxytest.WithHBA("host all all 127.0.0.1/32 scram-sha-256"))
	pg.Exec("create role app login password 'right'")
	config := func(password string) string {
		return file(t, "overdrive.yaml", fmt.Sprintf(`
auth: {users: {app: secret}}
databases:
  postgres: {url: "postgres://app:right@%[1]s"}
  second: {url: "postgres://app:%[2]s@%[1]s/postgres"}
  open: {url: "postgres://%[1]s/postgres"}
  spare: {url: "postgres://app:right@127.0.0.1:1,%[1]s/postgres?target_session_attrs=primary"}
`, pg.Addr(), password))
	}
	got := runToEnd(t, "check", "--config", config("right"))
	if got.code != exitDone || got.errOut != "" || !strings.HasSuffix(got.out, "configuration is good\n") {
		t.Errorf("good: got %+v", got)
	}
	for _, want := range []string{"postgres             ok: PostgreSQL ", "second               ok: PostgreSQL ", "spare                ok: PostgreSQL ",
		"open                 not tried: clients log in as themselves"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("good: no %q in\n%s", want, got.out)
		}
	}
	got = runToEnd(t, "check", "--config", config("hunter2"))
	if got.code != exitFailed || got.errOut != "overdrive: 1 of 4 databases could not be logged in to\n" {
		t.Errorf("bad: got %+v", got)
	}
	if !strings.Contains(got.out, "second               FAILED: ") || strings.Contains(got.out, "hunter2") ||
		!strings.Contains(got.out, `password authentication failed for user "app"`) {
		t.Errorf("bad: got\n%s", got.out)
	}
}

func TestCheck_NamesTrustedFunctionsThatAreNotThere(t *testing.T) {
	pg := proxytest.StartPostgres(t)
	pg.Exec("create function public.slug(text) returns text language sql immutable as 'select lower($1)'; create role other; grant create on schema public to other")
	pg.Exec("set role other; create function public.theirs() returns int language sql immutable as 'select 1'")
	path := file(t, "overdrive.yaml", fmt.Sprintf(`databases: {postgres: {url: "postgres://postgres:pw@%s",
  cache: {trusted_functions: [public.slug, "public.slug(text)", public.theirs, "public.slug(integer)", public.slugs]}}}
auth: {users: {postgres: secret}}
`, pg.Addr()))
	got := runToEnd(t, "check", "--config", path)
	if got.code != exitDone || !strings.Contains(got.out, "; cache.trusted_functions: public.theirs, public.slug(integer), public.slugs: no function") {
		t.Errorf("got %+v", got)
	}
	s, _ := serveConfigured(t, file(t, "o.yaml", fmt.Sprintf(`databases: {postgres: {url: "postgres://postgres:pw@%s", cache: {trusted_functions: [public.slug, public.slugs]}}}
listen: 127.0.0.1:0
http: 127.0.0.1:0
log: {format: json}
auth: {users: {postgres: secret}}
`, pg.Addr())))
	line := s.await("cache.trusted_functions" + notTrusted)
	if got := fmt.Sprint(line["functions"]); got != "[public.slugs]" || line["db"] != "postgres" {
		t.Errorf("got %v", line)
	}
}
