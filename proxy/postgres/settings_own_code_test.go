package postgres_test

import (
	"fmt"
	"testing"

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
