package checklist_test

import (
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"
)

// neverKept is what may be said of a query whose answer must not be kept.
const neverKept = "volatile uncacheable"

func TestChecklist_F1_TheClockAndTheUserAreNeverCached(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f1", `create table ev(id int, at timestamptz default now(), "current_user" text, "now" text, "current_date" text);
		insert into ev values (1, '2020-01-01', 'somebody', 'then', 'another day')`)
	f.moves(t, neverKept, "select now()", "select localtimestamp", "select LOCALTIMESTAMP(6)", "select current_timestamp", "select current_time",
		"select localtime", "select transaction_timestamp()", "select pg_catalog.now()", `select "now"()`, "select now() - at from ev",
		"values (now())",
		"with w as (select now() as n) select n from w", "select n from ev, lateral (select now() as n) x")
	f.never(t, neverKept, "select current_date", "select current_date - 1", "select current_date/* a day */", "select CURRENT_DATE",
		"select id from ev where at < now()",
		"select id from ev where at < current_timestamp - interval '1 hour'", "select id from ev order by at - now()",
		"select id from ev limit extract(hour from now()) + 1",
		"select count(*) from ev group by date_trunc('day', now())",
		"select sum(id) over (order by at range between '1 day' preceding and current row), now() from ev",
		"select age(at) from ev", "select extract(year from current_date)", "select to_char(now(), 'YYYY')",
		"select current_user", "select current_role", "select user", "select session_user", "select USER", "select current_catalog",
		"select current_schema",
		"select current_schema()", "select current_schemas(true)", "select current_database()", "select getpgusername()",
		"select id from ev where current_user = 'postgres'", "select case when id = 1 then current_user end from ev")
	if f.version(t) >= 160000 {
		f.never(t, neverKept, "select system_user")
	}
	// Columns, strings and comments of such a name are not the clock.
	f.hits(t, `select "current_user", "now", "current_date", 'a current_date' from ev -- current_date`, "select ev.now from ev",
		"select 1 as now /* now() */")
}

func TestChecklist_F2_ChanceIsNeverCached(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f2", "create table ev(id int); insert into ev select generate_series(1, 100)")
	f.moves(t, "volatile", "select random()", "select gen_random_uuid()", "select clock_timestamp()", "select timeofday()",
		"select id, random() from ev", "select id from ev order by random()", "select x from (select random() as x) y",
		"select max(random()) from ev",
		"select (select gen_random_uuid())", "select case when id > 0 then random() end from ev", "select statement_timestamp()")
	f.never(t, "volatile", "select id from ev where random() < 0.5", "select id from ev limit 1 + random() * 5")
	f.never(t, "volatile session-state", "select setseed(0.5)")
	rig.Ask(t, f.reader, "discard all")
	f.hits(t, "select 'random()' as random, id from ev order by id")
}

func TestChecklist_F3_SequencesAreNeverCached(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f3", "create sequence s; select nextval('s'); create table ev(id serial)")
	f.moves(t, neverKept, "select nextval('s')", "select nextval('s'::regclass) as n", "select nextval(pg_get_serial_sequence('ev', 'id'))")
	f.never(t, neverKept, "select currval('s')", "select lastval()", "select setval('s', 1000)", "select setval('s', 2000, false)",
		"select last_value from s",
		"select * from s", "table s", "select last_value from ev_id_seq", "select count(*) from ev, s", "select last_value from pg_sequences")
	f.seen(t, seenWrite{query: "select last_value, is_called from s", write: "select nextval('s')", loose: true},
		seenWrite{query: "table s", write: "select setval('s', 50)", before: "select nextval('s')", loose: true},
		seenWrite{query: "select last_value from ev_id_seq", write: "insert into ev default values", before: "insert into ev default values",
			loose: true})
}

func TestChecklist_F4_SleepIsAlwaysSlept(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f4", "create table ev as select 1 as id")
	const nap = 20 * time.Millisecond
	for _, sql := range []string{"select pg_sleep(0.02)", "select id, pg_sleep(0.02) from ev", "select pg_sleep_for('20 ms')",
		"select id from ev where pg_sleep(0.02) is not null"} {
		f.never(t, "volatile", sql)
		for form, do := range rig.Askers {
			began := time.Now()
			if _, err := do(t, f.reader, sql); err != nil || time.Since(began) < nap {
				t.Errorf("%s (%s) took %v, %v", sql, form, time.Since(began), err)
			}
		}
	}
}

func TestChecklist_F5_AdvisoryLocksAreTakenAndHeld(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f5", "create table ev as select 1 as id")
	const words = neverKept + " session-state"
	f.never(t, words, "select pg_advisory_xact_lock(5)", "select pg_try_advisory_xact_lock(5)", "select pg_try_advisory_lock_shared(9)",
		"select pg_advisory_unlock_all()")
	for i, lock := range []string{"select pg_advisory_lock(7)", "select pg_try_advisory_lock(7)", "select pg_try_advisory_lock(id, 7) from ev",
		"select id from ev where pg_try_advisory_lock(7)"} {
		holder := f.Connect(t, f.database)
		for range 2 {
			rig.Ask(t, holder, lock)
		}
		if got := rig.Ask(t, holder, "show overdrive.pinned"); got == "" {
			t.Errorf("after %s the session is not tied to its server", lock)
		}
		// Two calls took the lock twice: a hit would have taken it once.
		release := "select pg_advisory_unlock(7)"
		if i == 2 {
			release = "select pg_advisory_unlock(1, 7)"
		}
		for n, want := range []string{"t", "t", "f"} {
			if got := rig.Ask(t, holder, release); got != want {
				t.Errorf("after %s twice, unlock %d says %s, want %s", lock, n+1, got, want)
			}
		}
		rig.CloseConn(holder)
	}
}

func TestChecklist_F6_WhatTheServerSaysOfItselfIsNeverCached(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f6", "create table ev as select 1 as id")
	f.moves(t, neverKept, "select txid_current()", "select pg_current_xact_id()", "select pg_export_snapshot()")
	f.never(t, neverKept, "select txid_current_snapshot()", "select txid_current_if_assigned()", "select pg_current_snapshot()",
		"select pg_current_xact_id_if_assigned()",
		"select pg_current_wal_lsn()", "select pg_current_wal_insert_lsn()", "select pg_backend_pid()", "select inet_client_addr()",
		"select inet_client_port()",
		"select inet_server_port()", "select version()", "select pg_is_in_recovery()", "select pg_postmaster_start_time()",
		"select pg_conf_load_time()",
		"select pg_relation_size('ev')", "select pg_database_size(current_database())",
		"select txid_visible_in_snapshot(1, txid_current_snapshot())",
		"select has_table_privilege('ev', 'select')", "select pg_table_is_visible('ev'::regclass)", "select obj_description('ev'::regclass)",
		"select pg_get_userbyid(10)", "select pg_stat_get_numscans('ev'::regclass)", "select current_setting('work_mem')",
		"select id from ev where pg_backend_pid() > 0")
}

func TestChecklist_F7_FunctionsWithEffectsAreAlwaysExecuted(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f7", `create table ev as select 1 as id;
		create function bump() returns int language sql as 'update ev set id = id + 1 returning id'`)
	f.moves(t, "volatile", "select lo_create(0)", "select lo_from_bytea(0, 'a')", "select pg_logical_emit_message(false, 'a', 'b')")
	f.never(t, neverKept+" session-state", "select set_config('work_mem', '5MB', true)", "select pg_read_file('PG_VERSION')",
		"select pg_read_binary_file('PG_VERSION')",
		"select pg_ls_dir('.')", "select pg_stat_file('PG_VERSION')", "select pg_cancel_backend(0)", "select pg_terminate_backend(0)",
		"select pg_notify('other', '')", "select lo_get(1)",
		"select pg_reload_conf()", "select pg_stat_reset()", "select query_to_xml('select id from ev', true, true, '')",
		"select table_to_xml('ev', true, true, '')",
		"select ts_stat('select to_tsvector(''a'')')", "select ts_rewrite('a'::tsquery, 'select ''a''::tsquery, ''b''::tsquery')")
	rig.Ask(t, f.reader, "discard all")
	f.notifies(t, "select pg_notify('news', '')")
	// What runs a text as SQL reads, or writes, whatever the text says.
	f.seen(t, seenWrite{query: "select sum(id) from ev", before: "discard all", write: "select query_to_xml('select bump()', true, true, '')"},
		seenWrite{query: "select sum(id) from ev", before: "discard all", write: "select query_to_xml(U&'select b\\0075mp()', true, true, '')"},
		seenWrite{query: "select query_to_xml('select id from ev', true, true, '')", write: "update ev set id = id + 1", loose: true})
	t.Run("dblink", func(t *testing.T) {
		f.extension(t, "dblink")
		f.never(t, neverKept, "select * from dblink('dbname=x', 'select 1') as x(a int)")
	})
}

// notifies fails the test unless each execution of sql sends a notification on the channel news.
func (f *writerBench) notifies(t *testing.T, sql string) {
	t.Helper()
	sent, arrived := 0, 0
	config, err := pgconn.ParseConfig(f.pg.DSN(f.database))
	if err != nil {
		t.Fatal(err)
	}
	config.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) { arrived++ }
	listener, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer rig.CloseConn(listener)
	rig.Ask(t, listener, "listen news")
	for _, do := range rig.Askers {
		for range 3 {
			if _, err := do(t, f.reader, sql); err != nil {
				t.Fatal(err)
			}
			sent++
		}
	}
	rig.Await(t, "a notification for each execution", func() bool { rig.Ask(t, listener, "select 1"); return arrived == sent })
}

// countedFunctions makes what the tests of user-defined functions call: vol and its like count their calls in the sequence calls.
const countedFunctions = `create sequence calls; create table t(a int); insert into t values (1), (2);
	create function vol(i int) returns int language plpgsql volatile as 'begin perform nextval(''public.calls''); return i; end';
	create function vol2(i int, j int) returns int language plpgsql volatile as 'begin perform nextval(''public.calls''); return i + j; end';
	create function lies(i int) returns int language plpgsql immutable as 'begin perform nextval(''public.calls''); return i; end';`

func TestChecklist_F8_VolatileFunctionsOfUsersAreExecutedWhereverTheyStand(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f8", countedFunctions+`create function dflt(i int default vol(1)) returns int language sql immutable as 'select i';
		create function vols(i int) returns setof int language plpgsql as 'begin perform nextval(''public.calls''); return next i; end';
		create operator ### (leftarg = int, rightarg = int, function = vol2); create operator @#@ (rightarg = int, function = vol);
		create aggregate agg(int) (sfunc = vol2, stype = int, initcond = '0');
		create aggregate fin(int) (sfunc = int4pl, stype = int, finalfunc = vol, initcond = '0');
		create type w as (x int); create function tow(int) returns w language plpgsql as 'begin perform nextval(''public.calls''); return row($1)::w;
		end';
		create domain dom as int check (vol(value) > 0); create domain over_dom as dom;
		create index on t (lies(a)); create schema hidden; alter function vols(int) set schema hidden`)
	f.runs(t, neverKept, "select vol(1)", "select vol(a) from t", "select case when a > 0 then vol(a) else 0 end from t", "select dflt()",
		"select a from t where vol(a) > 0",
		"select a from t order by vol(a)", "select sum(vol(a)) from t", "select agg(a) from t", "select fin(a) from t",
		"select agg(a) over () from t",
		"select sum(a) over (order by vol(a)) from t", "select sum(a) filter (where vol(a) > 0) from t", "select x from t, lateral vol(a) as x",
		"select * from hidden.vols(1)",
		"select * from rows from (hidden.vols(1), generate_series(1, 2))", "select 1 ### 2", "select a operator(public.###) 2 from t",
		"select @#@ 2",
		"select 1::dom", "select a::over_dom from t", "select dom '1'", "select array[1]::dom[]",
		"select a from t group by a, vol(1)", "select count(*) from t having vol(1) > 0", "select coalesce(vol(a), 1) from t",
		"select (select vol(1))",
		"select a from t where exists (select from t x where vol(x.a) = 2)", "select a from t limit vol(1)", "select a from t offset vol(1)",
		"with x as materialized (select vol(1) as v) select v from x",
		"select distinct on (vol(a)) a from t", "values (vol(1))", "select a from t union select vol(3)", "select public.vol(1)",
		`select "vol"(1)`, "select vol(i => 1)",
		"select a from t join (select vol(1) as v) x on v = a", "select a from t tablesample system (100) where vol(a) = 1")
	f.never(t, neverKept, "select lies(1)", "select a from t where lies(a) = 1")
	rig.Ask(t, f.writer, "create cast (int as w) with function tow(int)")
	f.runs(t, neverKept, "select 1::w", "select cast(1 as w)", "select a::w from t", "select w '(1)', a::w from t")
}

func TestChecklist_F9_FunctionsInTheNotationOfColumnsAreSeen(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f9", `create sequence calls; create table ev(id int); insert into ev values (1);
		create function cost(e ev) returns int language plpgsql volatile as 'begin perform nextval(''public.calls''); return e.id; end'`)
	f.runs(t, neverKept, "select e.cost from ev e", "select ev.cost from ev", "select (e).cost from ev e", "select cost(e) from ev e",
		"select cost from ev e, lateral cost(e)",
		"select id from ev e where e.cost > 0", "select id from ev e order by e.cost", "select (x).cost from (select e from ev e) y(x)",
		"select (row(1)::ev).cost", "select (array[row(1)::ev])[1].cost", "select e.\"cost\" from ev e")
	f.hits(t, "select e.id from ev e")
}

func TestChecklist_F10_StableFunctionsOfUsersFollowWhatTheyRead(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f10", `create table t(a int); insert into t values (1); create table one as select 1 as x;
		create view reading as select a from t;
		create function total() returns bigint language sql stable as 'select sum(a) from t';
		create function deep() returns bigint language sql stable as 'select total()';
		create function rows() returns setof int language sql stable as 'select a from reading';
		create function slow() returns bigint language plpgsql stable as 'begin return total(); end'`)
	for _, query := range []string{"select total()", "select deep()", "select * from rows()", "select slow()",
		"select x from one where total() % 2 = x", "select x + total() from one", "select x from one order by total() limit total() % 2"} {
		f.seen(t, seenWrite{query: query, write: "update t set a = a + 1", loose: true})
	}
}

func TestChecklist_F11_ImmutableIsNotBelievedOfFunctionsOfUsers(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f11", `create table t(a int); insert into t values (1); create table one as select 1 as x;
		create function total() returns bigint language sql immutable as 'select sum(a) from t';
		create function slow(i int) returns bigint language plpgsql immutable as 'declare s bigint; begin select sum(a) into s from t;
		return s + i; end';
		create function same(int, int) returns bool language sql immutable as 'select ($1 + total() - $2) % 2 = 0';
		create operator === (leftarg = int, rightarg = int, function = same)`)
	for _, query := range []string{"select total()", "select slow(1)", "select x from one where slow(x) % 2 = 0", "select 1 === 1",
		"select x === 1 from one"} {
		f.never(t, neverKept, query)
		f.seen(t, seenWrite{query: query, write: "update t set a = a + 1", loose: true})
	}
}
