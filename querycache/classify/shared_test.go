package classify

import "testing"

func TestJudge_WhatDatabasesShareIsToldFromWhatTheyDoNot(t *testing.T) {
	c := New(nil)
	for sql, want := range map[string]bool{
		"create role a": true, "create user a login": true, "create group a": true, "alter role a superuser": true, "alter user a set work_mem = 1": true,
		"alter role all in database d reset all": true, "drop role if exists a": true, "drop owned by a": true, "reassign owned by a to b": true,
		"grant a to b": true, "revoke admin option for a from b": true, "grant connect on database d to a": true, "revoke all on tablespace x from a": true,
		"create database d": true, "alter database d set timezone = 'UTC'": true, "alter database d owner to a": true, "drop database d": true,
		"create tablespace x location '/'": true, "drop tablespace x": true, "create extension x": true, "alter system set work_mem = 1": true,
		"GRANT a TO b; SELECT 1": true, "begin; revoke a from b; commit": true, "commit prepared 'x'": true,
		"do $$begin execute 'alter role a superuser'; end$$": true, "do $$begin revoke a from b; end$$": true, "do $$begin execute x || y; end$$": true,
		"do E'x'": true, "alter role a something new": true, "revoke a /* on */ from b": true, "some new statement": true,

		"grant select on t to a": false, "revoke all on schema s from a": false, "grant a on all tables in schema s to b": false,
		"create table t (a int)": false, "create or replace function f() returns int language sql as 'select 1'": false, "drop table t, u": false,
		"alter table t owner to role_of_mine": false, "create index on t (role)": false, "alter default privileges grant select on tables to a": false,
		"comment on role a is 'x'": false, "vacuum t": false, "refresh materialized view m": false, "truncate t": false, "insert into t values (1)": false,
		"select 1": false, "set role a": false, "select f()": false, "call p()": false, "do $$begin perform 1; end$$": false, "do $$begin drop table t; end$$": false,
		"commit": false, "create view v as select grant_of, owned from t": false, "explain select 1": false,
	} {
		v := c.Judge([]byte(sql))
		if v.Shared != want {
			t.Errorf("%s: shared %v, want %v", sql, v.Shared, want)
		}
		if v.Shared && !v.DDL {
			t.Errorf("%s: shared and no DDL", sql)
		}
	}
	if !Unreadable().Shared {
		t.Error("a text that is not read may do anything")
	}
}

func TestJudge_FunctionsThatMayChangeRolesAreKnownByTheirBodies(t *testing.T) {
	conn := connect(t, startPostgres(t))
	for body, want := range map[string]bool{
		"begin revoke a from b; end":                                        true,
		"begin execute 'alter role a nosuperuser'; end":                     true,
		"begin execute format('ALTER  ROLE %I superuser', 'a'); end":        true,
		"begin execute 'drop owned by a'; end":                              true,
		"begin execute q; end":                                              true,
		"begin execute 'create table if not exists x (a int)'; end":         false,
		"begin execute format('insert into %I values (1)', 't'); end":       false,
		"begin insert into t values (1) returning a; end":                   false,
		"begin perform current_user, session_user; update t set a = 1; end": false,
	} {
		execSQL(t, conn, "set check_function_bodies = off; create or replace function f() returns void language plpgsql as $_$"+body+"$_$;"+
			" create or replace procedure p() language plpgsql as $_$"+body+"$_$")
		c := New(nil)
		c.SetCatalog(loadCatalog(t, conn), c.Generation())
		for _, sql := range []string{"select f()", "select * from f()", "call p()", "call public.p()"} {
			if v := c.Judge([]byte(sql)); v.Shared != want || v.DDL != want {
				t.Errorf("%s where the body is %q: shared %v, DDL %v", sql, body, v.Shared, v.DDL)
			}
		}
	}
}
