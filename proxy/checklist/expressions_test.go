package checklist_test

import (
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestChecklist_F12_ViewsAreSeenThrough(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f12", countedFunctions+`create view clock as select now() as n; create view over_clock as select n from clock;
		create view guarded_clock with (security_barrier) as select n, a from over_clock, t;
		create view dice as select a, random() as r from t; create view over_dice as select r from dice;
		create view picked as select a from t where random() < 2;
		create view called as select vol(a) as a from t; create view over_called as select a from called where a > 0;
		create view sorted as select a from t order by vol(a);
		create view me as select current_user as u; create view today as select a from t where current_date > '2020-01-01';
		create view catalog as select relname from pg_class where relname = 't';
		create view sleepy as select pg_backend_pid() as p; create view xid as select xmin from t;
		create view sample as select a from t tablesample system (100);
		create view plain as select a from t; create view over_plain as select a + 1 as b from plain;
		create view third as select b, a from over_plain join t on a = b - 1;
		create view barrier with (security_barrier) as select a from t where a > 0;
		create view grouped as select count(*) as n, max(a) as m from third;
		create materialized view frozen as select now() as n, a from t`)
	f.moves(t, neverKept, "select n from clock", "select n from over_clock", "select n from guarded_clock", "select r from dice",
		"select r from over_dice", "table clock",
		"select x.n from (select * from over_clock) x", "with w as (select n from clock) select n from w", "select (select n from clock)",
		"select a, n from t, over_clock")
	f.runs(t, neverKept, "select a from called", "select a from over_called", "select t.a from t join over_called using (a)",
		"select a from sorted")
	f.never(t, neverKept, "select a from picked", "select u from me", "select a from today", "select relname from catalog",
		"select p from sleepy", "select xmin from xid", "select a from sample")
	f.hits(t, "select a from plain order by a", "select b from over_plain order by b", "select a, b from third order by a",
		"select a from barrier order by a", "select n, m from grouped", "select n, a from frozen order by a")
	for _, query := range []string{"select a from plain order by a", "select b from over_plain order by b", "select a, b from third order by a",
		"select a from barrier order by a", "select n, m from grouped"} {
		f.seen(t, seenWrite{query: query, write: "update t set a = a + 1"})
	}
	f.since(t, 150000, "security_invoker", func(t *testing.T) {
		rig.Ask(t, f.writer, "create view invoker with (security_invoker) as select a from t where a > 0")
		f.seen(t, seenWrite{query: "select a from invoker order by a", write: "update t set a = a + 1"})
		rig.Ask(t, f.writer, "create view clock_of_invoker with (security_invoker) as select now() as n, a from invoker")
		f.moves(t, neverKept, "select n from clock_of_invoker")
	})
}

func TestChecklist_F13_WordsForThePresentAreNeverCached(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f13", `create table days(d date, at timestamptz, w text); insert into days values ('epoch', 'epoch', 'today');
		create type pair as (d date, i int);
		create view frozen as select d from days where d < date 'today'`)
	f.never(t, neverKept, "select 'now'::timestamptz", "select date 'today'", "select cast('tomorrow' as date)", "select timestamp 'yesterday'",
		"select 'now'::time", "select timestamptz 'now'",
		"select d from days where d = 'today'", "select d from days where d between 'yesterday' and 'tomorrow'",
		"select d from days where d in ('epoch', 'today')", "select coalesce(d, 'today') from days",
		"select case when d is null then d else 'today' end from days", "select d from days union all select 'today'", "select 'TODAY'::date",
		"select ' today '::date", "select 'today 12:00'::timestamp",
		"select e'\\x74oday'::date", "select U&'\\0074oday'::date", "select $$today$$::date", "select $x$today$x$::date",
		"select 'to'\n'day'::date", "select date 'to' -- or\n'day'",
		"select '{today}'::date[]", "select array['today']::date[]", "select '[today,tomorrow]'::daterange",
		"select '{[yesterday,today]}'::datemultirange",
		"select ('to' || 'day')::date", "select concat('to', 'day')::date", "select lower('TODAY')::date",
		"select ('to' || w)::date from days", "select left('todayxyz', 5)::date", `select ('{"d": "tod\u0061y"}'::jsonb->>'d')::date`, "select ('(today,1)'::pair).d",
		"select (jsonb_populate_record(null::days, '{\"d\": \"today\"}')).d", "select * from jsonb_to_record('{\"d\": \"today\"}') as x(d date)",
		"select * from json_to_recordset('[{\"d\": \"now\"}]') as x(d timestamptz)",
		"select x.d from xmltable('/r' passing xml '<r><d>today</d></r>' columns d date path 'd') x",
		"select x.d from xmltable('/r' passing xml '<r/>' columns d date path 'd' default 'today') x",
		"select unnest('{today}'::text[])::date", "select string_to_array('today', ',')::date[]", "select daterange('today', null)",
		"select greatest(d, 'today') from days", "select d = any('{today}') from days",
		"select make_interval(days => 1) + 'today'::timestamp", "select date_trunc('day', timestamp 'now')", "select 'now' :: timestamptz(0)",
		"select to_json('today'::date)")
	// That a table holds such a word is the exception that docs/caching.md tells of.
	f.hits(t, "select w::date from days", "select cast(w as timestamptz) from days", "select date(w) from days", "select timestamptz(w) from days")
	for _, one := range []struct{ sql, word string }{
		{"select d from days where d = $1", "today"}, {"select $1::date", "tomorrow"}, {"select $1::timestamptz", "now"},
		{"select $1::text::date", "yesterday"}, {"select $1::date[]", "{epoch,today}"},
		{"select $1::daterange", "[today,infinity)"}, {"select $1::timestamp", " Now "}, {"select d from days where at < $1", "TODAY"},
		{"select ($1 || 'ay')::date", "tod"}, {"select w from days where d = any($1)", "{today}"},
	} {
		for _, format := range []int16{0, 1} {
			for range 3 {
				_, err := rig.AskExtended(t.Context(), f.reader, format, one.sql, one.word)
				if got := rig.Status(t, f.reader); got != "volatile" && got != "uncacheable" || err != nil {
					t.Errorf("%s with %q is %s, %v", one.sql, one.word, got, err)
					break
				}
			}
		}
	}
	f.hits(t, "table frozen") // its day is the one on which it was made
	f.hits(t, "select 'epoch'::date", "select date 'infinity'", "select timestamptz '-infinity'", "select d from days where d = 'epoch'",
		"select d from days where d > '2020-01-01'", "select w from days where w = 'a day'")
	for range 3 {
		if got, err := rig.AskExtended(t.Context(), f.reader, 0, "select w from days where d = $1", "epoch"); got != "today" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if got := rig.Status(t, f.reader); got != "hit" {
		t.Errorf("a plain date as a parameter is %s", got)
	}
}

func TestChecklist_F14_NamesOfObjectsAsValuesAreNeverCached(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f14", `create table t(a int); create schema other; create table other.t(a int); create table refs(r regclass);
		insert into refs values ('public.t');
		create view shown as select r from refs`)
	f.never(t, neverKept, "select 't'::regclass", "select regclass 't'", "select cast('t' as regclass)", "select 't'::regclass::oid",
		"select to_regclass('t')", "select 'pair'::text::regclass", "select 'int'::regtype", "select to_regtype('int')",
		"select 'now'::regproc", "select 'now()'::regprocedure", "select 'public'::regnamespace", "select 'postgres'::regrole",
		"select r from refs", "select r::text from refs", "select refs from refs", "select format('%s', r) from refs",
		"select '{t}'::regclass[]", "select array_agg(r) from refs", "select a from t where tableoid = 't'::regclass", "select r from shown",
		"select to_json(r) from refs", "select 'english'::regconfig", "select format_type(23, null)")
	f.seen(t, seenWrite{query: "select r from refs", write: "alter table other.t rename to x;;alter table t rename to t2", before: "select 1",
		simple: true, loose: true},
		seenWrite{query: "select 'x'::regclass", write: "alter table other.x set schema public", simple: true, loose: true})
}

func TestChecklist_F15_TimeZonesAreKeptApart(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f15", `create table ev(id int, at timestamptz, d date);
		insert into ev values (1, '2024-03-09 17:00+00', '2024-03-09'), (2, '2024-03-10 00:00+00', '2024-03-10')`)
	queries := []string{"select id from ev where at + interval '1 day' > '2024-03-10 16:30+00' order by id", "select id from ev where d = at",
		"select id from ev where d < at order by id", "select id from ev where at > '2024-03-09 20:00' order by id"}
	settings := []string{ // settings alone decide, and those are in the key
		"select to_char(at, 'YYYY-MM-DD HH24:MI') from ev order by id", "select date_trunc('day', at) from ev order by id",
		"select extract(hour from at) from ev order by id",
		"select at::date from ev order by id", "select at::timestamp from ev order by id", "select at::text from ev order by id",
		"select date_part('day', at) from ev order by id",
		"select to_tsvector('running'), to_char(1234.5, '9G999D9')", "select timezone('UTC', at)::timestamptz from ev order by id",
	}
	inZone := func(c *pgconn.PgConn) *pgconn.PgConn { rig.Ask(t, c, "set timezone = 'America/New_York'"); return c }
	abroad := &writerBench{
		Instance: f.Instance, pg: f.pg, database: f.database, real: inZone(rig.Direct(t, f.pg, f.database)),
		reader: f.Connect(t, f.database, rig.With("timezone", "America/New_York")), writer: inZone(f.Connect(t, f.database)),
	}
	for i, sql := range append(queries, settings...) {
		if f.hits(t, sql) && abroad.hits(t, sql) {
			f.wantHits(t, "others asked", sql)
		}
		if i < 2 && rig.Ask(t, f.real, sql) == rig.Ask(t, abroad.real, sql) {
			t.Errorf("%s is the same in both zones, so this proves nothing", sql)
		}
	}
}

func TestChecklist_F16_SamplesAreNeverCached(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f16", "create table t as select generate_series(1, 1000) as a")
	f.never(t, neverKept, "select a from t tablesample system (50)", "select a from t tablesample bernoulli (10) repeatable (1)",
		"select x.a from (select a from t tablesample system (1)) x",
		"select count(*) from t join t u tablesample bernoulli (5) using (a)", "select (select max(a) from t tablesample bernoulli (5))")
	f.moves(t, neverKept, "select array_agg(a) from t tablesample bernoulli (50)")
}

func TestChecklist_F17_AnyRowsWillDoWithoutAnOrder(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f17", "create table t as select generate_series(1, 100) as a")
	f.hits(t, "select a from t limit 1", "select a from t limit 5 offset 2", "select a from t fetch first 3 rows only",
		"select distinct a % 3 from t limit 2", "select row_number() over () from t limit 3")
	f.seen(t, seenWrite{query: "select a from t limit 1", write: "update t set a = a + 1000"})
}

func TestChecklist_F18_SystemColumnsAreNeverCached(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f18", `create table t(a int primary key); insert into t values (1), (2); delete from t where a = 1;
		create view v as select ctid as c, a from t; create view over_v as select c from v`)
	for _, column := range []string{"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"} {
		f.never(t, neverKept, "select "+column+" from t", "select t."+column+" from t", "select public.t."+column+" from t",
			"select x."+column+" from t as x", `select "`+column+`" from t`,
			"select a from t where "+column+"::text <> 'x'", "select a from t order by "+column+"::text", "select count("+column+") from t",
			"select (select "+column+" from t)", "select b from (select "+column+" as b from t) x")
	}
	f.never(t, neverKept, "select c from v", "select c from over_v", "select a from t where ctid = '(0,2)'")
	f.seen(t, seenWrite{query: "select ctid from t", write: "vacuum full t", simple: true, loose: true})
	f.hits(t, "select t from t", "select t.* from t", "select 'ctid' as ctid from t")
}

func TestChecklist_F19_SystemCatalogsAreNeverCached(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f19", `create table t(a int); create view mine as select relname from pg_class where relname like 't%';
		create view over_mine as select relname from mine;
		create view shown as select setting from pg_settings where name = 'work_mem'`)
	f.never(t, neverKept, "select relname from pg_class", "select relname from pg_catalog.pg_class where relname = 't'",
		`select 1 from "pg_class"`, "table pg_tables", "select * from information_schema.tables", "select * from information_schema.sql_features",
		"select count(*) from pg_stat_activity", "select n_live_tup from pg_stat_user_tables",
		"select setting from pg_settings where name = 'work_mem'", "select a from t where exists (select from pg_class)",
		"select 1 from t join pg_type on true",
		"select rolname from pg_roles", "select * from pg_locks", "select typname from pg_type limit 1", "select relname from mine",
		"select relname from over_mine", "select setting from shown", "with w as (select * from pg_proc) select count(*) from w",
		"select * from pg_show_all_settings()", "select * from pg_stat_get_activity(null)", "select * from pg_timezone_names",
		"select loid from pg_largeobject")
	f.seen(t, seenWrite{query: "select relname from pg_class where relname like 't%'", write: "create table t2()",
		before: "drop table if exists t2", loose: true},
		seenWrite{query: "select relname from over_mine", write: "create table t3()", before: "drop table if exists t3", loose: true})
}

func TestChecklist_F20_SetsMadeOfConstantsAreCached(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f20", "create table t(a int[]); insert into t values ('{1,2}'), ('{3}')")
	f.hits(t, "select * from generate_series(1, 5)", "select generate_series(1, 3), 'x'", "select * from unnest(array[1, 2, 3])",
		"select unnest(a) from t", "select u from t, unnest(a) u", "select * from unnest(array[1, 2]) with ordinality",
		"select * from generate_series('2024-01-01'::timestamp, '2024-01-05'::timestamp, interval '1 day')",
		"select g from t, lateral generate_series(1, cardinality(a)) g", "select * from jsonb_array_elements('[1, 2]')",
		"select * from regexp_split_to_table('a b', ' ')")
	f.right(t, "select * from unnest(array[1], array['a', 'b']) with ordinality",
		"select x.id, x.n from xmltable('/r/e' passing xml '<r><e id=\"1\">a</e><e id=\"2\">b</e></r>' columns id int path '@id', n text path '.') x")
	f.seen(t, seenWrite{query: "select unnest(a) from t", write: "update t set a = a || 9"},
		seenWrite{query: "select g from t, lateral generate_series(1, cardinality(a)) g", write: "update t set a = a || 9"})
	f.since(t, 170000, "JSON_TABLE", func(t *testing.T) {
		f.right(t, "select * from json_table('[{\"a\": 1}]', '$[*]' columns (a int path '$.a')) j")
		f.never(t, neverKept, "select * from json_table('[{\"d\": \"today\"}]', '$[*]' columns (d date path '$.d')) j")
	})
}

func TestChecklist_F21_CollationsDoNotMatter(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f21", `create table t(b text); insert into t values ('a'), ('B'), ('ä'), ('_')`)
	queries := []string{`select b from t order by b collate "C"`, `select b from t order by b collate "POSIX"`, "select b from t order by b",
		`select max(b collate "C") from t`, `select b from t where b collate "C" < 'b' order by 1`}
	if rig.Ask(t, f.real, "select 1 from pg_collation where collname = 'und-x-icu'") == "1" {
		queries = append(queries, `select b from t order by b collate "und-x-icu"`, `select upper(b collate "und-x-icu") from t`)
	}
	f.hits(t, queries...)
	if rig.Ask(t, f.reader, queries[0]) == rig.Ask(t, f.reader, queries[len(queries)-2]) && len(queries) > 5 {
		t.Error("two orders that differ are the same from the cache")
	}
	f.seen(t, seenWrite{query: queries[0], write: "update t set b = b || 'x'"})
}

func TestChecklist_F22_GeneratedColumnsFollowWhatTheyAreMadeOf(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_f22", `create table t(a int, twice int generated always as (a * 2) stored); insert into t values (1);
		create function half(i int) returns int language sql immutable as 'select i / 2';
		create table u(a int, h int generated always as (half(a)) stored); insert into u values (10)`)
	f.hits(t, "select twice from t", "select h from u", "select * from t")
	f.seen(t, seenWrite{query: "select twice from t", write: "update t set a = a + 1"},
		seenWrite{query: "select h from u", write: "update u set a = a + 2"})
	f.since(t, 180000, "virtual generated columns", func(t *testing.T) {
		rig.Ask(t, f.writer, "alter table t add column thrice int generated always as (a * 3) virtual")
		f.seen(t, seenWrite{query: "select thrice from t", write: "update t set a = a + 1"})
	})
}
