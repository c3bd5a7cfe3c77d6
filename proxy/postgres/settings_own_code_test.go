package postgres_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"
)

// A parameter of one's own that a function sets follows the client, by a name in the function's body, or by one that some client has set in a text. It
// is nobody else's, and does not exist for whoever has never set it.
func TestSettings_WhatFunctionsSetOfTheUsersOwnFollowsTheirClient(t *testing.T) {
	t.Parallel()
	for _, caching := range []bool{false, true} {
		name := fmt.Sprint("own_by_code_", caching)
		pg := rig.NewDatabase(t, name, `create table t (tenant text); insert into t values ('7'), ('8'); alter table t enable row level security;
			create policy p on t using (tenant = current_setting('app.tenant', true));
			create function become(t text) returns void language plpgsql as $$ begin perform Set_Config( 'App.Tenant', t, false); end $$;
			create function become_by_text(t text) returns void language plpgsql as $$ begin execute format('set session app.tenant = %L', t); end $$;
			create function sets(name text, value text) returns text language sql as $$ select set_config(name, value, false) $$`)
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: 1, Caching: caching})
		naming := in.Connect(t, name)
		rig.Ask(t, naming, "set app.named = 'x'")
		const show = "select coalesce(current_setting('app.tenant', true), 'NULL') || coalesce(current_setting('app.named', true), 'NULL')"
		first, second := in.Connect(t, name), in.Connect(t, name)
		rig.Await(t, "the functions to be known", func() bool {
			rig.Ask(t, first, "select become('1')")
			rig.Ask(t, second, "select 1")
			return rig.Ask(t, first, "select current_setting('app.tenant', true)") == "1"
		})
		rig.CloseConn(naming) // whose server has told by now what the client has set
		rig.CloseConn(first)
		rig.CloseConn(second)
		for _, c := range []struct{ sql, want string }{
			{"select become('7')", "7NULL"}, {"select become_by_text('7')", "7NULL"}, {"select sets('app.named', '7')", "NULL7"},
			{"begin; select become('7'); commit", "7NULL"}, {"begin; select become('7'); rollback", "NULL"}, {"do $$ begin perform become('7'); end $$", "7NULL"},
			{"select become('7'); select sets('app.named', '8')", "78"}, {"select become('')", ""},
		} {
			client, other := in.Connect(t, name), in.Connect(t, name)
			rig.Ask(t, client, c.sql)
			if got := rig.Ask(t, other, show); got != "NULLNULL" {
				t.Errorf("cache %v: behind %s somebody else reads %q", caching, c.sql, got)
			}
			if got := rig.Ask(t, client, show); c.want != "" && c.want != "NULL" && got != c.want {
				t.Errorf("cache %v: behind %s its client reads %q, want %q", caching, c.sql, got, c.want)
			}
			rig.CloseConn(client)
			rig.CloseConn(other)
		}
	}
}

// Whatever the form of the function that sets it, and be it to nothing.
func TestSettings_WhatUnreadFunctionsSetOfTheUsersOwnFollowsTheirClient(t *testing.T) {
	t.Parallel()
	functions := map[string]string{
		"atomic":    `returns text language sql begin atomic select set_config('a.atomic', $1, false); end`,
		"escaped":   `returns void language plpgsql as $$ begin perform set_config(E'a.escaped', $1, false); end $$`,
		"dollars":   `returns text language sql as 'select set_config($n$a.dollars$n$, $1, false)'`,
		"commented": `returns text language sql as 'select set_config( /* whose */ ''a.commented'', $1, false)'`,
		"stable":    `returns text stable language sql as 'select set_config(''a.stable'', $1, false)'`,
		"stableful": `returns void stable language plpgsql as $$ begin perform set_config('a.stableful', $1, false); end $$`,
		"immutable": `returns text immutable language sql as 'select set_config(''a.immutable'', $1, false)'`,
		"optional":  `returns text set datestyle = 'ISO' language sql as 'select set_config(''a.optional'', $1, false)'`,
		"long":      "returns text language sql as 'select set_config(''a.long'', $1, false) /* " + strings.Repeat("-", 100_000) + " */'",
		"variable":  `returns void language plpgsql as $$ declare n text := 'a.variable'; begin perform set_config(n, $1, false); end $$`,
		"formatted": `returns void language plpgsql as $$ begin execute format('set %s = %L', 'a.formatted', $1); end $$`,
		"definer":   `returns text security definer set search_path = pg_catalog language sql as 'select set_config(''a.definer'', $1, false)'`,
		"texts":     `returns void language plpgsql as $$ begin execute 'select set_config(''a.texts'', $1, false)' using $1; end $$`,
		"joined":    `returns void language plpgsql as $$ declare n text := 'a.joined'; begin execute 'set ' || n || ' = ' || quote_literal($1); end $$`,
		"passed":    `returns void language plpgsql as $$ begin perform sets('a.passed', $1); end $$`,
		"letters":   `returns void language plpgsql as $$ begin perform set_config('a.größe', $1, false); end $$`,
	}
	sql := `create function sets(text, text) returns text language sql as 'select set_config($1, $2, false)';
		create function defaulted(text, n text default 'a.defaulted') returns text language sql as 'select set_config(n, $1, false)';`
	for name, body := range functions {
		sql += "create function " + name + "(text) " + body + ";\n"
	}
	for _, caching := range []bool{false, true} {
		name := fmt.Sprint("own_unread_", caching)
		pg := rig.NewDatabase(t, name, sql)
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: 1, Caching: caching})
		first, second := in.Connect(t, name), in.Connect(t, name)
		for _, function := range append(slices.Collect(maps.Keys(functions)), "defaulted") {
			show := "select coalesce(current_setting('a." + strings.ReplaceAll(function, "letters", "größe") + "', true), 'NULL')"
			rig.Await(t, "what "+function+" sets to be known", func() bool {
				rig.Ask(t, first, "select "+function+"('7')")
				rig.Ask(t, second, "select 1")
				return rig.Ask(t, first, show) == "7"
			})
			if got := rig.Ask(t, second, show); got != "NULL" {
				t.Errorf("cache %v: behind %s somebody else reads %q", caching, function, got)
			}
		}
	}
}

