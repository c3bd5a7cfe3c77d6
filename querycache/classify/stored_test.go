package classify

import (
	"fmt"
	"strings"
	"testing"

	"overdrive/querycache/verdict"
)

// storedCalls are calls of each of PostgreSQL's own functions that leave something behind, or end that.
var storedCalls = []string{
	"set_config('app.t', 'x', false)", "setseed(0.5)", "pg_advisory_lock(1)", "pg_advisory_lock_shared(1)", "pg_try_advisory_lock(1)",
	"pg_try_advisory_lock_shared(1)", "pg_advisory_unlock(1)", "pg_advisory_unlock_shared(1)", "pg_advisory_unlock_all()", "nextval('drawn')", "setval('drawn', 1)",
}

// storedPlaces are where an expression can be stored that calls a VOLATILE function.
var storedPlaces = []struct{ create, run, drop string }{
	{"create view v as select %s is not null as a", "select * from v", "drop view v"},
	{"create table p (a int, check (%s is not null))", "insert into p values (1)", "drop table p"},
	{"create domain d as int check (%s is not null)", "select 1::d", "drop domain d"},
	{"create table p (a int); create rule r as on delete to p where %s is not null do instead nothing", "delete from p", "drop table p"},
	{"create table p (a int); create rule r as on insert to p do also select %s is not null", "insert into p values (1)", "drop table p"},
	{"create table p (a int); create function f() returns trigger language plpgsql as 'begin return new; end'; " +
		"create trigger w before insert on p for each row when (%s is not null) execute function f()", "insert into p values (1)", "drop table p; drop function f()"},
	{"create table p (a int); alter table p enable row level security; create policy q on p using (%s is not null)", "select * from p", "drop table p"},
	{"create table p (a int); alter table p enable row level security; create policy q on p with check (%s is not null)", "insert into p values (1)", "drop table p"},
	{"create function f(a bool default %s is not null, b bool default true) returns bool language internal as 'booleq'", "select f()", "drop function f"},
	{"create table p (a int, b bool default (%s is not null))", "insert into p (a) values (1)", "drop table p"},
	{"create domain d as bool default (%s is not null); create table p (a int, b d)", "insert into p (a) values (1)", "drop table p; drop domain d"},
}

// Each call is found where there is no other, in one place each and in the view, and each place is looked into.
func TestCatalog_FindsCallsOfAllThatLeavesSomethingBehind(t *testing.T) {
	conn := connect(t, startPostgres(t))
	execSQL(t, conn, "create sequence drawn")
	for i := range max(len(storedCalls), len(storedPlaces)) {
		call, place := storedCalls[i%len(storedCalls)], storedPlaces[i%len(storedPlaces)]
		view := storedPlaces[0]
		for _, p := range []struct{ create, run, drop, call string }{
			{view.create, view.run, view.drop, call},
			{place.create, place.run, place.drop, "setseed(0.5)"},
			{place.create, place.run, place.drop, "pg_advisory_lock(1)"},
		} {
			create := fmt.Sprintf(p.create, p.call)
			execSQL(t, conn, create)
			c := New(nil)
			c.SetCatalog(loadCatalog(t, conn), c.Generation())
			if v := c.Judge([]byte(p.run)); v.Effect != verdict.EffectEverything || !v.Session.Has(Configures) {
				t.Errorf("%s: %s: effect %v, session %b", create, p.run, v.Effect, v.Session)
			}
			execSQL(t, conn, p.drop)
		}
	}
}

// pureTrees are the columns of expressions that call no function but IMMUTABLE ones, and bodies that are feared whatever they are.
var pureTrees = map[string]bool{
	"pg_class.relpartbound": true, "pg_index.indexprs": true, "pg_index.indpred": true, "pg_partitioned_table.partexprs": true,
	"pg_publication_rel.prqual": true, "pg_statistic_ext.stxexprs": true, "pg_proc.prosqlbody": true,
}

func TestCatalog_LooksIntoEveryColumnOfTreesThatTheServerHas(t *testing.T) {
	conn := connect(t, startPostgres(t))
	for _, row := range execSQL(t, conn, `select c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
		where a.atttypid = 'pg_node_tree'::regtype and c.relkind = 'r' and c.relnamespace = 'pg_catalog'::regnamespace`)[0].Rows {
		table, column := string(row[0]), string(row[1])
		looked := strings.Contains(stealthQuery, fmt.Sprintf("%s::text FROM pg_catalog.%s", column, table))
		if looked == pureTrees[table+"."+column] {
			t.Errorf("%s.%s: looked into: %v", table, column, looked)
		}
	}
}
