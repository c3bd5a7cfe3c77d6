package leaks_test

import "regexp"

// A place is where PostgreSQL stores an expression or code, or has it in a statement. In its texts EXPR stands for an expression of type
// boolean, PURE(x) for a call of an IMMUTABLE function of an integer, CODE for a statement of PL/pgSQL, IT for a name of the cell's own,
// and N for a number that is another each time.
type place struct {
	name   string
	stored string // the columns of type pg_node_tree that hold it
	create string
	run    string // statements, with a line each. One that begins with COPY … FROM STDIN is followed by one row, N
	// reset names what PostgreSQL itself undoes: it runs the place as a restricted operation, which takes back what is set.
	reset bool
	apart bool // with it any statement of the database may run code, so it has a database of its own
}

// coded says whether the place is, or needs, a function that may be feared for its body.
func (p *place) coded() bool { return codePlace.MatchString(p.create + p.run) }

var codePlace = regexp.MustCompile(`CODE|PURE|(\$x\$|begin atomic|\$e\$).*EXPR`)

const (
	insert = "insert into public.IT (a) values (N)"
	table  = "create table public.IT (a int, b bool)"
	two    = table + "; insert into public.IT (a) values (1), (2)"
	view   = "create view public.IT as select EXPR as a"
	super  = "reset role;"
)

