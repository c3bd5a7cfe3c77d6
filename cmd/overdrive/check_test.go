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
