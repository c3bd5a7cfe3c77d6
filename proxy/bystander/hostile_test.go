package bystander_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// The siblings of statements that cost nothing: they look the same, and have written. Each is a write, and a read that must not be
// answered as before.

type sibling struct {
	name  string
	setup string
	write func(t *testing.T, b *bench, sender *pgconn.PgConn)
	read  string
}

// sends returns a write of messages as in testdata/statements.txt.
func sends(sql string) func(*testing.T, *bench, *pgconn.PgConn) {
	return func(t *testing.T, _ *bench, sender *pgconn.PgConn) { say(t, sender, sql) }
}

// pipelines returns a write of units of the extended protocol in front of one Sync.
func pipelines(texts ...string) func(*testing.T, *bench, *pgconn.PgConn) {
	return func(t *testing.T, b *bench, _ *pgconn.PgConn) {
		var all []byte
		for _, text := range texts {
			all = append(all, rig.QueryUnit(text)...)
		}
		rig.Converse(t, b.Dial(t, proxytest.Login{User: "postgres", Database: b.database}), append(all, proxytest.Sync()...))
	}
}

// ahead returns a write of simple queries, which are sent at once.
func ahead(texts ...string) func(*testing.T, *bench, *pgconn.PgConn) {
	return func(t *testing.T, b *bench, _ *pgconn.PgConn) {
		var all []byte
		for _, text := range texts {
			all = append(all, proxytest.Query(text)...)
		}
		rig.Converse(t, b.Dial(t, proxytest.Login{User: "postgres", Database: b.database}), all)
	}
}

const (
	counted   = "select count(*) from u"
	commits   = "create procedure p() language plpgsql as $$ begin insert into u values (1); commit; %s end $$"
	triggered = "create table t(id int primary key, k int, v text); insert into t values (1, 1, 'x'); create function f() returns trigger language plpgsql as $$ %s $$; " +
		"create trigger f before insert or update or delete on t for each row execute function f()"
	otherView = puts + "create schema other; create view w as select 1 as a; create view other.w as select public.put() as a"
	deferred  = "create constraint trigger f after insert on t deferrable initially deferred for each row execute function f()"
	puts      = "create function put() returns int language plpgsql as $$ begin insert into public.u values (1); return 1; end $$; "
)

// body is one that does something ahead of RETURN.
func body(statements string) string {
	return fmt.Sprintf(triggered, "declare x int; r record; begin "+statements+" return coalesce(new, old); end")
}

// awayByLink inserts a row by a connection of the function's own.
const awayByLink = "dblink_exec('dbname=' || current_database() || ' user=postgres host=127.0.0.1 port=' || current_setting('port'), 'insert into u values (1)')"

