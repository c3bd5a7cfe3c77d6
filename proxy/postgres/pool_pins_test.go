package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// State that lives on the server ties the client to it, and SHOW overdrive.pinned says why. It is gone when the client is:
// the pool has one server, so the next client gets that very one.
func TestPins_HoldTheServerAndLeakNothing(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "pins", "create function lock_it() returns void language sql as 'select pg_advisory_lock(7)'")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "pins", Size: 1, Options: new(rig.Captured).Capture})
	server := rig.Ask(t, in.Connect(t, "pins"), "select pg_backend_pid()")
	for sql, reason := range map[string]string{
		"create temp table x(a int)":        "temporary object",
		"select 1 as a into temp x":         "temporary object",
		"create temp sequence x":            "temporary object",
		"select pg_advisory_lock(1)":        "session advisory lock",
		"select pg_try_advisory_lock(1)":    "session advisory lock",
		"select pg_advisory_lock_shared(1)": "session advisory lock",
		"prepare x as select 1; select 2":   "SQL PREPARE", // which is not taken apart
		"set seed = 0.5":                    "SET",
		"update pg_settings set setting = 'all' where name = 'log_statement'": "SET",
		"begin; declare x cursor with hold for select 1; commit":              "cursor WITH HOLD",
		"do $$ begin perform pg_advisory_lock(3); end $$":                     "advisory lock",
	} {
		for name, leave := range map[string]func(*pgconn.PgConn){
			"leaves":      rig.CloseConn,
			"vanishes":    func(c *pgconn.PgConn) { c.Conn().Close() },
			"DISCARD ALL": func(c *pgconn.PgConn) { rig.Ask(t, c, "discard all") },
		} {
			c := in.Connect(t, "pins")
			rig.Ask(t, c, sql)
			if got := rig.Ask(t, c, "show overdrive.pinned"); !strings.Contains(got, reason) {
				t.Errorf("%s: pinned by %q, want %q", sql, got, reason)
			}
			// Before the session was pinned the catalog's connection may have taken the slot for a moment.
			held := rig.Ask(t, c, "select pg_backend_pid()")
			if got := rig.Ask(t, c, "select pg_backend_pid() -- again"); got != held {
				t.Errorf("%s: moved to server %s, want %s", sql, got, held)
			}
			leave(c)
			if name == "DISCARD ALL" {
				if got := rig.Ask(t, c, "show overdrive.pinned"); got != "" {
					t.Errorf("%s: after DISCARD ALL pinned by %q", sql, got)
				}
			}
			next := in.Connect(t, "pins")
			got := rig.Ask(t, next, rig.Leftovers)
			if !rig.IsClean(got) {
				t.Errorf("%s: when the client %s, the next finds %s, want %s", sql, name, got, rig.Clean(server))
			}
			server, _, _ = strings.Cut(got, ",")
			rig.CloseConn(next)
			rig.CloseConn(c)
		}
	}
}

// What leaves no state behind does not cost a server.
func TestPins_WhatEndsWithTheTransactionPinsNobody(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "no_pins", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "no_pins", Size: 1})
	c, other := in.Connect(t, "no_pins"), in.Connect(t, "no_pins")
	for _, sql := range []string{
		"select 1", "insert into t values (1)", "set timezone = 'Asia/Tokyo'", "set application_name = 'x'",
		"begin; set local work_mem = '5MB'; commit", "select pg_advisory_xact_lock(1)", "notify news, 'hello'",
		"begin; declare x cursor for select 1; fetch x; commit", "create table u(a int); drop table u", "show work_mem",
		"select set_config('jit', 'off', false)", "select pg_catalog.set_config('my.own', 'x', false)", "set log_statement = 'all'",
		"set session characteristics as transaction isolation level serializable", "set session characteristics as transaction deferrable",
		"set synchronous_commit = off", "set enable_seqscan = off", "begin; set transaction isolation level repeatable read; select 1; commit",
		"begin; select set_config('search_path', 'public', true), set_config('role', 'postgres', true); commit",
	} {
		rig.Ask(t, c, sql)
		if got := rig.Ask(t, c, "show overdrive.pinned"); got != "" {
			t.Errorf("%s: pinned by %q, want nothing", sql, got)
		}
		rig.Ask(t, other, "select 1") // would wait for ever if it were
	}
}

