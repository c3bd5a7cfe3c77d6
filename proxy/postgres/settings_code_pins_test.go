package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// A parameter that a function of a superuser's has set, and the user may not set, keeps the server for as long as it is set.
func TestSettings_WhatOnlyAFunctionMaySetKeepsTheServer(t *testing.T) {
	t.Parallel()
	const name = "set_by_definer"
	proxytest.ChangesCluster(t)
	pg := rig.NewDatabase(t, name, `create function replicates(role text) returns text security definer language sql as
		$$ select set_config('session_replication_role', role, false) $$`)
	rig.MakeRoles(t, pg, "ordinary_setter")
	as := rig.As("ordinary_setter", "")
	for _, caching := range []bool{false, true} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, User: "ordinary_setter", Size: 2, Caching: caching})
		client, other := in.Connect(t, name, as), in.Connect(t, name, as)
		for _, ends := range []string{"discard all", "reset all", "select replicates(null)"} {
			for _, want := range []string{"replica", "local"} {
				rig.Ask(t, client, "select replicates('"+want+"')")
				rig.Ask(t, other, "begin; select 1")
				if got := rig.Ask(t, client, "show session_replication_role"); got != want {
					t.Errorf("cache %v: its client reads %q, want %q", caching, got, want)
				}
				if got := rig.Ask(t, other, "show session_replication_role"); got != "origin" {
					t.Errorf("cache %v: somebody else reads %q", caching, got)
				}
				rig.Ask(t, other, "commit")
			}
			if got, want := rig.Ask(t, client, "show overdrive.pinned"), "a parameter that code has set and the user may not: session_replication_role"; got != want {
				t.Errorf("cache %v: overdrive.pinned is %q, want %q", caching, got, want)
			}
			rig.Ask(t, client, ends)
			rig.Ask(t, client, "select 1")
			if got := rig.Ask(t, client, "show overdrive.pinned"); got != "" {
				t.Errorf("cache %v: behind %s overdrive.pinned is %q", caching, ends, got)
			}
		}
	}
}

// A DO block that sets parameters by names which stand in it keeps no server, and what it has set follows.
func TestSettings_WhatABlockSetsFollowsItsClient(t *testing.T) {
	t.Parallel()
	const name = "set_by_block"
	pg := rig.NewDatabase(t, name, "")
	const show = "select current_setting('work_mem'), current_setting('timezone'), coalesce(current_setting('app.a', true), 'NULL')"
	for _, caching := range []bool{false, true} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: 1, Caching: caching})
		for sql, want := range map[string]string{
			"do $$ begin perform set_config('app.a', '1', false); end $$":                                                  "9MB,Asia/Tokyo,1",
			"do $$ begin set app.a = 2; set work_mem = '5MB'; set timezone = 'Europe/Rome'; end $$":                        "5MB,Europe/Rome,2",
			"do $$ begin execute format('set app.a = %L', 3); reset work_mem; end $$":                                      "9MB,Asia/Tokyo,3",
			"set work_mem = '1MB'; do $$ begin reset work_mem; end $$":                                                     "9MB,Asia/Tokyo,NULL",
			"do $$ begin reset all; end $$":                                                                                "9MB,Asia/Tokyo,NULL",
			"do 'begin perform set_config(''app.a'', ''4'', false); end'":                                                  "9MB,Asia/Tokyo,4",
			"begin; do $$ begin perform set_config('app.a', '5', false); end $$; commit":                                   "9MB,Asia/Tokyo,5",
			"do $$ begin execute format('set app.%I = %L', 'a', '8'); end $$ /* || */":                                     "9MB,Asia/Tokyo,8",
			"do $$ begin execute 'set app.' || 'a' || ' = 8'; end $$":                                                      "9MB,Asia/Tokyo,8",
			"do $$ begin perform set_config('app.' || 'a', '8', false); end $$":                                            "9MB,Asia/Tokyo,8",
			"do $$ begin set work_mem = '9MB'; execute (select 'set app' || '.a = 8'); end $$":                             "9MB,Asia/Tokyo,8",
			"do $$ declare n text := 'app.' || 'a'; begin perform set_config(n, '6', false); end $$":                       "9MB,Asia/Tokyo,6",
			"do $$ declare n text := 'app.' || 'a'; begin perform set_config(n, '7', false); set work_mem = '2MB'; end $$": "2MB,Asia/Tokyo,7",
		} {
			client, other := in.Connect(t, name, func(c *pgconn.Config) {
				c.RuntimeParams["work_mem"], c.RuntimeParams["TimeZone"] = "9MB", "Asia/Tokyo"
			}), in.Connect(t, name)
			rig.Ask(t, client, sql)
			rig.Ask(t, client, "select 1")
			hidden := strings.Contains(sql, "||") // by a name that does not stand there
			if pinned := rig.Ask(t, client, "show overdrive.pinned"); (pinned != "") != hidden {
				t.Errorf("cache %v: behind %s its client is pinned by %q", caching, sql, pinned)
			} else if pinned == "" {
				if got := rig.Ask(t, other, show); !strings.HasPrefix(got, "4MB,") || !strings.HasSuffix(got, ",NULL") {
					t.Errorf("cache %v: behind %s somebody else reads %q", caching, sql, got)
				}
			}
			if got := rig.Ask(t, client, show); got != want {
				t.Errorf("cache %v: behind %s its client reads %q, want %q", caching, sql, got, want)
			}
			rig.CloseConn(client)
			rig.CloseConn(other)
		}
	}
}

// What keeps a session on its server does not keep it from what code sets and resets there.
func TestSettings_APinnedClientReadsWhatCodeHasSet(t *testing.T) {
	t.Parallel()
	const name = "set_pinned"
	pg := rig.NewDatabase(t, name, `create function undoes() returns void language plpgsql as $$ begin reset all; end $$;
		create function puts(n text, v text) returns text language sql as 'select set_config(n, v, false)'`)
	in := &rig.PairBench{Instance: rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: 2}), Pg: pg, Database: name}
	for _, steps := range [][]string{
		{"select undoes()"}, {"reset timezone; select puts('timezone', 'Asia/Kolkata')"}, {"begin", "reset timezone", "select puts('timezone', 'Asia/Kolkata')", "commit"},
		{"reset work_mem; select puts('work_mem', '3MB')"}, {"select puts('work_mem', '3MB')", "select undoes()"}, {"reset all; select puts('application_name', 'x')"},
	} {
		pair := in.Pair(t, func(c *pgconn.Config) { c.RuntimeParams["work_mem"], c.RuntimeParams["TimeZone"] = "9MB", "Asia/Tokyo" })
		pair.Do(t, "do $$ declare n text := 'app.' || 'a'; begin perform set_config(n, '6', false); end $$")
		for _, sql := range steps {
			pair.Do(t, sql)
		}
		pair.Do(t, "select current_setting('work_mem'), current_setting('timezone'), current_setting('application_name')")
		pair.Do(t, "select current_setting('work_mem'), current_setting('timezone'), current_setting('application_name')")
		rig.CloseConn(pair.Through)
		rig.CloseConn(pair.Real)
	}
}
