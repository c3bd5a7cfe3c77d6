package scale_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// manyTables returns how many tables there are to be, and whether that was asked for.
func manyTables(t *testing.T) (n int, asked bool) {
	t.Helper()
	text := os.Getenv("OVERDRIVE_SCALE")
	if text == "" {
		return 60, false
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 20 {
		t.Fatalf("OVERDRIVE_SCALE=%s: want the number of tables, 20 at least", text)
	}
	return n, true
}

// makeTables makes tables t0, t1 … of ten columns with a key and an index: every fifth refers to the one before, every tenth has a view
// over it. There are schemas s0, s1 … besides.
func makeTables(t *testing.T, pg *proxytest.Postgres, database string, tables, schemas int) {
	t.Helper()
	const columns = "id int primary key, a text, b timestamptz, c numeric, d int%s, e int, f text, g date, h bool, i bigint"
	for from := 0; from < tables; from += 200 {
		script := "begin;"
		for n := from; n < min(from+200, tables); n++ {
			refers := ""
			if n%5 == 1 {
				refers = fmt.Sprintf(" references t%d", n-1)
			}
			script += fmt.Sprintf("create table t%d ("+columns+"); create index on t%d (e);", n, refers, n)
			if n%10 == 0 {
				script += fmt.Sprintf("create view v%d as select a, b, c from t%d;", n, n)
			}
		}
		pg.ExecIn(database, script+"commit")
	}
	for n := range schemas {
		pg.ExecIn(database, fmt.Sprintf("create schema s%d", n))
	}
	pg.ExecIn(database, "create function code() returns int language sql volatile as 'select 1'")
	pg.ExecIn(database, "vacuum analyze")
}

// start makes the database and a proxy before it.
func start(t *testing.T, database string, tables int) (*rig.Instance, *proxytest.Postgres) {
	pg := proxytest.StartPostgres(t)
	pg.Exec("create database " + database)
	makeTables(t, pg, database, tables, searchPaths)
	return rig.Start(t, rig.Setup{
		Upstream: fmt.Sprintf("127.0.0.1:%d", pg.Port()), Database: database, Size: 20, Caching: true,
	}), pg
}
