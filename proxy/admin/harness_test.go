package admin_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/admin"
	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/traffic"
)

// fakeProxy is what the console is about, in tests. Database shop belongs to app, and lab to eve.
type fakeProxy struct {
	mu        sync.Mutex
	purged    []string // what Purge was asked for
	explained []string
	err       error // of Explain
	told      []string
	acquires  uint64 // of Pools; 0: 9
}

var owners = map[string]string{"shop": "app", "lab": "eve"}

func (f *fakeProxy) DatabaseNames() []string { return []string{"lab", "shop"} }

func (f *fakeProxy) MayUse(database, user string) bool { return owners[database] == user }

func (f *fakeProxy) Explain(_ context.Context, database, user, sql string, verify bool) (proxy.Explanation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if sql == "panic" {
		panic(sql)
	}
	f.explained = append(f.explained, fmt.Sprintf("%s as %s: %s (verify %v)", database, user, sql, verify))
	e := proxy.Explanation{
		Database: database, User: "app", Status: "volatile", Reason: "random() is VOLATILE", Tables: []string{"public.t"},
		Rule: 2, RuleText: "tables: t", MaxAge: time.Minute, Tags: []string{"a", "b"},
		Settings: []proxy.NameValue{{Name: "TimeZone", Value: "UTC"}, {Name: "DateStyle", Value: "ISO"}},
		Needs:    []string{"app.tenant"},
		Query:    &proxy.QueryStatus{Fingerprint: 0xabc, Calls: 7, Hits: 3, Entries: 1, Youngest: 1500 * time.Millisecond},
	}
	if verify {
		e.Oracle = &proxy.OracleAnswer{Agrees: true, Status: "cacheable", Reads: []string{"public.t"}}
	}
	return e, f.err
}

func (f *fakeProxy) Advise(_ context.Context, database, user string) ([]proxy.Advice, error) {
	if f.err != nil {
		return nil, f.err
	}
	return []proxy.Advice{
		{Database: database, Fingerprint: 0xfe, Kind: proxy.AdviceLoop, Share: 0.123456, Shape: "select 1 from " + database, Text: "for " + user},
		{Database: database, Kind: proxy.AdviceIndex, Text: "nobody was there"},
	}, nil
}

func (f *fakeProxy) Purge(_ context.Context, database string, what proxy.Purge) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if what.Table == "missing" {
		return nil, &proxy.ControlError{Code: "42P01", Message: "no table"}
	}
	f.purged = append(f.purged, fmt.Sprintf("%s %+v", database, what))
	return []string{"it"}, nil
}

func (f *fakeProxy) Caches() []proxy.CacheStatus {
	return []proxy.CacheStatus{
		{Database: "lab", Enabled: true, DryRun: true, Misses: 10, WouldHit: 4, DryEntries: 3},
		{Database: "shop", Enabled: true, Entries: 2, Bytes: 300, Floor: 1 << 20, Hits: 3, Stale: 1, Misses: 1},
	}
}

func (f *fakeProxy) Queries(database string) []proxy.QueryStatus {
	return []proxy.QueryStatus{
		{Database: database, Fingerprint: 1, Calls: 2, Status: "volatile", Reason: "now()", Shape: "select now ( )"},
		{Database: database, Fingerprint: 3, Shape: "select explained"},
		{Database: database, Fingerprint: 0xfe, Calls: 4, Hits: 3, MeanMiss: 2 * time.Millisecond, Entries: 1, Bytes: 200,
			Status: "cacheable", Shape: "select 1 from " + database},
	}
}

func (f *fakeProxy) Pools() []proxy.PoolStatus {
	return []proxy.PoolStatus{{Database: "shop", User: "app", Mode: "transaction", Clients: 5, Cancels: 1, Stats: pool.Stats{
		Open: 3, Leased: 2, Idle: 1, Waiting: 1, OldestWait: 2500 * time.Millisecond,
		Counters: pool.Counters{Acquires: cmp.Or(f.acquires, 9), WaitTime: time.Second, Waits: 2},
	}}}
}

func (f *fakeProxy) Traffic() []proxy.TrafficStatus {
	one, gone := proxy.TrafficStatus{Database: "shop", User: "app"}, proxy.TrafficStatus{Database: "shop"}
	one.Statements = []traffic.Count{{Word: "hit", N: 30}, {Word: "miss", N: 10}}
	one.Transactions, one.FromClients, one.ToClients, one.TransactionTime = 5, 1<<33, 700, 10*time.Millisecond
	one.Upstream.Sum = 20 * time.Millisecond
	gone.Transactions = 2
	return []proxy.TrafficStatus{gone, one}
}

func (f *fakeProxy) Databases() []proxy.DatabaseStatus {
	return []proxy.DatabaseStatus{{Name: "shop", Host: "db", Port: 5432, Upstream: "shop", Mode: "transaction",
		Limits: pool.Limits{Size: 20, MaxLifetime: time.Hour}, Servers: 3, Clients: 5, CachingEnabled: true, Paused: true}}
}

// born is when everything in tests was.
var born = time.Date(2026, 3, 1, 12, 0, 5, 0, time.UTC)

func (f *fakeProxy) Clients(context.Context) []proxy.ClientStatus {
	return []proxy.ClientStatus{
		{ID: 7, Database: "shop", User: "app", State: "active", Application: "web", Server: 4711, Link: 9, Prepared: 2, Pinned: "temporary table",
			Wire: proxy.Wire{Address: tcp("10.0.0.1", 5), Local: tcp("10.0.0.2", 6432), TLS: "TLS 1.3/X", Since: born}},
		{ID: 8, Database: "lab", User: "eve", State: "waiting", Waits: 1500 * time.Millisecond,
			Wire: proxy.Wire{Address: &net.UnixAddr{Net: "unix"}, Pending: 12}},
	}
}

