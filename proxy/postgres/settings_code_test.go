package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// What a function sets reaches nobody else, with the cache on and off, whether or not a catalog tells what functions do.
func TestSettings_WhatFunctionsSetReachesNobodyElse(t *testing.T) {
	t.Parallel()
	for _, caching := range []bool{false, true} {
		name := fmt.Sprint("functions_set_", caching)
		pg := rig.NewDatabase(t, name, `create schema evil; create function leaks() returns int language plpgsql as $$ begin
			perform set_config('search_path', 'evil', false); perform set_config('app.hidden', 'x', false);
			perform set_config('work_mem', '1MB', false); return 1; end $$;
			create view v as select leaks() as a; create table t(a int); insert into t values (1)`)
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: 1, Caching: caching})
		const show = "select current_setting('search_path'), coalesce(current_setting('app.hidden', true), ''), current_setting('work_mem')"
		for _, sql := range []string{"select leaks()", "select a from v", "select public.leaks() from public.t", "do $$ begin perform leaks(); end $$",
			"begin; select leaks(); commit", "create table public.u as select public.leaks(); drop table public.u"} {
			for _, how := range []func(c *pgconn.PgConn){
				func(c *pgconn.PgConn) { rig.Ask(t, c, sql) },
				func(c *pgconn.PgConn) {
					if !strings.Contains(sql, ";") {
						if _, err := rig.AskExtended(t.Context(), c, 0, sql); err != nil {
							t.Error(err)
						}
					}
				},
			} {
				c, next := in.Connect(t, name), in.Connect(t, name)
				how(c)
				if got, want := rig.Ask(t, next, show), `"$user", public,,4MB`; got != want {
					t.Fatalf("caching %v: after %s the next client has %s, want %s", caching, sql, got, want)
				}
				rig.CloseConn(c)
				rig.CloseConn(next)
			}
		}
		// The path follows the client, since names hang on it.
		c, next := in.Connect(t, name), in.Connect(t, name)
		rig.Ask(t, c, "select leaks()")
		rig.Ask(t, next, "select 1")
		if got := rig.Ask(t, c, "show search_path"); got != "evil" {
			t.Errorf("caching %v: the search_path is %s, want evil", caching, got)
		}
	}
}

