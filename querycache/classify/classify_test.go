package classify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"overdrive/querycache/verdict"
)

// summary writes a verdict as status, reads or reason aside, and effect.
func summary(v *Verdict) string {
	s := string(v.Status)
	if v.Status == verdict.Cacheable {
		s = fmt.Sprint("reads ", v.Reads)
	}
	switch v.Effect {
	case verdict.EffectEverything:
		s += " writes everything"
	case verdict.EffectRelations:
		s += fmt.Sprint(" writes ", v.Writes)
	}
	if v.DDL {
		s += " ddl"
	}
	return s
}

func TestJudge_StatusAndEffect(t *testing.T) {
	c := settled(t)
	for _, tt := range []struct{ sql, want string }{
		// Queries.
		{"select * from t", "reads [1]"},
		{"SELECT * FROM public.T;", "reads [1]"},
		{"select * from other.t", "reads [16]"},
		{`select * from "T"`, "uncacheable"},
		{"(((select * from t)))", "reads [1]"},
		{"/* now() */ select 1 -- random()", "reads []"},
		{"/* /* delete from t */ */ select 1", "reads []"},
		{`select 'now_', "now" from (select 1 as "now") s`, "reads []"},
		{`select 1 as "now"`, "reads []"},
		{"select $$delete from t$$", "reads []"},
		{"select 'x; delete from t'", "reads []"},
		{"select a from t union select b from u except table other.t order by 1 limit 3 offset $1", "reads [1 2 16]"},
		{"select exists(select 1 from u where u.id = t.id), (select max(1) from t) from t", "uncacheable writes everything"},
		{"select exists(select 1 from u where u.id = t.id) from t", "reads [1 2]"},
		{"select a[1], a[1:2], (t).a, t.a, t.*, public.t.a from t", "reads [1]"},
		{"select case a when 1 then 'x' else 'y' end, nullif(a, b), greatest(a, b), a between 1 and 2, a in (1, 2) from t", "reads [1]"},
		{"select a is distinct from b, a is null, a is not true, not a, a and b, -a, a || b, row(1, 2) = row(a, b) from t", "reads [1]"},
		{"select distinct on (a) a from t group by grouping sets ((a), rollup(b), ()) having count(*) > 1", "reads [1]"},
		{"select * from t fetch first 3 rows with ties", "reads [1]"},
		{"select count(distinct a) filter (where b) over (partition by a order by b rows between 1 preceding and current row) from t", "reads [1]"},
		{"values (1, 'a'), ($1, $2)", "reads []"},
		{"table t", "reads [1]"},
		{"select from t", "reads [1]"},
		{"select * from parent", "reads [6 7]"},
		{"select * from only parent", "reads [6 7]"},
		{"select * from with_foreign", "uncacheable"},
		{"select * from guarded", "reads [10]"},
		{"select * from spied", "reads [19]"},
		{"select * from soft", "volatile"},
		{"select * from temp_seen", "uncacheable"},
		{"select * from v", "reads [1]"},
		{"select * from v join v w on v.a = w.a join u on true", "reads [1 2]"},
		{"select * from view_over_it", "volatile writes everything"},
		{"select * from pg_class", "uncacheable"},
		{"select * from missing", "uncacheable"},
		{"select lower(a) from t", "reads [1]"},
		{"select other.lower(a) from t", "volatile writes everything"},
		{"select lower(a, b) from t", "uncacheable writes everything"},
		{"select g()", "uncacheable writes everything"},
		{"select f()", "volatile writes everything"},
		{"select 1 where false and f() = 1", "volatile writes everything"},
		{"select concat(a, b) from t", "reads [1]"},
		{"select Now()", "volatile"},
		{`select "now"()`, "volatile"},
		{"select now /* x */ ()", "volatile"},
		{"select current_timestamp(3)", "volatile"},
		{"select user", "volatile"},
		{"select 'today'::date", "volatile"},
		{"select '{yesterday}'::date[]", "volatile"},
		{"select * from t where day = 'now'", "volatile"},
		{"select day::date from t", "reads [1]"},
		{"select day::date from u", "reads [2]"},
		{"select day::date from t, u", "reads [1 2]"},
		{"select x.day::date from (select a as day from t) x", "reads [1]"},
		{"select x.day::date from (select a from t) x(day)", "uncacheable"},
		{"with x(day) as (select a from t) select day::date from x, t", "uncacheable"},
		{"select (a || b)::date from t", "uncacheable"},
		{"select '2020-01-01'::date, $1::date, date '2020-01-01'", "reads []"},
		{"select 1::int, 'x'::text, a::int4[] from t", "reads [1]"},
		{"select 1::thing", "uncacheable"},
		{"select 1::public.int4", "uncacheable"},
		{"select 'x'::t.a%type", "uncacheable"},
		{"select a ### b from t", "uncacheable writes everything"},
		{"select a operator(other.<+>) b from t", "uncacheable"},
		{"select * from t order by a using <+>", "uncacheable"},
		{"select a <+> any (select 1) from t", "uncacheable"},
		{"select a <*> b from t", "reads [1]"},
		{"select t.cost from t", "uncacheable writes everything"},
		{"select t.row_to_json from t", "uncacheable"},
		{"select (select t).cost from t", "uncacheable writes everything"},
		// What stands before the point may be no row.
		{"select t.volf from t", "reads [1]"},
		{"select (7).volf", "uncacheable writes everything"},
		{"select $1.volf", "uncacheable writes everything"},
		{"select a[1].volf from t", "uncacheable writes everything"},
		{"select x.volf from lower('x') x", "uncacheable writes everything"},
		{"select x.volf from t, (select x.a from lower('x') x) x", "uncacheable writes everything"},
		{"select (a).pg_advisory_lock from t", "uncacheable"},
		{"select t.pg_advisory_lock from t", "reads [1]"},
		{"insert into t select (7).volf", "notaquery writes everything"},
		{"select (a).date from t", "uncacheable"},
		{"select (a).ts_stat from t", "uncacheable writes everything"},
		{"select (a).b, (a).c.d from t", "reads [1]"},
		{"select datemultirange(a) from t", "uncacheable"},

		// User-defined code that is not called volatile.
		{"select quiet()", "uncacheable writes everything"},
		{"select csafe()", "uncacheable"},
		{"select a %% b from t", "uncacheable writes everything"},
		{"select 1::coded", "uncacheable writes everything"},
		{"insert into t values ('x'::thing)", "notaquery writes [1]"},
		{"insert into t values ($1::coded)", "notaquery writes everything"},
		{"select * from policed", "uncacheable writes everything"},

		// Functions that run text.
		{"select query_to_xml('select f()', true, true, '')", "volatile writes everything"},
		{"select ts_rewrite(a, a, a) from t", "uncacheable writes everything"},
		{"select * from dblink('x') as d(a int)", "uncacheable writes everything"},
		{"select * from ts_stat('select f()')", "uncacheable writes everything"},

		{"select note::_date from t", "uncacheable"},
		{"select array[note]::_date from t", "uncacheable"},
		{"select array[note]::date[] from t", "uncacheable"},
		{"select '{2020-01-01}'::_date", "reads []"},
		{`select '{tod\ay}'::date[]`, "volatile"},

		{"select " + strings.Repeat("x", 63) + " from t", "reads [1]"},
		{"select " + strings.Repeat("x", 64) + " from t", "uncacheable writes everything"},
		{`select 1 as "` + strings.Repeat("é", 32) + `" from t`, "uncacheable writes everything"},
		{"insert into t values (" + strings.Repeat("x", 64) + "(1))", "notaquery writes everything"},

		{"select xmin from t", "uncacheable"},
		{"select t.ctid from t", "uncacheable"},
		{`select "ctid" from t`, "uncacheable"},
		{"select * from t for update", "uncacheable"},
		{"select * from t for no key update of t nowait", "uncacheable"},
		{"select * from t where id in (select id from u for share)", "uncacheable"},
		{"select * from t tablesample bernoulli (1) repeatable (1)", "uncacheable"},
		{"select xmlelement(name a)", "uncacheable"},
		{"select a is json from t", "uncacheable"},
		{"with recursive x as (select 1 union all select * from x) select * from x", "reads []"},
		{"with t as (select * from t) select * from t", "reads [1]"},
		{"with t as (select 1) select * from t, public.t", "reads [1]"},
		{"with t as (select 1), x as (select * from t) select * from x", "reads []"},
		{"select * from (with t as (select 1) select * from t) x, t", "reads [1]"},
		{"with x as (select 1) search depth first by a set b select * from x", "uncacheable"},
		{"select 1 1", "parseerror writes everything"},
		{"select 'a' 'b'", "parseerror writes everything"},
		{"select 'a'\n'b'", "reads []"},
		{"select 'a", "parseerror writes everything ddl"},
		{`select U&"t"`, "uncacheable writes everything ddl"},
		{"", "notaquery"},
		{";", "notaquery"},
		{"select 1; select 2", "multiplestatements"},
		{"select 1;", "reads []"},

		// Writes.
		{"with x as (delete from t returning *) select * from x", "uncacheable writes [1]"},
		{"with x as (insert into t values (1) returning *), y as (update u set a = 1) select 1", "uncacheable writes [1 2]"},
		{"insert into t default values", "notaquery writes [1]"},
		{"insert into t select * from u", "notaquery writes [1]"},
		{"insert into t values (now(), random())", "notaquery writes [1]"},
		{"insert into t values (f())", "notaquery writes everything"},
		{"insert into t select * from view_over_it", "notaquery writes everything"},
		{"with t as (select 1) insert into t select * from t", "notaquery writes [1]"},
		{"insert into referenced values (1)", "notaquery writes [12]"},
		{"insert into referenced values (1) on conflict do nothing", "notaquery writes [12]"},
		{"insert into referenced values (1) on conflict (id) do update set id = 2", "notaquery writes [12 13]"},
		{"delete from referenced", "notaquery writes [12 13]"},
		{"update referenced set a = 1", "notaquery writes [12]"},
		{"update referenced set id = 1", "notaquery writes [12 13]"},
		{"update referenced set (a, id) = (1, 2)", "notaquery writes [12 13]"},
		{"update child set a = 1", "notaquery writes [2 7]"},
		{"insert into parent values (1)", "notaquery writes [6 7]"},
		{"delete from feeds", "notaquery writes everything"},
		{"insert into triggered values (1)", "notaquery writes everything"},
		{"insert into v values (1)", "notaquery writes everything"},
		{"insert into missing values (1)", "notaquery writes everything"},
		{"insert into a.public.t values (1)", "notaquery writes everything"},
		{"insert into t.other.u values (1)", "notaquery writes everything"},
		{"select * from t.other.u", "uncacheable writes everything"},
		{"delete from t where current of c", "notaquery writes [1]"},
		{"merge into t using u on t.id = u.id when matched then update set a = u.a when not matched then insert values (1)", "notaquery writes [1]"},
		{"truncate t, u", "notaquery writes [1 2]"},
		{"truncate t cascade", "notaquery writes everything"},
		{"copy t from stdin", "notaquery writes [1]"},
		{"copy t (a, b) from '/tmp/x' with (format csv) where a > f()", "notaquery writes everything"},
		{"copy t to stdout", "notaquery"},
		{"copy (select f()) to stdout", "notaquery writes everything"},
		{"explain delete from t", "notaquery"},
		{"explain analyze delete from t", "notaquery writes [1]"},
		{"explain (analyze, buffers) delete from t", "notaquery writes [1]"},
		{"explain (analyze false) delete from t", "notaquery"},
		{"explain (analyze 'false') delete from t", "notaquery writes [1]"},
		{"explain (analyze 0) delete from t", "notaquery writes [1]"},
		{"explain (costs off) delete from t", "notaquery"},
		{"explain analyze select 1", "notaquery"},
		{"declare c cursor for select 1", "notaquery"},
		{"declare c cursor for select f()", "notaquery writes everything"},
		{"execute p(1)", "notaquery writes everything"},
		{"call p()", "notaquery writes everything"},
		{"do $$begin end$$", "notaquery writes everything"},
		{"do $$begin create table x(); end$$", "notaquery writes everything ddl"},
		{"commit prepared 'x'", "notaquery writes everything ddl"},
		{"prepare transaction 'x'", "notaquery"},
		{"refresh materialized view m", "notaquery writes everything ddl"},
		{"select * into x from t", "uncacheable writes everything ddl"},
		{"create table x as select 1", "notaquery writes everything ddl"},
		{"create table x (a int)", "notaquery writes [] ddl"},
		{"create temp table x (a int default f(), b t)", "notaquery"},
		{"create local temporary table if not exists x (a int) on commit drop", "notaquery"},
		{"create temp table x as select * from t", "notaquery"},
		{"create temp table x as select f()", "notaquery writes everything"},
		{"create temp table x as select * from view_over_it", "notaquery writes everything"},
		{"create temp table x as execute p", "notaquery writes everything"},
		{"create temp table x as with y as (delete from t returning *) select * from y", "notaquery writes [1]"},
		{"create temp table x () inherits (t)", "notaquery writes everything ddl"},
		{"create temp table x partition of parent for values in (1)", "notaquery writes everything ddl"},
		{"create temp table pg_temp.x (a int)", "notaquery writes everything ddl"},
		{"create table pg_temp.x (a int)", "notaquery writes everything ddl"},
		{"create unlogged table x (a int)", "notaquery writes [] ddl"},
		{"create temp view x as select 1", "notaquery writes everything ddl"},
		{"select * into temp x from t", "uncacheable writes everything ddl"},
		{"alter table t add column b int", "notaquery writes [1] ddl"},
		{"drop table t", "notaquery writes [1 16] ddl"},
		{"grant select on t to public", "notaquery writes [1] ddl"},
		{"revoke select on t from public", "notaquery writes [1] ddl"},
		{"alter role x set timezone = 'utc'", "notaquery writes everything ddl"},
		{"comment on table t is 'x'", "notaquery"},
		{"create function q() returns int language sql begin atomic select 1; select 2; end", "multiplestatements writes everything ddl"},
		{"vacuum t", "notaquery"},
		{"analyze", "notaquery"},
		{"reindex table t", "notaquery"},
		{"refresh materialized view spied", "notaquery writes [19]"},
		{"refresh materialized view t", "notaquery writes everything ddl"},
		{"create index i on t (a)", "notaquery"},
		{"create index on t (a)", "notaquery"},
		{"create index u on t (a)", "notaquery writes [1 2] ddl"},
		{"create index i on t ((a + 1))", "notaquery writes [1] ddl"},
		{"create index i on t (a) where a > 0", "notaquery writes [1] ddl"},
		{"drop index i", "notaquery"},
		{"drop table if exists nowhere", "notaquery"},
		{"drop table nowhere cascade", "notaquery writes everything ddl"},
		{"drop table nowhere, t", "notaquery writes [1 16] ddl"},
		{"drop table nowhere.t", "notaquery writes [1 16] ddl"},
		{"create table if not exists t (a int)", "notaquery"},
		{"create table if not exists pg_class (a int)", "notaquery writes [15] ddl"},
		{"create table if not exists t () inherits (u)", "notaquery writes [1 2 16] ddl"},
		{"frobnicate", "parseerror writes everything ddl"},
		{"select 1; drop table t; insert into t values (1)", "multiplestatements writes everything ddl"},
		{"insert into t values (1); select 1", "multiplestatements writes [1]"},

		// Neither.
		{"begin", "notaquery"},
		{"start transaction isolation level serializable", "notaquery"},
		{"commit", "notaquery"},
		{"rollback to savepoint x", "notaquery"},
		{"savepoint x", "notaquery"},
		{"release x", "notaquery"},
		{"set timezone = 'utc'", "notaquery"},
		{"show timezone", "notaquery"},
		{"reset all", "notaquery"},
		{"discard all", "notaquery"},
		{"listen x", "notaquery"},
		{"unlisten *", "notaquery"},
		{"notify x, 'y'", "notaquery"},
		{"deallocate all", "notaquery"},
		{"close c", "notaquery"},
		{"fetch 5 from c", "notaquery"},
		{"move next in c", "notaquery"},
		{"lock table t", "notaquery"},
		{"set constraints all immediate", "notaquery"},
		{"prepare p as delete from t", "notaquery"},
		{"checkpoint", "notaquery"},
	} {
		if got := summary(c.Judge([]byte(tt.sql))); got != tt.want {
			t.Errorf("%s: got %s (%s), want %s", tt.sql, got, c.Judge([]byte(tt.sql)).Reason, tt.want)
		}
	}
}