// places are all places. The first part are those that PostgreSQL stores, the second what statements hold themselves or run a view by.
var places = []place{
	{name: "column default", stored: "pg_attrdef.adbin", create: "create table public.IT (a int, b bool default (EXPR))", run: insert},
	{name: "generated column", stored: "pg_attrdef.adbin", create: "create table public.IT (a int, b bool generated always as (PURE(a)) stored)", run: insert},
	{name: "table check", stored: "pg_constraint.conbin", create: "create table public.IT (a int, check (EXPR))", run: insert},
	{name: "domain check", stored: "pg_constraint.conbin", create: "create domain public.IT as int check (EXPR)", run: "select N::public.IT"},
	{name: "domain check in an array", stored: "pg_constraint.conbin", create: "create domain public.IT as int check (EXPR)", run: "select '{N}'::public.IT[]"},
	{name: "domain check of a column", stored: "pg_constraint.conbin", create: "create domain public.IT_d as int check (EXPR); create table public.IT (a public.IT_d)", run: insert},
	{name: "domain default", stored: "pg_type.typdefaultbin", create: "create domain public.IT_d as bool default (EXPR); create table public.IT (a int, b public.IT_d)", run: insert},
	{name: "view column", stored: "pg_rewrite.ev_action", create: view, run: "select * from public.IT"},
	{name: "view where", stored: "pg_rewrite.ev_action", create: "create view public.IT as select 1 as a where EXPR", run: "select * from public.IT"},
	{name: "view of a view", stored: "pg_rewrite.ev_action", create: "create view public.IT_v as select EXPR as a; create view public.IT as select * from public.IT_v", run: "select * from public.IT"},
	{name: "view default", stored: "pg_attrdef.adbin", create: "create table public.IT_t (a int, b bool); create view public.IT as select * from public.IT_t; alter view public.IT alter b set default (EXPR)", run: insert},
	{name: "view with check option", stored: "pg_rewrite.ev_action", create: "create table public.IT_t (a int); create view public.IT as select * from public.IT_t where EXPR with check option", run: insert},
	{name: "materialized view", stored: "pg_rewrite.ev_action", create: "create materialized view public.IT as select EXPR as a with no data", run: "refresh materialized view public.IT", reset: true},
	{name: "rule also", stored: "pg_rewrite.ev_action", create: table + "; create rule r as on insert to public.IT do also select EXPR", run: insert},
	{name: "rule instead", stored: "pg_rewrite.ev_action", create: two + "; create rule r as on update to public.IT do instead select EXPR", run: "update public.IT set a = 1"},
	{name: "rule qualification", stored: "pg_rewrite.ev_qual", create: two + "; create rule r as on delete to public.IT where EXPR do instead nothing", run: "delete from public.IT"},
	{name: "trigger when", stored: "pg_trigger.tgqual", create: table + "; create function public.IT_f() returns trigger language plpgsql as 'begin return new; end'; " +
		"create trigger w before insert on public.IT for each row when (EXPR) execute function public.IT_f()", run: insert},
	{name: "trigger body", create: table + "; create function public.IT_f() returns trigger language plpgsql as $x$ begin CODE; return new; end $x$; " +
		"create trigger w before insert on public.IT for each row execute function public.IT_f()", run: insert},
	{name: "deferred trigger", create: table + "; create function public.IT_f() returns trigger language plpgsql as $x$ begin CODE; return new; end $x$; " +
		"create constraint trigger w after insert on public.IT deferrable initially deferred for each row execute function public.IT_f()", run: insert},
	{name: "policy using", stored: "pg_policy.polqual", create: two + "; alter table public.IT enable row level security, force row level security; create policy p on public.IT using (EXPR)",
		run: "select * from public.IT"},
	{name: "policy with check", stored: "pg_policy.polwithcheck", create: two + "; alter table public.IT enable row level security, force row level security; create policy p on public.IT with check (EXPR)",
		run: insert},
	{name: "index expression", stored: "pg_index.indexprs", create: table + "; create index on public.IT (PURE(a))", run: insert},
	{name: "index predicate", stored: "pg_index.indpred", create: table + "; create index on public.IT (a) where PURE(a)", run: insert},
	{name: "create index", create: two, run: "create index on public.IT (PURE(a))", reset: true},
	{name: "partition key", stored: "pg_partitioned_table.partexprs", create: "create table public.IT (a int) partition by list ((PURE(a))); create table public.IT_p partition of public.IT default", run: insert},
	{name: "partition bound", stored: "pg_class.relpartbound", create: "create table public.IT (a int) partition by list (a)", run: "create table public.ITpN partition of public.IT for values in (N + (EXPR)::int)"},
	{name: "statistics", stored: "pg_statistic_ext.stxexprs", create: two + "; create statistics public.IT_s on (PURE(a)), a from public.IT", run: "analyze public.IT", reset: true},
	{name: "exclusion constraint", stored: "pg_index.indexprs", create: "create table public.IT (a int, exclude using btree ((a + PURE(a)::int) with =))", run: insert},
	{name: "argument default", stored: "pg_proc.proargdefaults", create: "create function public.IT(b bool default EXPR) returns bool language plpgsql as 'begin return b; end'", run: "select public.IT()"},
	{name: "argument default of a function in C", stored: "pg_proc.proargdefaults", create: super + "create function public.IT(a bool default (EXPR), b bool default true) returns bool language internal as 'booleq'",
		run: "select public.IT()"},
	{name: "SQL body", stored: "pg_proc.prosqlbody", create: "create function public.IT() returns bool language sql begin atomic select EXPR; end", run: "select public.IT()"},
	{name: "SQL text", create: "create function public.IT() returns bool language sql as $x$ select EXPR $x$", run: "select public.IT()"},
	{name: "SQL text over a view", create: view + "; create function public.IT() returns bool language sql as $x$ select a from public.IT $x$", run: "select public.IT()"},
	{name: "function in FROM", create: "create function public.IT() returns setof bool language sql as $x$ select EXPR $x$", run: "select * from public.IT()"},
	{name: "function that sets back", create: "create function public.IT() returns void language plpgsql set lock_timeout = '9s' as $x$ begin CODE; end $x$", run: "select public.IT()"},
	{name: "PL/pgSQL", create: "create function public.IT() returns void language plpgsql as $x$ begin CODE; end $x$", run: "select public.IT()"},
	{name: "PL/pgSQL with EXECUTE", create: "create function public.IT() returns void language plpgsql as $x$ declare r text; begin execute 'sel' || 'ect ' || $e$EXPR$e$ into r; end $x$", run: "select public.IT()"},
	{name: "PL/pgSQL that catches", create: "create function public.IT() returns void language plpgsql as $x$ begin begin CODE; perform 1/0; exception when division_by_zero then null; end; end $x$",
		run: "select public.IT()"},
	{name: "procedure", create: "create procedure public.IT() language plpgsql as $x$ begin CODE; end $x$", run: "call public.IT()"},
	{name: "procedure that commits", create: "create procedure public.IT() language plpgsql as $x$ begin CODE; commit; end $x$", run: "call public.IT()"},
	{name: "transition function", create: "create function public.IT_f(bool, int) returns bool language plpgsql as $x$ begin CODE; return true; end $x$; create aggregate public.IT(int) (sfunc = public.IT_f, stype = bool)",
		run: "select public.IT(1)"},
	{name: "final function", create: "create function public.IT_f(int) returns int language plpgsql as $x$ begin CODE; return 1; end $x$; create aggregate public.IT(int) (sfunc = int4pl, stype = int, finalfunc = public.IT_f)",
		run: "select public.IT(1)"},
	{name: "window call", create: "create function public.IT_f(bool, int) returns bool language plpgsql as $x$ begin CODE; return true; end $x$; create aggregate public.IT(int) (sfunc = public.IT_f, stype = bool)",
		run: "select public.IT(a) over () from (values (1)) v (a)"},
	{name: "operator", create: "create type public.IT_t as enum ('a'); create function public.IT_f(public.IT_t, int) returns bool language plpgsql as $x$ begin CODE; return true; end $x$; " +
		"create operator public.### (leftarg = public.IT_t, rightarg = int, function = public.IT_f)", run: "select 'a'::public.IT_t operator(public.###) 1"},
	{name: "operator class", create: super + "create function public.IT_f(int, int) returns int language plpgsql immutable as $x$ begin perform PURE(1); return pg_catalog.btint4cmp($1, $2); end $x$; " +
		"create operator class public.IT_o for type int using btree as operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 public.IT_f(int, int);" +
		table + "; create index on public.IT (a public.IT_o)", run: "insert into public.IT (a) values (N), (N)", apart: true},
	{name: "range type", create: super + "create function public.IT_f(int, int) returns int language plpgsql immutable as $x$ begin perform PURE(1); return pg_catalog.btint4cmp($1, $2); end $x$; " +
		"create operator class public.IT_o for type int using btree as operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 public.IT_f(int, int);" +
		"create type public.IT as range (subtype = int, subtype_opclass = public.IT_o)", run: "select '[1,3]'::public.IT", apart: true},
	{name: "cast function", create: "create type public.IT as (a int); create function public.IT_f(int) returns public.IT language plpgsql as $x$ begin CODE; return row($1); end $x$; create cast (int as public.IT) with function public.IT_f(int)",
		run: "select 1::public.IT", apart: true},
	{name: "event trigger", create: super + "create function public.IT_f() returns event_trigger language plpgsql as $x$ begin if exists (select from pg_event_trigger_ddl_commands() where object_identity like 'public.iten%') then CODE; end if; end $x$; " +
		"create event trigger IT_e on ddl_command_end when tag in ('CREATE TABLE') execute function public.IT_f()", run: "create table public.itenN (a int)"},
	{name: "publication filter", stored: "pg_publication_rel.prqual"}, // PostgreSQL takes IMMUTABLE functions of its own only

	{name: "select", run: "select EXPR"},
	{name: "values", run: "values (EXPR)"},
	{name: "limit", run: "select 1 limit (EXPR)::int"},
	{name: "CTE", run: "with x as materialized (select EXPR as a) select * from x"},
	{name: "insert", create: table, run: "insert into public.IT values (N, EXPR)"},
	{name: "returning", create: table, run: "insert into public.IT values (N) returning EXPR"},
	{name: "writing CTE", create: table, run: "with x as (insert into public.IT values (N) returning EXPR as a) select a from x"},
	{name: "on conflict", create: "create table public.IT (a int primary key); insert into public.IT values (1)", run: "insert into public.IT values (1) on conflict (a) do update set a = 1 where EXPR"},
	{name: "update", create: two, run: "update public.IT set b = EXPR"},
	{name: "delete", create: two, run: "delete from public.IT where not (EXPR)"},
	{name: "merge", create: table, run: "merge into public.IT t using (values (N)) v (a) on t.a = v.a when not matched and EXPR then insert (a) values (v.a)"},
	{name: "merge into a default", create: "create table public.IT (a int, b bool default (EXPR))", run: "merge into public.IT t using (values (N)) v (a) on t.a = v.a when not matched then insert (a) values (v.a)"},
	{name: "function argument", create: "create function public.IT(bool) returns bool language sql immutable as 'select $1'", run: "select public.IT(EXPR)"},
	{name: "call argument", create: "create procedure public.IT(b bool) language plpgsql as 'begin end'", run: "call public.IT(EXPR)"},
	{name: "execute argument", run: "prepare it (bool) as select $1\nexecute it(EXPR)\ndeallocate it"},
	{name: "copy to", create: view, run: "copy (select * from public.IT) to stdout"},
	{name: "copy from into a default", create: "create table public.IT (a int, b bool default (EXPR))", run: "copy public.IT (a) from stdin"},
	{name: "copy from into a check", create: "create table public.IT (a int check (EXPR))", run: "copy public.IT (a) from stdin"},
	{name: "copy from where", create: "create table public.IT (a int)", run: "copy public.IT (a) from stdin where EXPR"},
	{name: "explain analyze", create: view, run: "explain analyze select * from public.IT"},
	{name: "explain", run: "explain select PURE(1)"},
	{name: "explain analyze insert", create: "create table public.IT (a int, b bool default (EXPR))", run: "explain analyze " + insert},
	{name: "prepared select", create: view, run: "prepare it as select * from public.IT\nexecute it\ndeallocate it"},
	{name: "prepared insert", create: "create table public.IT (a int, b bool default (EXPR))", run: "prepare it as " + insert + "\nexecute it\ndeallocate it"},
	{name: "cursor", create: view, run: "begin\ndeclare it cursor for select * from public.IT\nfetch all from it\ncommit"},
	{name: "cursor WITH HOLD", create: view, run: "declare it cursor with hold for select * from public.IT\nfetch all from it\nclose it"},
	{name: "create table as", create: view, run: "create table public.ITtN as select * from public.IT"},
	{name: "add column", create: two, run: "alter table public.IT add column cN bool default (EXPR)"},
	{name: "insert from a view", create: view, run: "insert into public.sink select a::int from public.IT"},
	{name: "in a transaction", create: view, run: "begin\nselect * from public.IT\ncommit"},
	{name: "in a transaction rolled back", create: view, run: "begin\nselect * from public.IT\nrollback"},
	{name: "default in a transaction", create: "create table public.IT (a int, b bool default (EXPR))", run: "begin\n" + insert + "\ncommit"},
	{name: "default rolled back", create: "create table public.IT (a int, b bool default (EXPR))", run: "begin\n" + insert + "\nrollback"},
	{name: "text rolled back", run: "begin\nselect EXPR\nrollback"},
	{name: "text in a transaction", run: "begin\nselect EXPR\ncommit"},
	{name: "function in a transaction", create: "create function public.IT() returns void language plpgsql as $x$ begin CODE; end $x$", run: "begin\nselect public.IT()\ncommit"},
	{name: "function rolled back", create: "create function public.IT() returns void language plpgsql as $x$ begin CODE; end $x$", run: "begin\nselect public.IT()\nrollback"},
	{name: "behind a savepoint", create: view, run: "begin\nsavepoint s\nselect * from public.IT\nrollback to s\ncommit"},
	{name: "before a failure", create: view, run: "select a, 1 / (random() * 0)::int from public.IT"},
	{name: "DO", run: "do $x$ begin CODE; end $x$"},
	{name: "DO with EXECUTE", run: "do $x$ declare r text; begin execute 'sel' || 'ect ' || $e$EXPR$e$ into r; end $x$"},
}