// hiddenPlaces are the places where a call of set_config, %[1]s, or of the parameter %[2]s set to %[3]s, hides from who looks at
// names: what makes one, and what runs it. %[4]s is the word that keeps names apart.
var hiddenPlaces = []struct{ create, run string }{
	{"create view v%[4]s as select %[1]s as a", "select * from v%[4]s"},
	{"select 1", "copy (select * from v%[4]s) to stdout"},
	{"select 1", "create table ct%[4]s as select * from v%[4]s"},
	{"create table d%[4]s (a text default %[1]s)", "insert into d%[4]s default values"},
	{"create table c%[4]s (a int, check (%[1]s is not null))", "insert into c%[4]s values (1)"},
	{"create domain m%[4]s as int check (%[1]s is not null)", "select 1::m%[4]s"},
	{"create domain n%[4]s as text default %[1]s; create table nt%[4]s (a int, b n%[4]s)", "insert into nt%[4]s (a) values (1)"},
	{"create table r%[4]s (a int); create rule r as on update to r%[4]s do instead select %[1]s", "update r%[4]s set a = 1"},
	{"create table w%[4]s (a int); create function w%[4]s() returns trigger language plpgsql as 'begin return new; end'; " +
		"create trigger w before insert on w%[4]s for each row when (%[1]s is not null) execute function w%[4]s()", "insert into w%[4]s values (1)"},
	{"create table p%[4]s (a int); alter table p%[4]s enable row level security, force row level security; " +
		"create policy p on p%[4]s with check (%[1]s is not null); grant all on p%[4]s to hidden_client", "insert into p%[4]s values (1)"},
	{"create table q%[4]s (a int); insert into q%[4]s values (1); alter table q%[4]s enable row level security, force row level security; " +
		"create policy p on q%[4]s using (%[1]s is not null); grant all on q%[4]s to hidden_client", "select * from q%[4]s"},
	{"create aggregate a%[4]s(text, bool) (sfunc = pg_catalog.set_config, stype = text, initcond = '%[2]s')", "select a%[4]s('%[3]s', false)"},
	{"create function f1%[4]s() returns void language plpgsql as $x$ begin /**/ set/**/%[2]s = '%[3]s'; end $x$", "select f1%[4]s()"},
	{"create function f2%[4]s() returns void language plpgsql as $x$ begin perform pg_catalog.U&\"set\\005fconfig\"('%[2]s', '%[3]s', false); end $x$",
		"select f2%[4]s()"},
	{"create function f3%[4]s() returns void language plpgsql as $x$ declare r text; begin execute 'select set_con'||'fig(''%[2]s'', ''%[3]s'', false)' into r; end $x$",
		"select f3%[4]s()"},
	{"create function f4%[4]s() returns void language plpgsql as $x$ begin perform query_to_xml('select set_con'||'fig(''%[2]s'', ''%[3]s'', false)', true, true, ''); end $x$",
		"select f4%[4]s()"},
	{"create function f5%[4]s() returns void language plpgsql as $x$ begin perform * from ts_stat('select to_tsvector(set_con'||'fig(''%[2]s'', ''%[3]s'', false))'); end $x$",
		"select f5%[4]s()"},
	{"create function f6%[4]s() returns void language plpgsql as $x$ begin perform * from v%[4]s; end $x$", "select f6%[4]s()"},
	{"select 1", "do $x$ declare r text; begin execute 'select set_con'||'fig(''%[2]s'', ''%[3]s'', false)' into r; end $x$"},
	{"select 1", "do $x$ begin /**/ set/**/%[2]s = '%[3]s'; end $x$"},
	{"create view s%[4]s as select * from pg_settings", "update s%[4]s set setting = '%[3]s' where name = '%[2]s'"},
}

