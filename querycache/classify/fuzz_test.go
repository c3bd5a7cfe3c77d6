package classify

import (
	"sync"
	"testing"

	"overdrive/querycache/sqlscan"
	"overdrive/querycache/verdict"
)

func FuzzJudge(f *testing.F) {
	for _, seed := range []string{"select * from t where a = 'x' and b = $1", "with x as (delete from t returning *) select * from x",
		"do $$begin perform pg_advisory_lock(1); end$$", "set overdrive.max_age = '30s'", "select 'a", "select 1; listen x",
		"set session characteristics as transaction read only", "explain analyze select f()", "reset", "set", "set local",
		"select set_config('a', 'b', true)", "show overdrive.", "create temp table x()", "create temp table x as select * from v",
		"select * from v join guarded on v.a = guarded.a", "select day at time zone 'utc' from t", "select (x).* from t x, lower('x') y",
		"select max(day)::date, date_trunc('day', day)::date from t"} {
		f.Add(seed)
	}
	c := settled(f)
	f.Fuzz(func(t *testing.T, sql string) {
		v := c.Judge([]byte(sql))
		_, flags := sqlscan.AppendShape(nil, []byte(sql))
		if v.Status == verdict.Cacheable && (v.Effect != verdict.EffectNone || v.DDL || flags != 0 || v.Reason != "") {
			t.Fatalf("%q: cacheable with flags %b: %+v", sql, flags, v)
		}
		if v.Status != verdict.Cacheable && (v.Reason == "" || v.Reads != nil) {
			t.Fatalf("%q: refused without a reason: %+v", sql, v)
		}
		if (v.Effect == verdict.EffectRelations) != (len(v.Writes) > 0) {
			t.Fatalf("%q: effect and relations disagree: %+v", sql, v)
		}
		if again := c.Judge([]byte(sql)); summary(again) != summary(v) || again.Session != v.Session {
			t.Fatalf("%q: judged twice: %s, %s", sql, summary(v), summary(again))
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	c := settled(b)
	pgbench := []byte("SELECT a FROM t WHERE id = 48291;")
	join := []byte("SELECT t.id, t.name, u.total FROM t AS c JOIN u AS o ON o.customer_id = c.id " +
		"WHERE c.region = 'north' AND o.total > 100 ORDER BY o.total DESC LIMIT 20")
	b.Run("known/pgbench", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Judge(pgbench)
		}
	})
	b.Run("known/join", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Judge(join)
		}
	})
	catalog := c.Catalog()
	b.Run("unknown/join", func(b *testing.B) {
		b.ReportAllocs()
		shape, flags := sqlscan.AppendShape(nil, join)
		for b.Loop() {
			judge(shape, flags, catalog, 1)
		}
	})
	// What a look-up by exact text would cost instead, if it always hit.
	b.Run("exact/join", func(b *testing.B) {
		texts := map[string]*Verdict{string(join): c.Judge(join)}
		var mu sync.Mutex
		for b.Loop() {
			mu.Lock()
			if texts[string(join)] == nil {
				b.Fatal("not found")
			}
			mu.Unlock()
		}
	})
}
