package classify

import (
	"fmt"
	"strings"
	"testing"
)

// bits are those that the tables below speak of. Renames, Configures and others have tests of their own.
var bits = []struct {
	bit  Session
	name string
}{
	{Listen, "Listen"}, {TempObject, "TempObject"}, {HoldCursor, "HoldCursor"}, {AdvisoryLock, "AdvisoryLock"}, {SQLPrepare, "SQLPrepare"},
	{SetsConfig, "SetsConfig"}, {Load, "Load"}, {SetSeed, "SetSeed"}, {DiscardAll, "DiscardAll"}, {DeallocateAll, "DeallocateAll"},
	{SessionUnknown, "SessionUnknown"}, {TempPath, "TempPath"}, {Unlistens, "Unlistens"},
}

func sessionSummary(v *Verdict) string {
	var out []string
	for _, b := range bits {
		if v.Session.Has(b.bit) {
			out = append(out, b.name)
		}
	}
	if v.Sets != nil {
		out = append(out, "sets:"+strings.Join(v.Sets, ","))
	}
	if v.Resets != nil {
		out = append(out, "resets:"+strings.Join(v.Resets, ","))
	}
	if v.Kept != nil {
		out = append(out, "kept:"+strings.Join(v.Kept, ","))
	}
	if v.Own != nil {
		out = append(out, fmt.Sprintf("own:%s %s=%s", v.Own.Verb, v.Own.Name, v.Own.Value))
	}
	return strings.Join(out, " ")
}

