package classify

import (
	"testing"

	"overdrive/querycache/verdict"
)

// What was sent, and is answered behind DDL, has done what its verdict says unless the DDL may have made it another.
func TestHeld_StatementsThatDDLMayHaveMadeOthers(t *testing.T) {
	const reads, counts, views, calls, writes, both, triggers, plain = "select a from t", "select count(*) from t", "select a from v", "select lower(a) from t", "insert into t values (1)",
		"insert into t select a from u", "insert into triggered values (1)", "select 1 + 1"
	all := []string{reads, counts, views, calls, writes, both, plain}
	for ddl, moved := range map[string][]string{
		"create policy p on t using (f() > 0)":                                       {reads, counts, views, calls, writes, both},
		"alter table t enable row level security":                                    {reads, counts, views, calls, writes, both},
		"alter table t owner to x":                                                   {reads, counts, views, calls, writes, both},
		"alter table t alter column a type text":                                     {reads, counts, views, calls, writes, both},
		"alter table t drop column a":                                                {reads, counts, views, calls, writes, both},
		"alter table t rename column a to b":                                         {reads, counts, views, calls, writes, both},
		"alter table t rename to x":                                                  {reads, counts, views, calls, writes, both},
		"drop table u":                                                               {both},
		"create view u as select 1":                                                  {both},
		"create table other.t (a int)":                                               {reads, counts, views, calls, writes, both},
		"alter table t add column b int4":                                            nil,
		"alter table t add column b int4 default 7":                                  {writes, both},
		"alter table t add column b int references u":                                {writes, both}, // u has something that refers to it
		"alter table t validate constraint c":                                        nil,
		"alter table t alter column a set statistics 100":                            nil,
		"alter table t alter column a set default 7":                                 {writes, both},
		"create index on t (lower(a))":                                               nil,
		"create trigger x before insert on t for each row execute function f()":      {writes, both},
		"create rule r as on insert to t do also select 1":                           {writes, both},
		"create function other.lower(text) returns text language sql as 'select $1'": {calls},
		"create function unheard() returns int language sql as 'select 1'":           nil,
		"create type text as enum ('a')":                                             nil,
		"create table elsewhere (a int)":                                             nil,
	} {
		c := settled(t)
		touch := c.Judge([]byte(ddl)).Touch
		if touch == nil {
			t.Errorf("%s is not understood", ddl)
			continue
		}
		sent := map[string]*Verdict{}
		for _, sql := range all {
			if sent[sql] = c.Judge([]byte(sql)); sent[sql].Effect == verdict.EffectEverything {
				t.Fatalf("%s is not understood", sql)
			}
		}
		meant := map[string]bool{}
		for _, sql := range moved {
			meant[sql] = true
		}
		for _, sql := range all {
			if got := !sent[sql].Meaning.Held([]*Touch{touch}); got != meant[sql] {
				t.Errorf("%s is being committed: %s is another: %v", ddl, sql, got)
			}
		}
		c.Doubt(touch)
		for _, sql := range all {
			if got := !sent[sql].Meaning.Held(nil); got != meant[sql] {
				t.Errorf("behind %s: %s is another: %v", ddl, sql, got)
			}
			if v := c.Judge([]byte(sql)); v.Meaning != nil && !v.Meaning.Held(nil) {
				t.Errorf("%s came behind %s, and is another", sql, ddl)
			}
		}
		c.Stale()
		if sent[reads].Meaning.Held(nil) || sent[plain].Meaning.Held([]*Touch{nil}) || sent[reads].Meaning.Loosely().Held(nil) {
			t.Error("what may be anything is nothing")
		}
	}
}
