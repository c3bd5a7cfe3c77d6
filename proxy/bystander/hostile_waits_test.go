package bystander_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy"
	"overdrive/proxy/proxytest/rig"
)

// The siblings of statements that were sent by one catalog, and run by another: they wait for a lock, and behind it something means something else.
// Whoever has made that so, and whoever has waited, are answered in either order.

// behind sends a statement that waits, as waiting tells, until another client has committed its DDL. What stands ahead of the last " ;; " is sent before.
func behind(t *testing.T, sender, other *pgconn.PgConn, statement string, ddl []string, waiting func() bool) {
	t.Helper()
	first, last := "", statement
	if i := strings.LastIndex(statement, " ;; "); i >= 0 {
		first, last = statement[:i], statement[i+4:]
		say(t, sender, first)
	}
	rig.Ask(t, other, "begin")
	for _, sql := range ddl {
		if _, err := rig.Try(t.Context(), other, sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	done := make(chan struct{})
	go func() { defer close(done); say(t, sender, last) }()
	rig.Await(t, statement+" to wait", waiting)
	rig.Ask(t, other, "commit")
	<-done
	if strings.HasPrefix(first, "begin") {
		say(t, sender, "commit")
	}
}

// waits returns a write by a statement that waits for the lock of a transaction of another client, which sends the DDL.
func waits(statement string, ddl ...string) func(*testing.T, *bench, *pgconn.PgConn) {
	return func(t *testing.T, b *bench, sender *pgconn.PgConn) {
		other := b.Connect(t, b.database)
		defer rig.CloseConn(other)
		behind(t, sender, other, statement, ddl, func() bool {
			return rig.Ask(t, b.real, "select count(*) from pg_locks where not granted and locktype in ('relation', 'transactionid')") == "1"
		})
	}
}

// queues returns a write by a statement that waits for a connection of a pool of one, while another client has it and sends the DDL.
func queues(statement string, ddl ...string) func(*testing.T, *bench, *pgconn.PgConn) {
	return func(t *testing.T, b *bench, _ *pgconn.PgConn) {
		narrow := rig.Start(t, rig.Setup{Upstream: b.pg.Addr(), Database: b.database, Size: 1, Caching: true})
		sender, other, reader := narrow.Connect(t, b.database), narrow.Connect(t, b.database), narrow.Connect(t, b.database)
		defer func() {
			for _, c := range []*pgconn.PgConn{sender, other, reader} {
				rig.CloseConn(c)
			}
		}()
		rig.Await(t, counted+" to be kept", func() bool { rig.Ask(t, reader, counted); return rig.Status(t, reader) == hit })
		behind(t, sender, other, statement, ddl, func() bool {
			return slices.ContainsFunc(narrow.Clients(t.Context()), func(c proxy.ClientStatus) bool { return c.State == "waiting" })
		})
		if got, want := rig.Ask(t, reader, counted), rig.Ask(t, b.real, counted); got != want {
			t.Errorf("STALE behind %s that queued: %q (%s), want %q", statement, got, rig.Status(t, reader), want)
		}
		rig.Ask(t, b.bystander, "insert into u select where false") // who asks another proxy
	}
}

const (
	plainT   = puts + "create table t(a int); insert into t values (1)"
	moveAway = "alter table t rename to was"
	toView   = "create view t as select put() as a"
	putting  = "create function f() returns trigger language plpgsql as 'begin insert into public.u values (1); return new; end'"
)

var waitingSiblings = []sibling{
	{"a table that becomes a view", plainT, waits("select a from t", moveAway, toView), counted},
	{"the same by the extended protocol", plainT, waits("x: select a from t where a > $1 <- 0", moveAway, toView), counted},
	{"the same in a transaction", plainT, waits("begin ;; select 1 ;; select a from t", moveAway, toView), counted},
	{"the same behind EXPLAIN", plainT, waits("explain analyze select a from t", moveAway, toView), counted},
	{"the same behind COPY", plainT, waits("copy (select a from t) to stdout", moveAway, toView), counted},
	{"the same behind PREPARE", plainT, waits("prepare p as select a from t ;; execute p", moveAway, toView), counted},
	{"the same below a view", plainT + "; create view w as select a from t", waits("select a from w", "alter table t disable trigger all", "create or replace view w as select put() as a"), counted},
	{"the same in a function that reads", plainT + "; create function reads() returns bigint language plpgsql as 'begin return (select count(*) from t); end'",
		waits("select reads()", moveAway, toView), counted},
	{"a table that is hidden by a view", plainT + "; create schema other; create table other.s(a int); create view s as select a from t",
		waits("select a from s", "lock table t", "create or replace view s as select put() as a"), counted},
	{"a function that fits better", plainT + "; create table s(v varchar); insert into s values ('X')",
		waits("select lower(v) from s", "lock table s", "create function lower(varchar) returns text language plpgsql as 'begin insert into public.u values (1); return $1; end'"), counted},
	{"a write of a table that is given a trigger", plainT + "; " + putting, waits("insert into t values (2)", onT), counted},
	{"one that is given a default", plainT, waits("insert into t select", "alter table t alter column a set default put()"), counted},
	{"one that is given a rule", plainT, waits("insert into t values (2)", "create rule r as on insert to t do also insert into u values (1)"), counted},
	{"one that becomes a view", plainT, waits("update t set a = 2", moveAway, "create view t as select a from u", "insert into u values (1)"), "select a from u"},
	{"one that reads what becomes a view", plainT + "; create table s(a int)", waits("insert into s select a from t", moveAway, toView), counted},
	{"one whose trigger's function reads what becomes a view", plainT + "; create table s(a int); create function g() returns trigger language plpgsql as 'begin perform count(*) from t; return new; end'; " +
		"create trigger g before insert on s for each row execute function g()", waits("insert into s values (1)", moveAway, toView), counted},
	{"one that waits for a connection while its table is given a trigger", plainT + "; " + putting, queues("insert into t values (2)", onT), counted},
	{"the same by the extended protocol", plainT + "; " + putting, queues("x: insert into t values ($1) <- 2", onT), counted},
	{"a read that waits for a connection while its table becomes a view", plainT, queues("select a from t where a > 0", moveAway, toView), counted},
	{"the same by PREPARE", plainT, queues("prepare p as select a from t where a > 0 ;; execute p", moveAway, toView), counted},
	{"a materialized view whose view is another when it is filled", plainT + "; create view w as select a from t; create materialized view m as select a from w",
		waits("refresh materialized view m", "lock table t", "create or replace view w as select put() as a"), counted},
	{"ANALYZE of a table that is given an index", plainT + "; create function imm(int) returns int language plpgsql immutable as 'begin return public.put(); end'; create table a0(a int)",
		waits("analyze t", "create index on t (imm(a))", "lock table t"), counted},
	{"a procedure that commits and fails when it runs", plainT + "; create procedure q() language plpgsql as 'begin perform 1; end'; " +
		"create procedure p() language plpgsql as 'begin perform count(*) from t; call q(); end'",
		waits("call p()", "lock table t", "create or replace procedure q() language plpgsql as $$ begin insert into public.u values (1); commit; raise exception 'no'; end $$"), counted},
	{"one that is given a foreign key", plainT + "; alter table t add primary key (a); insert into u values (1)", waits("delete from t", "alter table u add foreign key (a) references t on delete cascade"), counted},
}
