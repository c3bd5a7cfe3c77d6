package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"overdrive/proxy"
	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// costOf is what the server expects of a statement.
func costOf(pg *proxytest.Postgres, t *testing.T, database, sql string) float64 {
	t.Helper()
	var cost float64
	plan := rig.Ask(t, rig.Direct(t, pg, database), "explain "+sql)
	if _, err := fmt.Sscanf(plan[strings.Index(plan, "..")+2:], "%f", &cost); err != nil {
		t.Fatalf("%s: %v", plan, err)
	}
	return cost
}

// sqlIn returns the CREATE INDEX that an advice names.
func sqlIn(t *testing.T, advice string) string {
	t.Helper()
	start, end := strings.Index(advice, "CREATE INDEX"), strings.Index(advice, "; ")
	if start < 0 || end < start {
		t.Fatalf("no CREATE INDEX in %q", advice)
	}
	return advice[start:end]
}

func TestAdvice_OnIndexesMakesPlansCheaper(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "advice_index", orders)
	in, c := settled(t, pg.Addr(), "advice_index", nil)
	for i, s := range []struct{ sql, prefix, index string }{
		{"select id from orders where customer = %d", "select id from orders", "CREATE INDEX CONCURRENTLY ON public.orders (customer)"},
		{`select id, 1 from orders where "Kind's" = 'kind %d'`, "select id , 1 from orders", `CREATE INDEX CONCURRENTLY ON public.orders ("Kind's")`},
	} {
		repeat(t, c, func(i int) { rig.Ask(t, c, fmt.Sprintf(s.sql, i)) })
		wantAdvice(t, in, "advice_index", s.prefix, proxy.AdviceIndex, s.index, "not checked", "all 20000 rows")
		before := costOf(pg, t, "advice_index", fmt.Sprintf(s.sql, i))
		pg.ExecIn("advice_index", sqlIn(t, advised(t, in, "advice_index", s.prefix)[proxy.AdviceIndex]))
		if after := costOf(pg, t, "advice_index", fmt.Sprintf(s.sql, i)); after > before/3 {
			t.Errorf("%s: the cost was %.0f, and is %.0f with the index", s.sql, before, after)
		}
		wantNone(t, in, "advice_index", s.prefix)
	}
}

func TestAdvice_SaysThatALockKeptItFromPlans(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "advice_locked", orders)
	in, c := settled(t, pg.Addr(), "advice_locked", nil)
	repeat(t, c, func(i int) { rig.Ask(t, c, fmt.Sprintf("select id from orders where customer = %d", i)) })
	direct := rig.Direct(t, pg, "advice_locked")
	rig.Ask(t, direct, "begin")
	rig.Ask(t, direct, "lock table orders in access exclusive mode")
	list, err := in.Advise(t.Context(), "advice_locked", "postgres")
	if err != nil || len(list) != 1 || list[0].Fingerprint != 0 || !strings.Contains(list[0].Text, "lock timeout") {
		t.Errorf("got %+v, %v", list, err)
	}
	rig.Ask(t, direct, "rollback")
	wantAdvice(t, in, "advice_locked", "select id from orders", proxy.AdviceIndex, "ON public.orders (customer)")
}

func TestAdvice_OnIndexesIsCheckedWhereHypopgIs(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "advice_hypopg", orders)
	direct := rig.Direct(t, pg, "advice_hypopg")
	if rig.Ask(t, direct, "select count(*) from pg_available_extensions where name = 'hypopg'") == "0" {
		t.Skip("this PostgreSQL has no hypopg")
	}
	pg.ExecIn("advice_hypopg", `create schema "The Tools"; create extension hypopg schema "The Tools"`)
	in, c := settled(t, pg.Addr(), "advice_hypopg", nil)
	repeat(t, c, func(i int) { rig.Ask(t, c, fmt.Sprintf("select id from orders where customer = %d", i)) })
	wantAdvice(t, in, "advice_hypopg", "select id from orders", proxy.AdviceIndex, "ON public.orders (customer)", "in place of")
	if n := rig.Ask(t, direct, `select count(*) from pg_indexes where tablename = 'orders'`); n != "1" {
		t.Errorf("there are %s indexes now", n)
	}
}

func TestAdvice_SaysNothingWhereNothingIsWrong(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "advice_none", orders+`; create index on orders (customer); create table notes (a int)`)
	in, c := settled(t, pg.Addr(), "advice_none", nil)
	for _, sql := range []string{
		"select id from orders where customer = %d",         // there is an index
		"select a from small where b = %d",                  // small
		"select count(*) from orders where id > %d",         // most rows are kept
		"select id, 1, 1 from orders where id = 5",          // hits
		"select id from orders where id = %d for update",    // locks
		"select random(), id from orders where id = %d",     // no clock
		"insert into notes values (%d)",                     // a write
		"select current_user, id from orders where id = %d", // no clock
		"select now(), random(), id from orders where id = %d",
		"select now(), id from orders where id = %d for share",
		"insert into notes select %d; select now()",
		"select id from orders where lower(\"Kind's\") = 'x%d'", // an index on the column would not help
	} {
		repeat(t, c, func(i int) {
			if strings.Contains(sql, "%d") {
				rig.Ask(t, c, fmt.Sprintf(sql, i))
			} else {
				rig.Ask(t, c, sql)
			}
		})
	}
	wantNone(t, in, "advice_none", "")
}

