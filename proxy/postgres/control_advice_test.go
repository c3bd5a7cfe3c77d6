package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy"
	"overdrive/proxy/postgres"
	"overdrive/proxy/proxytest/rig"
	"overdrive/querycache"
)

// orders is a table of which a customer has few rows, and a small one.
const orders = `create table orders (id int primary key, customer int, "Kind's" text, created timestamptz default '2020-01-01');
insert into orders select g, g % 1000, 'kind ' || g % 500 from generate_series(1, 20000) g;
create table small as select g as a, g % 7 as b from generate_series(1, 50) g; analyze`

// advised is what is advised on shapes that begin so, by kind.
func advised(t *testing.T, in *rig.Instance, database, prefix string) map[proxy.AdviceKind]string {
	t.Helper()
	list, err := in.Advise(t.Context(), database, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[proxy.AdviceKind]string)
	for _, a := range list {
		if a.Fingerprint == 0 {
			t.Errorf("nothing could be asked: %s", a.Text)
		}
		if a.Share < 0 || a.Share > 1 {
			t.Errorf("%s: a share of %v", a.Shape, a.Share)
		}
		if strings.HasPrefix(a.Shape, prefix) {
			found[a.Kind] = a.Text
		}
	}
	return found
}

// wantAdvice fails the test unless one kind is advised alone, in words that hold what is given.
func wantAdvice(t *testing.T, in *rig.Instance, database, prefix string, kind proxy.AdviceKind, words ...string) {
	t.Helper()
	found := advised(t, in, database, prefix)
	for _, w := range words {
		if !strings.Contains(found[kind], w) || len(found) != 1 {
			t.Errorf("%s: got %q, want %s alone with %q", prefix, found, kind, w)
		}
	}
}

// wantNone fails the test if anything is advised.
func wantNone(t *testing.T, in *rig.Instance, database, prefix string) {
	t.Helper()
	if found := advised(t, in, database, prefix); len(found) != 0 {
		t.Errorf("%s: got %q, want nothing", prefix, found)
	}
}

// repeat does something often enough for advice, with something else in between so that it is no loop.
func repeat(t *testing.T, c *pgconn.PgConn, f func(i int)) {
	t.Helper()
	for i := range 30 {
		f(i)
		rig.Ask(t, c, "set application_name = 'x'")
	}
}

// hitsOf is the part of calls of a shape that were hits.
func hitsOf(t *testing.T, in *rig.Instance, database, prefix string) float64 {
	t.Helper()
	q := shapeOf(t, in, database, prefix)
	return float64(q.Hits) / float64(q.Calls)
}

// settled starts an instance whose catalog is known, with a client.
func settled(t *testing.T, address, database string, options func(*rig.Options)) (*rig.Instance, *pgconn.PgConn) {
	t.Helper()
	in := rig.Start(t, rig.Setup{Upstream: address, Database: database, Size: 3, Caching: true, Mode: postgres.TransactionPooling, Options: options})
	c := in.Connect(t, database)
	rig.Await(t, "the catalog", func() bool {
		rig.Ask(t, c, "values (1)")
		return rig.Status(t, c) != "unsettled"
	})
	return in, c
}

// Each advice is followed, and then more calls are hits, and nothing is advised any more.
func TestAdvice_OnTheConfigurationMakesHits(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "advice_rules", orders)
	const sql = "select b from small where a = 5"
	ask := func(t *testing.T, c *pgconn.PgConn) { repeat(t, c, func(int) { rig.Ask(t, c, sql) }) }
	begin := func(t *testing.T, c *pgconn.PgConn) {
		repeat(t, c, func(int) {
			for _, s := range []string{"begin", sql, "commit"} {
				rig.Ask(t, c, s)
			}
		})
	}
	slowly := func(t *testing.T, c *pgconn.PgConn) {
		repeat(t, c, func(int) { rig.Ask(t, c, sql); rig.Ask(t, c, "select pg_sleep(0.02)") })
	}
	for name, c := range map[string]struct {
		before, after func(*querycache.Policy, uint64)
		ask           func(*testing.T, *pgconn.PgConn)
		words         []string
	}{
		"a rule": {
			func(p *querycache.Policy, _ uint64) {
				p.Rules = []querycache.Rule{{Tables: []string{"small"}, Enabled: pointer(false)}}
			},
			func(p *querycache.Policy, f uint64) {
				p.Rules = append([]querycache.Rule{{Fingerprints: []uint64{f}, Enabled: pointer(true)}}, p.Rules...)
			},
			ask, []string{"Rule 1 (tables small)", "databases.advice_rules.cache.rules", "enabled: true}"},
		},
		"no max_age": {
			func(p *querycache.Policy, _ uint64) { p.MaxAge = 0 },
			func(p *querycache.Policy, f uint64) {
				p.Rules = []querycache.Rule{{Fingerprints: []uint64{f}, MaxAge: pointer(time.Minute)}}
			},
			ask, []string{"max_age is 0", "max_age: 1m}"},
		},
		"a short max_age": {
			func(p *querycache.Policy, _ uint64) { p.MaxAge = 5 * time.Millisecond },
			func(p *querycache.Policy, f uint64) {
				p.Rules = []querycache.Rule{{Fingerprints: []uint64{f}, MaxAge: pointer(time.Minute)}}
			},
			slowly, []string{"past its max_age of 5ms", "on average", "max_age: "},
		},
		"transactions": {
			func(*querycache.Policy, uint64) {},
			func(p *querycache.Policy, _ uint64) { p.InTransactions = true },
			begin, []string{"databases.advice_rules.cache.in_transactions: first-reads"},
		},
		"max_result": {
			func(p *querycache.Policy, _ uint64) { p.MaxResult = 10 },
			func(p *querycache.Policy, _ uint64) { p.MaxResult = 1 << 20 },
			ask, []string{"max_result, now 10 bytes"},
		},
		"a dry run": {
			func(p *querycache.Policy, _ uint64) { p.DryRun = true },
			func(p *querycache.Policy, _ uint64) { p.DryRun = false },
			ask, []string{"would have been hits", "dry_run: false"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var print uint64
			with := func(changes ...func(*querycache.Policy, uint64)) *rig.Instance {
				in, client := settled(t, pg.Addr(), "advice_rules", func(o *rig.Options) {
					for _, change := range changes {
						change(o.Databases[0].Cache, print)
					}
				})
				c.ask(t, client)
				return in
			}
			in := with(c.before)
			wantAdvice(t, in, "advice_rules", "select b from small", proxy.AdviceCache, c.words...)
			before := hitsOf(t, in, "advice_rules", "select b from small")
			print = shapeOf(t, in, "advice_rules", "select b from small").Fingerprint
			after := with(c.before, c.after)
			wantNone(t, after, "advice_rules", "select b from small")
			if ratio := hitsOf(t, after, "advice_rules", "select b from small"); ratio < 0.8 || ratio <= before {
				t.Errorf("%.2f of calls were hits, and %.2f before the advice was followed", ratio, before)
			}
		})
	}
}