// A session is pinned as long as its server shows what pins it, whichever statement has ended that.
func TestPins_EndWithTheirCause(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "pins_end", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "pins_end", Size: 1})
	c, other := in.Connect(t, "pins_end"), in.Connect(t, "pins_end")
	for _, test := range []struct{ begins, ends string }{
		{"create temp table x(a int)", "drop table x"},
		{"create temp table x(a int); create temp view y as select * from x", "drop table x cascade"},
		{"create temp sequence x", "discard temp"},
		{"create function pg_temp.f() returns int language sql as 'select 1'", "drop function pg_temp.f()"},
		{"select pg_advisory_lock(1), pg_advisory_lock(2)", "select pg_advisory_unlock(1), pg_advisory_unlock(2)"},
		{"select pg_advisory_lock_shared(1)", "select pg_advisory_unlock_all()"},
		{"begin; declare x cursor with hold for select 1; commit", "close x"},
		{"begin; declare x cursor with hold for select 1; commit", "close all"},
		{"prepare x as select 1; select 2", "deallocate x"},
		{"prepare x as select 1; select 2", "deallocate prepare all"},
		{"begin; set local search_path = pg_temp; create table x(a int); commit", "drop table pg_temp.x"},
	} {
		rig.Ask(t, c, test.begins)
		if rig.Ask(t, c, "show overdrive.pinned") == "" {
			t.Errorf("%s: nothing pins", test.begins)
		}
		rig.Ask(t, c, test.ends)
		if got := rig.Ask(t, c, "show overdrive.pinned"); got != "" {
			t.Errorf("%s, %s: pinned by %q", test.begins, test.ends, got)
		}
		rig.Ask(t, other, "select 1") // would wait for ever if it were
	}
	for _, never := range []string{
		"begin; create temp table x(a int) on commit drop; commit", "begin; listen a; rollback", "begin; create temp table x(a int); rollback",
		"begin; declare x cursor with hold for select 1; rollback", "begin; savepoint a; create temp table x(a int); rollback to a; commit",
		"begin; select set_config('search_path', 'pg_temp', true); create table x(a int) on commit drop; commit",
	} {
		rig.Ask(t, c, never)
		if got := rig.Ask(t, c, "show overdrive.pinned"); got != "" {
			t.Errorf("%s: pinned by %q", never, got)
		}
		rig.Ask(t, other, "select 1")
	}
}

// Where a server withholds what it shows of a session, the words of statements count, and nobody's session ends.
func TestPins_AServerThatWithholdsItsViewsEndsNoSession(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := rig.NewDatabase(t, "pins_withheld", "create table t(a int); grant all on t to public; grant create on schema public to public")
	rig.MakeRoles(t, pg, "pins_withheld_role")
	pg.ExecIn("pins_withheld", "revoke execute on function pg_listening_channels() from public; revoke select on pg_locks, pg_prepared_statements from public")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "pins_withheld", User: "pins_withheld_role", Size: 2})
	for begins, ends := range map[string]string{
		"listen a": "unlisten a", "select pg_advisory_lock(1)": "select pg_advisory_unlock(1)", "create temp table x(a int)": "drop table x", "prepare p as select 1": "deallocate p",
	} {
		c := in.Connect(t, "pins_withheld", rig.As("pins_withheld_role", ""))
		for _, sql := range []string{begins, "select 1", ends, "insert into t values (1)", "discard all", "select 1"} {
			rig.Ask(t, c, sql)
		}
		if got := rig.Ask(t, c, "show overdrive.pinned"); got != "" {
			t.Errorf("%s: after DISCARD ALL pinned by %s", begins, got)
		}
		rig.CloseConn(c)
	}
}

