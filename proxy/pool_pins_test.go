package proxy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// leftovers asks a server for everything that a client may have left on it.
const leftovers = `select pg_backend_pid(), current_setting('work_mem'), current_setting('my.own', true),
	(select count(*) from pg_class where relpersistence = 't' and relname not like 'pg_toast%' and relnamespace = pg_my_temp_schema()),
	(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
	(select count(*) from pg_prepared_statements where name not like '\_overdrive%'),
	(select count(*) from pg_listening_channels()),
	(select count(*) from pg_cursors)`

// clean is what a server without leftovers answers. A parameter of an extension that was once set is empty, not NULL.
func clean(server string) string { return server + ",4MB,,0,0,0,0,0" }

// State that lives on the server ties the client to it, and SHOW overdrive.pinned says why. It is gone when the client is:
// the pool has one server, so the next client gets that very one.
func TestPins_HoldTheServerAndLeakNothing(t *testing.T) {
	t.Parallel()
	pg := newDatabase(t, "pins", "create function lock_it() returns void language sql as 'select pg_advisory_lock(7)'")
	in := start(t, setup{upstream: pg.Addr(), database: "pins", size: 1, options: new(captured).capture})
	server := ask(t, in.connect(t, "pins"), "select pg_backend_pid()")
	for sql, reason := range map[string]string{
		"listen news":                                            "LISTEN",
		"create temp table x(a int)":                             "temporary object",
		"select 1 as a into temp x":                              "temporary object",
		"create temp sequence x":                                 "temporary object",
		"select pg_advisory_lock(1)":                             "session advisory lock",
		"select pg_try_advisory_lock(1)":                         "session advisory lock",
		"select pg_advisory_lock_shared(1)":                      "session advisory lock",
		"prepare x as select 1":                                  "SQL PREPARE",
		"set log_statement = 'all'":                              "SET",
		"select set_config('my.own','x',false)":                  "SET",
		"begin; declare x cursor with hold for select 1; commit": "cursor WITH HOLD",
		"do $$ begin perform pg_advisory_lock(3); end $$":        "advisory lock",
	} {
		for name, leave := range map[string]func(*pgconn.PgConn){
			"leaves":      closeConn,
			"vanishes":    func(c *pgconn.PgConn) { c.Conn().Close() },
			"DISCARD ALL": func(c *pgconn.PgConn) { ask(t, c, "discard all") },
		} {
			c := in.connect(t, "pins")
			ask(t, c, sql)
			if got := ask(t, c, "show overdrive.pinned"); !strings.Contains(got, reason) {
				t.Errorf("%s: pinned by %q, want %q", sql, got, reason)
			}
			if got := ask(t, c, "select pg_backend_pid()"); got != server {
				t.Errorf("%s: moved to server %s, want %s", sql, got, server)
			}
			leave(c)
			if name == "DISCARD ALL" {
				if got := ask(t, c, "show overdrive.pinned"); got != "" {
					t.Errorf("%s: after DISCARD ALL pinned by %q", sql, got)
				}
			}
			next := in.connect(t, "pins")
			got := ask(t, next, leftovers)
			if pid, _, _ := strings.Cut(got, ","); got != clean(pid) {
				t.Errorf("%s: when the client %s, the next finds %s, want %s", sql, name, got, clean(server))
			}
			server, _, _ = strings.Cut(got, ",")
			closeConn(next)
			closeConn(c)
		}
	}
}

// What leaves no state behind does not cost a server.
func TestPins_WhatEndsWithTheTransactionPinsNobody(t *testing.T) {
	t.Parallel()
	pg := newDatabase(t, "no_pins", "create table t(a int)")
	in := start(t, setup{upstream: pg.Addr(), database: "no_pins", size: 1})
	c, other := in.connect(t, "no_pins"), in.connect(t, "no_pins")
	for _, sql := range []string{
		"select 1", "insert into t values (1)", "set timezone = 'Asia/Tokyo'", "set application_name = 'x'",
		"begin; set local work_mem = '5MB'; commit", "select pg_advisory_xact_lock(1)", "notify news, 'hello'",
		"begin; declare x cursor for select 1; fetch x; commit", "create table u(a int); drop table u", "show work_mem",
	} {
		ask(t, c, sql)
		if got := ask(t, c, "show overdrive.pinned"); got != "" {
			t.Errorf("%s: pinned by %q, want nothing", sql, got)
		}
		ask(t, other, "select 1") // would wait for ever if it were
	}
}

// A pinned client keeps what it has through whatever others do.
func TestPins_KeepWhatTheyHold(t *testing.T) {
	t.Parallel()
	pg := newDatabase(t, "pins_keep", "")
	in := start(t, setup{upstream: pg.Addr(), database: "pins_keep", size: 3})
	login := proxytest.Login{User: "postgres", Database: "pins_keep"}
	defer in.keepBusy(t, login, 6)()
	c := in.connect(t, "pins_keep")
	ask(t, c, "create temp table mine as select 42 as a; prepare p as select a + 1 from mine; set my.own = 'kept'")
	for range 100 {
		if got := ask(t, c, "execute p"); got != "43" {
			t.Fatalf("got %s, want 43", got)
		}
		if got, err := askExtended(t.Context(), c, 0, "select current_setting('my.own') || a from mine where a = $1", "42"); err != nil || got != "kept42" {
			t.Fatalf("got %s, %v, want kept42", got, err)
		}
	}
}

// A listener hears of what others notify, through whatever server these have.
func TestPins_ListenerHearsTheOthers(t *testing.T) {
	t.Parallel()
	pg := newDatabase(t, "listeners", "")
	in := start(t, setup{upstream: pg.Addr(), database: "listeners", size: 3})
	var heard []string
	c := in.connect(t, "listeners", func(config *pgconn.Config) {
		config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { heard = append(heard, n.Payload) }
	})
	ask(t, c, "listen news")
	other := in.connect(t, "listeners")
	const many = 20
	for i := range many {
		ask(t, other, fmt.Sprintf("notify news, '%d'", i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(heard) < many {
		if err := c.WaitForNotification(ctx); err != nil {
			t.Fatalf("after %d of %d notifications: %v", len(heard), many, err)
		}
	}
	ask(t, c, "discard all")
	heard = nil
	ask(t, other, "notify news, 'late'")
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.WaitForNotification(ctx); err == nil {
		t.Errorf("heard %q after it stopped to listen", heard)
	}
}
