package admin_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// await waits until the proxy was told something.
func (f *fakeProxy) await(t *testing.T, what string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if slices.Contains(f.deeds(), what) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the proxy was not told: %s", what)
		}
	}
}

func TestConsole_CommandsActInEveryModeOfTheProtocol(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			c := startConsole(t)
			conn := c.login("root", mode)
			for sql, want := range map[string]string{
				"PAUSE": "pause", "pause shop;": "pause shop", `PAUSE "Odd ""name"""`: `pause Odd "name"`,
				"RESUME": "resume", "resume lab": "resume lab", "KILL": "kill", "KILL shop": "kill shop",
				"RECONNECT": "reconnect", "reconnect shop": "reconnect shop", "WAIT_CLOSE": "wait_close", "WAIT_CLOSE shop": "wait_close shop",
				"DISABLE shop": "disable shop", "ENABLE shop": "enable shop", "KILL_CLIENT 1234": "kill_client 1234",
				"SHUTDOWN": "shutdown 0", "SHUTDOWN WAIT_FOR_SERVERS": "shutdown 1", "shutdown wait_for_clients": "shutdown 2",
				"SET log.level = debug": "set log|level to debug", "set log.level to 'warn'": "set log|level to warn",
				`SET log."a b".c = 10`: "set log|a b|c to 10", "SET log.size = 512MiB;": "set log|size to 512MiB",
				"SET log.time = 1.5s": "set log|time to 1.5s", `SET log.x = "Y z"`: "set log|x to Y z",
			} {
				tag, err := conn.Exec(t.Context(), sql)
				if told := c.proxy.deeds(); err != nil || !slices.Equal(told, []string{want}) {
					t.Errorf("%s: told %q, %v; want %q", sql, told, err, want)
				}
				if verb := tag.String(); verb == "" {
					t.Errorf("%s: no tag", sql)
				}
			}
		})
	}
}

func TestConsole_CommandsAreForAdministrators(t *testing.T) {
	c := startConsole(t)
	root := c.login("root", pgx.QueryExecModeExec)
	for sql, message := range map[string]string{
		"PAUSE 5": "the command is PAUSE [name]", "PAUSE a b": "the command is PAUSE [name]", "DISABLE": "the command is DISABLE name",
		"ENABLE;": "end of input", "KILL_CLIENT": "KILL_CLIENT id", "KILL_CLIENT x": "KILL_CLIENT id", "KILL_CLIENT -1": "KILL_CLIENT id",
		"SHUTDOWN NOW": "WAIT_FOR_SERVERS", "SET": "SET key = value", "SET a": "SET key = value", "SET a =": "end of input",
		"SET a = 1 2": "SET key = value", "SET 1 = 2": "SET key = value", "SUSPEND shop": "SUSPEND",
	} {
		wantCode(t, root, sql, "42601", message)
	}
	wantCode(t, root, "PAUSE missing", "3D000", "no database")
	wantCode(t, root, "SUSPEND", "0A000", "PAUSE")
	wantCode(t, root, "SET limits.x = 1", "22023", "log alone")
	ask(t, root, "SET client_encoding = 'UTF8'")
	c.proxy.deeds()
	for _, user := range []string{"watch", "app"} {
		conn := c.login(user, pgx.QueryExecModeExec)
		for _, sql := range []string{
			"PAUSE", "RESUME", "KILL", "KILL_CLIENT 7", "RECONNECT", "WAIT_CLOSE", "DISABLE shop", "ENABLE shop", "SHUTDOWN", "SUSPEND", "RELOAD",
			"SET log.level = debug",
		} {
			wantCode(t, conn, sql, "42501", "permission denied")
		}
		ask(t, conn, "SET extra_float_digits = 3") // which drivers do
	}
	if told := c.proxy.deeds(); len(told) > 0 {
		t.Errorf("the proxy was told %q", told)
	}
}

func TestConsole_WhatTakesItsTimeIsGivenUpWhenTheClientHangsUp(t *testing.T) {
	c := startConsole(t)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement} {
		conn := c.login("root", mode)
		pausing := make(chan error, 1)
		go func() {
			_, err := conn.Exec(context.Background(), "PAUSE busy")
			pausing <- err
		}()
		c.proxy.await(t, "pausing busy")
		conn.PgConn().Conn().Close()
		c.proxy.await(t, "gave up busy")
		if <-pausing == nil {
			t.Error("no error")
		}
	}
}

func TestConsole_WhatTakesItsTimeIsGivenUpByACancelRequest(t *testing.T) {
	c := startConsole(t)
	conn, other := c.login("root", pgx.QueryExecModeExec), c.login("root", pgx.QueryExecModeExec)
	if err := conn.PgConn().CancelRequest(t.Context()); err != nil { // there is nothing to cancel
		t.Fatal(err)
	}
	pausing := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "PAUSE busy")
		pausing <- err
	}()
	c.proxy.await(t, "pausing busy")
	if err := other.PgConn().CancelRequest(t.Context()); err != nil { // of somebody else
		t.Fatal(err)
	}
	ask(t, other, "SHOW STATE")
	if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	var refused *pgconn.PgError
	if err := <-pausing; !errors.As(err, &refused) || refused.Code != "57014" {
		t.Errorf("got %v, want 57014", err)
	}
	c.proxy.await(t, "gave up busy")
	ask(t, conn, "PAUSE shop")
}

// What a client says while a command takes its time is heard afterwards.
func TestConsole_HearsWhatIsSaidMeanwhile(t *testing.T) {
	w := dialWire(t, newConsole())
	w.want("a login", "RKZ")
	pause := parseMessage("", "PAUSE shop")
	show := parseMessage("", "SHOW STATE")
	w.send(slices.Concat(pause, bindMessage("", "", 0), executeMessage("", 0), show, bindMessage("", "", 0), executeMessage("", 1), syncMessage))
	w.want("two commands in a pipeline", "12C12DsZ")
}
