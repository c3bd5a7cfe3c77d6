package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// sharedDSN is a URL of the server that the tests share. It trusts everybody; the password is for logging in to Overdrive.
func sharedDSN(t *testing.T) string {
	return "postgres://postgres:pw@" + proxytest.SharedPostgres(t).Addr() + "/postgres?sslmode=disable"
}

// at changes the host and the port of a DSN, and nothing else, as users of the one-line mode do.
func at(t *testing.T, dsn, address string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = address
	return u.String()
}

func wantRefusal(t *testing.T, dsn, code string) {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), dsn)
	if err == nil {
		conn.Close(t.Context())
	}
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) || refusal.Code != code {
		t.Errorf("%s: got %v, want SQLSTATE %s", dsn, err, code)
	}
}

func TestServe_NeedsOnlyAConnectionString(t *testing.T) {
	pg := proxytest.StartPostgres(t, proxytest.WithHBA("host all all 127.0.0.1/32 scram-sha-256"))
	const password = "p@s:s/w?o#r%d é"
	pg.Exec(`create role "App" login password '` + password + `'`)
	pg.Exec(`create database "Shop"`)
	u := url.URL{Scheme: "postgres", User: url.UserPassword("App", password), Host: pg.Addr(), Path: "/Shop",
		RawQuery: "sslmode=disable"}

	s, _ := serveHere(t, "--connection-string", u.String())
	conn := login(t, at(t, u.String(), s.address))
	if got, want := query(t, conn, "select current_user, current_database()"), "App Shop"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	const ( // SQLSTATE
		invalidPassword = "28P01"
		noSuchDatabase  = "3D000"
	)
	wrong := u
	wrong.Host, wrong.User = s.address, url.UserPassword("App", "wrong")
	wantRefusal(t, wrong.String(), invalidPassword)
	wrong.User = url.UserPassword("postgres", password)
	wantRefusal(t, wrong.String(), invalidPassword)
	wrong.User, wrong.Path = u.User, "/shop"
	wantRefusal(t, wrong.String(), noSuchDatabase)
}

func TestServe_LetsAnybodyInWhereEverybodyIsTrusted(t *testing.T) {
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	pg.Exec("drop role if exists anybody; create role anybody login")
	s, _ := serveHere(t, "--config", file(t, "o.yaml", fmt.Sprintf(
		"auth: {method: trust}\ndatabases: {postgres: {url: \"postgres://%s\"}}\n", pg.Addr())))
	for _, user := range []string{"postgres", "anybody"} {
		conn := login(t, fmt.Sprintf("postgres://%s@%s/postgres?sslmode=disable", user, s.address))
		if got := query(t, conn, "select current_user"); got != user {
			t.Errorf("got %q, want %q", got, user)
		}
	}
}

func TestServe_ListensOnAUnixSocket(t *testing.T) {
	dir := t.TempDir()
	left, err := net.Listen("unix", filepath.Join(dir, socketName))
	if err != nil {
		t.Fatal(err)
	}
	got := runToEnd(t, "serve", "--connection-string", sharedDSN(t), "--listen", dir, "--http=")
	if got.code != exitFailed || !strings.Contains(got.errOut, "is in use") {
		t.Errorf("beside another server: got %+v", got)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false) // as after a crash
	left.Close()

	_, stop := serveHere(t, "--connection-string", sharedDSN(t), "--listen", dir)
	conn := login(t, "postgres://postgres:pw@/postgres?port=6432&host="+dir)
	if got := query(t, conn, "select 1"); got != "1" {
		t.Errorf("got %q", got)
	}
	stop()
	if _, err := os.Stat(filepath.Join(dir, socketName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket was left behind: %v", err)
	}
}

func TestServe_SaysWhichAddressIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	for _, flags := range [][]string{
		{"--listen=127.0.0.1:0", "--listen", address, "--http="},
		{"--listen=127.0.0.1:0", "--http", address},
	} {
		got := runToEnd(t, append([]string{"serve", "--connection-string", sharedDSN(t)}, flags...)...)
		if got.code != exitFailed || !strings.Contains(got.errOut, address) || strings.Count(got.errOut, "\n") != 1 {
			t.Errorf("%q: got %+v", flags, got)
		}
	}
}

