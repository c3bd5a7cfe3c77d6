package main

import (
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/proxytest"
)

func TestServe_TakesItsConnectionStringFromTheEnvironment(t *testing.T) {
	t.Setenv(envConnectionString, sharedDSN(t))
	t.Setenv(envConnectionStringFile, "/nowhere") // the string itself counts
	t.Setenv(envConfig, "/nowhere")
	s, _ := serveHere(t)
	if got := query(t, login(t, at(t, sharedDSN(t), s.address)), "select 1"); got != "1" {
		t.Errorf("got %q", got)
	}
}

func TestServe_FollowsTheFileThatHoldsItsConnectionString(t *testing.T) {
	path := file(t, "dsn", sharedDSN(t)+"\n")
	t.Setenv(envConnectionStringFile, path)
	s, _ := serveHere(t)
	query(t, login(t, at(t, sharedDSN(t), s.address)), "select 1")

	changed := strings.Replace(sharedDSN(t), ":pw@", ":new@", 1)
	rewrite(t, path, changed+"\n")
	s.await("reloaded")
	query(t, login(t, at(t, changed, s.address)), "select 1")
	wantRefusal(t, at(t, sharedDSN(t), s.address), "28P01")
}

func TestServe_FollowsTheFileOfASecret(t *testing.T) {
	secret := file(t, "password", "old\n")
	t.Setenv("CLIENT_PASSWORD_FILE", secret)
	s, _ := serveHere(t, "--config", file(t, "o.yaml", fmt.Sprintf(
		"auth: {users: {postgres: \"${CLIENT_PASSWORD}\"}}\ndatabases: {postgres: {url: \"postgres://postgres:pw@%s\"}}\n",
		proxytest.SharedPostgres(t).Addr())))
	query(t, login(t, dsnOf(s, "postgres", "old", "postgres")), "select 1")
	rewrite(t, secret, "new\n")
	s.await("reloaded")
	query(t, login(t, dsnOf(s, "postgres", "new", "postgres")), "select 1")
	wantRefusal(t, dsnOf(s, "postgres", "old", "postgres"), "28P01")
}

func TestSource_FlagsOutrankTheEnvironment(t *testing.T) {
	t.Setenv(envConnectionString, "postgres://app:secret@db/shop")
	got := runToEnd(t, "check", "--config=/nowhere/overdrive.yaml")
	if want := "overdrive: cannot be read: no such file or directory (/nowhere/overdrive.yaml)\n"; got.errOut != want {
		t.Errorf("got %+v, want %q", got, want)
	}
	t.Setenv(envConnectionString, "")
	t.Setenv(envConfig, "/elsewhere/overdrive.yaml")
	if got := runToEnd(t, "check"); !strings.Contains(got.errOut, "(/elsewhere/overdrive.yaml)") {
		t.Errorf("got %+v", got)
	}
}

func TestSource_NamesTheVariableWhoseFileIsNotThere(t *testing.T) {
	t.Setenv(envConnectionStringFile, "/nowhere/dsn")
	got := runToEnd(t, "serve")
	want := "overdrive: the file that OVERDRIVE_CONNECTION_STRING_FILE names cannot be read: no such file or directory (/nowhere/dsn)\n"
	if got.code != exitFailed || got.errOut != want {
		t.Errorf("got %+v, want %q", got, want)
	}
}

func TestHealthcheck_FollowsTheFileThatTheEnvironmentNames(t *testing.T) {
	s, _ := serveHere(t, "--connection-string", sharedDSN(t))
	t.Setenv(envConfig, file(t, "o.yaml", fmt.Sprintf("http: %q\ndatabases: {d: {url: %q}}\nauth: {method: trust}\n", s.health, sharedDSN(t))))
	if got := runToEnd(t, "healthcheck"); got.code != exitDone {
		t.Errorf("got %+v", got)
	}
	t.Setenv("OVERDRIVE_HTTP", "")
	if got := runToEnd(t, "healthcheck"); got.code != exitFailed || !strings.Contains(got.errOut, "turned off") {
		t.Errorf("turned off by the environment: got %+v", got)
	}
}