func TestJudge_ReasonNamesTheCulprit(t *testing.T) {
	c := settled(t)
	for sql, want := range map[string]string{
		"select now()":                  `function "now" is stable`,
		"select f()":                    `function "f" is user-defined and volatile`,
		"select * from view_over_it":    `view "view_over_it": view "writing_view": function "f" is user-defined and volatile`,
		"select * from policed":         `policy "quietly" of "policed": function "quiet" is user-defined and may write`,
		"select * from soft":            `a generated column of "soft": function "now" is stable`,
		"select a <+> b from t":         `operator <+> has a user-defined variant`,
		"select 1::thing":               `type "thing" is not known to be safe`,
		"select xmlelement(name a)":     `syntax not known to be safe: XmlExpr`,
		"update t set a = 1":            `UPDATE is not a query`,
		"select now() from v":           `function "now" is stable`,
		"select * from v where a=now()": `function "now" is stable`,
	} {
		if got := c.Judge([]byte(sql)).Reason; got != want {
			t.Errorf("%s: got %q, want %q", sql, got, want)
		}
	}
}

func TestJudge_DateWordsCountPerTextAndNotPerShape(t *testing.T) {
	c := settled(t)
	plain, dated := []byte("select * from t where day > '2020-01-01'"), []byte("select * from t where day > 'today'")
	for range 2 {
		if v := c.Judge(plain); v.Status != verdict.Cacheable {
			t.Errorf("plain: got %s", v.Status)
		}
		if v := c.Judge(dated); v.Status != verdict.Volatile {
			t.Errorf("dated: got %s", v.Status)
		}
	}
	if a, b := c.Judge(plain), c.Judge([]byte("SELECT * FROM t WHERE day > '1999-12-31'")); a != b {
		t.Error("two texts of one shape have different verdicts")
	}
}

