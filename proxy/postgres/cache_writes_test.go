package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"
)

// After a write that was acknowledged nobody is given the old answer, whichever way the write went. Queries are primed, so
// that there is an old answer to give.
func TestCache_WritesAreSeenAtOnceByEverybody(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "cache_writes", `
		create table t(id int primary key, a int); insert into t select i, i from generate_series(1, 3) i;
		create table child(id int references t on delete cascade on update cascade); insert into child values (3);
		create table log(n int); create table part(a int) partition by list (a); create table part1 partition of part for values in (1);
		create table base(a int); create table heir() inherits (base);
		create view v as select id, a from t; create view simple as select * from t where a > 0;
		create materialized view m as select count(*) as n from t; create sequence s;
		create function writes(i int) returns int language plpgsql as 'begin insert into t values (i, i); return i; end';
		create procedure calls(i int) language sql as 'insert into t values (i, i)';
		create function logs() returns trigger language plpgsql as 'begin insert into log values (1); return new; end';
		create trigger tr after insert on t for each row execute function logs();
		create rule r as on delete to log do instead update t set a = a + 1;
		create function reads() returns bigint language sql stable as 'select count(*) from t'`)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "cache_writes", Size: 3, Caching: true})
	writer, reader, real := in.Connect(t, "cache_writes"), in.Connect(t, "cache_writes"), rig.Direct(t, pg, "cache_writes")
	const rows = "select id, a from t order by id"
	for _, c := range []struct{ query, write string }{
		{rows, "insert into t values (10, 10)"}, {rows, "update t set a = a + 1"}, {rows, "delete from t where id = 10"},
		{rows, "insert into t values (11, 11) on conflict (id) do update set a = 0"},
		{rows, "with w as (insert into t values (12, 12) returning id) select id from w"},
		{rows, "with w as (delete from t where id = 12 returning id) select 1"},
		{rows, "select 1; insert into t values (13, 13); select 2"}, {rows, "select writes(14)"},
		{rows, "select writes(15) from log limit 1"}, {rows, "call calls(16)"}, {rows, "do 'begin insert into t values (17, 17); end'"},
		{rows, "do $$ begin execute 'insert into ' || 't values (18, 18)'; end $$"},
		{rows, "begin;insert into t values (19, 19);commit"}, {rows, "begin;insert into t values (20, 20);rollback"},
		{rows, "begin;insert into t values (21, 21);savepoint s;delete from t;rollback to s;release s;commit"},
		{rows, "begin;savepoint s;insert into t values (22, 22);release s;end"},
		{rows, "begin;insert into t values (23, 23);commit and chain;insert into t values (24, 24);commit"},
		{rows, "prepare w as insert into t values (25, 25);execute w;deallocate w;discard all"},
		{rows, "begin;declare c cursor for select id from t for update;fetch c;update t set a = -1 where current of c;commit"},
		{rows, "merge into t using (values (1)) x(id) on t.id = x.id when matched then update set a = 99"},
		{rows, "update v set a = 5 where id = 2"}, {rows, "insert into simple values (26, 26)"}, {rows, "delete from log"},
		{rows, "explain analyze insert into t values (27, 27)"}, {rows, "/* a comment */ UPDATE \"t\" SET a = 7"},
		{rows, "update public.t set a = 8"}, {rows, "update only t set a = 9"},
		{"select count(*) from log", "insert into t values (30, 30)"}, {"select id from child", "delete from t where id = 3"},
		{"select id from child", "truncate t cascade"}, {rows, "insert into t values (1, 1)"}, {rows, "truncate t cascade"},
		{"select a from part", "insert into part1 values (1)"}, {"select a from part1", "insert into part values (1)"},
		{"select a from part1", "truncate part"}, {"select a from base", "insert into heir values (1)"},
		{"select a from heir", "update base set a = 2"}, {"select a from heir", "delete from base"},
	} {
		rig.Prime(t, reader, c.query)
		rig.Prime(t, writer, c.query)
		for _, one := range strings.SplitAfter(c.write, ";") {
			if strings.HasPrefix(c.write, "do ") || strings.HasPrefix(c.write, "select 1;") {
				one = c.write
			}
			rig.Ask(t, writer, one)
			if one == c.write {
				break
			}
		}
		rig.WantFresh(t, c.write, c.query, real, writer, reader)
	}
	// What cannot be followed is not cached, or right all the same.
	for _, query := range []string{"select id, a from v", "select a from simple", "select n from m", "select reads()", "select last_value from s", "table t"} {
		for i, write := range []string{"insert into t values (%d, 1)", "update t set a = a + %d", "refresh materialized view m", "select nextval('s')"} {
			for range 3 {
				rig.WantFresh(t, "nothing", query, real, reader)
			}
			if strings.Contains(write, "%d") {
				write = fmt.Sprintf(write, 100+i)
			}
			rig.Ask(t, writer, write)
			rig.WantFresh(t, write, query, real, writer, reader)
		}
		rig.Ask(t, writer, "delete from t")
	}
}