// A function of users that the server takes for IMMUTABLE is run when a plan is made. So nothing is planned that calls one.
func TestAdvice_RunsNoCodeOfUsers(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "advice_code", orders+`; create function spy(int) returns int language plpgsql immutable as
		$$ begin return $1; end $$; create view sly as select id, customer from orders where customer = spy(1)`)
	pg.ExecIn("advice_code", "alter database advice_code set track_functions = 'all'")
	in, c := settled(t, pg.Addr(), "advice_code", nil)
	repeat(t, c, func(i int) {
		rig.Ask(t, c, fmt.Sprintf("select id from orders where customer = spy(%d)", i))
		rig.Ask(t, c, "select id, 1 from sly")
	})
	direct := rig.Direct(t, pg, "advice_code")
	const count = "select coalesce(sum(calls), 0) from pg_stat_user_functions where funcname = 'spy'"
	rig.Await(t, "the calls of the clients", func() bool {
		rig.Ask(t, c, "select pg_stat_force_next_flush()")
		return rig.Ask(t, direct, count) == "60"
	})
	wantNone(t, in, "advice_code", "")
	if after := rig.Ask(t, direct, count); after != "60" { // a backend has told of its calls when it has hung up
		t.Errorf("the function was called %s times, by clients 60 times", after)
	}
}

// The pool's login may not read what clients have asked for under another role, nor see statistics of it.
func TestAdvice_HasTheRightsOfThePoolsLogin(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := rig.NewDatabase(t, "advice_rights", orders)
	pg.Exec("create role advice_clerk login")
	t.Cleanup(func() { pg.Exec("drop role advice_clerk") })
	pg.ExecIn("advice_rights", "grant select (id) on orders to advice_clerk")
	t.Cleanup(func() { pg.ExecIn("advice_rights", "drop owned by advice_clerk") })
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "advice_rights", User: "advice_clerk", Size: 2, Caching: true})
	c := in.Connect(t, "advice_rights", rig.As("advice_clerk", ""))
	rig.Prime(t, c, "values (1)")
	repeat(t, c, func(i int) {
		_, _ = rig.Try(t.Context(), c, fmt.Sprintf("select id from orders where customer = %d", i))
	})
	wantNone(t, in, "advice_rights", "")
}

func TestAdvice_HugeAndQuotedTextsDoNoHarm(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "advice_hostile", orders+`; create table "x'); drop table orders; --" as select * from orders; analyze`)
	in, c := settled(t, pg.Addr(), "advice_hostile", nil)
	huge := "select id from orders where customer = %d and id in (0" + strings.Repeat(", 1", 9000) + ")"
	repeat(t, c, func(i int) {
		rig.Ask(t, c, fmt.Sprintf(`select id from "x'); drop table orders; --" where customer = %d and "Kind's" <> 'it''s; drop table orders'`, i))
		rig.Ask(t, c, fmt.Sprintf(huge, i))
	})
	wantAdvice(t, in, "advice_hostile", `select id from "x'`, proxy.AdviceIndex, `ON public."x'); drop table orders; --" (customer)`)
	wantNone(t, in, "advice_hostile", "select id from orders")
	if n := rig.Ask(t, rig.Direct(t, pg, "advice_hostile"), "select count(*) from orders"); n != "20000" {
		t.Errorf("%s rows are left", n)
	}
}

func TestAdvice_WithoutAServerSaysSo(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "advice_away", orders)
	in, c := settled(t, pg.Addr(), "advice_away", nil)
	repeat(t, c, func(i int) { rig.Ask(t, c, fmt.Sprintf("select id from orders where customer = %d", i)) })
	pg.Exec("alter database advice_away allow_connections false")
	rig.Ask(t, rig.Direct(t, pg, "postgres"), "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = 'advice_away'")
	began := time.Now()
	list, err := in.Advise(t.Context(), "advice_away", "postgres")
	if err != nil || len(list) != 1 || list[0].Fingerprint != 0 || !strings.Contains(list[0].Text, "could not be asked") || time.Since(began) > 20*time.Second {
		t.Errorf("got %+v, %v after %s", list, err, time.Since(began))
	}
	if _, err := in.Advise(t.Context(), "nowhere", "postgres"); err == nil {
		t.Error("there is advice on a database that does not exist")
	}
}