func TestJudge_WithoutCatalogFearsTheWorst(t *testing.T) {
	c := New(nil)
	for sql, want := range map[string]string{
		"select 1":                     "unsettled",
		"select * from t":              "unsettled writes everything",
		"select lower('x')":            "unsettled writes everything",
		"insert into t values (1)":     "notaquery writes everything",
		"begin":                        "notaquery",
		"set timezone = 'utc'":         "notaquery",
		"copy t from stdin":            "notaquery writes everything",
		"create temp table x (a int)":  "notaquery writes everything ddl",
		"select (7).volf":              "unsettled writes everything",
		"select 1; select * from only": "parseerror writes everything",
	} {
		if got := summary(c.Judge([]byte(sql))); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
}

func TestJudge_SearchesLongTextsOnlyForWhatTheyLeaveBehind(t *testing.T) {
	c := settled(t)
	long := "/*" + strings.Repeat(" ", MaxText) + "*/"
	ddl := verdict.Statement{DDL: true}
	for text, want := range map[string]Verdict{
		"select 1":                      {},
		"insert into t values (1)":      {},
		"create table u (a int)":        {Statement: ddl},
		"select 1; listen x":            {Session: Listen, Statement: ddl},
		"select set_config('a', b, c)":  {Sets: []string{"a"}},
		"do $$ begin execute w; end $$": {Session: Configures, Statement: ddl},
		`select U&"\0061"`:              {Session: SessionUnknown, Statement: ddl},
		"select 'a":                     {Session: Configures | Calls, Statement: ddl},
	} {
		v := c.Judge([]byte(long + text))
		if v.Effect != verdict.EffectEverything || v.Session&^(Passing|SetsOwn) != want.Session || v.DDL != want.DDL {
			t.Errorf("%s: got %+v", text, v)
		}
		if v := c.Recall([]byte(long + text)); v != nil {
			t.Errorf("%s: it is known without a look", text)
		}
	}
	v := c.Judge([]byte(long + "set timezone = 'UTC'"))
	if v.Status != verdict.OversizedQuery || !slices.Equal(v.Sets, []string{"timezone"}) {
		t.Errorf("got %+v", v)
	}
	if v := c.Judge([]byte("select 1" + long[:MaxText-10] + "*/")); v.Status != verdict.Cacheable {
		t.Errorf("at the limit: got %s", v.Status)
	}
}

func TestJudge_SurvivesDeepNesting(t *testing.T) {
	c := settled(t)
	for _, sql := range []string{
		"select " + strings.Repeat("(", 30000) + "1" + strings.Repeat(")", 30000),
		"select 1" + strings.Repeat("+1", 30000),
		"select " + strings.Repeat("-", 1) + strings.Repeat(" - ", 20000) + "1",
		"insert into t values (1" + strings.Repeat("+1", 30000) + ")",
	} {
		if v := c.Judge([]byte(sql)); v.Status == verdict.Cacheable || v.Effect != verdict.EffectEverything {
			t.Errorf("%.20s…: got %s", sql, summary(v))
		}
	}
}
