package admin_test

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestConsole_AnswersInEveryModeOfTheProtocol(t *testing.T) {
	c := startConsole(t)
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			conn := c.login("root", mode)
			for range 2 { // the second time it is prepared already
				rows := ask(t, conn, "SHOW CACHE")
				equal(t, "database", columnOf(rows, "database"), "lab", "shop")
				equal(t, "mode", columnOf(rows, "mode"), "dry run", "on")
				equal(t, "bytes", columnOf(rows, "bytes"), int64(0), int64(300))
				equal(t, "hit_ratio", columnOf(rows, "hit_ratio"), 0.0, 0.75)
				equal(t, "would_hit_ratio", columnOf(rows, "would_hit_ratio"), 0.4, nil)
			}
			if err := conn.Ping(t.Context()); err != nil { // an empty statement
				t.Errorf("ping: %v", err)
			}
		})
	}
}

func TestConsole_ShowsQueriesByTheirShape(t *testing.T) {
	conn := startConsole(t).login("app", pgx.QueryExecModeExec)
	rows := ask(t, conn, "show queries;")
	equal(t, "fingerprint", columnOf(rows, "fingerprint"), "00000000000000fe", "0000000000000001")
	equal(t, "hit_ratio", columnOf(rows, "hit_ratio"), 0.75, 0.0)
	equal(t, "avg_miss_us", columnOf(rows, "avg_miss_us"), int64(2000), int64(0))
	equal(t, "time_saved_us", columnOf(rows, "time_saved_us"), int64(6000), int64(0))
	equal(t, "reason", columnOf(rows, "reason"), "", "now()")
	equal(t, "query", columnOf(rows, "query"), "select 1 from shop", "select now ( )")
}

func TestConsole_ExplainsAStatement(t *testing.T) {
	c := startConsole(t)
	conn := c.login("app", pgx.QueryExecModeSimpleProtocol)
	got := items(t, conn, "explain cache 'select ''x'' from t'")
	for item, want := range map[string]string{
		"status": "volatile", "reason": "random() is VOLATILE", "database": "shop", "reads": "public.t",
		"rule": "2: tables: t", "max_age": "1m0s", "tags": "a, b", "fingerprint": "0000000000000abc", "hits": "3", "age": "1.5s",
		"in the key: DateStyle": "ISO", "in the key: app.tenant": "each client's own", "the server's tree agrees": "",
	} {
		if got[item] != want {
			t.Errorf("%s: got %q, want %q", item, got[item], want)
		}
	}
	verified := items(t, conn, "EXPLAIN CACHE VERIFY $q$select 'x'$q$ DATABASE shop")
	if verified["the server's tree agrees"] != "yes" {
		t.Errorf("verified: got %q", verified)
	}
	want := []string{"shop as app: select 'x' from t (verify false)", "shop as app: select 'x' (verify true)"}
	if !slices.Equal(c.proxy.explained, want) {
		t.Errorf("asked for %q, want %q", c.proxy.explained, want)
	}
}

func TestConsole_Purges(t *testing.T) {
	c := startConsole(t)
	conn := c.login("root", pgx.QueryExecModeExec)
	for sql, want := range map[string]string{
		"PURGE TABLE Scores IN shop":                      "shop table scores",
		`purge table "My"."Ta""b" database shop`:          `shop table My.Ta"b`,
		"PURGE TAG 'a''b' IN lab":                         "lab tag a'b",
		"PURGE TAG scores IN lab;":                        "lab tag scores",
		"PURGE QUERY 9f86d081884c7d65 IN shop":            "shop query 9f86d081884c7d65",
		"PURGE QUERY 0000000000001e10 IN shop":            "shop query 0000000000001e10",
		"PURGE QUERY 'abc' IN shop":                       "shop query 0000000000000abc",
		"purge /* all */ all -- of it\n database \"lab\"": "lab all",
	} {
		c.proxy.purged = nil
		rows := ask(t, conn, sql)
		equal(t, sql, columnOf(rows, "purged"), "it")
		if !slices.Equal(c.proxy.purged, []string{want}) {
			t.Errorf("%s: purged %q, want %q", sql, c.proxy.purged, want)
		}
	}
	wantCode(t, conn, "PURGE TABLE missing IN shop", "42P01", "no table")
	wantCode(t, conn, "PURGE ALL", "22023", "there are several databases")
}