var siblings = []sibling{
	// Errors behind what was committed.
	{"a procedure that commits and raises the state of a syntax error", fmt.Sprintf(commits, "raise exception 'no' using errcode = '42601';"), sends("call p()"), counted},
	{"the same by the extended protocol", fmt.Sprintf(commits, "raise exception 'no' using errcode = '42601';"), sends("x: call p()"), counted},
	{"a procedure that commits and runs a text that does not parse", fmt.Sprintf(commits, "execute 'selct';"), sends("call p()"), counted},
	{"a block that does", "", sends("do $$ begin insert into u values (1); commit; execute 'selct'; end $$"), counted},
	{"a procedure whose error is moved into the text of its call",
		"create procedure p(source text) language plpgsql as $$ begin insert into u values (1); commit; " +
			"execute format('create function g() returns int language sql as %L', source); end $$", sends("call p('selct')"), counted},
	{"a text whose last statement has an error of the grammar", "", sends("insert into u values (1); commit; create function g() returns int language sql as 'selct'"), counted},
	{"a pipeline that commits before a text that does not parse", "", pipelines("insert into u values (1)", "commit", "selct"), counted},
	{"a pipeline of a procedure before a text that does not parse", fmt.Sprintf(commits, ""), pipelines("call p()", "selct"), counted},
	{"a transaction behind one that failed", "", sends("begin ;; selct ;; rollback ;; insert into u values (1)"), counted},
	{"a transaction that goes on behind a savepoint", "", sends("begin ;; savepoint s ;; selct ;; rollback to s ;; insert into u values (1) ;; commit"), counted},
	{"a procedure behind a rollback in one pipeline", fmt.Sprintf(commits, "raise exception 'no';"),
		func(t *testing.T, b *bench, sender *pgconn.PgConn) {
			w := b.Dial(t, proxytest.Login{User: "postgres", Database: b.database})
			rig.Converse(t, w, proxytest.Query("begin"))
			rig.Converse(t, w, append(append(rig.QueryUnit("rollback"), rig.QueryUnit("call p()")...), proxytest.Sync()...))
		}, counted},
	{"one that comes with the extension, and goes with it", "", sends("begin ;; create extension dblink ;; select " + awayByLink + " ;; rollback"), counted},
	{"one that is made in C", "", sends("begin ;; create function dbx(text, text) returns text language c as '$libdir/dblink', 'dblink_exec' ;; select " +
		strings.Replace(awayByLink, "dblink_exec", "dbx", 1) + " ;; rollback"), counted},
	{"one that is sent ahead", "", ahead("begin", "create extension dblink", "select "+awayByLink, "rollback"), counted},
	{"one in a DO block", "", sends("begin ;; do $$ begin create extension dblink; perform " + awayByLink + "; end $$ ;; rollback"), counted},
	{"a function that commits elsewhere and fails", "create extension dblink; create function away() returns int language plpgsql as $$ begin " +
		"perform dblink_exec('dbname=' || current_database() || ' user=postgres host=127.0.0.1 port=' || current_setting('port'), 'insert into u values (1)'); raise exception 'no'; end $$",
		sends("select away()"), counted},

	// Cascades.
	{"a key that a trigger changes", "create table a(id int primary key, v text); insert into a values (1, 'x'); create table c(id int references a on update cascade); insert into c values (1); " +
		"create function f() returns trigger language plpgsql as 'begin new.id := 2; return new; end'; create trigger f before update on a for each row execute function f()",
		sends("update a set v = 'y'"), "select id from c"},
	{"a row that a trigger returns", "create table a(id int primary key, v text); insert into a values (1, 'x'); create table c(id int references a on update cascade); insert into c values (1); " +
		"create function f() returns trigger language plpgsql as $$ declare r a; begin r := row(2, 'z'); return r; end $$; create trigger f before update on a for each row execute function f()",
		sends("update a set v = 'y'"), "select id from c"},
	{"a key that an INTO changes", "create table a(id int primary key, v text); insert into a values (1, 'x'); create table c(id int references a on update cascade); insert into c values (1); " +
		"create function f() returns trigger language plpgsql as $$ begin select 2, 'z' into new.id, new.v; return new; end $$; create trigger f before update on a for each row execute function f()",
		sends("update a set v = 'y'"), "select id from c"},
	{"a key that is generated", "create table a(v int, id int generated always as (v + 1) stored unique); insert into a values (1); create table c(id int references a(id) on update set null); " +
		"insert into c values (2)", sends("update a set v = 5"), "select id from c"},
	{"a key among others", "create table a(x int, y int, v int, primary key (x, y)); insert into a values (1, 1, 1); create table c(x int, y int, foreign key (x, y) references a on update cascade); " +
		"insert into c values (1, 1)", sends("update a set v = 2, y = 5"), "select x, y from c"},
	{"a key that ON CONFLICT changes", "create table a(id int primary key, n int unique, v int); insert into a values (1, 1, 1); create table c(n int references a(n) on update cascade); insert into c values (1)",
		sends("insert into a values (1, 1, 1) on conflict (id) do update set n = 5"), "select n from c"},
	{"a parent that MERGE deletes", "create table a(id int primary key); insert into a values (1); create table c(id int references a on delete cascade); insert into c values (1)",
		sends("merge into a using (values (1)) s(x) on a.id = s.x when matched then delete"), "select count(*) from c"},
	{"grandchildren", "create table a(id int primary key); insert into a values (1); create table c(id int primary key references a on delete cascade); insert into c values (1); " +
		"create table d(id int references c on delete set null on update cascade); insert into d values (1)", sends("delete from a"), "select id from d"},
	{"a trigger on a child", "create table a(id int primary key); insert into a values (1); create table c(id int references a on delete cascade); insert into c values (1); " +
		"create function f() returns trigger language plpgsql as 'begin insert into u values (1); return old; end'; create trigger f after delete on c for each row execute function f()",
		sends("delete from a"), counted},

	// Triggers that are read.
	{"one that writes a table", body("insert into u values (1);"), sends("update t set v = 'y'"), counted},
	{"one that writes in a branch", "insert into u values (1); " + body("if new.v is null then null; elsif false then null; else delete from u; end if;"), sends("update t set v = 'y'"), counted},
	{"one that writes in a loop", body("for r in select 1 loop while x is null loop insert into u values (1); x := 1; end loop; end loop;"), sends("update t set v = 'y'"), counted},
	{"one that writes in a CASE", body("case when new.v = 'y' then insert into u values (1); else null; end case;"), sends("update t set v = 'y'"), counted},
	{"one that writes where it catches", body("begin perform 1 / 0; exception when division_by_zero then insert into u values (1); end;"), sends("update t set v = 'y'"), counted},
	{"one that writes by WITH", body("with w as (insert into u values (1) returning a) select a into x from w;"), sends("update t set v = 'y'"), counted},
	{"one that writes the source of a loop", body("for r in insert into u values (1) returning a loop null; end loop;"), sends("update t set v = 'y'"), counted},
	{"one that writes and looks where it was put", body("insert into u values (1) returning a into strict x;"), sends("update t set v = 'y'"), counted},
	{"one that hides a text", body("execute 'insert into u values (1)';"), sends("update t set v = 'y'"), counted},
	{"one that calls a function", puts + body("x := put();"), sends("update t set v = 'y'"), counted},
	{"one that calls a function in a condition", puts + body("if put() > 0 then null; end if;"), sends("update t set v = 'y'"), counted},
	{"one that calls a function in a message", puts + body("raise notice 'x %', put();"), sends("update t set v = 'y'"), counted},
	{"one that calls a function in an option", puts + body("raise notice 'x' using hint = put()::text;"), sends("update t set v = 'y'"), counted},
	{"one that calls a function in a default", puts + strings.Replace(body(""), "declare x int;", "declare x int := put();", 1), sends("update t set v = 'y'"), counted},
	{"one that calls a function where it returns", puts + fmt.Sprintf(triggered, "begin return case when put() > 0 then new end; end"), sends("update t set v = 'y'"), counted},
	{"one that calls a function in the notation of a field", "create function put(u) returns int language plpgsql as $$ begin insert into public.u values (1); return 1; end $$; insert into u values (1); " +
		body("x := (select u.put from u limit 1);"), sends("update t set v = 'y'"), counted},
	{"one with an operator of the user's", "create function put(int, int) returns int language plpgsql as $$ begin insert into public.u values (1); return 1; end $$; " +
		"create operator ## (leftarg = int, rightarg = int, function = put); " + body("x := 1 ## 2;"), sends("update t set v = 'y'"), counted},
	{"one with a variable of a domain", "create function put(int) returns bool language plpgsql as $$ begin insert into public.u values (1); return true; end $$; create domain d as int check (put(value)); " +
		strings.Replace(body("y := 5;"), "declare x int;", "declare y d;", 1), sends("update t set v = 'y'"), counted},
	{"one that reads a view that writes", puts + "create view w as select put() as a; " + body("select a into x from w;"), sends("update t set v = 'y'"), counted},
	{"one that writes a table with a trigger", "create table mid(a int); create function g() returns trigger language plpgsql as 'begin insert into u values (1); return new; end'; " +
		"create trigger g after insert on mid for each row execute function g(); " + body("insert into mid values (1);"), sends("update t set v = 'y'"), counted},
	{"one that deletes a parent", "create table mid(a int primary key); insert into mid values (1); create table kid(a int references mid on delete cascade); insert into kid values (1); " +
		body("delete from mid;"), sends("update t set v = 'y'"), "select count(*) from kid"},
	{"one that writes a partition", "create table mid(a int) partition by list (a); create table mid1 partition of mid for values in (1); " + body("insert into mid values (1);"),
		sends("update t set v = 'y'"), "select count(*) from mid1"},
	{"one that writes what is first on another's search_path", "create schema other; create table other.u(a int); " + body("insert into u values (1);"),
		sends("set search_path = other, public ;; update t set v = 'y'"), "select count(*) from other.u"},
	{"one with a search_path of its own", "create schema other; create table other.u(a int); " + body("insert into u values (1);") + "; alter function f() set search_path = other",
		sends("update t set v = 'y'"), "select count(*) from other.u"},
	{"one in a WHEN", puts + "create table t(v text); insert into t values ('x'); create function f() returns trigger language plpgsql as 'begin return new; end'; " +
		"create trigger f before update on t for each row when (put() > 0) execute function f()", sends("update t set v = 'y'"), counted},
	{"one of a partition", "create table t(v int) partition by list (v); create table t1 partition of t for values in (1); create function f() returns trigger language plpgsql as " +
		"'begin insert into u values (1); return new; end'; create trigger f after insert on t for each row execute function f()", sends("insert into t1 values (1)"), counted},
	{"one for rows that move", "create table t(v int) partition by list (v); create table t1 partition of t for values in (1); create table t2 partition of t for values in (2); insert into t values (1); " +
		"create function f() returns trigger language plpgsql as 'begin insert into u values (1); return new; end'; create trigger f after insert on t2 for each row execute function f()",
		sends("update t set v = 2"), counted},
	{"one for a statement", "create table t(v text); create function f() returns trigger language plpgsql as 'begin insert into u select 1; return null; end'; " +
		"create trigger f after truncate on t execute function f()", sends("truncate t"), counted},
	{"one with a table of its changes", "create table t(a int); create function f() returns trigger language plpgsql as 'begin insert into u select a from changed; return null; end'; " +
		"create trigger f after insert on t referencing new table as changed execute function f()", sends("insert into t values (1)"), counted},
	{"one behind a temporary table", puts + "create table mid(a int); " + body("insert into mid values (1);"), sends("create temp table mid(a int default put(), b int default put()) ;; update t set v = 'y'"), counted},
	{"one that is deferred", "create table t(a int); create function f() returns trigger language plpgsql as 'begin insert into u values (1); return null; end'; " +
		"create constraint trigger f after insert on t deferrable initially deferred for each row execute function f()", sends("begin ;; insert into t values (1) ;; commit"), counted},

	// Functions that are read.
	{"one that writes a table it names", "create function f() returns int language sql as 'insert into u values (1) returning a'", sends("select f()"), counted},
	{"one in FROM that does", "create function f() returns setof int language plpgsql as $$ begin return query insert into u values (1) returning a; end $$", sends("x: select * from f()"), counted},
	{"one that does in an INSERT", puts + "create table t(a int)", sends("insert into t values (put())"), counted},
	{"one that an UPDATE calls", puts + "create table t(a int); insert into t values (1)", sends("update t set a = 2 where put() > 0"), counted},
	{"one that RETURNING calls", puts + "create table t(a int)", sends("insert into t values (1) returning put()"), counted},
	{"an overload", "create function f(int) returns int language sql as 'select 1'; create function f(text) returns int language sql as 'insert into u values (1) returning a'",
		sends("select f('x')"), counted},
	{"one with default arguments beside one without", "create function f(int) returns int language sql as 'select 1'; create function f(text, int default 1) returns int language sql as " +
		"'insert into u values (1) returning a'", sends("select f('x')"), counted},
	{"one of many arguments", "create function f(variadic int[]) returns int language sql as 'insert into u values (1) returning a'", sends("select f(1, 2, 3)"), counted},
	{"one in another schema that is first on the search_path", "create schema other; create function f() returns int language sql as 'select 1'; " +
		"create function other.f() returns int language sql as 'insert into public.u values (1) returning a'", sends("set search_path = other, public ;; select f()"), counted},
	{"one that SET LOCAL puts first", "create schema other; create function f() returns int language sql as 'select 1'; " +
		"create function other.f() returns int language sql as 'insert into public.u values (1) returning a'", sends("begin ;; set local search_path = other, public ;; select f() ;; commit"), counted},
	{"one that SET LOCAL puts first, in EXPLAIN", "create schema other; create function f() returns int language sql as 'select 1'; " +
		"create function other.f() returns int language sql as 'insert into public.u values (1) returning a'",
		sends("begin ;; set local search_path = other, public ;; explain analyze select f() ;; commit"), counted},
	{"one that a nested call finds by the path of the caller", "create schema other; create function g() returns int language sql as 'select 1'; " +
		"create function other.g() returns int language sql as 'insert into public.u values (1) returning a'; create function f() returns int language plpgsql as 'begin return g(); end'",
		sends("set search_path = other, public ;; select public.f()"), counted},
	{"one that is called with the path of another", "create schema other; create function g() returns int language sql as 'select 1'; create function other.g() returns int language sql as " +
		"'insert into public.u values (1) returning a'; create function h() returns int language plpgsql as 'begin return g(); end'; create function f() returns int language plpgsql set search_path = other, public as " +
		"'begin return h(); end'", sends("select f()"), counted},
	{"one that sets the path for another in its statement", "create schema other; create table other.u(a int); create function f() returns int language plpgsql as 'begin insert into u values (1); return 1; end'",
		sends("select set_config('search_path', 'other, public', false), f()"), "select count(*) from other.u"},
	{"a view that SET LOCAL puts first, in EXPLAIN", otherView, sends("begin ;; set local search_path = other, public ;; explain analyze select a from w ;; commit"), counted},
	{"a view that SET LOCAL puts first, in COPY", otherView, sends("begin ;; set local search_path = other, public ;; copy (select a from w) to stdout ;; commit"), counted},
	{"a view that SET LOCAL puts first, in a cursor", otherView, sends("begin ;; set local search_path = other, public ;; declare c cursor for select a from w ;; fetch all from c ;; commit"), counted},
	{"a view that is found by a search_path set in its own text", otherView,
		sends("select set_config('search_path', 'other', false); select a from w"), counted},
	{"a view that is found by a search_path set ahead of it", otherView,
		sends("select set_config('search_path', 'other', false) ;; select a from w"), counted},
	{"one by a role that is set in its statement", puts + "create function f() returns int language plpgsql as 'begin return put(); end'",
		sends("select set_config('role', 'postgres', false), f()"), counted},
	{"one that is temporary", "create function f() returns int language sql as 'select 1'", sends("create function pg_temp.f() returns int language sql as 'insert into public.u values (1) returning a' ;; select pg_temp.f()"), counted},
	{"a temporary view over what one reads", puts + "create table t(a int); create function f() returns bigint language plpgsql as 'begin return (select count(*) from t where a is null or true); end'",
		sends("create temp view t as select put() as a ;; select f()"), counted},
	{"a temporary view in the same transaction", puts + "create table t(a int); create function f() returns bigint language plpgsql as 'begin return (select sum(a) from t); end'",
		sends("begin ;; create temp view t as select put() as a ;; select f() ;; commit"), counted},
	{"a temporary table whose default writes", puts + "create table t(a int); create function f() returns void language plpgsql as 'begin insert into t default values; end'",
		sends("create temp table t(a int default put()) ;; select f()"), counted},
	{"a temporary table whose default writes, in the same text", puts + "create table t(a int); create function f() returns void language plpgsql as 'begin insert into t default values; end'",
		sends("create temp table t(a int default put()); select f()"), counted},
	{"a temporary table whose default writes, ahead of an INSERT in the same text", puts + "create table t(a int)", sends("create temp table t(a int default put()); insert into t default values"), counted},
	{"one that hides what it does, nested", "create function g() returns int language plpgsql as $$ begin execute 'insert into ' || 'u values (1)'; return 1; end $$; create function f() returns int language sql as 'select g()'",
		sends("select f()"), counted},
	{"one whose default argument writes", puts + "create function f(a int default put()) returns int language plpgsql as 'begin return a; end'", sends("select f()"), counted},
	{"one whose default argument hides it", "create function g() returns int language plpgsql as $$ begin execute 'insert into u values (1)'; return 1; end $$; create function f(a int default g()) returns int language sql as 'select a'",
		sends("select f()"), counted},
	{"one with an operator of the user's in it", "create function put(int, int) returns int language plpgsql as $$ begin insert into public.u values (1); return 1; end $$; " +
		"create operator ## (leftarg = int, rightarg = int, function = put); create function f() returns int language sql as 'select 1 ## 2'", sends("select f()"), counted},
	{"one with a view in it that writes", puts + "create view w as select put() as a; create function f() returns int language sql as 'select a from w'", sends("select f()"), counted},
	{"one with a view in it that has a rule", "create table t(a int); create view w as select a from t; create rule r as on insert to w do instead insert into u values (new.a); " +
		"create function f() returns void language sql as 'insert into w values (1)'", sends("select f()"), counted},
	{"one that was replaced", "create function f() returns int language sql as 'select 1'",
		sends("select f() ;; create or replace function f() returns int language sql as 'insert into u values (1) returning a' ;; select f()"), counted},
	{"one that was replaced in the same transaction", "create function f() returns int language sql as 'select 1'",
		sends("select f() ;; begin ;; create or replace function f() returns int language sql as 'insert into u values (1) returning a' ;; select f() ;; commit"), counted},
	{"one that was replaced by somebody else", "create function f() returns int language sql as 'select 1'",
		func(t *testing.T, b *bench, sender *pgconn.PgConn) {
			rig.Ask(t, sender, "select f()")
			rig.Ask(t, b.Connect(t, b.database), "create or replace function f() returns int language sql as 'insert into u values (1) returning a'")
			rig.Ask(t, sender, "select f()")
		}, counted},
	{"a view made anew in the transaction of a call", puts + "create table x(a int); create view w as select a from x; create function f() returns bigint language sql as 'select sum(a) from w'",
		sends("begin ;; drop view w ;; create view w as select put() as a ;; select f() ;; commit"), counted},
	{"one that is read otherwise without standard_conforming_strings", "set check_function_bodies = off; create function f() returns int language plpgsql as $$ declare x text; begin x := '\\''; insert into u values (1); --';\n return 1; end $$; reset check_function_bodies",
		sends("set standard_conforming_strings = off ;; select f()"), counted},
	{"one in SQL that is", "create function f() returns int language sql as $$ select '\\''; insert into u values (1); --';\n select 1; $$", sends("set standard_conforming_strings = off ;; select f()"), counted},
	{"one whose string hides a statement", "create function f() returns int language plpgsql as $$ declare x text; begin x := '\\'; insert into u values (1); x := '\\'; return 1; end $$",
		sends("select f()"), counted},
	{"one that returns a domain", puts + "create function chk(int) returns bool language sql as 'select put() > 0'; create domain d as int check (chk(value)); " +
		"create function f() returns d language plpgsql as 'begin return 5; end'", sends("select f()"), counted},
	{"one that takes a domain", puts + "create function chk(int) returns bool language sql as 'select put() > 0'; create domain d as int check (chk(value)); " +
		"create function f(d) returns int language plpgsql as 'begin return 1; end'", sends("select f(5)"), counted},
	{"one with an array of a domain", puts + "create function chk(int) returns bool language sql as 'select put() > 0'; create domain d as int check (chk(value)); create type c as (x d); " +
		"create function f() returns int language plpgsql as $$ declare x c[]; begin x := '{\"(5)\"}'; return 1; end $$", sends("select f()"), counted},
	{"one that writes in a range", puts + "create function f() returns int language plpgsql as 'begin for i in 1 .. put() loop null; end loop; return 1; end'", sends("select f()"), counted},
	{"one that writes by WITH in SQL", "create function f() returns int language sql as 'with w as (insert into u values (1) returning a) select a from w'", sends("select f()"), counted},
	{"one that writes by WITH in a tree", "create function f() returns int language sql begin atomic with w as (insert into u values (1) returning a) select a from w; end", sends("select f()"), counted},
	{"one that writes in a tree", "create function f() returns void language sql begin atomic select 1; insert into u values (1); end", sends("select f()"), counted},
	{"one that calls in a tree", puts + "create function f() returns int language sql return put()", sends("select f()"), counted},
	{"one whose RETURNING calls another", puts + "create table t(a int); create function f() returns int language sql as 'insert into t values (1) returning put()'", sends("select f()"), counted},
	{"one that writes where it catches an error", "create function f() returns int language plpgsql as 'begin perform 1 / 0; return 1; exception when others then insert into u values (1); return 2; end'",
		sends("select f()"), counted},
	{"one that returns by RETURN NEXT what another writes", puts + "create function f() returns setof int language plpgsql as 'begin return next put(); return; end'", sends("select * from f()"), counted},
	{"one that is called in RAISE", puts + "create function f() returns void language plpgsql as $$ begin raise notice '%', put(); end $$", sends("select f()"), counted},
	{"one that is called in ASSERT", puts + "create function f() returns void language plpgsql as $$ begin assert put() > 0; end $$", sends("select f()"), counted},
	{"one that is said to be immutable, in EXPLAIN", puts + "create function f() returns int language plpgsql immutable as 'begin return public.put(); end'", sends("explain select f()"), counted},
	{"one that is said to be immutable, bound and not executed", puts + "create function f() returns int language plpgsql immutable as 'begin return public.put(); end'",
		func(t *testing.T, b *bench, _ *pgconn.PgConn) {
			w := b.Dial(t, proxytest.Login{User: "postgres", Database: b.database})
			rig.Converse(t, w, slices.Concat(proxytest.Parse("", "select f()"), proxytest.Bind("", "", nil, nil, nil), proxytest.Sync()))
		}, counted},
	{"one that is said to be immutable, in PREPARE", puts + "create function f() returns int language plpgsql immutable as 'begin return public.put(); end'", sends("prepare p as select f() ;; execute p"), counted},
	{"one that compares in CASE", puts + "create function eq(int, text) returns bool language sql as 'select put() > 0'; create operator = (leftarg = int, rightarg = text, function = eq); " +
		"create function f() returns int language plpgsql as $$ begin case 1 when 'x'::text then null; else null; end case; return 1; end $$", sends("select f()"), counted},
	{"one of a trigger that compares in CASE", puts + "create table t(a int); create function eq(int, text) returns bool language sql as 'select put() > 0'; create operator = (leftarg = int, rightarg = text, function = eq); " +
		"create function f() returns trigger language plpgsql as $$ begin case new.a when 'x'::text then null; else null; end case; return new; end $$; create trigger f before insert on t for each row execute function f()",
		sends("insert into t values (1)"), counted},
	{"one that recurses", "create function f(n int) returns int language plpgsql as 'begin if n > 0 then return f(n - 1); end if; insert into u values (1); return 1; end'", sends("select f(3)"), counted},
	{"two that call each other", "create function g(n int) returns int language sql as 'select 1'; create function f(n int) returns int language plpgsql as 'begin return g(n); end'; " +
		"create or replace function g(n int) returns int language plpgsql as 'begin if n > 0 then return f(n - 1); end if; insert into u values (1); return 1; end'", sends("select f(3)"), counted},
	{"one whose writes cascade", "create table a(id int primary key); insert into a values (1); create table c(id int references a on delete cascade); insert into c values (1); " +
		"create function f() returns void language sql as 'delete from a'", sends("select f()"), "select count(*) from c"},
	{"one whose writes fire a trigger that calls another", puts + "create table t(a int); create function tr() returns trigger language plpgsql as 'begin perform put(); return new; end'; " +
		"create trigger tr after insert on t for each row execute function tr(); create function f() returns void language sql as 'insert into t values (1)'", sends("select f()"), counted},
	{"one in the notation of a field", "create table t(a int); insert into t values (1); create function put(t) returns int language plpgsql as $$ begin insert into public.u values (1); return 1; end $$; " +
		"create function f() returns int language sql as 'select t.put from t'", sends("select f()"), counted},
	{"an aggregate", "create function step(int, int) returns int language plpgsql as $$ begin insert into public.u values (1); return 1; end $$; create aggregate agg(int) (sfunc = step, stype = int); " +
		"create function f() returns int language sql as 'select agg(x) from generate_series(1, 2) x'", sends("select f()"), counted},
	{"a procedure", "create procedure p() language plpgsql as 'begin insert into u values (1); end'", sends("call p()"), counted},
	{"a procedure that fails behind its write in a block", "create procedure p() language plpgsql as $$ begin insert into u values (1); end $$", sends("begin ;; call p() ;; commit"), counted},
	{"a procedure with an argument that writes", puts + "create procedure p(int) language plpgsql as 'begin null; end'", sends("call p(put())"), counted},
	{"a procedure that gives back an argument", "create procedure p(int, int) language plpgsql as 'begin null; end'; create procedure p(text, out x int) language plpgsql as 'begin insert into u values (1); end'",
		sends("call p('x'::text, null)"), counted},
	{"a procedure that calls one that commits", "create procedure q() language plpgsql as 'begin insert into u values (1); commit; raise exception ''no''; end'; create procedure p() language plpgsql as 'begin call q(); end'",
		sends("call p()"), counted},

	// Statements of SQL PREPARE.
	{"one that EXECUTE runs", "", sends("prepare p as insert into u values (1) ;; execute p"), counted},
	{"one that EXECUTE runs later", "", sends("prepare p as insert into u values (1) ;; select 1 ;; execute p"), counted},
	{"one that was prepared anew", "", sends("prepare p as select 1 ;; execute p ;; deallocate p ;; prepare p as insert into u values (1) ;; execute p"), counted},
	{"one that was prepared anew in a transaction", "", sends("prepare p as select 1 ;; execute p ;; begin ;; deallocate p ;; prepare p as insert into u values (1) ;; execute p ;; commit"), counted},
	{"one that was prepared anew in the same text", "", sends("prepare p as select 1 ;; execute p ;; deallocate p; prepare p as insert into u values (1); execute p"), counted},
	{"one that code has prepared anew", "create function f() returns void language plpgsql as $$ begin if exists (select from pg_prepared_statements where name = 'p') then execute 'deallocate p'; end if; " +
		"execute 'prepare p as insert into u values (1)'; end $$",
		sends("prepare p as select 1 ;; execute p ;; select f() ;; execute p"), counted},
	{"an argument of EXECUTE", puts, sends("prepare p(int) as select $1 ;; select 1 ;; execute p(put())"), counted},
	{"EXECUTE of what reads a view that was made anew", puts + "create view w as select 1 as a", sends("prepare p as select a from w ;; execute p ;; create or replace view w as select put() as a ;; execute p"), counted},
	{"EXECUTE by another search_path", "create schema other; create table other.u(a int)", sends("prepare p as insert into u values (1) ;; set search_path = other ;; execute p"), "select count(*) from other.u"},
	{"EXECUTE by SET LOCAL search_path", "create schema other; create table other.u(a int)",
		sends("prepare p as insert into u values (1) ;; begin ;; set local search_path = other ;; execute p ;; commit"), "select count(*) from other.u"},
	{"EXECUTE in EXPLAIN", "", sends("prepare p as insert into u values (1) ;; select 1 ;; explain analyze execute p"), counted},
	{"EXECUTE in CREATE TABLE", "", sends("prepare p as insert into u values (1) returning a ;; select 1 ;; create table made as execute p ;; explain analyze execute p"), counted},
	{"EXECUTE of what the protocol has prepared", "", func(t *testing.T, b *bench, sender *pgconn.PgConn) {
		if _, err := sender.Prepare(t.Context(), "p", "insert into u values (1)", nil); err != nil {
			t.Fatal(err)
		}
		rig.Ask(t, sender, "execute p")
	}, counted},
	{"EXECUTE by the extended protocol", "", sends("prepare p as insert into u values (1) ;; select 1 ;; x: execute p"), counted},

	// Names that another statement of the text has changed.
	{"a table that a RESET in front has made another", "create schema other; create table other.u(a int)", sends("set search_path = other ;; select 1 ;; reset search_path; insert into u values (1)"), counted},
	{"a table that a RESET ALL in front has made another", "create schema other; create table other.u(a int)", sends("set search_path = other ;; select 1 ;; reset all; insert into u values (1)"), counted},
	{"a table that SET TO DEFAULT in front has made another", "create schema other; create table other.u(a int)", sends("set search_path = other ;; select 1 ;; set search_path to default; insert into u values (1)"), counted},

	// What DDL of the same transaction has changed.
	{"a view that was made", puts, sends("begin ;; create view w as select put() as a ;; select a from w ;; commit"), counted},
	{"a view that was made, by the extended protocol", puts, sends("begin ;; create view w as select put() as a ;; x: select a from w ;; commit"), counted},
	{"a view in the place of a table", puts + "create table w(a int)", sends("begin ;; drop table w ;; create view w as select put() as a ;; select a from w ;; commit"), counted},
	{"a view over a view that was made anew", puts + "create view w as select 1 as a; create view over_w as select a from w", sends("begin ;; create or replace view w as select put() as a ;; select a from over_w ;; commit"), counted},
	{"a default that was set", puts + "create table t(a int)", sends("begin ;; alter table t alter a set default put() ;; insert into t default values ;; commit"), counted},
	{"a trigger that was made", puts + "create table t(a int); create function f() returns trigger language plpgsql as 'begin perform put(); return new; end'",
		sends("begin ;; create trigger f before insert on t for each row execute function f() ;; insert into t values (1) ;; commit"), counted},
	{"a rule that was made", "create table t(a int)", sends("begin ;; create rule r as on insert to t do also insert into u values (1) ;; insert into t values (1) ;; commit"), counted},
	{"a foreign key that was made", "create table a(id int primary key); insert into a values (1); create table c(id int); insert into c values (1)",
		sends("begin ;; alter table c add foreign key (id) references a on delete cascade ;; delete from a ;; commit"), "select count(*) from c"},
	{"a child that was made", "create table p(id int); create table c(id int); insert into c values (1)", sends("begin ;; alter table c inherit p ;; delete from p ;; commit"), "select count(*) from c"},
	{"a partition that was attached", "create table p(id int) partition by list (id); create table c(id int); insert into c values (1)",
		sends("begin ;; alter table p attach partition c for values in (1) ;; delete from p ;; commit"), "select count(*) from c"},
	{"a function that was made", "", sends("begin ;; create function g() returns int language sql as 'insert into u values (1) returning a' ;; select g() ;; commit"), counted},
	{"a function that was made anew", "create function g() returns int language sql as 'select 1'",
		sends("begin ;; create or replace function g() returns int language sql as 'insert into u values (1) returning a' ;; select g() ;; commit"), counted},
	{"a view that a trigger reads", puts + "create table t(a int); create view w as select 1 as a; create function f() returns trigger language plpgsql as 'begin perform a from w; return new; end'; " +
		"create trigger f before insert on t for each row execute function f()", sends("begin ;; create or replace view w as select put() as a ;; insert into t values (1) ;; commit"), counted},
	{"a function that a trigger calls", "create table t(a int); create function g() returns int language sql as 'select 1'; create function f() returns trigger language plpgsql as 'begin perform g(); return new; end'; " +
		"create trigger f before insert on t for each row execute function f()",
		sends("begin ;; create or replace function g() returns int language sql as 'insert into u values (1) returning a' ;; insert into t values (1) ;; commit"), counted},
	{"a materialized view over a view that was made anew", puts + "create view w as select 1 as a; create materialized view m as select a from w", sends("begin ;; create or replace view w as select put() as a ;; refresh materialized view m ;; commit"), counted},
	{"a view that was made, in EXPLAIN", puts, sends("begin ;; create view w as select put() as a ;; explain analyze select a from w ;; commit"), counted},
	{"a view that was made, in COPY", puts, sends("begin ;; create view w as select put() as a ;; copy (select a from w) to stdout ;; commit"), counted},
	{"a view that was made, in a cursor", puts, sends("begin ;; create view w as select put() as a ;; declare c cursor for select a from w ;; fetch all from c ;; commit"), counted},
	{"a view that was made behind a savepoint", puts + "create table w(a int)", sends("begin ;; savepoint s ;; drop table w ;; create view w as select put() as a ;; release s ;; select a from w ;; commit"), counted},
	{"a function of a deferred trigger", "create table t(a int); create function f() returns trigger language plpgsql as 'begin return null; end'; " + deferred,
		sends("begin ;; insert into t values (1) ;; create or replace function f() returns trigger language plpgsql as 'begin insert into u values (1); return null; end' ;; commit"), counted},
	{"a function of a deferred trigger, by the extended protocol", "create table t(a int); create function f() returns trigger language plpgsql as 'begin return null; end'; " + deferred,
		sends("begin ;; x: insert into t values (1) ;; x: create or replace function f() returns trigger language plpgsql as 'begin insert into u values (1); return null; end' ;; set constraints all immediate ;; commit"), counted},
	{"what the function of a deferred trigger calls", puts + "create table t(a int); create function g() returns int language sql as 'select 1'; create function f() returns trigger language plpgsql as 'begin perform g(); return null; end'; " + deferred,
		sends("begin ;; insert into t values (1) ;; alter function g() rename to g9 ;; alter function put() rename to g ;; commit"), counted},
	{"a table that a deferred trigger writes", puts + "create table t(a int); create table mid(a int, b int); create function f() returns trigger language plpgsql as 'begin insert into mid(a) values (1); return null; end'; " + deferred,
		sends("begin ;; insert into t values (1) ;; alter table mid alter b set default put() ;; commit"), counted},
	{"a function that a cursor calls", "create function g() returns int language plpgsql as 'begin return 1; end'",
		sends("begin ;; declare c cursor for select g() ;; create or replace function g() returns int language plpgsql as 'begin insert into public.u values (1); return 1; end' ;; fetch all from c ;; commit"), counted},
	{"a function that a cursor calls when it is held", "create function g() returns int language plpgsql as 'begin return 1; end'",
		sends("begin ;; declare c cursor with hold for select g() ;; create or replace function g() returns int language plpgsql as 'begin insert into public.u values (1); return 1; end' ;; commit ;; close c"), counted},
	{"a view that was renamed", puts + "create view x as select put() as a; create table w(a int)", sends("begin ;; alter table w rename to gone ;; alter view x rename to w ;; select a from w ;; commit"), counted},
	{"a table that took the name of a view", "create table a(v int)", sends("begin ;; alter table u rename to was ;; alter table a rename to u ;; insert into u values (1) ;; commit"), counted},

	// Upkeep.
	{"a view that is refreshed", "create materialized view m as select count(*) as n from u", sends("insert into u values (1) ;; refresh materialized view m"), "select n from m"},
	{"a view that writes when it is refreshed", puts + "create materialized view m as select put() as a", sends("refresh materialized view m"), counted},
	{"a view over a view that writes", puts + "create view w as select put() as a; create materialized view m as select a from w", sends("refresh materialized view m"), counted},
	{"an index whose function writes", puts + "create function imm(int) returns int language plpgsql immutable as 'begin return public.put(); end'; create table t(a int); create index on t (imm(a)); insert into t values (1)",
		sends("reindex table t"), counted},
	{"statistics whose function writes", "create table t(a int); insert into t select generate_series(1, 10); " + puts +
		"create function imm(int) returns int language plpgsql immutable as 'begin return public.put(); end'; create statistics s on imm(a), a from t", sends("analyze t"), counted},
	{"a comment with an event trigger", "create function e() returns event_trigger language plpgsql as 'begin insert into public.u values (1); end'; create event trigger %[1]s on ddl_command_end execute function e()",
		sends("comment on table u is 'x'"), counted},
	{"a table that goes", "create view w as select a from u", sends("drop table if exists u cascade"), counted},
}