// Where nobody else has set any on a server, what is empty there was made so by its client.
func TestSettings_WhatUnreadFunctionsEmptyOfTheUsersOwnFollowsTheirClient(t *testing.T) {
	t.Parallel()
	const name = "own_emptied"
	pg := rig.NewDatabase(t, name, `create function empties() returns void language plpgsql as $$ declare n text := 'a.b'; begin perform set_config(n, '', false); end $$`)
	for _, caching := range []bool{false, true} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: 4, Caching: caching})
		client := in.Connect(t, name)
		rig.Await(t, "what the function sets to be known", func() bool {
			on := rig.Ask(t, client, "select empties(), pg_backend_pid()")
			other := in.Connect(t, name)
			defer rig.CloseConn(other)
			rig.Ask(t, other, "begin; select 1") // on the server that was used last
			now := rig.Ask(t, client, "select pg_backend_pid(), coalesce(current_setting('a.b', true), 'NULL')")
			return !strings.HasPrefix(now, on[1:]) && strings.HasSuffix(now, ",")
		})
	}
}

// What no text names follows its client too, where nothing is cached, clients hold all of a small pool, and little happens.
func TestSettings_WhatTriggersAndViewsSetFollowsWithoutACache(t *testing.T) {
	t.Parallel()
	const name = "set_unnamed"
	pg := rig.NewDatabase(t, name, `create table t (a int); create function sets() returns trigger language plpgsql as $$ begin
		perform set_config('work_mem', '3MB', false); return new; end $$; create trigger t before insert on t for each row execute function sets();
		create view v as select set_config('work_mem', '5MB', false)`)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: 1})
	client, other := in.Connect(t, name), in.Connect(t, name)
	rig.Await(t, "the catalog to be known", func() bool {
		rig.Ask(t, client, "select from v")
		rig.Ask(t, client, "select * from v")
		rig.Ask(t, other, "select 1")
		return rig.Ask(t, client, "show work_mem") == "5MB"
	})
	for begun := time.Now(); time.Since(begun) < 12*time.Second; time.Sleep(time.Second) { // two looks are five seconds apart
		for sql, want := range map[string]string{"insert into t values (1)": "3MB", "select * from v": "5MB"} {
			rig.Ask(t, client, sql)
			rig.Ask(t, other, "select 1")
			if got := rig.Ask(t, client, "show work_mem"); got != want {
				t.Errorf("%v later, behind %s its client reads %q, want %q", time.Since(begun), sql, got, want)
			}
		}
	}
}

// What somebody makes of a function around the proxy reaches nobody, though nothing is cached and nobody looks at the catalog.
func TestSettings_WhatAFunctionOfNowSetsReachesNobody(t *testing.T) {
	t.Parallel()
	const name = "set_around"
	pg := rig.NewDatabase(t, name, "create function harmless() returns int language plpgsql as 'begin return 1; end'")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: 1})
	client, other := in.Connect(t, name), in.Connect(t, name)
	for begun := time.Now(); time.Since(begun) < 11*time.Second; time.Sleep(200 * time.Millisecond) {
		if time.Since(begun) > 6*time.Second {
			pg.ExecIn(name, "create or replace function harmless() returns int language plpgsql as $$ begin perform set_config('work_mem', '5MB', false); return 1; end $$")
		}
		rig.Ask(t, client, "select harmless()")
		if got := rig.Ask(t, other, "show work_mem"); got != "4MB" && time.Since(begun) > 8*time.Second {
			t.Fatalf("%v later somebody else reads %q", time.Since(begun), got)
		}
	}
}
