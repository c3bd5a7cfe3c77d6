package checklist_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"overdrive/proxy/postgres"
	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/admin"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/querycache"
)

// consoleBench is a console that waits until it knows the proxy that it is about.
type consoleBench struct {
	*admin.Console
	attached chan struct{}
}

func (c *consoleBench) Serve(ctx context.Context, nc net.Conn, user string) {
	<-c.attached
	c.Console.Serve(ctx, nc, user)
}

// startWithConsole is startStepped with a console whose administrator is postgres. Its log is the proxy's.
func startWithConsole(t *testing.T, name, sql string, edits ...func(*rig.Options)) (b *steppedBench, administrator *pgconn.PgConn) {
	t.Helper()
	console := &consoleBench{attached: make(chan struct{})}
	b = startStepped(t, name, sql, append(edits, console.install)...)
	console.attach(b.Proxy)
	return b, b.Instance.Connect(t, "overdrive")
}

func (c *consoleBench) install(o *rig.Options) {
	c.Console = admin.New(admin.Options{Admins: []string{"postgres"}, Logger: o.Logger})
	o.Console = c
}

func (c *consoleBench) attach(p *postgres.Proxy) {
	c.Attach(p)
	close(c.attached)
}

// rowsByColumn returns the rows of an answer, each by the names of its columns.
func rowsByColumn(t *testing.T, c *pgconn.PgConn, sql string) (rows []map[string]string) {
	t.Helper()
	results, err := c.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	for _, r := range results {
		for _, values := range r.Rows {
			row := make(map[string]string)
			for i, f := range r.FieldDescriptions {
				row[f.Name] = string(values[i])
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// explainRow returns the items of EXPLAIN CACHE.
func explainRow(t *testing.T, console *pgconn.PgConn, sql string) map[string]string {
	t.Helper()
	items := make(map[string]string)
	for _, row := range rowsByColumn(t, console, "explain cache '"+strings.ReplaceAll(sql, "'", "''")+"'") {
		items[row["item"]] = row["value"]
	}
	return items
}

// The console's clients prove who they are as all others do. What it shows holds nobody's values.
func TestChecklist_A10_TheConsoleIsForAdministratorsAndTellsNoValues(t *testing.T) {
	t.Parallel()
	const secret = "checklistsecret"
	b, console := startWithConsole(t, "checklist_a10", "create table t as select '"+secret+"' as a", new(rig.Captured).Capture)
	c := b.connect(t)
	b.prime(t, c, "select a from t where a = '"+secret+"'")
	for _, sql := range []string{"select a, now() from t where a = '" + secret + "'", "select '" + secret + "' from nowhere", "select '" + secret,
		"/* overdrive: tag=x */ /* " + secret + " */ select a from t where a = $$" + secret + "$$"} {
		_, _ = rig.Try(t.Context(), c, sql)
	}
	if _, err := rig.AskExtended(t.Context(), c, 0, "select a from t where a = $1", secret); err != nil {
		t.Fatal(err)
	}
	for _, show := range []string{"show cache", "show queries", "show clients", "show pools", "show stats", "show databases", "show config",
		"explain cache 'select a from t where a = ''" + secret + "'''"} {
		if got := fmt.Sprint(rowsByColumn(t, console, show)); strings.Contains(got, secret) || got == "[]" && show == "show queries" {
			t.Errorf("%s shows %s", show, got)
		}
	}
	b.prime(t, b.fencer, "select a from t where a = '"+secret+"'")
	for _, command := range []string{"show cache", "show queries", "purge all", "explain cache 'select 1'", "show clients"} {
		stranger, err := pgconn.ConnectConfig(t.Context(), &b.Config(t, "overdrive", rig.As("stranger", "")).Config)
		if err == nil {
			_, err = rig.Try(t.Context(), stranger, command)
			rig.CloseConn(stranger)
		}
		rig.WantState(t, err, "42501")
	}
	second := &consoleBench{attached: make(chan struct{})}
	locked := rig.Start(t, rig.Setup{Upstream: b.relay.Address, Database: "checklist_a10", Size: 1, Options: func(o *rig.Options) {
		new(rig.Captured).Capture(o)
		second.install(o)
		o.AuthMethod, o.Users = pgauth.MethodPassword, rig.UserList(t, map[string]string{"postgres": "right"})
	}})
	second.attach(locked.Proxy)
	_, err := pgconn.ConnectConfig(t.Context(), &locked.Config(t, "overdrive", rig.As("postgres", "wrong")).Config)
	rig.WantState(t, err, "28P01")
	rowsByColumn(t, locked.Connect(t, "overdrive", rig.As("postgres", "right")), "show cache")
	b.want(t, "after what a stranger tried", b.connect(t), "select a from t where a = '"+secret+"'", "hit")
}

// One who floods the cache takes what is free, and not what another's floor keeps.
func TestChecklist_A12_ANoisyNeighbourLeavesOthersTheirFloor(t *testing.T) {
	t.Parallel()
	const budget = 1 << 20
	quiet := rig.NewDatabase(t, "checklist_a12_quiet", "create table t as select i::text as a from generate_series(1, 50) i")
	b := startStepped(t, "checklist_a12", "create table t as select 'noise' as a", func(o *rig.Options) {
		o.Cache = querycache.New(querycache.Options{MaxBytes: budget, Poison: true})
		second := o.Databases[0]
		second.Name, second.Target.Database = "checklist_a12_quiet", "checklist_a12_quiet"
		policy := *second.Cache
		policy.Floor = 128 << 10
		second.Cache = &policy
		o.Databases = append(o.Databases, second)
	})
	c, noisy, real := b.Instance.Connect(t, "checklist_a12_quiet"), b.connect(t), rig.Direct(t, quiet, "checklist_a12_quiet")
	queries := make([]string, 50)
	for i := range queries {
		queries[i] = fmt.Sprintf("select a from t where a = '%d'", i)
	}
	filler := strings.Repeat("x", 20000)
	flood := func() (hits int) {
		for _, sql := range queries {
			b.prime(t, c, sql)
		}
		for i := range 750 {
			sql := fmt.Sprintf("select repeat(a, 1000), %d from t", i)
			if i%13 == 0 { // the key takes room as well
				sql = fmt.Sprintf("select a from t where a <> '%s%d'", filler, i)
			}
			rig.Ask(t, noisy, sql)
			if used := b.Cache.UsedBytes(); used > budget {
				t.Fatalf("%d bytes are used of %d", used, budget)
			}
		}
		for i, sql := range queries {
			if got := rig.Ask(t, c, sql); got != rig.Ask(t, real, sql) {
				t.Errorf("%d: got %q", i, got)
			}
			if rig.Status(t, c) == "hit" {
				hits++
			}
		}
		return hits
	}
	hits := flood()
	for range 2 { // another test's CREATE ROLE makes the cache forget everything
		if hits == len(queries) {
			break
		}
		hits = flood()
	}
	if hits < len(queries) {
		t.Errorf("after the flood %d of %d answers are kept", hits, len(queries))
	}
	if s := b.kept().Stats(); s.Evictions == 0 {
		t.Errorf("%+v: nothing had to go, so this proves nothing", s)
	}
}

func TestChecklist_O2_ExplainCacheTellsWhatWouldBecomeOfAStatement(t *testing.T) {
	t.Parallel()
	b, console := startWithConsole(t, "checklist_o2", "create table t as select 'a' as a; create table u as select 'b' as b; create view v as select a from t")
	c := b.connect(t)
	for sql, wants := range map[string]map[string]string{
		"select a from t, u":         {"status": "cacheable", "reads": "public.t, public.u", "max_age": "1h", "in the key: TimeZone": "UTC"},
		"select a from v":            {"status": "cacheable", "reads": "public.t"},
		"select a, now() from t":     {"status": "volatile", "reason": "now"},
		"select a from t for update": {"status": "uncacheable", "reason": "locks rows"},
		"insert into t values ('x')": {"status": "notaquery", "writes": "public.t"},
		"select nonsense(":           {"status": "parseerror", "reason": ""},
		"/* overdrive: max_age=5m, swr=10s, tag=scores, colour=red */ select a from t": {
			"status": "cacheable", "max_age": "5m", "stale_while_revalidate": "10s", "tags": "scores", "ignored in the hint": "colour"},
		"/* overdrive: no-cache */ select a from t": {"status": "hint", "reason": "hint"},
	} {
		got := explainRow(t, console, sql)
		for item, part := range wants {
			if value, found := got[item]; !found || !strings.Contains(value, part) {
				t.Errorf("%s: %s is %q, want %q; all of it: %v", sql, item, value, part, got)
			}
		}
		// What it says would happen does happen.
		if _, _ = rig.Try(t.Context(), c, sql); got["status"] != "cacheable" && rig.Status(t, c) != got["status"] {
			t.Errorf("%s is %s, and was explained as %s", sql, rig.Status(t, c), got["status"])
		}
	}
	b.prime(t, c, "select a from t where a = 'x'")
	if got := explainRow(t, console, "select a from t where a = 'x'"); got["hits"] == "" || got["hits"] == "0" || got["fingerprint"] == "" {
		t.Errorf("after hits: %v", got)
	}
	// The server is not asked to run anything.
	if got := rig.Ask(t, b.real, "select count(*) from t"); got != "2" { // one was inserted above
		t.Errorf("the table has %s rows", got)
	}
}

func TestChecklist_O3_APurgeIsOverWhenItSaysSo(t *testing.T) {
	t.Parallel()
	const tagged, other = "/* overdrive: tag=scores */ select a from t", "select b from u"
	b, console := startWithConsole(t, "checklist_o3", "create table t as select 'old' as a; create table u as select 'old' as b")
	c, reader := b.connect(t), b.connect(t)
	b.prime(t, c, tagged)
	id := explainRow(t, console, tagged)["fingerprint"]
	values := 0
	for command, spares := range map[string]bool{
		"purge all": false, "purge table t": true, "purge table public.t": true, "purge tag 'scores'": true, "purge query " + id: true,
		"purge all database checklist_o3": false, "purge tag 'scores' database checklist_o3": true,
	} {
		for range 3 {
			b.prime(t, c, tagged)
			b.prime(t, c, other)
			values++
			rig.Ask(t, b.real, fmt.Sprintf("update t set a = '%d'", values)) // nobody here knows of it
			rig.Ask(t, console, command)
			b.want(t, "after "+command, reader, tagged, "miss")
			b.want(t, "after "+command, reader, other, map[bool]string{true: "hit", false: "miss"}[spares])
		}
	}
	b.prime(t, c, tagged)
	for _, command := range []string{"purge tag 'others'", "purge query 0123456789abcdef", "purge table u"} {
		rig.Ask(t, console, command)
		b.want(t, "after "+command, reader, tagged, "hit")
	}
	for command, code := range map[string]string{"purge table nowhere": "42P01", "purge": "42601", "purge all database nowhere": "3D000"} {
		_, err := rig.Try(t.Context(), console, command)
		if rig.State(err) != code {
			t.Errorf("%s: got %v, want %s", command, err, code)
		}
	}
	b.want(t, "after purges that were refused", reader, tagged, "hit")
}
