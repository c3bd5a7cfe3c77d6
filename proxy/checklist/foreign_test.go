package checklist_test

import (
	"fmt"
	"testing"

	"overdrive/proxy/proxytest/rig"
)

// What is written through a foreign table that leads back to the database itself is seen, and so is what is written by reading one.
func TestForeign_TablesThatLeadBackWriteWhatTheyLeadTo(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "foreign_back", "create table t(a int, b int); insert into t select i, 0 from generate_series(1, 5) i; create table other(a int); insert into other values (1)")
	for _, sql := range []string{
		"create extension postgres_fdw", fmt.Sprintf("create server loop foreign data wrapper postgres_fdw options (host '127.0.0.1', port '%d', dbname 'foreign_back')", f.pg.Port()),
		fmt.Sprintf("create server elsewhere foreign data wrapper postgres_fdw options (host '127.0.0.1', port '%d', dbname 'postgres')", f.pg.Port()),
		"create user mapping for public server loop options (user 'postgres')", "create user mapping for public server elsewhere options (user 'postgres')",
		"create foreign table ft(a int, b int) server loop options (table_name 't')", "create view over_ft as select * from ft",
		"create table part(a int, b int) partition by list (a)", "create foreign table partf partition of part for values in (9) server loop options (table_name 't')",
		"create function writes() returns int language sql as 'update public.t set b = b + 1; select 1'", "create view remote as select writes() as a",
		"create foreign table reading(a int) server loop options (table_name 'remote')", "create view over_reading as select a from reading",
		"create foreign table away(relname name) server elsewhere options (schema_name 'pg_catalog', table_name 'pg_class')",
	} {
		rig.Ask(t, f.writer, sql)
	}
	const rows = "select count(*), sum(b) from t"
	for _, write := range []string{
		"update ft set b = b + 1 where a = 1", "insert into ft values (7, 1)", "insert into part values (9, 1)", "update over_ft set b = b + 1",
		"with w as (update ft set b = b + 1 returning 1) select count(*) from w", "select * from reading", "select count(*) from reading", "select * from over_reading", "table reading",
		"explain analyze select * from reading", "select 1 from other, reading", "copy (select * from reading) to stdout", "begin;;update ft set b = b + 1;;commit",
	} {
		f.seen(t, seenWrite{query: rows, write: write})
	}
	f.seen(t, seenWrite{query: rows, write: "delete from ft where a = 7", before: "insert into ft values (7, 1)"},
		seenWrite{query: rows, write: "create table made as select * from reading", before: "drop table if exists made"},
		seenWrite{query: rows, write: "truncate ft", before: "insert into t values (1, 1)"})
	rig.Prime(t, f.reader, rows)
	rig.Ask(t, f.writer, "select count(*) from away")
	rig.Ask(t, f.reader, rows)
	if word := rig.Status(t, f.reader); word != "hit" {
		t.Errorf("behind a table of another database the answer is %s", word)
	}
}