// In its own transaction a client sees what it wrote and nobody else does.
func TestCache_OpenTransactionsSeeThemselvesOnly(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "cache_open", "create table t(a int); insert into t values (1)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "cache_open", Size: 3, Caching: true})
	writer, reader := in.Connect(t, "cache_open"), in.Connect(t, "cache_open")
	const sql = "select sum(a) from t"
	check := func(after, mine, theirs string) {
		t.Helper()
		for form, ask := range rig.Askers {
			if form == "binary" {
				continue
			}
			if got, err := ask(t, writer, sql); got != mine || err != nil {
				t.Errorf("after %s, %s: the writer sees %s, %v, want %s", after, form, got, err, mine)
			}
			if got, err := ask(t, reader, sql); got != theirs || err != nil {
				t.Errorf("after %s, %s: others see %s, %v, want %s", after, form, got, err, theirs)
			}
		}
	}
	rig.Prime(t, reader, sql)
	for _, step := range []struct{ sql, mine, theirs string }{
		{"begin", "1", "1"}, {"insert into t values (10)", "11", "1"}, {"savepoint s", "11", "1"}, {"update t set a = a * 2", "22", "1"},
		{"rollback to s", "11", "1"}, {"commit", "11", "11"}, {"begin", "11", "11"}, {"delete from t", "", "11"}, {"rollback", "11", "11"},
		{"begin isolation level repeatable read", "11", "11"}, {"insert into t values (5)", "16", "11"}, {"commit", "16", "16"},
	} {
		rig.Ask(t, writer, step.sql)
		check(step.sql, step.mine, step.theirs)
	}
	// A snapshot stays what it was although others write and the cache knows better.
	rig.Ask(t, writer, "begin isolation level repeatable read")
	check("the snapshot", "16", "16")
	rig.Ask(t, reader, "insert into t values (100)")
	rig.Prime(t, reader, sql)
	check("another's write", "16", "116")
	rig.Ask(t, writer, "commit")
	check("the end of the snapshot", "116", "116")
}

func TestCache_CopyIsAWrite(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "cache_copy", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "cache_copy", Size: 2, Caching: true})
	writer, reader, real := in.Connect(t, "cache_copy"), in.Connect(t, "cache_copy"), rig.Direct(t, pg, "cache_copy")
	for _, data := range []string{"1\n2\n", "", "3\nnonsense\n", "4\n"} {
		rig.Prime(t, reader, "select a from t")
		_, err := writer.CopyFrom(t.Context(), strings.NewReader(data), "copy t from stdin")
		if (rig.State(err) == "22P02") != strings.Contains(data, "nonsense") {
			t.Fatal(err)
		}
		rig.WantFresh(t, "COPY", "select a from t", real, writer, reader)
	}
}

