package main

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// boss logs the administrator in at the console.
func (s *service) boss(t *testing.T) *pgconn.PgConn {
	t.Helper()
	return login(t, dsnOf(s, "boss", "pw", "pgbouncer"))
}

// answer returns the value that a command of the console gives for a key in its first column.
func answer(t *testing.T, console *pgconn.PgConn, sql, key string) string {
	t.Helper()
	results, err := console.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	for _, row := range results[0].Rows {
		if string(row[0]) == key {
			return string(row[1])
		}
	}
	t.Fatalf("%s has no %s", sql, key)
	return ""
}

// failsWith runs a statement that must fail.
func failsWith(t *testing.T, conn *pgconn.PgConn, sql, code, words string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql).ReadAll()
	var told *pgconn.PgError
	if !errors.As(err, &told) || told.Code != code || !strings.Contains(told.Message, words) {
		t.Errorf("%s: got %v, want %s and %q", sql, err, code, words)
	}
}

func TestSet_ChangesAKeyUntilTheNextReload(t *testing.T) {
	path := file(t, "o.yaml", reloadable(t, "one", `a b`))
	s, _ := serveHere(t, "--config", path)
	boss := s.boss(t)
	for sql, key := range map[string]string{
		"SET log.level = debug":                          "log.level debug",
		"SET limits.max_clients = 1":                     "limits.max_clients 1",
		"SET limits.login_timeout TO '7s'":               "limits.login_timeout 7s",
		"SET cache.memory = 32MiB":                       "cache.memory 32MiB",
		"SET databases.one.pool.size = 10":               "databases.one.pool.size 10",
		`SET databases."a b".pool.idle_timeout = 2m`:     `databases."a b".pool.idle_timeout 2m`,
		"SET databases.one.pool.mode = statement":        "databases.one.pool.mode statement",
		"set limits.max_logins_per_address = 55 /* ! */": "limits.max_logins_per_address 55",
	} {
		execute(t, boss, sql)
		name, want, _ := strings.Cut(key, " ")
		if strings.HasPrefix(name, `databases."a`) {
			name, want = `databases."a b".pool.idle_timeout`, "2m"
		}
		if got := answer(t, boss, "SHOW CONFIG", name); got != want {
			t.Errorf("%s: %s is %s, want %s", sql, name, got, want)
		}
	}
	login(t, dsnOf(s, "app", "pw", "one"))
	wantRefusal(t, dsnOf(s, "app", "pw", "one"), "53300")
	for sql, words := range map[string]string{
		"SET limits.max_clients = 0": "limits.max_clients: must be at least 1", "SET limits.max_clients = many": "must be a whole number",
		"SET databases.one.pool.min_idle = 11": "min_idle: must be between 0 and 10", "SET databases.two.pool.size = 1": "not a key that has one value",
		"SET databases.one.pool.nosuch = 1": "not a key", "SET limits = 1": "not a key", "SET log.level = loud": "must be one of",
		"SET auth.method = trust": "can be set here", "SET databases.one.url = 'x'": "can be set here", "SET http = ''": "can be set here",
	} {
		failsWith(t, boss, sql, "22023", words)
	}
	execute(t, boss, "RELOAD")
	if got := answer(t, boss, "SHOW CONFIG", "databases.one.pool.size"); got != "3" {
		t.Errorf("after a reload the size is %s, want 3", got)
	}
}