func TestJudge_SessionEffects(t *testing.T) {
	c := settled(t)
	for _, tt := range []struct{ sql, want string }{
		{"select 1", ""},
		{"set a.b = 1; reset a.b", "sets:a.b resets:a.b"},
		{"reset a.b; set a.b = 1", "sets:a.b"},
		{"set a.b = 1; reset all; set c.d = 1; set c.e = 1; reset c.e", "sets:a.b,c.d,c.e resets:all,c.e kept:c.d"},
		{"set a.b = 1; reset all", "sets:a.b resets:all"},
		{"set a.b to default; set a.b = 1; set a.b to default", "sets:a.b resets:a.b"},
		{"listen x", "Listen"},
		{"LISTEN x; unlisten x", "Listen Unlistens"},
		{"unlisten *", "Unlistens"},
		{"do $$begin execute 'unlisten x'; end$$", "Unlistens"},
		{"select 'listen x'", ""},
		{"create temp table x (a int)", "TempObject"},
		{"create local temporary table x (a int)", "TempObject"},
		{"create or replace global temp view x as select 1", "TempObject"},
		{"create temp sequence x", "TempObject"},
		{"create temporary recursive view x (a) as select 1", "TempObject"},
		{"create unlogged table x (a int)", ""},
		{"create table pg_temp.x (a int)", "TempObject"},
		{`create function "pg_temp".x() returns int language sql as 'select 1'`, "TempObject"},
		{"select * into temp x from t", "TempObject"},
		{"select * into local temporary table x from t", "TempObject"},
		{"select * into x from t", ""},
		{"insert into temp values (1)", ""},
		{"select temp from temp", ""},
		{"explain analyze create temp table x as select 1", "TempObject"},
		{"declare c cursor with hold for select 1", "HoldCursor"},
		{"declare c cursor without hold for select 1", ""},
		{"declare c no scroll cursor with hold for select 1", "HoldCursor"},
		{"select pg_advisory_lock(1)", "AdvisoryLock"},
		{"select PG_CATALOG.pg_Try_advisory_lock_shared (1, 2)", "AdvisoryLock"},
		{`select "pg_try_advisory_lock"(1)`, "AdvisoryLock"},
		{"select pg_advisory_lock_shared(1) from t where", "AdvisoryLock"},
		{"select pg_advisory_xact_lock(1), pg_advisory_unlock(1)", ""},
		{"select 'pg_advisory_lock(1)', 1 as pg_advisory_lock", ""},
		{"select (id).pg_advisory_lock from t", "AdvisoryLock"},
		{`select x."pg_advisory_lock" from generate_series(1, 3) x`, "AdvisoryLock"},
		{"select (0.5).setseed", "SetSeed"},
		{"prepare p as select 1", "SQLPrepare"},
		{"prepare p (int) as select $1", "SQLPrepare"},
		{"prepare transaction 'x'", ""},
		{"select set_config('a', 'b', false)", "sets:a"},
		{"select set_config('a', 'b', true)", ""},
		{"select set_config('a', 'b', $1)", "sets:a"},
		{"select set_config('a', 'b', true and false)", "sets:a"},
		{"select set_config('a', lower('x,y'), true)", ""},
		{"select set_config('a', lower('x', (1)), is_local => true)", "sets:a"},
		{"select set_config('a', 'b', true), set_config('a', 'b', false)", "sets:a"},
		{"select pg_catalog.set_config('A.''B', null, false)", "resets:a.'b"},
		{"reset a; select set_config('a', 'b', false)", "sets:a"},
		{"select set_config('a', 'b', false); reset all", "sets:a resets:all"},
		{"select set_config($1, 'b', false)", "SetsConfig TempPath"},
		{"select set_config('a', 'b', false), set_config(c, 'b', false)", "SetsConfig TempPath sets:a"},
		{"select set_config(E'a', 'b', false)", "SetsConfig TempPath"},
		{"select set_config(x.*) from x", "SetsConfig TempPath"},
		{"update pg_settings set setting = 'x' where name = 'y'", "SetsConfig"},
		{"update only pg_catalog.pg_settings set setting = 'x'", "SetsConfig"},
		{"with x as (update pg_settings set setting = 'x' returning *) select * from x", "SetsConfig"},
		{"explain analyze update pg_settings set setting = 'x'", "SetsConfig"},
		{"select setting from pg_settings", ""},
		{"do $$begin update pg_settings set setting = 'x'; end$$", "SetsConfig"},
		{"select query_to_xml('listen x', true, true, '')", "SessionUnknown"},
		{"select cursor_to_xmlschema('c', true, true, '')", "SessionUnknown"},
		{"select ts_stat('x'), ts_rewrite(a, 'x')", "SessionUnknown"},
		{"select dblink_exec('x', 'y')", "SessionUnknown"},
		{"select 1 from dblink_hosts", ""},
		{"select setseed(0.5)", "SetSeed"},

		// A search_path for the transaction alone may make what is created temporary.
		{"set local search_path = 'public'", ""},
		{"set local search_path = 'pg_temp'", "TempPath"},
		{"set local search_path = public, 'PG_TEMP'", "TempPath"},
		{"set local search_path to public, pg_temp_3", "TempObject"},
		{`set local "Search_Path" = '"pg_temp", public'`, "TempPath"},
		{`set local search_path = E'pg\x5ftemp'`, "TempPath"},
		{"set local search_path = 'pg_'\n'temp'", "TempPath"},
		{"set local schema 'pg_temp'", "TempPath"},
		{"set session search_path = 'pg_temp'", "TempPath sets:search_path"},
		{"set search_path = $$pg_temp$$", "TempPath sets:search_path"},
		{"begin; set local search_path = 'pg_temp'; create table x ()", "TempPath"},
		{"set local application_name = 'pg_temp'", ""},
		{"select set_config('search_path', 'x', true)", ""},
		{"select set_config('search_path', 'pg_temp', true)", "TempPath"},
		{"select set_config('search_path', $1, false)", "TempPath sets:search_path"},
		{"select set_config('Search_Path', $1, true)", "TempPath"},
		{"select set_config($1, 'x', true)", "TempPath"},
		{"select set_config('search_' || 'path', 'x', true)", "TempPath"},
		{`select set_config(E'search\x5fpath', 'x', true)`, "TempPath"},
		{"select set_config('a', 'pg_temp', true)", ""},
		{"load 'auto_explain'", "Load"},
		{"call p()", ""},
		{"do $$begin perform 1; end$$", ""},
		{"do $$begin perform pg_advisory_lock(1); end$$", "AdvisoryLock"},
		{"do 'begin create temp table x (a int); end'", "TempObject"},
		{"do language plpgsql $x$begin execute 'LISTEN y'; end$x$", "Listen"},
		{"do $$begin update t set a = 1; end$$", ""},
		{"do $$begin set timezone = 'utc'; end$$", "SetsConfig"},
		{"do $$begin set local timezone = 'utc'; end$$", ""},
		{"do $$begin perform 1;set timezone = 'utc'; end$$", "SetsConfig"},
		{"do $$begin execute 'set timezone = ''utc'''; end$$", "SetsConfig"},
		{`do E'begin \x6cisten x; end'`, "SessionUnknown"},
		{"discard all", "DiscardAll"},
		{"discard plans", ""},
		{"deallocate all", "DeallocateAll"},
		{"deallocate prepare all", "DeallocateAll"},
		{"deallocate p", ""},
		{"begin", ""},
		{"BEGIN ISOLATION LEVEL SERIALIZABLE", ""},
		{"start transaction read only", ""},
		{"commit", ""},
		{"end", ""},
		{"commit and chain", ""},
		{"commit and no chain", ""},
		{"rollback", ""},
		{"abort", ""},
		{"rollback and chain", ""},
		{"rollback to x", ""},
		{"rollback work to savepoint x", ""},
		{"rollback prepared 'x'", ""},
		{"commit prepared 'x'", ""},
		{"begin; listen x; commit", "Listen"},

		{"set timezone = 'utc'", "sets:timezone"},
		{"SET TimeZone TO 'utc'", "sets:timezone"},
		{`set "TimeZone" to utc`, "sets:timezone"},
		{"set session timezone to 'utc'", "sets:timezone"},
		{"set time zone 'utc'", "sets:timezone"},
		{"set time zone local", "resets:timezone"},
		{"set time zone default", "resets:timezone"},
		{"set local timezone = 'utc'", ""},
		{"set app.tenant = 7", "sets:app.tenant"},
		{"set search_path = a, b", "sets:search_path"},
		{"set schema 'a'", "sets:search_path"},
		{"set names 'latin1'", "sets:client_encoding"},
		{"set role r", "sets:role"},
		{"set session authorization r", "sets:session_authorization"},
		{"set session session authorization r", "sets:session_authorization"},
		{"set session authorization default", "resets:session_authorization"},
		{"set xml option document", "sets:xmloption"},
		{"set transaction isolation level serializable", ""},
		{"set constraints all deferred", ""},
		{"set session characteristics as transaction read only", "sets:default_transaction_isolation,default_transaction_read_only,default_transaction_deferrable"},
		{"set a = 1; set b = 2; reset c", "sets:a,b resets:c"},
		{"set a to default", "resets:a"},
		{"reset a", "resets:a"},
		{"reset all", "resets:all"},
		{"reset time zone", "resets:timezone"},
		{"reset session authorization", "resets:session_authorization"},
		{"set frob frob frob", "sets:frob"},
		{"set", "sets:"},
		{"reset", "resets:"},
		{"select 'a", ""},
		{"set names", "resets:client_encoding"},
		{`select U&"pg\005fadvisory_lock"(1)`, "SessionUnknown"},

		{"show overdrive.status", "own:show status="},
		{"SHOW Overdrive.Pinned;", "own:show pinned="},
		{"show timezone", ""},
		{"set overdrive.cache = off", "own:set cache=off"},
		{"set session overdrive.cache to 'o''ff'", "own:set cache=o'ff"},
		{"set local overdrive.max_age = '30s'", "own:set local max_age=30s"},
		{"set overdrive.max_age = 15", "own:set max_age=15"},
		{"set overdrive.max_age = -1", "own:set max_age=-1"},
		{"set overdrive.cache to default", "own:set cache="},
		{"reset overdrive.cache", "own:reset cache="},
		{"set overdrive.cache = a, b", "sets:overdrive.cache"},
		{"select 1; set overdrive.cache = off", "sets:overdrive.cache"},
	} {
		for range 2 { // the second time the shape is known
			if got := sessionSummary(c.Judge([]byte(tt.sql))); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.sql, got, tt.want)
			}
		}
	}
}

func TestJudge_ValuesOfOurOwnSettingsAreThoseOfTheText(t *testing.T) {
	c := settled(t)
	for _, value := range []string{"30s", "1m", "0"} {
		if got := c.Judge([]byte("set overdrive.max_age = '" + value + "'")).Own.Value; got != value {
			t.Errorf("got %q, want %q", got, value)
		}
	}
}