// A pinned client keeps what it has through whatever others do.
func TestPins_KeepWhatTheyHold(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "pins_keep", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "pins_keep", Size: 3})
	login := proxytest.Login{User: "postgres", Database: "pins_keep"}
	defer keepBusy(t, in, login, 6)()
	c := in.Connect(t, "pins_keep")
	rig.Ask(t, c, "create temp table mine as select 42 as a; prepare p as select a + 1 from mine; set my.own = 'kept'")
	for range 100 {
		if got := rig.Ask(t, c, "execute p"); got != "43" {
			t.Fatalf("got %s, want 43", got)
		}
		if got, err := rig.AskExtended(t.Context(), c, 0, "select current_setting('my.own') || a from mine where a = $1", "42"); err != nil || got != "kept42" {
			t.Fatalf("got %s, %v, want kept42", got, err)
		}
	}
}

// A listener hears of what others notify, through whatever server these have.
func TestPins_ListenerHearsTheOthers(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "listeners", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "listeners", Size: 3})
	var heard []string
	c := in.Connect(t, "listeners", func(config *pgconn.Config) {
		config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { heard = append(heard, n.Payload) }
	})
	rig.Ask(t, c, "listen news")
	other := in.Connect(t, "listeners")
	const many = 20
	for i := range many {
		rig.Ask(t, other, fmt.Sprintf("notify news, '%d'", i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	for len(heard) < many {
		if err := c.WaitForNotification(ctx); err != nil {
			t.Fatalf("after %d of %d notifications: %v", len(heard), many, err)
		}
	}
	rig.Ask(t, c, "discard all")
	heard = nil
	rig.Ask(t, other, "notify news, 'late'")
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.WaitForNotification(ctx); err == nil {
		t.Errorf("heard %q after it stopped to listen", heard)
	}
}

// What pins cost the others is counted.
func TestPins_WaitsBehindOneAreCounted(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "pins_counted", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "pins_counted", Size: 1})
	pinned, other := in.Connect(t, "pins_counted"), in.Connect(t, "pins_counted")
	counts := func() (now int64, waits uint64) {
		pools := in.Proxy.Pools()
		return pools[0].Pinned, pools[0].PinnedWaits
	}
	rig.Ask(t, pinned, "select pg_advisory_lock(1)")
	if now, waits := counts(); now != 1 || waits != 0 {
		t.Errorf("%d pinned, %d waits; want 1, 0", now, waits)
	}
	asked := make(chan error, 1)
	go func() {
		_, err := rig.Try(t.Context(), other, "select 1")
		asked <- err
	}()
	rig.Await(t, "a wait behind the pin", func() bool { _, waits := counts(); return waits == 1 })
	rig.Ask(t, pinned, "select pg_advisory_unlock(1)")
	if err := <-asked; err != nil {
		t.Error(err)
	}
	if now, waits := counts(); now != 0 || waits != 1 {
		t.Errorf("%d pinned, %d waits; want 0, 1", now, waits)
	}
}

// Who is pinned can read by what.
func TestPins_AreCalledByTheirNames(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "pins_named", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "pins_named", Size: 2, Caching: true})
	c := in.Connect(t, "pins_named")
	for _, step := range []struct{ sql, want string }{
		{"create temp table mine(a int)", "temporary object: mine"},
		{"begin; declare chosen cursor with hold for select 1; commit", "temporary object: mine; cursor WITH HOLD: chosen"},
		{"close chosen; select pg_advisory_lock(7)", "temporary object: mine; session advisory lock: 0 7"},
		{"drop table mine; select pg_advisory_unlock(7)", ""},
		{"create function pg_temp.f() returns int language sql as 'select 1'", "temporary object"},
		{"discard all", ""},
		{"set temp_buffers = 200", "SET of a parameter that cannot follow: temp_buffers"},
	} {
		rig.Ask(t, c, step.sql)
		if got := rig.Ask(t, c, "show overdrive.pinned"); got != step.want {
			t.Errorf("%s: pinned by %q, want %q", step.sql, got, step.want)
		}
		if all := in.Proxy.Clients(t.Context()); len(all) != 1 || all[0].Pinned != step.want {
			t.Errorf("%s: operators see %+v, want %q", step.sql, all, step.want)
		}
	}
}

