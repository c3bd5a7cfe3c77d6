package postgres

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"overdrive/proxy/postgres/upstream"
	"overdrive/proxy/proxytest"
)

func surveyed(t *testing.T, pg *proxytest.Postgres, database string) *Found {
	t.Helper()
	host, port, err := net.SplitHostPort(pg.Addr())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Survey(t.Context(), upstream.Target{Host: host, Port: number, User: "postgres", Database: database})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSurvey_TellsWhatTheCacheCanDo(t *testing.T) {
	pg := proxytest.StartPostgres(t)
	pg.Exec("create table games (id int); create table days (d date) partition by list (d); create table none partition of days default;" +
		"create view recent as select * from games; create temporary table mine (id int)")
	f := surveyed(t, pg, "postgres")
	if f.Uncached != nil || f.Tables != 3 || f.Views != 1 || f.ReadOnly || f.Connections < 10 || f.TLS != "" || f.Login <= 0 || f.Query <= 0 {
		t.Errorf("got %+v", f)
	}
	if f.Query > f.Login {
		t.Errorf("a query took %v, longer than the login with %v", f.Query, f.Login)
	}

	pg.Exec("create database casts")
	pg.ExecIn("casts", "create function f(int) returns inet language sql immutable as 'select null::inet'; create cast (int as inet) with function f(int) as implicit")
	if f := surveyed(t, pg, "casts"); f.Uncached == nil || !strings.Contains(f.Uncached.Error(), "implicit cast") {
		t.Errorf("with a cast: got %+v", f)
	}

	pg.Exec("create database shut")
	pg.Exec("alter database shut set default_transaction_read_only = on")
	pg.ExecIn("shut", "begin read write; revoke select on pg_catalog.pg_proc from public; commit")
	pg.Exec("create role app login")
	host, port, _ := net.SplitHostPort(pg.Addr())
	number, _ := strconv.Atoi(port)
	g, err := Survey(t.Context(), upstream.Target{Host: host, Port: number, User: "app", Database: "shut"})
	if err != nil || g.Uncached == nil || !strings.Contains(g.Uncached.Error(), "permission denied for table pg_proc") || !g.ReadOnly {
		t.Errorf("without rights: got %+v, %v", g, err)
	}
}
