package bystander_test

// The siblings of DDL that costs nothing: behind each something means something else, and most write it at once.

const (
	puttingTrigger = "create function f() returns trigger language plpgsql as 'begin insert into public.u values (1); return new; end'"
	onT            = "create trigger f before insert on t for each row execute function f()"
	// A partition in the schema of the user's name, which is the first on the search_path, and a table that is hidden by an index of it.
	apart = "create schema postgres; create table public.o(a int) partition by list (a); create table public.l_a_idx(z int); insert into l_a_idx values (5); " +
		"create table public.l_pkey(z int); insert into l_pkey values (5); create table public.l_a_key(z int); insert into l_a_key values (5); "
	part   = "create table postgres.l partition of public.o for values in (1); "
	parent = "create table parent(id int) partition by list (id); "
)

var ddlSiblings = []sibling{
	{"an index of a partition that hides a table", apart + part, sends("create index on public.o(a)"), "select * from l_a_idx"},
	{"one of an index with a name", apart + part, sends("create index named on public.o(a)"), "select * from l_a_idx"},
	{"one in a transaction", apart + part, sends("begin ;; create index on public.o(a) ;; commit"), "select * from l_a_idx"},
	{"one of a partition that has just come", apart, sends(part + " ;; create index on public.o(a)"), "select * from l_a_idx"},
	{"a key of a partition that hides a table", apart + part, sends("alter table public.o add primary key (a)"), "select * from l_pkey"},
	{"one with a name", apart + part, sends("alter table public.o add constraint named primary key (a)"), "select * from l_pkey"},
	{"one of a column's", apart + part, sends("alter table public.o add unique (a)"), "select * from l_a_key"},
	{"one of a tree that is attached", apart + "alter table public.o add primary key (a); create table postgres.mid(a int not null) partition by list (a); create table postgres.l partition of postgres.mid for values in (1)",
		sends("alter table public.o attach partition postgres.mid for values in (1)"), "select * from l_pkey"},
	{"a function that fits better than PostgreSQL's own", "create table t(a varchar); insert into t values ('X')",
		sends("create function lower(varchar) returns text language sql as 'select $1 || ''!'''"), "select lower(a) from t"},
	{"one that goes", "create table t(a varchar); insert into t values ('X')", sends("create function lower(varchar) returns text language sql as 'select $1 || ''!''' ;; select lower(a) from t ;; " +
		"drop function lower(varchar) ;; insert into t values ('Y')"), "select lower(a) from t"},
	{"one that a trigger calls by its name", "create table t(a varchar); create function f() returns trigger language plpgsql as 'begin new.a = lower(new.a); return new; end'; " + onT,
		sends("create function lower(varchar) returns text language plpgsql as 'begin insert into public.u values (1); return $1; end' ;; insert into t values ('X')"), counted},
	{"a trigger", "create table t(a int); " + puttingTrigger, sends(onT + " ;; insert into t values (1)"), counted},
	{"a trigger whose function is another", "create table t(a int); create function f() returns trigger language plpgsql as 'begin return new; end'; " + onT,
		sends("create or replace function f() returns trigger language plpgsql as 'begin insert into public.u values (1); return new; end' ;; insert into t values (1)"), counted},
	{"a trigger that is switched on", "create table t(a int); " + puttingTrigger + "; " + onT + "; alter table t disable trigger f", sends("alter table t enable trigger f ;; insert into t values (1)"), counted},
	{"a rule", "create table t(a int)", sends("create rule r as on insert to t do also insert into u values (1) ;; insert into t values (1)"), counted},
	{"a partition that is attached", parent + "create table part(id int); insert into part values (1)", sends("alter table parent attach partition part for values in (1)"), "select count(*) from parent"},
	{"one that is detached", parent + "create table part partition of parent for values in (1); insert into part values (1)", sends("alter table parent detach partition part"), "select count(*) from parent"},
	{"one that is made and filled", parent, sends("create table part partition of parent for values in (1) ;; insert into part values (1)"), "select count(*) from parent"},
	{"a table that inherits", "create table t(a int); insert into t values (1)", sends("alter table t inherit u"), counted},
	{"one that does no more", "create table t() inherits (u); insert into t values (1)", sends("alter table t no inherit u"), counted},
	{"a foreign key that cascades", "create table t(id int primary key); insert into t values (1); insert into u values (1)",
		sends("alter table u add foreign key (a) references t(id) on delete cascade ;; delete from t"), counted},
	{"one of a new column", "create table t(id int primary key); insert into t values (1); insert into u values (1)",
		sends("alter table u add column b int default 1 references t(id) on delete cascade ;; delete from t"), counted},
	{"a column whose default writes", puts + "create table t(a int); insert into t values (1)", sends("alter table t add column b int default put()"), counted},
	{"a condition that writes", puts + "create table t(a int); insert into t values (1)", sends("alter table t add check (put() > 0)"), counted},
	{"a type that is made by what writes", puts + "create table t(a int); insert into t values (1)", sends("alter table t alter column a type bigint using put()"), counted},
	{"an index that writes", puts + "create function imm(int) returns int language plpgsql immutable as 'begin return public.put(); end'; create table t(a int); insert into t values (1)",
		sends("create index on t (imm(a))"), counted},
	{"a function that is replaced below an index", puts + "create function imm(int) returns int language plpgsql immutable as 'begin return 1; end'; create table t(a int); create index on t (imm(a))",
		sends("create or replace function imm(int) returns int language plpgsql immutable as 'begin return public.put(); end' ;; insert into t values (1)"), counted},
	{"one below a default", "create function d() returns int language plpgsql as 'begin return 1; end'; create table t(a int default d(), b int)",
		sends("create or replace function d() returns int language plpgsql as 'begin insert into public.u values (1); return 1; end' ;; insert into t(b) values (1)"), counted},
	{"one below a view", "create function d() returns int language plpgsql as 'begin return 1; end'; create view w as select d() as a",
		sends("create or replace function d() returns int language plpgsql as 'begin insert into public.u values (1); return 1; end' ;; select a from w"), counted},
	{"a value with another name", "create type mood as enum ('a'); create table t(m mood); insert into t values ('a')", sends("alter type mood rename value 'a' to 'b'"), "select m from t"},
	{"an event trigger", "create function e() returns event_trigger language plpgsql as 'begin insert into public.u values (1); end'",
		sends("create event trigger on_ddl on ddl_command_end execute function e() ;; create type mood as enum ('a')"), counted},
	{"a view that goes with a table", "create table t(a int); create view w as select a from t; create schema other; create table other.w(a int)", sends("drop table t cascade"), "select a from w"},
	{"a child that goes with its parent", "create table t(a int); create table child() inherits (t)", sends("drop table t cascade"), "select a from child"},
	{"a view that goes with a column", "create table t(a int, b int); create view w as select b from t", sends("alter table t drop column b cascade"), "select b from w"},
}