// What hidden code sets reaches nobody else, and no answer that it bent is kept for others.
func TestSettings_WhatHiddenCodeSetsReachesNobodyElse(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	rig.MakeRoles(t, pg, "hidden_client", "hidden_other")
	pg.Exec("grant hidden_other to hidden_client")
	for _, caching := range []bool{false, true} {
		name := fmt.Sprint("hidden_", caching)
		var create strings.Builder
		create.WriteString(`grant create on schema public to public; create schema evil; create table docs (tenant text, body text); insert into docs values ('one', '1'), ('two', '2');
			alter table docs enable row level security; grant select on docs to public; create policy p on docs using (tenant = current_setting('app.t', true));`)
		var runs []string
		for n, set := range [][2]string{{"app.t", "two"}, {"role", "hidden_other"}, {"search_path", "evil"}, {"statement_timeout", "77s"}} {
			for _, p := range hiddenPlaces {
				fill := func(text string) string {
					call := fmt.Sprintf("set_config('%s', '%s', false)", set[0], set[1])
					return fmt.Sprintf(text+"%.0[1]s%.0[2]s%.0[3]s%.0[4]s", call, set[0], set[1], fmt.Sprint("_", n))
				}
				create.WriteString(fill(p.create) + ";\n")
				runs = append(runs, fill(p.run))
			}
		}
		create.WriteString("grant all on all tables in schema public to public")
		rig.NewDatabase(t, name, create.String())
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, User: "hidden_client", Size: 1, Caching: caching})
		victim := in.Connect(t, name, rig.As("hidden_client", ""))
		rig.Ask(t, victim, "set app.t = 'one'")
		if caching {
			rig.Await(t, "the catalog", func() bool {
				rig.Ask(t, victim, "select body from public.docs")
				return rig.Ask(t, victim, "show overdrive.status") == "hit"
			})
		}
		const show = "select current_setting('role'), current_setting('search_path'), current_setting('statement_timeout'), coalesce(current_setting('app.t', true), '')"
		for i, run := range runs {
			for form := range 2 {
				c, next := in.Connect(t, name, rig.As("hidden_client", "")), in.Connect(t, name, rig.As("hidden_client", ""))
				var err error
				if form == 0 {
					_, err = rig.Try(t.Context(), c, run)
				} else {
					_, err = rig.AskExtended(t.Context(), c, 0, strings.Replace(run, "create table ct", "create table cx", 1))
				}
				if err != nil {
					t.Errorf("caching %v: %s: %v", caching, run, err)
				}
				if rig.Ask(t, c, "show overdrive.pinned") != "" { // it keeps its server, which is washed when it leaves
					rig.CloseConn(c)
					c = in.Connect(t, name, rig.As("hidden_client", ""))
				}
				for _, text := range []string{fmt.Sprintf("select body, '%d %d' from public.docs", i, form), fmt.Sprintf("select body, '%d %d' from public.docs where true", i, form)} {
					_, _ = rig.Try(t.Context(), c, text) // under whatever the code has set
					if got, want := rig.Ask(t, victim, text), fmt.Sprintf("1,%d %d", i, form); got != want {
						t.Errorf("caching %v: after %s the victim reads %q, want %q", caching, run, got, want)
					}
					if !strings.Contains(run, "create table ct") && !strings.HasPrefix(run, "do") {
						_, _ = rig.Try(t.Context(), c, run)
					}
				}
				if got, want := rig.Ask(t, next, show), `none,"$user", public,0,`; got != want {
					t.Errorf("caching %v: after %s the next client has %s, want %s", caching, run, got, want)
				}
				rig.CloseConn(c)
				rig.CloseConn(next)
			}
		}
		rig.CloseConn(victim)
	}
}

// More parameters than a SELECT of PostgreSQL has columns are asked for, and follow.
func TestSettings_MoreParametersThanColumnsFollow(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "many_parameters", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "many_parameters", Size: 1})
	c, other := in.Connect(t, "many_parameters"), in.Connect(t, "many_parameters")
	var sets []string
	for i := range 1700 {
		sets = append(sets, fmt.Sprintf("set app.p%d = %d", i, i))
	}
	rig.Ask(t, c, strings.Join(sets, ";"))
	rig.Await(t, "the session to be free", func() bool { return rig.Ask(t, c, "show overdrive.pinned") == "" })
	if got := rig.Ask(t, other, "select coalesce(current_setting('app.p1699', true), '')"); got != "" {
		t.Errorf("another client finds %s", got)
	}
	if got := rig.Ask(t, c, "select current_setting('app.p0') || ' ' || current_setting('app.p1699')"); got != "0 1699" {
		t.Errorf("got %s", got)
	}
}

// A client that sets more than can follow keeps its server, and says why.
func TestSettings_MoreThanCanFollowPin(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "too_many_parameters", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "too_many_parameters", Size: 1})
	c := in.Connect(t, "too_many_parameters")
	for i := range 40 { // each of which could be asked back
		rig.Ask(t, c, fmt.Sprintf("set app.p%d = '%s'", i, strings.Repeat("x", 20_000)))
	}
	if got := rig.Ask(t, c, "show overdrive.pinned"); !strings.Contains(got, "cannot follow") {
		t.Errorf("pinned by %q", got)
	}
	if got := rig.Ask(t, c, "select length(current_setting('app.p39'))"); got != "20000" {
		t.Errorf("got %s", got)
	}
	rig.CloseConn(c)
	next := in.Connect(t, "too_many_parameters")
	if got := rig.Ask(t, next, "select coalesce(current_setting('app.p39', true), '')"); got != "" {
		t.Errorf("the next client finds %s", got)
	}
}
