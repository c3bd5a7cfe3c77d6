package checklist_test

import (
	"fmt"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// settingCase is how one client comes to read differently from another.
type settingCase struct{ set, sql string }

// checkSettings fails the test unless a client with each setting, and one without, are answered from the cache, each with its own
// answer, whichever way the first came by the setting and with whoever else's on the same server connection.
func checkSettings(t *testing.T, name, schema string, settings ...settingCase) {
	t.Helper()
	b := rig.StartPairs(t, name, schema, rig.OneServer)
	plain := b.Pair(t)
	for _, s := range settings {
		set := b.Pair(t)
		set.Do(t, s.set)
		rig.WantApart(t, s.sql, set, plain)
		plain.HitsAtOnce(t, s.sql)
		set.HitsAtOnce(t, s.sql)
		set.Do(t, "reset all")
		set.HitsAtOnce(t, s.sql)
	}
}

func TestChecklist_S1_TimeZonesAreKeptApart(t *testing.T) {
	t.Parallel()
	const sql = "select ts, ts::date, extract(hour from ts), ts::text from ev"
	checkSettings(t, "checklist_s1", "create table ev as select '2024-07-01 20:00+00'::timestamptz as ts", settingCase{"set timezone = 'Asia/Tokyo'", sql},
		settingCase{"set time zone 'America/New_York'", sql}, settingCase{"set time zone -3.5", sql}, settingCase{"set time zone interval '+01:30' hour to minute", sql},
		settingCase{"SET SESSION TimeZone TO 'UTC+5'", sql})
}

func TestChecklist_S2_DateStylesAreKeptApart(t *testing.T) {
	t.Parallel()
	schema := "create table ev as select '2024-07-01 20:00+00'::timestamptz as ts, '2024-02-01'::date as d"
	checkSettings(t, "checklist_s2", schema, settingCase{"set datestyle = 'German'", "select ts, d from ev"}, settingCase{"set datestyle to 'SQL, DMY'", "select ts, d from ev"},
		settingCase{"set datestyle = 'ISO, DMY'", "select d from ev where d = '01/02/2024' union all select '01/02/2024'::date"}, settingCase{"set datestyle = postgres, dmy", "select ts::text, d || '' from ev"})
}

func TestChecklist_S3_IntervalStylesAreKeptApart(t *testing.T) {
	t.Parallel()
	const sql = "select i, i::text from ev"
	checkSettings(t, "checklist_s3", "create table ev as select interval '1 day -2 hours' as i", settingCase{"set intervalstyle = 'iso_8601'", sql}, settingCase{"set intervalstyle = 'sql_standard'", sql},
		settingCase{"set intervalstyle = 'postgres_verbose'", sql}, settingCase{"set intervalstyle = 'sql_standard'", "select interval '-1 2:03:04' from ev"})
}

func TestChecklist_S4_FormsOfBytesAreKeptApart(t *testing.T) {
	t.Parallel()
	checkSettings(t, "checklist_s4", `create table ev as select '\xdead00'::bytea as b`, settingCase{"set bytea_output = 'escape'", "select b, b::text from ev"},
		settingCase{"set bytea_output to escape", "select concat(b, '') from ev"})
}

func TestChecklist_S5_PrecisionsAreKeptApart(t *testing.T) {
	t.Parallel()
	checkSettings(t, "checklist_s5", "create table ev as select 0.1::float8 / 3 as f, (0.1::float4 / 3)::float4 as g", settingCase{"set extra_float_digits = -5", "select f, g from ev"},
		settingCase{"set extra_float_digits to 0", "select f::text || g from ev"})
}

func TestChecklist_S6_EncodingsAreKeptApart(t *testing.T) {
	t.Parallel()
	checkSettings(t, "checklist_s6", "create table ev as select 'é'::text as a", settingCase{"set client_encoding = 'latin1'", "select a from ev"},
		settingCase{"set names 'latin1'", "select length('é') from ev"}, settingCase{"set client_encoding to 'win1252'", "select length('é'), a from ev where a = a"})
	// In some encodings a byte of a character looks like a quote or a backslash, so the text is not what it seems.
	b := rig.StartPairs(t, "checklist_s6b", "create table ev as select 1 as a")
	p, plain := b.Pair(t), b.Pair(t)
	const sql = "select length('\x95\\'), a from ev --'"
	p.Do(t, "set client_encoding = 'sjis'")
	p.Right(t, sql, "select a from ev")
	plain.Right(t, sql, "select a from ev")
	p.Right(t, sql)
}

// The machine may have no locale that formats anything in another way. Then the answers are equal, but the keys must not be.
func TestChecklist_S7_LocalesOfNumbersMoneyAndTimesAreKeptApart(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_s7", "create table ev as select 1234.5::numeric::money as m, 1234567.8 as n, '2024-07-01'::timestamp as ts", rig.OneServer)
	plain := b.Pair(t)
	other := "C.UTF-8"
	for _, locale := range []string{"de_DE.utf8", "fr_FR.utf8", "en_US.utf8"} {
		if _, err := rig.Try(t.Context(), plain.Real, "set lc_monetary = '"+locale+"'; reset lc_monetary"); err == nil {
			other = locale
			break
		}
	}
	plain.Do(t, "set lc_messages = 'C'")
	for _, s := range []settingCase{
		{"lc_monetary", "select m, m::text from ev"}, {"lc_numeric", "select to_char(n, '9G999G999D9L') from ev"}, {"lc_time", "select to_char(ts, 'TMMonth TMDay') from ev"},
	} {
		set := b.Pair(t)
		plain.Do(t, "set "+s.set+" = 'C'")
		set.Do(t, fmt.Sprintf("set %s = '%s'", s.set, other))
		for form := range rig.Askers {
			plain.Hit(t, form, s.sql)
			set.As(t, form, s.sql)
			if word := rig.Status(t, set.Through); word == "hit" {
				t.Errorf("%s (%s) is a hit for a client with another %s", s.sql, form, s.set)
			}
			set.Hit(t, form, s.sql)
			plain.Hit(t, form, s.sql)
		}
	}
}

// pathTables is a table in three schemas.
const pathTables = `create schema first; create schema second; create schema "Third, of all"; create table public.ev as select 'public' as a;
	create table first.ev as select 'first' as a; create table second.ev as select 'second' as a; create table "Third, of all".ev as select 'third' as a`

func TestChecklist_S8_TheSameNameMayBeAnotherTable(t *testing.T) {
	t.Parallel()
	const sql = "select a from ev"
	checkSettings(t, "checklist_s8", pathTables, settingCase{"set search_path to first", sql}, settingCase{"set search_path = second, first, public", sql}, settingCase{`SET SESSION search_path TO "Third, of all", public`, sql},
		settingCase{"set schema 'second'", sql}, settingCase{"set search_path = 'first', 'nosuch'", "select ev from ev"})
	b := rig.StartPairs(t, "checklist_s8b", pathTables)
	first, public := b.Pair(t), b.Pair(t)
	first.Do(t, "set search_path to first")
	rig.WantApart(t, sql, first, public)
	// A write goes to the table that the writer's names mean, and is seen where that table is read.
	first.Do(t, "update ev set a = 'changed'")
	public.HitsAtOnce(t, sql)
	first.Right(t, sql)
	public.Do(t, "update ev set a = 'changed too'")
	public.Right(t, sql)
	first.Right(t, sql)
	public.Do(t, "update first.ev set a = 'changed again'")
	first.Right(t, sql)
	first.Do(t, "set search_path to nosuch")
	first.Right(t, sql)
}

func TestChecklist_S9_TheSchemaOfTheUserIsEachUsersOwn(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	rig.MakeRoles(t, pg, "checklist_s9a", "checklist_s9b")
	b := rig.StartPairs(t, "checklist_s9", `create table public.ev as select 'public' as a; create schema checklist_s9a authorization checklist_s9a; create table checklist_s9a.ev as select 'own' as a;
		alter table checklist_s9a.ev owner to checklist_s9a; grant select on public.ev to public`, ownServers)
	mine, theirs, admin := b.Pair(t, rig.As("checklist_s9a", "")), b.Pair(t, rig.As("checklist_s9b", "")), b.Pair(t)
	const sql = "select a from ev"
	rig.WantApart(t, sql, mine, theirs)
	admin.Hits(t, sql)
	mine.Do(t, "update ev set a = 'changed'")
	mine.Right(t, sql)
	// Whose schema it is follows the role, and the path may be set to say so again.
	admin.Do(t, "set role checklist_s9a")
	rig.WantApart(t, sql, admin, theirs)
	admin.Do(t, "reset role")
	admin.Right(t, sql)
	mine.Do(t, `set search_path to public, "$user"`)
	mine.Hits(t, sql)
	mine.Do(t, `set search_path to '$user', public`)
	mine.Hits(t, sql)
	// A schema of the name that comes into being later counts from then on.
	rig.Ask(t, admin.Through, "create schema checklist_s9b authorization checklist_s9b; create table checklist_s9b.ev as select 'new' as a; grant select on checklist_s9b.ev to public")
	theirs.Right(t, sql)
	theirs.Hits(t, sql)
}

func TestChecklist_S10_TextSearchConfigurationsAreKeptApart(t *testing.T) {
	t.Parallel()
	checkSettings(t, "checklist_s10", "create table ev as select 'the running cats'::text as a", settingCase{"set default_text_search_config = 'simple'", "select to_tsvector(a) from ev"},
		settingCase{"set default_text_search_config to 'pg_catalog.german'", "select to_tsvector('the cats'), to_tsquery('cats') from ev"},
		settingCase{"set default_text_search_config = simple", "select count(*) from ev where a @@ 'run'"})
}

func TestChecklist_S11_SettingsOfTheLanguageAreKeptApart(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_s11", "create table ev(a int, x text); insert into ev values (1, '<a/>'), (null, null)", func(o *rig.Options) { o.Databases[0].Pool.Size = 12 })
	queries := []string{
		`select 'a\\b' from ev`, `select 'it\'s' from ev`, `select 'a\'' || now()::text = '' || ' --' from ev`, `select e'it\'s' from ev`, "select '{1,NULL}'::text[] from ev",
		"select array_fill(null::int, array[2]) from ev", "select count(*) from ev where a = null", "select xmlelement(name x, '\\001'::bytea) from ev", "select '<a/><b/>'::xml from ev", "select xmlparse(document '<a/>') from ev",
	}
	clients := []*rig.ClientPair{b.Pair(t)}
	for _, set := range []string{
		"set standard_conforming_strings = off; set escape_string_warning = off", "set standard_conforming_strings = off", "set standard_conforming_strings = off; set backslash_quote = on",
		"set backslash_quote = off", "set array_nulls = off", "set transform_null_equals = on", "set xmlbinary = 'hex'", "set xmloption = 'document'",
	} {
		p := b.Pair(t)
		p.Do(t, set)
		clients = append(clients, p)
	}
	for range 3 {
		for _, p := range clients {
			p.Right(t, queries...)
		}
	}
	plain := b.Pair(t)
	for _, s := range []settingCase{{"set transform_null_equals = on", "select count(*) as n from ev where a = null"}, {"set array_nulls to off", "select '{2,NULL}'::text[] from ev"}} {
		set := b.Pair(t)
		set.Do(t, s.set)
		rig.WantApart(t, s.sql, set, plain)
	}
}

func TestChecklist_S12_RowSecurityOffRaisesWhereRowsWouldBeHidden(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	rig.MakeRoles(t, pg, "checklist_s12a")
	b := rig.StartPairs(t, "checklist_s12", `create table ev(who text, a int); insert into ev values ('checklist_s12a', 1), ('other', 2); grant select on ev to public;
		alter table ev enable row level security; create policy p on ev using (who = current_user); create table open as select 1 as a; grant select on open to public`, ownServers)
	const sql = "select a from ev"
	plain, off := b.Pair(t, rig.As("checklist_s12a", "")), b.Pair(t, rig.As("checklist_s12a", ""))
	plain.Hits(t, sql, "select a from open")
	off.Do(t, "set row_security = off")
	for form, do := range rig.Askers {
		for range 3 {
			if got, err := do(t, off.Through, sql); rig.State(err) != "42501" {
				t.Errorf("%s: got %q, %v (%s), want 42501", form, got, err, rig.Status(t, off.Through))
			}
		}
	}
	off.Right(t, sql, "select a from open")
	plain.Hits(t, sql)
	off.Do(t, "set row_security = on")
	off.Hits(t, sql)
	off.Do(t, "begin; set local row_security = off")
	off.Do(t, sql)
	off.Do(t, "rollback")
	off.Hits(t, sql)
	startup := b.Pair(t, rig.As("checklist_s12a", ""), rig.With("row_security", "off"))
	startup.Right(t, sql)
}

// startRoles is a database in which what one sees depends on who one is.
func startRoles(t *testing.T, name string) (b *rig.PairBench, one, two string) {
	t.Helper()
	proxytest.ChangesCluster(t)
	one, two = name+"a", name+"b"
	pg := proxytest.SharedPostgres(t)
	rig.MakeRoles(t, pg, one, two)
	return rig.StartPairs(t, name, fmt.Sprintf(`create table ev(who text, a int); insert into ev values ('%[1]s', 1), ('%[2]s', 2); grant select on ev to public;
		alter table ev enable row level security; create policy p on ev using (who = current_user);
		create table secret as select 'secret' as s; grant select on secret to %[1]s`, one, two)), one, two
}

func TestChecklist_S13_WhoOneIsChangesWhatOneSees(t *testing.T) {
	t.Parallel()
	b, one, two := startRoles(t, "checklist_s13")
	const sql, secret = "select a from ev", "select s from secret"
	p, plain := b.Pair(t), b.Pair(t)
	plain.Hits(t, sql, secret)
	for _, step := range []string{
		"set role " + one, "set role " + two, "reset role", "set role '" + two + "'", "set role none", "set session authorization " + one, "reset session authorization", "set session authorization " + two,
		"set role " + two, "set session authorization default", "set local role " + one, "set role " + one, "reset all", "discard all", "set role " + two, "set session authorization " + one, "discard all",
		"begin; set local role " + one + "; commit", "begin; set role " + two + "; commit", "begin; reset role; rollback", "begin", "reset role", "rollback", "begin; set role none; rollback", "begin; reset role; commit", "discard all", "set session role " + one, "SET ROLE DEFAULT",
	} {
		p.Do(t, step)
		p.Right(t, sql, secret)
		plain.Right(t, sql, secret)
		if t.Failed() {
			t.Fatalf("after %s", step)
		}
	}
	plain.Hits(t, sql, secret)
	for _, role := range []string{one, two} {
		p.Do(t, "set role "+role)
		rig.WantApart(t, sql+" as "+role, p, plain) // a text that p has not asked yet as this role
		p.Right(t, secret)
	}
	p.Do(t, "discard all")
	p.Hits(t, sql, secret)
}

// startSessions is what a session may read differently by several settings at once.
func startSessions(t *testing.T, name string) (b *rig.PairBench, queries []string) {
	t.Helper()
	b = rig.StartPairs(t, name, pathTables+`; create table times as select '2024-07-01 20:00+00'::timestamptz as ts, 0.1::float8 / 3 as f;
		create table first.times as select '2025-07-01 20:00+00'::timestamptz as ts, 0.2::float8 / 3 as f`)
	return b, []string{"select a from ev", "select ts, f from times"}
}

func TestChecklist_S14_WhatIsSetForATransactionEndsWithIt(t *testing.T) {
	t.Parallel()
	b, queries := startSessions(t, "checklist_s14")
	p, plain := b.Pair(t), b.Pair(t)
	plain.Hits(t, queries...)
	for _, steps := range [][]string{
		{"begin", "set local timezone = 'Asia/Tokyo'", "commit"}, {"begin", "set local search_path to first", "commit"}, {"begin", "set local search_path to first", "rollback"},
		{"begin", "set search_path to first", "rollback"}, {"begin", "set timezone = 'Asia/Tokyo'", "rollback"}, {"begin", "set extra_float_digits = 0", "rollback"},
		{"begin; set local search_path to first; set local timezone = 'Asia/Tokyo'; commit"}, {"begin", "savepoint s", "set search_path to first", "rollback to s", "commit"},
		{"begin", "set search_path to first", "set local search_path to second", "savepoint s", "set search_path to public", "rollback to s", "rollback"},
		{"set local search_path to first"}, {"set local timezone = 'Asia/Tokyo'"}, {"begin", "set search_path to first", "select 1/0", "commit"},
		{"begin", "select set_config('search_path', 'first', true)", "select set_config('timezone', 'Asia/Tokyo', true)", "commit"},
		{"set search_path to first; set timezone = 'Asia/Tokyo'"}, {"begin", "reset search_path", "reset timezone", "rollback"}, {"begin; reset search_path; reset timezone; rollback"}, {"begin; reset all; rollback"}, {"begin", "reset all", "rollback"},
		{"begin; reset search_path; select 1/0"}, {"rollback"}, {"begin; savepoint s; reset search_path; rollback to s; commit"}, {"begin", "reset search_path", "commit"}, {"reset all"},
	} {
		for _, step := range steps {
			p.Do(t, step)
			for form := range rig.Askers {
				for _, sql := range queries {
					p.As(t, form, sql)
				}
			}
		}
		p.Right(t, queries...)
		if t.Failed() {
			t.Fatalf("after %q", steps)
		}
	}
	p = b.Pair(t)
	p.Hits(t, queries...)
	// What is set for the session outlives the transaction.
	for _, steps := range []string{"begin; set search_path to first; commit", "begin; set local search_path to first; set search_path to second, public; commit", "begin; set timezone = 'Asia/Tokyo'; savepoint s; set timezone = 'UTC'; rollback to s; commit"} {
		p.Do(t, steps)
		p.Hits(t, queries...)
	}
}

func TestChecklist_S15_SettingsThatAreSetWithoutSET(t *testing.T) {
	t.Parallel()
	b, queries := startSessions(t, "checklist_s15")
	plain := b.Pair(t)
	rig.Ask(t, plain.Through, `create function goes(path text) returns void language plpgsql as $$ begin perform set_config('search_path', path, false); end $$;
		create function travels(zone text) returns text language sql as $$ select set_config('timezone', zone, false) $$;
		create function own() returns text language sql set search_path = first as $$ select a from ev $$;
		create function says(what text) returns void language plpgsql as $$ begin execute what; end $$; create procedure calls(what text) language plpgsql as $$ begin execute what; end $$`)
	plain.Hits(t, queries...)
	for _, step := range []string{
		"select set_config('timezone', 'Asia/Tokyo', false)", "select set_config('search_path', 'first', false)", "select pg_catalog.set_config('search_path', a, false) from second.ev",
		"update pg_settings set setting = 'second, public' where name = 'search_path'", "do $$ begin perform set_config('search_path', 'second', false); end $$", "do $$ begin execute 'set search_path ' || 'to first'; end $$",
		"select 1; select set_config('extra_float_digits', '0', false)", "with x as (select set_config('search_path', 'first', false)) select * from x", "select own()", "select travels('Asia/Tokyo')",
		"create function new() returns void language sql as $$ select set_config('search_path', 'first', false) $$; select new(); drop function public.new()",
		"select goes('first')", "select public.goes('second') from ev limit 1", "select says('set search_path to first')", "call calls('set search_path to first')",
	} {
		p := b.Pair(t)
		p.Right(t, queries...)
		p.Do(t, step)
		p.Right(t, queries...)
		plain.Right(t, queries...)
		b.Pair(t).Right(t, queries...)
		if t.Failed() {
			t.Fatalf("after %s", step)
		}
		rig.CloseConn(p.Through)
		rig.CloseConn(p.Real)
	}
	// Code that a transaction makes may run before any look at the catalog can tell of it.
	rig.Ask(t, plain.Through, "drop function goes, travels, own, says; drop procedure calls")
	plain.Hits(t, queries...)
	p := b.Pair(t)
	for _, c := range []*pgconn.PgConn{p.Real, p.Through} {
		for _, step := range []string{"begin", "create function public.made(path text) returns void language plpgsql as $$ begin perform set_config('search_path', path, false); end $$",
			"select made('first')", "drop function public.made", "commit"} {
			rig.Ask(t, c, step)
		}
	}
	plain.Right(t, queries...)
	p.Right(t, queries...)
	rig.CloseConn(p.Through)
	rig.CloseConn(p.Real)
	// Names and values may be parameters.
	p = b.Pair(t)
	for _, c := range []*pgconn.PgConn{p.Through, p.Real} {
		if _, err := rig.AskExtended(t.Context(), c, 0, "select set_config($1, $2, $3::bool)", "search_path", "first", "false"); err != nil {
			t.Fatal(err)
		}
	}
	p.Right(t, queries...)
	plain.Right(t, queries...)
}

func TestSettings_ManySetsInOneTransactionDoNotPinForGood(t *testing.T) {
	t.Parallel()
	p := rig.StartPairs(t, "checklist_sets", "").Pair(t)
	rig.Ask(t, p.Through, "begin")
	for range 1700 { // a SELECT of PostgreSQL has at most 1664 columns
		rig.Ask(t, p.Through, "set app.tenant = '7'")
	}
	rig.Ask(t, p.Through, "commit")
	rig.Await(t, "the session to be free", func() bool { return rig.Ask(t, p.Through, "show overdrive.pinned") == "" })
}

func TestChecklist_S16_ParametersOfTheUsersOwnKeepTenantsApart(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	rig.MakeRoles(t, pg, "checklist_s16a")
	b := rig.StartPairs(t, "checklist_s16", `create table ev(tenant int, a text); insert into ev values (1, 'one'), (2, 'two'); grant select, update on ev to public;
		alter table ev enable row level security; create policy p on ev using (tenant = nullif(current_setting('app.tenant', true), '')::int)`, ownServers)
	const sql = "select a from ev"
	user := rig.As("checklist_s16a", "")
	one, two, nobody := b.Pair(t, user), b.Pair(t, user), b.Pair(t, user)
	one.Do(t, "set app.tenant = 1")
	two.Do(t, "set app.tenant = '2'")
	rig.WantApart(t, sql, one, two)
	nobody.Right(t, sql)
	one.HitsAtOnce(t, sql)
	two.HitsAtOnce(t, sql)
	one.Do(t, "update ev set a = 'changed'")
	one.Right(t, sql)
	two.Right(t, sql)
	for _, step := range []string{"set app.tenant = 2", "begin; set local app.tenant = 1; commit", "begin; set app.tenant = 1; rollback", "select set_config('app.tenant', '1', false)", "select set_config('app.tenant', '2', true)",
		"set session app.tenant to '2'", "set APP.Tenant = 1", "set app.tenant = 'nonsense'", "set app.tenant = 2", "reset app.tenant", "set app.other = 1", "discard all", "set app.tenant to default"} {
		one.Do(t, step)
		one.Right(t, sql)
		two.Right(t, sql)
		nobody.Right(t, sql)
		if t.Failed() {
			t.Fatalf("after %s", step)
		}
	}
	for _, p := range []*rig.ClientPair{one, two} {
		p.Never(t, "select current_setting('app.tenant', true)", "select a from ev where current_setting('app.tenant', true) = '2'")
	}
	// A parameter may come with the login. What the others were answered with would serve as well.
	two.Do(t, "update ev set a = a || '!'")
	first, second := b.Pair(t, user, rig.With("app.tenant", "1")), b.Pair(t, user, rig.With("options", "-c app.tenant=2"))
	rig.WantApart(t, sql, first, second)
}

func TestChecklist_S17_SettingsMayComeWithTheLogin(t *testing.T) {
	t.Parallel()
	b, queries := startSessions(t, "checklist_s17")
	plain := b.Pair(t)
	for _, c := range []struct {
		name, value string
		differs     int // which of queries
	}{
		{"options", "-c search_path=first", 0}, {"search_path", "second, public", 0}, {"options", `-csearch_path=first\ ,public -c TimeZone=Asia/Tokyo`, 0}, {"TimeZone", "Asia/Tokyo", 1}, {"options", "--extra-float-digits=0", 1},
		{"DateStyle", "German", 1}, {"extra_float_digits", "-3", 1},
	} {
		set := b.Pair(t, rig.With(c.name, c.value))
		rig.WantApart(t, queries[c.differs], set, plain)
		set.Hits(t, queries...)
		set.Do(t, "set search_path to public; set timezone to 'UTC'; set extra_float_digits to 1; set datestyle to 'ISO, MDY'")
		set.Right(t, queries...)
		set.Do(t, "reset all") // is back to what the login said
		set.Hits(t, queries...)
		set.Do(t, "discard all")
		set.Hits(t, queries...)
		plain.Hits(t, queries...)
	}
}

func TestChecklist_S18_NewSessionsHaveTheNewDefaults(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	rig.MakeRoles(t, pg, "checklist_s18a")
	b := rig.StartPairs(t, "checklist_s18", pathTables+`; create table times as select '2024-07-01 20:00+00'::timestamptz as ts, 0.1::float8 / 3 as f; grant all on database checklist_s18 to public;
		grant usage on schema first, second to public; grant select on public.ev, first.ev, second.ev, times to public`, ownServers)
	queries := []string{"select a from public.ev, times", "select a from ev", "select ts, f from times"}
	user := rig.As("checklist_s18a", "")
	admin := b.Pair(t)
	b.Pair(t, user).Hits(t, queries...)
	for _, ddl := range []string{
		"alter role checklist_s18a set search_path = first, public", "alter database checklist_s18 set timezone = 'Asia/Tokyo'", "alter role checklist_s18a in database checklist_s18 set extra_float_digits = -5",
		"alter role checklist_s18a in database checklist_s18 set search_path = second, public", "alter role checklist_s18a in database checklist_s18 reset all", "alter role checklist_s18a reset search_path", "alter database checklist_s18 reset all",
	} {
		rig.Ask(t, admin.Through, ddl)
		settle(t, b, ddl, queries, user)
		b.Pair(t, user).Hits(t, queries...)
		b.Pair(t, user).Hits(t, queries...)
	}
	// Around the proxy such a change is noticed too, if a little later.
	rig.Ask(t, admin.Real, "alter role checklist_s18a set search_path = second, public")
	settle(t, b, "a change around the proxy", queries, user)
}

// settle waits until a new session reads what one at the server itself does. Connections that were opened with the old defaults
// may serve for a little while.
func settle(t *testing.T, b *rig.PairBench, after string, queries []string, edits ...func(*pgconn.Config)) {
	t.Helper()
	rig.Await(t, "new sessions to have the defaults of "+after, func() bool {
		p := b.Pair(t, edits...)
		defer rig.CloseConn(p.Through)
		defer rig.CloseConn(p.Real)
		same := true
		for _, sql := range queries {
			want, wantErr := rig.Try(t.Context(), p.Real, sql)
			got, err := rig.Try(t.Context(), p.Through, sql)
			same = same && got == want && rig.State(err) == rig.State(wantErr)
		}
		return same
	})
}

// The server tells nobody when one of these changes. Two clients who share one server connection must each find their own again
// all the same.
func TestChecklist_S19_SettingsThatTheServerIsSilentAboutFollowTheirClient(t *testing.T) {
	t.Parallel()
	b, one, _ := startRoles(t, "checklist_s19")
	plain := b.Pair(t)
	rig.Ask(t, plain.Through, `create schema first; create table first.ev as select 'x' as who, 7 as a; create table v as select '\xdead'::bytea as b, 0.1::float8 / 3 as f, 12.5::numeric::money as m;
		grant select on v to public; grant usage on schema first to public; grant select on first.ev to public`)
	queries := []string{"select a from ev", "select b, f, m from v"}
	holders := make([]*pgconn.PgConn, 0, 3)
	for range 3 { // and leave one server for all that follows
		c := b.Connect(t, b.Database)
		rig.Ask(t, c, "begin")
		holders = append(holders, c)
	}
	var clients []*rig.ClientPair
	for _, set := range []string{"set search_path to first, public", "set bytea_output = 'escape'", "set extra_float_digits = -4", "set lc_monetary = 'C.UTF-8'", "set role " + one, "set row_security = off",
		"set role " + one + "; set row_security = off", "set bytea_output = 'escape'; set search_path to first, public"} {
		p := b.Pair(t)
		p.Do(t, set)
		clients = append(clients, p)
	}
	for range 3 {
		for _, p := range clients {
			p.Right(t, queries...)
			plain.Right(t, queries...)
		}
		rig.Ask(t, plain.Through, "update v set f = f + 1")
	}
	for _, p := range clients[:5] {
		p.Hits(t, queries...)
	}
	for _, c := range holders {
		rig.Ask(t, c, "rollback")
	}
	// A parameter of which nothing is known may change anything, and is a part of the key.
	clients[0].Do(t, "set session_replication_role = replica")
	clients[0].Hits(t, queries...)
	plain.Right(t, queries...)
	// One that cannot follow ties the client to its server.
	clients[0].Do(t, "set seed = 0.5")
	clients[0].Never(t, queries...)
	if word := rig.Status(t, clients[0].Through); word != "session-state" {
		t.Errorf("after a SET that cannot follow the status is %s, want session-state", word)
	}
	clients[0].Do(t, "discard all")
	clients[0].Hits(t, queries...)
}

func TestChecklist_S20_ASETThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	b, queries := startSessions(t, "checklist_s20")
	p := b.Pair(t)
	p.Hits(t, queries...)
	for _, steps := range [][]string{
		{"set timezone = 'Nowhere/Land'"}, {"set bytea_output = 'nonsense'"}, {"set role nosuch_role"}, {"set extra_float_digits = 1000"}, {"set session authorization nosuch_role"}, {"set nosuch = 1"},
		{"set search_path to"}, {"set default_text_search_config = 'nosuch'"}, {"set client_encoding = 'nosuch'"}, {"set transaction_isolation = 'nosuch'"},
		{"begin", "select 1/0", "set search_path to first", "rollback"}, {"begin", "select 1/0", "set timezone = 'Asia/Tokyo'", "commit"}, {"begin", "set search_path to first", "select 1/0", "rollback"},
		{"begin", "set search_path to first", "set role nosuch_role", "commit"}, {"begin; set search_path to first; select 1/0"}, {"rollback"}, {"select set_config('search_path', 'first', false), 1/0"}, {"rollback"},
	} {
		for _, step := range steps {
			p.Do(t, step)
		}
		p.Right(t, queries...)
		if t.Failed() {
			t.Fatalf("after %q", steps)
		}
	}
	// A parameter that cannot follow the client from server to server ties it to one, even if the SET fails. Others do not.
	p = b.Pair(t)
	for _, set := range []string{"set search_path to first", "set timezone = 'Asia/Tokyo'", "set extra_float_digits = 0"} {
		p.Do(t, set)
		p.Hits(t, queries...)
		p.Do(t, "set search_path to")
		p.Do(t, "set timezone = 'Nowhere/Land'")
		p.Do(t, "set extra_float_digits = 1000")
		p.Hits(t, queries...)
	}
	fresh := b.Pair(t)
	for range 2 {
		fresh.Do(t, "set role nosuch_role")
		fresh.Hits(t, queries...)
	}
}