// TestSiblings_AreSeen has one database for all, in which each sibling has its tables for itself: what one makes another may not run.
func TestSiblings_AreSeen(t *testing.T) {
	pg := rig.NewDatabase(t, "siblings", "")
	b := &bench{real: rig.Direct(t, pg, "siblings"), pg: pg, database: "siblings"}
	b.Instance = rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "siblings", Size: 4, Caching: true})
	b.bystander = b.Connect(t, "siblings")
	for i, s := range slices.Concat(siblings, ddlSiblings, waitingSiblings) {
		if testing.Short() && i%8 != 0 {
			continue
		}
		rig.Ask(t, b.bystander, "drop schema if exists public, other, postgres cascade; create schema public; create table u(a int)")
		setup := strings.ReplaceAll(s.setup, "%[1]s", "on_ddl")
		if setup != "" {
			if _, err := rig.Try(t.Context(), b.bystander, setup); err != nil {
				t.Errorf("%s: %v", s.name, err)
				continue
			}
		}
		rig.Await(t, s.name+": "+s.read+" to be kept", func() bool { rig.Ask(t, b.bystander, s.read); return rig.Status(t, b.bystander) == hit })
		before := rig.Ask(t, b.real, s.read)
		sender := b.Connect(t, "siblings")
		s.write(t, b, sender)
		rig.CloseConn(sender)
		want, wantErr := rig.Try(t.Context(), b.real, s.read)
		if want == before && wantErr == nil {
			t.Errorf("%s: the write has changed nothing, so this proves nothing", s.name)
		}
		if got, err := rig.Try(t.Context(), b.bystander, s.read); got != want || rig.State(err) != rig.State(wantErr) {
			t.Errorf("STALE behind %s: %q (%s), want %q", s.name, got, rig.Status(t, b.bystander), want)
		}
	}
}