func (f *fakeProxy) Servers(context.Context) []proxy.ServerStatus {
	return []proxy.ServerStatus{{ID: 9, Database: "shop", User: "app", State: "active", Application: "web", PID: 4711, Link: 7, Prepared: 3,
		CloseNeeded: true, Wire: proxy.Wire{Address: tcp("fd00::1", 5432), Local: tcp("10.0.0.2", 40000), Since: born, Asked: born.Add(time.Hour), Kept: 3, Left: 4}}}
}

func tcp(ip string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: port} }

func (f *fakeProxy) Memory() []proxy.MemoryStatus {
	return []proxy.MemoryStatus{{Name: "cache", Used: 1 << 33, Free: 1 << 32}}
}

func (f *fakeProxy) LoggingIn() int { return 6 }

func (f *fakeProxy) IsShut() bool { return false }

// note keeps what the proxy was told to do. "missing" is a database that is not there.
func (f *fakeProxy) note(what, database string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if database == "missing" {
		return &proxy.ControlError{Code: "3D000", Message: "no database"}
	}
	f.told = append(f.told, strings.TrimSpace(what+" "+database))
	return nil
}

func (f *fakeProxy) Pause(ctx context.Context, database string) error {
	if database == "busy" {
		_ = f.note("pausing", database)
		<-ctx.Done()
		_ = f.note("gave up", database)
		return ctx.Err()
	}
	return f.note("pause", database)
}

func (f *fakeProxy) Resume(database string) error { return f.note("resume", database) }

func (f *fakeProxy) Kill(database string) error { return f.note("kill", database) }

func (f *fakeProxy) Reconnect(database string) error { return f.note("reconnect", database) }

func (f *fakeProxy) WaitClose(_ context.Context, database string) error {
	return f.note("wait_close", database)
}

func (f *fakeProxy) Disable(database string) error { return f.note("disable", database) }

func (f *fakeProxy) Enable(database string) error { return f.note("enable", database) }

func (f *fakeProxy) KillClient(id uint64) error {
	return f.note("kill_client", strconv.FormatUint(id, 10))
}

// deeds returns what the proxy was told since the last time.
func (f *fakeProxy) deeds() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	told := f.told
	f.told = nil
	return told
}

// console is a console that takes clients of any name, without a password.
type console struct {
	t       *testing.T
	proxy   *fakeProxy
	address string
	stop    context.CancelFunc
	done    sync.WaitGroup // its conversations
	reload  func() error
}

func startConsole(t *testing.T) *console {
	t.Helper()
	c := &console{t: t, proxy: &fakeProxy{}}
	served := admin.New(admin.Options{
		Reload: func() error { return c.reload() }, Version: "1.2.3", Admins: []string{"root"}, StatsUsers: []string{"watch"}, Users: []string{"app", "nobody"},
		Config: []admin.Setting{{Key: "loops", Value: "2", Default: "0"}, {Key: "limits.max_clients", Value: "900", Default: "1000", Changeable: true}},
		Set: func(path []string, value string) error {
			if path[0] != "log" {
				return errors.New("log alone can be set")
			}
			return c.proxy.note("set "+strings.Join(path, "|")+" to", value)
		},
		Shutdown: func(how proxy.Ending) error { return c.proxy.note("shutdown", strconv.Itoa(int(how))) },
	})
	served.Attach(c.proxy)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c.address, c.stop = l.Addr().String(), stop
	c.done.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			c.done.Go(func() {
				code, rest, err := pgwire.ReadStartup(nc)
				if code == pgwire.CancelRequestCode && len(rest) == 8 {
					served.Cancel(binary.BigEndian.Uint32(rest), binary.BigEndian.Uint32(rest[4:]))
					nc.Close()
					return
				}
				startup, err2 := pgwire.ParseStartup(code, rest)
				if err != nil || err2 != nil {
					nc.Close()
					return
				}
				served.Serve(ctx, nc, startup.Get("user"))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		stop()
		c.done.Wait()
	})
	return c
}

// modes are the ways in which pgx sends a statement.
var modes = []pgx.QueryExecMode{
	pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeCacheStatement,
	pgx.QueryExecModeCacheDescribe,
}

func (c *console) login(user string, mode pgx.QueryExecMode) *pgx.Conn {
	c.t.Helper()
	config, err := pgx.ParseConfig("postgres://" + user + "@" + c.address + "/overdrive?sslmode=disable")
	if err != nil {
		c.t.Fatal(err)
	}
	config.DefaultQueryExecMode = mode
	conn, err := pgx.ConnectConfig(c.t.Context(), config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// ask runs a command and returns its rows, by the names of the columns.
func ask(t *testing.T, conn *pgx.Conn, sql string) []map[string]any {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToMap)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return list
}

// items returns what EXPLAIN CACHE answers.
func items(t *testing.T, conn *pgx.Conn, sql string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, row := range ask(t, conn, sql) {
		out[row["item"].(string)] = row["value"].(string)
	}
	return out
}

// columnOf returns one column of rows.
func columnOf(rows []map[string]any, name string) []any {
	var out []any
	for _, row := range rows {
		out = append(out, row[name])
	}
	return out
}

func equal(t *testing.T, what string, got []any, want ...any) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
