package postgres_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy"
	"overdrive/proxy/proxytest"
	"overdrive/querycache/classify"
)

// plantedSchemas are all schemas that a search_path of the test names before pg_catalog.
var plantedSchemas = []string{"public", "postgres", "mallory", "lens"}

// plant puts into each of the schemas what a query of ours could mistake for PostgreSQL's own: operators, functions, aggregates,
// types, and views over the catalog. All do what they are named for, and PostgreSQL counts their calls.
func plant(pg *proxytest.Postgres, database string) {
	var words, queries []string
	if _, err := classify.AskCatalog(func(sql string) ([][]string, error) { queries = append(queries, sql); return nil, nil }); err != nil {
		panic(err)
	}
	queries = append(queries, classify.ChangeQueries()...)
	for _, sql := range append(queries, classify.LoginQuery(), classify.RightsQuery(""),
		"pg_control_system(set_config(current_setting(json_object_agg(") {
		for _, m := range regexp.MustCompile(`\b([a-z_0-9]+)\b`).FindAllStringSubmatch(sql, -1) {
			words = append(words, "'"+m[1]+"'")
		}
	}
	slices.Sort(words)
	named := strings.Join(slices.Compact(words), ",")
	for _, schema := range plantedSchemas {
		pg.ExecIn(database, strings.NewReplacer("SCHEMA", schema, "NAMED", named).Replace(`
set search_path = pg_catalog;
create schema if not exists SCHEMA; grant all on schema SCHEMA to public;
create function SCHEMA.checks() returns boolean language plpgsql immutable as 'begin return true; end';
create function SCHEMA.gathers(text, anyelement) returns text language plpgsql as 'begin return $1; end';
create function SCHEMA.gathers(text, anyelement, text) returns text language plpgsql as 'begin return $1; end';
do $do$
declare r record; n int := 0;
begin
	for r in select oprname, nullif(oprleft, 0)::regtype::text as l, oprright::regtype::text as r, oprresult::regtype::text as result from pg_operator
		where oprname in ('=','<>','<','>','<=','>=','~~','!~~','~~*','~','!~','~*','!~*','||','&&','@>','<@','+','-') loop
		n := n + 1;
		begin
			execute format('create function SCHEMA.operator%s(%s) returns %s language plpgsql as %L', n, concat_ws(',', r.l, r.r), r.result,
				format('begin return %s operator(pg_catalog.%s) %s; end', case when r.l is null then '' else '$1' end, r.oprname, case when r.l is null then '$1' else '$2' end));
			execute format('create operator SCHEMA.%s (%s rightarg = %s, function = SCHEMA.operator%s)', r.oprname, 'leftarg = ' || r.l || ',', r.r, n);
		exception when others then null;
		end;
	end loop;
	for r in select proname, pg_get_function_identity_arguments(oid) as arguments, prorettype::regtype::text as result, pronargs, proretset from pg_proc
		where pronamespace = 'pg_catalog'::regnamespace and prokind = 'f' and proname in (NAMED) loop
		begin
			execute format('create function SCHEMA.%I(%s) returns %s language plpgsql as %L', r.proname, r.arguments, r.result,
				format('begin return pg_catalog.%I(%s); end', r.proname, (select string_agg('$' || i, ',') from generate_series(1, r.pronargs) i)));
		exception when others then null;
		end;
	end loop;
	for r in select p.proname, p.proargtypes[0]::regtype::text as argument from pg_proc p
		where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'a' and p.pronargs between 1 and 2 and proname in (NAMED) loop
		begin
			execute format('create aggregate SCHEMA.%I(%s) (sfunc = SCHEMA.gathers, stype = text)', r.proname, r.argument);
		exception when others then null;
		end;
		begin
			execute format('create aggregate SCHEMA.%I(%s, text) (sfunc = SCHEMA.gathers, stype = text)', r.proname, r.argument);
		exception when others then null;
		end;
	end loop;
	for r in select typname from pg_type where typnamespace = 'pg_catalog'::regnamespace and typtype = 'b' and typname !~ '^_' loop
		begin
			execute format('create domain SCHEMA.%I as pg_catalog.%I check (SCHEMA.checks())', r.typname, r.typname);
		exception when others then null;
		end;
	end loop;
	for r in select relname from pg_class where relnamespace = 'pg_catalog'::regnamespace and relkind in ('r', 'v') and relname in (NAMED) loop
		begin
			execute format('create view SCHEMA.%I as select * from pg_catalog.%I where SCHEMA.checks(); grant select on SCHEMA.%I to public', r.relname, r.relname, r.relname);
		exception when others then null;
		end;
	end loop;
end $do$;
create function SCHEMA.immutable(int) returns int language plpgsql immutable as 'begin return 1; end';
create domain SCHEMA.checked as int check (SCHEMA.checks())`))
	}
}

// plantCasts has values turn silently into a type with operators of its own. With such casts nothing is cached.
const plantCasts = `set search_path = pg_catalog;
create type public.trap as (v text);
create function public.trapped(public.trap, public.trap) returns boolean language plpgsql as 'begin return true; end';
do $do$
declare t text; o text;
begin
	foreach t in array array['oid', 'name', 'text', 'regclass', 'int4', 'bool', 'char', 'xid', 'oidvector', '_text', '_oid', 'pg_node_tree'] loop
		execute format('create function public.to_trap(pg_catalog.%I) returns public.trap language plpgsql as %L', t, 'begin return row(1::text)::public.trap; end');
		execute format('create cast (pg_catalog.%I as public.trap) with function public.to_trap(pg_catalog.%I) as implicit', t, t);
	end loop;
	foreach o in array array['=','<>','<','>','<=','>=','~~','!~~','~','!~','~*','||','&&'] loop
		execute format('create operator public.%s (leftarg = public.trap, rightarg = public.trap, function = public.trapped)', o);
	end loop;
end $do$`