// After DDL an answer has the columns of today, and the RowDescription that belongs to them.
func TestCache_AnswersFollowDDL(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "cache_ddl", "create table t(a int); insert into t values (1); create table other as select 7 as a")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "cache_ddl", Size: 2, Caching: true})
	writer, reader, real := in.Connect(t, "cache_ddl"), in.Connect(t, "cache_ddl"), rig.Direct(t, pg, "cache_ddl")
	const sql = "select * from t"
	columns := func(c *pgconn.PgConn) string {
		var names []string
		for _, f := range c.ExecParams(t.Context(), sql, nil, nil, nil, nil).Read().FieldDescriptions {
			names = append(names, f.Name)
		}
		results, err := c.Exec(t.Context(), sql).ReadAll()
		if err != nil {
			return err.Error()
		}
		for _, f := range results[0].FieldDescriptions {
			names = append(names, f.Name)
		}
		return strings.Join(names, " ")
	}
	for _, ddl := range []string{
		"alter table t add column b text default 'b'", "alter table t rename column b to c", "alter table t alter column a type bigint",
		"alter table t drop column c", "begin;drop table t;create table t as select 5 as z;commit",
		"begin;alter table t rename to old;alter table other rename to t;commit", "begin;alter table t add column gone int;rollback",
		"create schema first; create table first.t as select 'first' as f; alter database cache_ddl set search_path = first, public",
	} {
		rig.Prime(t, reader, sql)
		for _, one := range strings.SplitAfter(ddl, ";") {
			rig.Ask(t, writer, one)
		}
		if strings.Contains(ddl, "alter database") { // holds for new connections, by which the pool replaces its own soon
			real = rig.Direct(t, pg, "cache_ddl")
			for deadline := time.Now().Add(time.Minute); columns(reader) != columns(real) && time.Now().Before(deadline); {
			}
		}
		rig.WantFresh(t, ddl, sql, real, writer, reader)
		if got, want := columns(reader), columns(real); got != want {
			t.Errorf("after %s the columns are %s, want %s", ddl, got, want)
		}
	}
}

// What an answer depends on, and what a write touches, is known anew after DDL.
func TestCache_DependenciesFollowDDL(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "cache_dependencies", `create table t(a int); create table other(a int); create table base(a int); create table child(a int);
		create table parent(id int primary key); insert into parent values (1); create table ref(id int); insert into ref values (1);
		create function copies() returns trigger language plpgsql as 'begin insert into t values (new.a); return new; end';
		create function f() returns int language sql immutable as 'select 1'; create view v as select a from t`)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "cache_dependencies", Size: 2, Caching: true})
	writer, reader, real := in.Connect(t, "cache_dependencies"), in.Connect(t, "cache_dependencies"), rig.Direct(t, pg, "cache_dependencies")
	for _, c := range []struct{ ddl, query, write string }{
		{"create trigger tr after insert on other for each row execute function copies()", "select a from t", "insert into other values (1)"},
		{"alter table child inherit base", "select a from base", "insert into child values (2)"},
		{"alter table ref add foreign key (id) references parent on delete cascade", "select id from ref", "delete from parent"},
		{"create rule r as on insert to base do also insert into t values (new.a)", "select a from t", "insert into base values (3)"},
		{"create schema postgres; create table postgres.t(a int)", "select a from t", "insert into postgres.t values (4)"},
		{"alter table other rename to another; create view other as select a from child", "select a from child", "insert into other values (5)"},
	} {
		rig.Prime(t, reader, c.query)
		rig.Ask(t, writer, c.ddl)
		rig.Prime(t, reader, c.query)
		rig.Ask(t, writer, c.write)
		rig.WantFresh(t, c.ddl+" and "+c.write, c.query, real, writer, reader)
	}
	rig.WantFresh(t, "nothing", "select f()", real, writer, reader)
	rig.Ask(t, writer, "create or replace function f() returns int language sql volatile as 'select count(*)::int from child'")
	for range 3 {
		rig.Ask(t, writer, "insert into child values (6)")
		rig.WantFresh(t, "CREATE OR REPLACE FUNCTION", "select f()", real, writer, reader)
	}
}

// ALTER DATABASE may give names another meaning on new server connections. Those that are open must not go on filling the
// cache with what they read under the old one.
func TestCache_SearchPathOfTheDatabaseChanges(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "cache_path", `create table t(a int); insert into t values (1);
		create schema first; create table first.t as select 100 as a`)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "cache_path", Size: 2, Caching: true})
	writer, reader := in.Connect(t, "cache_path"), in.Connect(t, "cache_path")
	const sql = "select a from t"
	rig.Prime(t, reader, sql)
	rig.Ask(t, writer, "alter database cache_path set search_path = first, public")
	rig.Prime(t, reader, sql)
	if got := rig.Ask(t, reader, sql); got != "100" {
		t.Errorf("got %s (%s), want what a new connection reads", got, rig.Status(t, reader))
	}
	rig.Ask(t, writer, "update first.t set a = 101")
	if got := rig.Ask(t, reader, sql); got != "101" {
		t.Errorf("after the update: got %s (%s), want 101", got, rig.Status(t, reader))
	}
}