// A statement that failed has left nothing behind, so it ties nobody to a server; one that was not alone in its transaction is not known to
// have failed as a whole.
func TestPins_WhatHasFailedDoesNotPin(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "failed_pins", "")
	for _, caching := range []bool{false, true} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "failed_pins", Size: 1, Caching: caching})
		c, other := in.Connect(t, "failed_pins"), in.Connect(t, "failed_pins")
		for _, sql := range []string{
			"set session authorization nosuch", "set temp_buffers = 'banana'", "set seed = 5", "select setseed(5)", "load 'nosuchlib'",
			"set is_superuser = on", "select set_config('session_authorization', 'nosuch', false)", "select setseed(0.5), 1/0",
		} {
			if _, err := rig.Try(t.Context(), c, sql); err == nil {
				t.Errorf("%s has not failed", sql)
			}
			if _, err := rig.AskExtended(t.Context(), c, 0, sql); err == nil {
				t.Errorf("%s has not failed by extended protocol", sql)
			}
			if got := rig.Ask(t, c, "show overdrive.pinned"); got != "" {
				t.Errorf("%s: pinned by %q", sql, got)
			}
			rig.Ask(t, other, "select 1")
		}
		for _, sql := range []string{"set temp_buffers = 200", "set temp_buffers = 201; select 1"} {
			rig.Ask(t, c, sql)
			if got := rig.Ask(t, c, "show overdrive.pinned"); got == "" {
				t.Errorf("%s: not pinned", sql)
			}
			_, err := rig.Try(t.Context(), c, "set temp_buffers = 'banana'")
			rig.WantState(t, err, "22023")
			if got := rig.Ask(t, c, "show overdrive.pinned"); got == "" {
				t.Errorf("%s: not pinned any more behind a failure of another", sql)
			}
			rig.Ask(t, c, "discard all")
		}
		rig.Ask(t, c, "begin")
		rig.Ask(t, c, "set temp_buffers = 202")
		rig.Ask(t, c, "savepoint a")
		_, err := rig.Try(t.Context(), c, "set temp_buffers = 'banana'")
		rig.WantState(t, err, "22023")
		rig.Ask(t, c, "rollback to a")
		rig.Ask(t, c, "commit")
		if got := rig.Ask(t, c, "show overdrive.pinned"); got == "" {
			t.Error("not pinned by what was set before a savepoint")
		}
		rig.Ask(t, c, "discard all")
	}
}

// The log says that a client's values are refused, and not which they are.
func TestLog_HasNoValueThatAServerRefuses(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := rig.NewDatabase(t, "refused_values", "create role refused_s3cret; grant refused_s3cret to postgres")
	var log rig.Captured
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "refused_values", Size: 1, Options: log.Capture})
	c, other := in.Connect(t, "refused_values"), in.Connect(t, "refused_values")
	rig.Ask(t, c, "set role refused_s3cret")
	rig.Ask(t, other, "select 1")
	rig.Ask(t, other, "drop role refused_s3cret")
	if _, err := rig.Try(t.Context(), c, "select 1"); err == nil || !strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v, want the server's error", err)
	}
	log.Await(t, "session ended", "settings refused", "SQLSTATE 22023")
	if log.Has("settings refused", "s3cret") {
		t.Error("the value was logged")
	}
}