// plantedCalls returns what was called of what plant has made.
func plantedCalls(t *testing.T, c *pgconn.PgConn) string {
	t.Helper()
	rig.Ask(t, c, "set search_path = pg_catalog")
	rig.Ask(t, c, "select pg_stat_clear_snapshot()")
	return rig.Ask(t, c, "select schemaname || '.' || funcname || ' ' || calls from pg_stat_user_functions where calls > 0 order by 1")
}

func TestOwnQueries_RunNothingThatUsersHavePlanted(t *testing.T) {
	t.Parallel()
	pg := proxytest.StartPostgres(t, proxytest.WithSetting("track_functions", "all"))
	pg.Exec("create database planted")
	pg.Exec("create role mallory login; create role team; grant team to mallory")
	pg.ExecIn("planted", "create table t (a int); insert into t values (1); grant all on t to public; alter table t enable row level security; create policy p on t using (true)")
	plant(pg, "planted")
	const path = `lens, "$user", public, pg_catalog`
	pg.Exec("alter role postgres set search_path = " + path + "; alter role mallory set search_path = " + path)
	pg.Exec("alter database planted set search_path = " + path)
	for _, caching := range []bool{true, false} {
		for _, user := range []string{"postgres", ""} {
			t.Run(fmt.Sprintf("caching %v, server user %q", caching, user), func(t *testing.T) {
				in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "planted", Size: 2, Caching: caching, Options: func(o *rig.Options) {
					o.Databases[0].Target.User = user
					o.Databases[0].Cache.MaxAge, o.Databases[0].Cache.StaleWhileRevalidate = 50*time.Millisecond, time.Minute
				}})
				useEverything(t, in, caching, user == "")
			})
		}
	}
	watcher := rig.Direct(t, pg, "planted")
	if got := plantedCalls(t, watcher); got != "" {
		t.Errorf("was called: %s", got)
	}
	if _, err := rig.Try(t.Context(), watcher, plantCasts); err != nil {
		t.Fatal(err)
	}
	t.Run("with casts", func(t *testing.T) {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "planted", Size: 2, Caching: true})
		c := in.Connect(t, "planted")
		rig.Await(t, "the catalog", func() bool {
			rig.Ask(t, c, "select a from t")
			return strings.Contains(rig.Ask(t, c, "show overdrive.reason"), "implicit cast")
		})
	})
	if got := plantedCalls(t, watcher); got != "" {
		t.Errorf("was called: %s", got)
	}
	// What is planted works: a query of somebody who does not know of it is caught.
	victim := rig.Direct(t, pg, "planted")
	rig.Ask(t, victim, "select count(*) from pg_class where oid >= 16384 and lower(relname) like 'x%'")
	rig.CloseConn(victim)
	rig.Await(t, "calls to be counted", func() bool { return plantedCalls(t, watcher) != "" })
	got := plantedCalls(t, watcher)
	for _, want := range []string{"lens.checks", "lens.operator"} {
		if !strings.Contains(got, want) {
			t.Errorf("of what is planted only this was called: %s", got)
		}
	}
}

// useEverything has the proxy ask whatever it asks.
func useEverything(t *testing.T, in *rig.Instance, caching, ownUsers bool) {
	users := []string{"postgres"}
	if ownUsers {
		users = append(users, "mallory")
	}
	for _, user := range users {
		c := in.Connect(t, "planted", func(c *pgconn.Config) { c.User = user })
		for _, settings := range []string{"", "set search_path = lens, public, pg_catalog", `set search_path = "$user"; set role team; set search_path = public, lens`, "set app.tenant = '7'"} {
			if settings != "" {
				rig.Ask(t, c, settings)
			}
			rig.Ask(t, c, "select a from public.t")
			if !caching {
				continue
			}
			rig.Await(t, "a hit, then one that is refreshed", func() bool {
				rig.Ask(t, c, "select a from public.t")
				return rig.Status(t, c) == "hit" || rig.Status(t, c) == "stale"
			})
			for range 3 {
				time.Sleep(60 * time.Millisecond) // past max_age
				rig.Ask(t, c, "select a from public.t")
			}
		}
		rig.CloseConn(c)
		again := in.Connect(t, "planted", func(c *pgconn.Config) { c.User = user }, rig.With("search_path", "lens, pg_catalog"))
		rig.Ask(t, again, "select a from public.t")
	}
	if caching {
		for _, sql := range []string{"select a from t where a = 1 and 'x' like 'y'", "select public.immutable(1), 7::lens.checked, '7'::lens.checked", "select 1 = 1"} {
			explained(t, in, "planted", sql, true)
		}
		if _, err := in.Purge(t.Context(), "planted", proxy.Purge{Table: "t"}); err != nil {
			t.Error(err)
		}
	}
}

// A statement is parsed with the rights of whoever asks, or not at all.
func TestControl_VerifyAsksOnlyWithRightsOfTheOneWhoAsks(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "verify_rights", "create table t (a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "verify_rights", Size: 1, Caching: true})
	if _, err := in.Explain(t.Context(), "verify_rights", "administrator", "select a from t", false); err != nil {
		t.Error(err)
	}
	_, err := in.Explain(t.Context(), "verify_rights", "administrator", "select a from t", true)
	wantControlError(t, "VERIFY by somebody who may not log in", err, "42501")
}
