package bystander_test

import (
	"fmt"
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

const (
	counted   = "select count(*) from u"
	commits   = "create procedure p() language plpgsql as $$ begin insert into u values (1); commit; %s end $$"
	triggered = "create table t(id int primary key, k int, v text); insert into t values (1, 1, 'x'); create function f() returns trigger language plpgsql as $$ %s $$; " +
		"create trigger f before insert or update or delete on t for each row execute function f()"
	puts = "create function put() returns int language plpgsql as $$ begin insert into public.u values (1); return 1; end $$; "
)

// body is one that does something ahead of RETURN.
func body(statements string) string {
	return fmt.Sprintf(triggered, "declare x int; r record; begin "+statements+" return coalesce(new, old); end")
}

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

	// Names that another statement of the text has changed.
	{"a table that a RESET in front has made another", "create schema other; create table other.u(a int)", sends("set search_path = other ;; select 1 ;; reset search_path; insert into u values (1)"), counted},
	{"a table that a RESET ALL in front has made another", "create schema other; create table other.u(a int)", sends("set search_path = other ;; select 1 ;; reset all; insert into u values (1)"), counted},
	{"a table that SET TO DEFAULT in front has made another", "create schema other; create table other.u(a int)", sends("set search_path = other ;; select 1 ;; set search_path to default; insert into u values (1)"), counted},

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
	b := &bench{real: rig.Direct(t, pg, "siblings"), database: "siblings"}
	b.Instance = rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "siblings", Size: 4, Caching: true})
	b.bystander = b.Connect(t, "siblings")
	for i, s := range siblings {
		if testing.Short() && i%8 != 0 {
			continue
		}
		rig.Ask(t, b.bystander, "drop schema if exists public cascade; drop schema if exists other cascade; create schema public; create table u(a int)")
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