func TestConsole_GivesEachUserHisOwn(t *testing.T) {
	c := startConsole(t)
	own := c.login("eve", pgx.QueryExecModeExec)
	equal(t, "own cache", columnOf(ask(t, own, "SHOW CACHE"), "database"), "lab")
	equal(t, "own queries", columnOf(ask(t, own, "SHOW QUERIES"), "database"), "lab", "lab")
	ask(t, own, "PURGE ALL")
	for _, sql := range []string{
		"SHOW CACHE DATABASE shop", "SHOW QUERIES IN shop", "PURGE ALL IN shop", "EXPLAIN CACHE 'select 1' IN shop",
		"SHOW POOLS", "SHOW STATS", "SHOW CLIENTS", "SHOW DATABASES", "SHOW LISTS", "SHOW CONFIG", "SHOW CACHE IN nowhere",
	} {
		wantCode(t, own, sql, "42501", "permission denied")
	}
	watch := c.login("watch", pgx.QueryExecModeExec)
	equal(t, "all caches", columnOf(ask(t, watch, "SHOW CACHE"), "database"), "lab", "shop")
	for _, sql := range []string{"PURGE ALL IN shop", "PURGE ALL", "EXPLAIN CACHE 'select 1' IN shop"} {
		wantCode(t, watch, sql, "42501", "permission denied")
	}
	wantCode(t, watch, "SHOW CACHE IN nowhere", "3D000", "does not exist")
	if len(c.proxy.purged) != 1 {
		t.Errorf("purged %q", c.proxy.purged)
	}
}

func TestConsole_LetsInOnlyWhoHasBusinessThere(t *testing.T) {
	c := startConsole(t)
	_, err := pgconn.Connect(t.Context(), "postgres://nobody@"+c.address+"/overdrive?sslmode=disable")
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "42501" || refused.Severity != "FATAL" {
		t.Errorf("got %v, want a FATAL 42501", err)
	}
}

func TestConsole_NamesTheNearestCommand(t *testing.T) {
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		conn := startConsole(t).login("root", mode)
		for sql, want := range map[string]string{
			"SHOW CASHE":                   "the nearest is SHOW CACHE",
			"purg all":                     "the nearest is PURGE ALL",
			"RELOADED":                     `unknown command "RELOADED"`,
			"SHOW CACHE now":               `at or near "now"`,
			"SHOW POOLS IN shop":           `at or near "IN"`,
			"PURGE TABLE":                  "at end of input; the command is PURGE TABLE [schema.]name",
			"PURGE QUERY xyz":              `"xyz" is no fingerprint`,
			"EXPLAIN CACHE select 1":       `at or near "select"`,
			"EXPLAIN CACHE 'select 1":      "unterminated quote",
			"SHOW CACHE; SHOW POOLS":       `at or near ";"`,
			strings.Repeat("x", 5000):      "unknown command",
			"select pg_catalog.version()":  "unknown command",
			"PURGE TAG ''":                 "the command is PURGE TAG",
			"EXPLAIN CACHE E'select 1'":    "syntax error",
			"SHOW CACHE DATABASE 'shop'":   "syntax error",
			"EXPLAIN CACHE VERIFY":         "at end of input",
			"PURGE QUERY 0000000000000000": "is no fingerprint",
		} {
			wantCode(t, conn, sql, "42601", want)
		}
	}
}

// wantCode runs a command that must be refused, and asks for another behind it: the conversation goes on.
func wantCode(t *testing.T, conn *pgx.Conn, sql, code, message string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql)
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != code || !strings.Contains(refused.Message, message) {
		t.Errorf("%.60s: got %v, want %s and %q", sql, err, code, message)
	}
	ask(t, conn, "SHOW VERSION")
}

func TestConsole_GivesNumbersInBinaryToWhoAsks(t *testing.T) {
	conn := startConsole(t).login("root", pgx.QueryExecModeExec).PgConn()
	read := conn.ExecParams(t.Context(), "SHOW CACHE", nil, nil, nil, []int16{1})
	rows := read.Read()
	if rows.Err != nil || len(rows.Rows) != 2 || len(rows.Rows[0][2]) != 8 || rows.CommandTag.String() != "SHOW" {
		t.Errorf("binary: got %q, %v", rows.Rows, rows.Err)
	}
}

func TestConsole_PleasesPsql(t *testing.T) {
	psql, err := exec.LookPath("psql")
	if err != nil {
		t.Skip("there is no psql")
	}
	c := startConsole(t)
	out, err := exec.CommandContext(t.Context(), psql, "-XAt", "-c", "show cache", "-c", "purge all in lab",
		"postgres://root@"+c.address+"/overdrive?sslmode=disable").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "shop|on|2|300|") || !strings.Contains(string(out), "lab|it") {
		t.Errorf("got %s, %v", out, err)
	}
}

func TestConsole_ReloadIsForAdministratorsAndSaysWhyNot(t *testing.T) {
	c := startConsole(t)
	var failure error
	reloads := 0
	c.reload = func() error { reloads++; return failure }
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		root := c.login("root", mode)
		failure = nil
		if tag, err := root.Exec(t.Context(), "reload"); err != nil || tag.String() != "RELOAD" {
			t.Errorf("RELOAD: %q, %v", tag, err)
		}
		failure = errors.New("no such key")
		wantCode(t, root, "RELOAD", "F0000", "the configuration stays as it was: no such key")
		wantCode(t, c.login("watch", mode), "RELOAD", "42501", "is for users in admin.users")
	}
	if reloads != 4 {
		t.Errorf("%d reloads, want 4", reloads)
	}
}