func TestAdvice_OnStatementsMakesHits(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "advice_texts", orders)
	in, c := settled(t, pg.Addr(), "advice_texts", nil)
	for _, s := range []struct{ bad, prefix, words, good string }{
		{"select 11, b from small where now() > '2020-01-01'", "select 1 , b from small where now", "$1 :: timestamptz >", "select 11, b from small where '2026-01-01'::timestamptz > '2020-01-01'"},
		{"select 11, a from small where current_date > $$2020-01-01$$", "select 1 , a from small where current_date", "$1 :: date >", "select 11, a from small where '2026-01-01'::date > '2020-01-01'"},
		{"select a, 1 from small; select b, 1 from small", "select a , 1 from small ; select", "each in a message of its own", "select a, 1 from small"},
		{"/* overdrive: no-cache */ select a, b, 1 from small", "select a , b , 1", "leave out no-cache", "select a, b, 1, 1 from small"},
	} {
		repeat(t, c, func(int) { _, _ = rig.Try(t.Context(), c, s.bad) })
		wantAdvice(t, in, "advice_texts", s.prefix, proxy.AdviceCache, s.words)
		rig.Await(t, "a hit for "+s.good, func() bool {
			rig.Ask(t, c, s.good)
			return rig.Status(t, c) == "hit"
		})
	}
}

func TestAdvice_NamesTheStateOfSessions(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "advice_state", orders)
	in, c := settled(t, pg.Addr(), "advice_state", nil)
	rig.Ask(t, c, "select pg_advisory_lock(1)")
	repeat(t, c, func(int) { rig.Ask(t, c, "select b from small where a = 5") })
	wantAdvice(t, in, "advice_state", "select b from small", proxy.AdviceCache, "session advisory lock", "DISCARD ALL")
	rig.Ask(t, c, "discard all")
	rig.Prime(t, c, "select b from small where a = 5")
}

func TestAdvice_OnLoopsAsksOnce(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "advice_loops", orders+`; create table log (a int)`)
	in, c := settled(t, pg.Addr(), "advice_loops", nil)
	for i := range 40 {
		rig.Ask(t, c, fmt.Sprintf("select customer from orders where id = %d", i))
	}
	for i := range 40 {
		askWith(t, c, "insert into log values ($1)", fmt.Sprint(i))
	}
	for i := range 40 {
		rig.Ask(t, c, fmt.Sprintf("select count(*) from orders where id = %d", i))
	}
	for i := range 40 { // a worker who takes jobs
		rig.Ask(t, c, fmt.Sprintf("select id from orders where id = %d for update skip locked", i))
	}
	wantAdvice(t, in, "advice_loops", "select customer from orders", proxy.AdviceLoop, "id = any ( $1 ), with id among the columns", "of 40 calls")
	wantAdvice(t, in, "advice_loops", "insert into log", proxy.AdviceLoop, "one INSERT with many rows")
	wantNone(t, in, "advice_loops", "select id from orders")
	wantAdvice(t, in, "advice_loops", "select count ( * ) from orders", proxy.AdviceLoop, ": ask once for all, by a join or by = ANY ($1).")
	r := c.ExecParams(t.Context(), "select customer, id from orders where id = any ($1::int[])", [][]byte{[]byte("{1,2,3}")}, nil, nil, nil).Read()
	if r.Err != nil || len(r.Rows) != 3 {
		t.Errorf("what is advised gives %d rows, %v", len(r.Rows), r.Err)
	}
}
