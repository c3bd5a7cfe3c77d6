package classify

import (
	"slices"
	"testing"

	"overdrive/querycache/verdict"
)

func TestDoubt_OnlyStatementsThatMayMeanSomethingElseWait(t *testing.T) {
	c := settled(t)
	ddl := c.Judge([]byte("create table u (a int)"))
	if ddl.Touch == nil || ddl.Effect != verdict.EffectRelations || !slices.Equal(ddl.Writes, []verdict.RelationID{2}) || !ddl.DDL {
		t.Fatalf("got %+v", ddl)
	}
	before := c.Version()
	c.Doubt(ddl.Touch)
	for sql, want := range map[string]verdict.Status{
		"select a from t": verdict.Cacheable, "select a from u": verdict.Unsettled, "select a from v": verdict.Cacheable,
		"select a from t, u": verdict.Unsettled, "select a from other.t": verdict.Cacheable, "select a from u_new": verdict.Unsettled,
		"select a from nowhere": verdict.Uncacheable,
	} {
		if v := c.Judge([]byte(sql)); v.Status != want {
			t.Errorf("%s: got %s, want %s", sql, v.Status, want)
		}
	}
	if v := c.Judge([]byte("delete from u")); v.Effect != verdict.EffectEverything {
		t.Errorf("a write to what is doubted: got %+v", v)
	}
	if v := c.Judge([]byte("insert into t values (1)")); v.Effect != verdict.EffectRelations {
		t.Errorf("a write to what is not doubted: got %+v", v)
	}
	if c.Spared(before, []verdict.RelationID{2}) || !c.Spared(before, []verdict.RelationID{1}) {
		t.Error("it is not told which relations were touched")
	}
	c.Stale()
	if c.Spared(before, []verdict.RelationID{1}) {
		t.Error("after a change that is not understood something is spared")
	}
}

func TestTouch_WhatIsNotUnderstoodMayChangeEverything(t *testing.T) {
	c := settled(t)
	for _, sql := range []string{
		"create table x partition of parent for values in (1)", "create table x () inherits (t)", "create table x (a int, exclude using gist (f() with =))",
		"alter table triggered add column b int", "alter table t add column b int default f()", "alter table t add column b some_domain",
		"alter table t alter column a type text", "alter table t drop column a cascade", "alter table t add check (f() > 0)", "alter table nowhere add column b int",
		"create index on t (f())", "create index on t (a) where f() > 0", "drop table t cascade", "drop function f()", "drop schema other",
		"create table lower (a int)", "create table date (a int)", "create view v as select 1; select 1", "grant select on all tables in schema public to x",
		"grant usage on schema public to x", "create temp view x as select 1", "create table pg_catalog.x (a int)", "alter table pg_class add column b int",
	} {
		if v := c.Judge([]byte(sql)); v.Touch != nil || v.Effect != verdict.EffectEverything || !v.DDL {
			t.Errorf("%s: got %+v", sql, v)
		}
	}
}