// Administrators get in whatever others do: there is no room for clients, the pools are full, half-open logins pile up, everything is
// paused, or the program waits for its end.
func TestConsole_AdministratorsAreNeverLockedOut(t *testing.T) {
	path := file(t, "o.yaml", strings.Replace(reloadable(t, "one"), "size: 3", "size: 1", 1)+"limits: {max_clients: 2, max_logins_per_address: 3}\n")
	s, _ := serveHere(t, "--config", path)
	holds, waits := login(t, dsnOf(s, "app", "pw", "one")), login(t, dsnOf(s, "app", "pw", "one"))
	execute(t, holds, "begin; select 1")
	waiting := make(chan error, 1)
	go func() {
		_, err := waits.Exec(t.Context(), "select 1").ReadAll()
		waiting <- err
	}()
	awaitAnswer(t, s.boss(t), "SHOW LISTS", "used_clients", "2")
	wantRefusal(t, dsnOf(s, "boss", "pw", "one"), "53300")
	s.boss(t)
	for range 3 { // who says nothing keeps nobody out
		nc, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
	}
	began := time.Now()
	for first := true; ; first = false {
		conn, err := pgconn.Connect(t.Context(), dsnOf(s, "boss", "pw", "pgbouncer"))
		if err == nil {
			conn.Close(t.Context())
			break
		}
		if time.Since(began) > 10*time.Second {
			t.Fatalf("half-open logins keep the administrator out: %v (at once: %v)", err, first)
		}
	}
	pausing := s.boss(t)
	paused := make(chan error, 1)
	go func() {
		_, err := pausing.Exec(t.Context(), "PAUSE").ReadAll()
		paused <- err
	}()
	awaitAnswer(t, s.boss(t), "SHOW STATE", "paused", "yes")
	execute(t, s.boss(t), "RESUME")
	if <-paused == nil {
		t.Error("a pause succeeded that was ended by RESUME")
	}
	execute(t, holds, "commit")
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	execute(t, s.boss(t), "PAUSE one")
	execute(t, s.boss(t), "SHUTDOWN WAIT_FOR_CLIENTS")
	if got := answer(t, s.boss(t), "SHOW STATE", "shutting_down"); got != "yes" {
		t.Errorf("shutting down: %s", got)
	}
	execute(t, s.boss(t), "KILL")
	s.await("stopped")
}

func awaitAnswer(t *testing.T, console *pgconn.PgConn, sql, key, want string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); answer(t, console, sql, key) != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s never is %s", sql, key, want)
		}
	}
}

func TestShutdown_WaitsForClients(t *testing.T) {
	s, _ := serveHere(t, "--config", file(t, "o.yaml", reloadable(t, "one")))
	rests, works := login(t, dsnOf(s, "app", "pw", "one")), login(t, dsnOf(s, "app", "pw", "one"))
	execute(t, works, "begin")
	execute(t, s.boss(t), "SHUTDOWN WAIT_FOR_CLIENTS")
	s.await("nobody new is let in")
	wantRefusal(t, dsnOf(s, "app", "pw", "one"), "57P01")
	response, err := http.Get("http://" + s.health + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("ready: %s", response.Status)
	}
	query(t, rests, "select 1") // whoever is in goes on as ever
	rests.Close(t.Context())
	query(t, works, "select 1")
	execute(t, works, "commit; begin; select 2; commit")
	works.Close(t.Context())
	s.await("stopped")
}

func TestShutdown_WaitsForServers(t *testing.T) {
	s, _ := serveHere(t, "--config", file(t, "o.yaml", strings.Replace(reloadable(t, "one"), "size: 3", "size: 1", 1)))
	rests, works, waits := login(t, dsnOf(s, "app", "pw", "one")), login(t, dsnOf(s, "app", "pw", "one")), login(t, dsnOf(s, "app", "pw", "one"))
	query(t, rests, "select 1")
	execute(t, works, "begin; select 1")
	waiting := make(chan error, 1)
	go func() {
		_, err := waits.Exec(t.Context(), "select 1").ReadAll()
		waiting <- err
	}()
	boss := s.boss(t)
	for deadline := time.Now().Add(20 * time.Second); answerAt(t, boss, "SHOW POOLS", 3) != "1"; { // cl_waiting
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
	}
	execute(t, boss, "SHUTDOWN WAIT_FOR_SERVERS")
	var told *pgconn.PgError
	if err := <-waiting; !errors.As(err, &told) || told.Code != "57P01" {
		t.Errorf("who waits for a server reads %v", err)
	}
	failsWith(t, boss, "RESUME", "55000", "shutting down")
	query(t, works, "select 1")
	execute(t, works, "commit")
	s.await("stopped")
	wantShutdown(t, rests)
}

// answerAt returns a column of the first row.
func answerAt(t *testing.T, console *pgconn.PgConn, sql string, column int) string {
	t.Helper()
	return strings.Split(query(t, console, sql), " ")[column]
}

func TestShutdown_CutsEverythingOffAtOnce(t *testing.T) {
	s, _ := serveHere(t, "--config", file(t, "o.yaml", reloadable(t, "one")))
	works := login(t, dsnOf(s, "app", "pw", "one"))
	execute(t, works, "begin; select 1")
	execute(t, s.boss(t), "SHUTDOWN WAIT_FOR_CLIENTS")
	s.await("nobody new is let in")
	boss := s.boss(t)
	execute(t, boss, "SHUTDOWN")
	s.await("stopped")
	failsWith(t, works, "select 1", "57P01", "shutting down")
	failsWith(t, boss, "SHOW STATE", "57P01", "has stopped")
}
