package leaks_test

import "os"

// A state is one kind of thing that a call leaves behind in a session.
type state struct {
	name string
	expr string // of type boolean, and true; empty where only code can do it
	code string // a statement of PL/pgSQL; empty: the expression is performed
	end  string // what a client says to be rid of it
	// vanishes: what was left behind is not told to the client itself when it asks later, see docs/session-state.md.
	vanishes bool
	unshown  bool // the same, where a text does not name it
	minor    bool // much like another: a cell is tried with one protocol and one cache only
}

// states are all kinds. Those with an expression stand directly in whatever can hold one, and in a function where it cannot.
var states = []state{
	{name: "search_path", expr: "pg_catalog.set_config('search_path', 'evil', false) is not null", end: "reset search_path"},
	{name: "work_mem", expr: "pg_catalog.set_config('work_mem', '1MB', false) is not null", end: "reset work_mem", minor: true},
	{name: "statement_timeout", expr: "pg_catalog.set_config('statement_timeout', '77s', false) is not null", end: "reset statement_timeout", minor: true},
	{name: "app.tenant", expr: "pg_catalog.set_config('app.tenant', 'two', false) is not null", end: "reset app.tenant", unshown: true},
	{name: "role", expr: "pg_catalog.set_config('role', 'leak_other', false) is not null", end: "reset role"},
	{name: "local search_path", expr: "pg_catalog.set_config('search_path', 'evil', true) is not null", minor: true},
	{name: "local app.tenant", expr: "pg_catalog.set_config('app.tenant', 'two', true) is not null", minor: true},
	{name: "advisory lock", expr: "pg_catalog.pg_advisory_lock(pg_catalog.pg_backend_pid()) is not null", end: "select pg_advisory_unlock_all()"},
	{name: "shared lock", expr: "pg_catalog.pg_advisory_lock_shared(pg_catalog.pg_backend_pid()) is not null", end: "select pg_advisory_unlock_all()", minor: true},
	{name: "try lock", expr: "pg_catalog.pg_try_advisory_lock(pg_catalog.pg_backend_pid())", end: "select pg_advisory_unlock_all()", minor: true},
	{name: "try shared", expr: "pg_catalog.pg_try_advisory_lock_shared(1, pg_catalog.pg_backend_pid())", end: "select pg_advisory_unlock_all()", minor: true},
	{name: "transaction lock", expr: "pg_catalog.pg_advisory_xact_lock(pg_catalog.pg_backend_pid()) is not null", minor: true},
	{name: "setseed", expr: "pg_catalog.setseed(0.42) is not null", end: "discard all", vanishes: true},
	{name: "nextval", expr: "pg_catalog.nextval('public.drawn') > 0", end: "discard sequences", vanishes: true},
	{name: "setval", expr: "pg_catalog.setval('public.drawn', 1) > 0", end: "discard sequences", vanishes: true, minor: true},
	{name: "pg_notify", expr: "pg_catalog.pg_notify('leak', 'x') is not null", minor: true},
	{name: "SET", code: "set work_mem = '1MB'", end: "reset work_mem", minor: true},
	{name: "temporary table", code: "create temp table if not exists shade (a int)", end: "discard temp"},
	{name: "LISTEN", code: "execute 'lis' || 'ten leak'", end: "unlisten *"},
	{name: "PREPARE", code: "if not exists (select from pg_catalog.pg_prepared_statements where name = 'leak') then execute 'pre' || 'pare leak as select 1'; end if",
		end: "deallocate all"},
	{name: "cursor WITH HOLD", code: "if not exists (select from pg_catalog.pg_cursors where name = 'leak') then execute 'dec' || 'lare leak cursor with ho' || 'ld for select 1'; end if",
		end: "close all"},
}

// turn says whether a cell of the state is tried with one of two protocols and a cache that is on or off. With OVERDRIVE_LEAKS set
// each is tried with all. Otherwise each protocol has its turn with one of the caches, another in each place.
func (s *state) turn(cell, protocol int, caching bool) bool {
	if os.Getenv("OVERDRIVE_LEAKS") != "" {
		return true
	}
	cache := 0
	if caching {
		cache = 1
	}
	if s.minor {
		return cell%4 == 2*protocol+cache
	}
	return (cell+protocol+cache)%2 == 0
}

// statement is what leaves the state behind in PL/pgSQL.
func (s *state) statement() string {
	if s.code != "" {
		return s.code
	}
	return "perform " + s.expr
}