func TestHealthcheck_AsksARunningServer(t *testing.T) {
	s, stop := serveHere(t, "--connection-string", sharedDSN(t))
	_, port, _ := net.SplitHostPort(s.health)
	for _, address := range []string{s.health, ":" + port} {
		if got := runToEnd(t, "healthcheck", "--http", address); got.code != exitDone {
			t.Errorf("%s: got %+v", address, got)
		}
	}
	t.Setenv("OVERDRIVE_HTTP", s.health)
	if got := runToEnd(t, "healthcheck"); got.code != exitDone {
		t.Errorf("by environment: got %+v", got)
	}
	t.Setenv("OVERDRIVE_HTTP", "")
	file := filepath.Join(t.TempDir(), "overdrive.yaml")
	for http, want := range map[string]int{s.health: exitDone, "": exitFailed} {
		text := fmt.Sprintf("http: %q\ndatabases: {d: {url: %q}}\nauth: {method: trust}\n", http, sharedDSN(t))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		os.Unsetenv("OVERDRIVE_HTTP")
		if got := runToEnd(t, "healthcheck", "--config", file); got.code != want {
			t.Errorf("by a file with %q: got %+v", http, got)
		}
	}
	t.Setenv("OVERDRIVE_HTTP", s.health)
	stop()
	if got := runToEnd(t, "healthcheck"); got.code != exitFailed || !strings.Contains(got.errOut, "connection refused") {
		t.Errorf("stopped: got %+v", got)
	}
}

func TestServe_IsReadyUntilItIsToldToStop(t *testing.T) {
	s, cmd := serveApart(t, "--connection-string", sharedDSN(t))
	conn := login(t, at(t, sharedDSN(t), s.address))
	query(t, conn, "begin")
	// The idle client is told to go, after which the server is surely stopping.
	idle := login(t, at(t, sharedDSN(t), s.address))
	if got := readiness(t, s.health); got != http.StatusOK {
		t.Errorf("running: got %d", got)
	}
	terminate(t, cmd)
	wantShutdown(t, idle)
	if got := readiness(t, s.health); got != http.StatusServiceUnavailable {
		t.Errorf("stopping: got %d", got)
	}
	query(t, conn, "rollback")
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
}

func readiness(t *testing.T, address string) int {
	t.Helper()
	response, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// wantShutdown waits until the server tells the client that it stops.
func wantShutdown(t *testing.T, conn *pgconn.PgConn) {
	t.Helper()
	_, err := conn.ReceiveMessage(t.Context())
	var told *pgconn.PgError
	if !errors.As(err, &told) || told.Code != "57P01" {
		t.Errorf("got %v, want SQLSTATE 57P01", err)
	}
}

func TestServe_LetsTransactionsFinishAfterSIGTERM(t *testing.T) {
	pg := proxytest.SharedPostgres(t)
	pg.Exec("drop table if exists finished; create table finished (n int)")
	s, cmd := serveApart(t, "--connection-string", sharedDSN(t))
	conn, idle := login(t, at(t, sharedDSN(t), s.address)), login(t, at(t, sharedDSN(t), s.address))
	query(t, conn, "begin")
	query(t, conn, "insert into finished values (1)")
	terminate(t, cmd)
	wantShutdown(t, idle)
	if late, err := pgconn.Connect(t.Context(), at(t, sharedDSN(t), s.address)); err == nil {
		late.Close(t.Context())
		t.Error("a client was let in after SIGTERM")
	}
	query(t, conn, "insert into finished values (2)")
	query(t, conn, "commit")
	s.await("stopped")
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
	if got, want := query(t, login(t, pg.DSN("postgres")), "select count(*) from finished"), "2"; got != want {
		t.Errorf("rows: got %s, want %s", got, want)
	}
}

func TestServe_StopsAtOnceOnTheSecondSIGTERM(t *testing.T) {
	s, cmd := serveApart(t, "--connection-string", sharedDSN(t))
	conn := login(t, at(t, sharedDSN(t), s.address))
	query(t, conn, "begin")
	terminate(t, cmd)
	s.await("stopping: transactions may finish")
	terminate(t, cmd)
	_ = cmd.Wait() // its state says how it ended
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("got %v, want an end by SIGTERM", cmd.ProcessState)
	}
}

func TestServe_CutsTransactionsOffAfterTheConfiguredTime(t *testing.T) {
	s, cmd := serveApart(t, "--connection-string", sharedDSN(t), "--limits-shutdown-timeout=200ms")
	conn := login(t, at(t, sharedDSN(t), s.address))
	query(t, conn, "begin")
	terminate(t, cmd)
	began := time.Now()
	wantShutdown(t, conn)
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
	if took := time.Since(began); took < 200*time.Millisecond || took > 10*time.Second {
		t.Errorf("stopped after %v, want 200ms and a little more", took)
	}
}
