//go:build linux

package faults

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

const (
	database = "faults"
	role     = "app"
	password = "secret"
	hog      = "hog" // another role, which takes connections
)

// maxConnections leaves the proxy what it needs, and others some.
const maxConnections = 30

// A lab is a PostgreSQL of the test's own with a relay before it.
type lab struct {
	t     *testing.T
	pg    *proxytest.Postgres
	relay *relay

	proxy  *pgconn.Config   // to log in at the proxy that is tried
	guests []*pgconn.PgConn // clients besides those of the load, who stay until the end of the trial
}

func newLab(t *testing.T) *lab {
	t.Helper()
	pg := proxytest.StartPostgres(t, proxytest.WithMaxConnections(maxConnections),
		proxytest.WithSetting("synchronous_commit", "on"), // a crash loses nothing that was acknowledged
		proxytest.WithHBA("host all postgres 127.0.0.1/32 trust", "host all all 127.0.0.1/32 scram-sha-256"))
	for _, name := range []string{role, hog} {
		pg.Exec(fmt.Sprintf("create role %s login password '%s'", name, password))
	}
	pg.Exec(fmt.Sprintf("alter role %s set statement_timeout = '%dms'", role, statementTimeout.Milliseconds()))
	pg.Exec("create database " + database)
	pg.ExecIn(database, fmt.Sprintf(`
		create table counter (id int primary key, n int not null);
		create table ledger (client int not null, number int not null);
		create table fixed (id int primary key, word text not null);
		insert into fixed select i, 'word ' || i from generate_series(0, %d) i;
		grant select, insert, update on all tables in schema public to %s`, fixedRows-1, role))
	return &lab{t: t, pg: pg, relay: startRelay(t, pg.Addr())}
}

// fresh has the tables be as for clients that have never written.
func (l *lab) fresh() {
	l.pg.ExecIn(database, fmt.Sprintf(`truncate counter, ledger;
		insert into counter select i, 0 from generate_series(0, %d) i`, clients-1))
}

// configuration is the proxy's.
func (l *lab) configuration(cache bool, parameters string) string {
	return fmt.Sprintf(`listen: ["127.0.0.1:0"]
http: ""
log: {format: json}
auth: {method: trust}
admin: {users: [admin]}
cache: {memory: 16MiB}
databases:
  %s:
    url: postgres://%s:%s@%s/%s?sslmode=disable&connect_timeout=%d%s
    pool: {size: %d, wait_timeout: %v}
    cache: {enabled: %v, max_age: 1h}
`, database, role, password, l.relay.address, database, int(connectTimeout.Seconds()), parameters, servers, waitTimeout, cache)
}

// query asks the server itself, as the superuser.
func (l *lab) query(sql string) []string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgconn.Connect(ctx, l.pg.DSN(database))
	if err != nil {
		l.t.Fatal(err)
	}
	defer conn.Close(ctx)
	all, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		l.t.Fatalf("%v\n%s", err, sql)
	}
	list, err := rows(all[0])
	if err != nil {
		l.t.Fatalf("%v\n%s", err, sql)
	}
	return list
}

const backendsOf = "select pid from pg_stat_activity where backend_type = 'client backend' and usename = "

// backends returns the processes that serve the proxy, or one of them.
func (l *lab) backends(most string) []int {
	l.t.Helper()
	var pids []int
	for _, text := range l.query(backendsOf + "'" + role + "' order by random() limit " + most) {
		pid, err := strconv.Atoi(text)
		if err != nil {
			l.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// postmaster returns the process that takes new connections.
func (l *lab) postmaster() int {
	l.t.Helper()
	pid, err := strconv.Atoi(l.query("select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")[0])
	if err != nil {
		l.t.Fatal(err)
	}
	return pid
}

func (l *lab) signal(sig syscall.Signal, pids ...int) {
	l.t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
			l.t.Error(os.NewSyscallError("kill", err))
		}
	}
}

func (l *lab) terminate(most string) {
	l.t.Helper()
	l.query("select pg_terminate_backend(pid) from (" + backendsOf + "'" + role + "' order by random() limit " + most + ") p")
}

// dismiss has the guests leave.
func (l *lab) dismiss() {
	for _, guest := range l.guests {
		_ = guest.Close(context.Background())
	}
	l.guests = nil
}

// audit compares what is in the tables with what the clients know, once nobody works for them any more.
func (l *lab) audit(all []*client) (problems []string) {
	l.t.Helper()
	for began := time.Now(); len(l.backends("all")) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > patient(limits.rest) {
			problems = append(problems, fmt.Sprintf("the program has ended, and %d backends have not", len(l.backends("all"))))
			break
		}
	}
	there := map[string]int{}
	for _, line := range l.query("select client, number, count(*) from ledger group by 1, 2") {
		at := strings.LastIndexByte(line, ' ')
		there[line[:at]], _ = strconv.Atoi(line[at+1:])
	}
	for _, c := range all {
		for number, what := range c.ledger {
			n := there[fmt.Sprint(c.id, number)]
			delete(there, fmt.Sprint(c.id, number))
			if n > 1 || what == committed && n != 1 || what == rolledBack && n != 0 {
				problems = append(problems, fmt.Sprintf("transaction %d of client %d is there %d times, its outcome was %s", number, c.id, n, what))
			}
		}
		if err := c.ownRow(l.query(fmt.Sprintf("select id, n from counter where id = %d", c.id)), nil); err != nil {
			problems = append(problems, "at the end: "+err.Error())
		}
	}
	if len(there) > 0 {
		problems = append(problems, fmt.Sprintf("transactions that nobody made: %v", there))
	}
	return problems
}

func (o outcome) String() string { return [...]string{"committed", "rolled back", "unknown"}[o] }