func TestChecklist_S21_ASETInFrontOfAQueryInOneMessageCounts(t *testing.T) {
	t.Parallel()
	b, queries := startSessions(t, "checklist_s21")
	p, plain := b.Pair(t), b.Pair(t)
	plain.Hits(t, queries...)
	for _, step := range []string{
		"set timezone = 'Asia/Tokyo'; select ts, f from times", "set search_path to first; select a from ev", "select a from ev; set search_path to second", "set search_path to first; select 1/0", "set timezone = 'UTC'; select 1/0",
		"select a from ev; set search_path to public; select a from ev", "set local search_path to first; select a from ev", "begin; set search_path to first; select a from ev", "rollback; select a from ev",
		"reset search_path; select a from ev; set extra_float_digits to 0; select ts, f from times", "discard all", "reset all; select ts, f from times", "set search_path to first; set search_path to second; select a from ev",
		"set search_path to first; begin; set search_path to second; rollback; select a from ev",
	} {
		p.Do(t, step)
		for form := range rig.Askers {
			for _, sql := range queries {
				p.As(t, form, sql)
			}
		}
		plain.Right(t, queries...)
		if t.Failed() {
			t.Fatalf("after %s", step)
		}
	}
	plain.HitsAtOnce(t, queries...)
}

func TestChecklist_S22_SettingsThatChangeNoRowsLeaveTheCacheInUse(t *testing.T) {
	t.Parallel()
	b, queries := startSessions(t, "checklist_s22")
	plain := b.Pair(t)
	plain.Hits(t, queries...)
	for _, set := range []string{"set statement_timeout = '10min'", "set lock_timeout = 5000", "set application_name = 'other'", "set default_transaction_read_only = on", "set idle_in_transaction_session_timeout = '1h'", "set work_mem = '8MB'",
		"set client_min_messages = 'error'"} {
		p := b.Pair(t)
		p.Do(t, set)
		p.Hits(t, queries...)
		p.Right(t, queries...)
		plain.Right(t, queries...)
	}
	// A timeout is no answer, to nobody.
	p := b.Pair(t)
	const slow = "select count(*) from generate_series(1, 30000000)"
	p.Do(t, "set statement_timeout = '5ms'")
	for form, do := range rig.Askers {
		if _, err := do(t, p.Through, slow); rig.State(err) != "57014" {
			t.Errorf("%s: got %v, want 57014", form, err)
		}
	}
	for form := range rig.Askers {
		plain.As(t, form, slow[:len(slow)-6]+")")
	}
}

func TestChecklist_S23_SettingsThemselvesAreNeverCached(t *testing.T) {
	t.Parallel()
	b, _ := startSessions(t, "checklist_s23")
	p, plain := b.Pair(t), b.Pair(t)
	queries := []string{"show timezone", "show search_path", "select current_setting('timezone')", "select current_setting('search_path') from ev", "select a from ev where current_setting('timezone') = 'UTC'",
		"select setting from pg_settings where name = 'extra_float_digits'", "select current_setting('extra_float_' || 'digits', true)"}
	for _, set := range []string{"select 1", "set timezone = 'Asia/Tokyo'", "set search_path to first, public", "set extra_float_digits = -1", "reset all"} {
		p.Do(t, set)
		p.Never(t, queries...)
		plain.Never(t, queries...)
	}
}
