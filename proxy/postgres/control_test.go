package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy"
	"overdrive/proxy/admin"
)

// explained is Explain for postgres, which must succeed.
func explained(t *testing.T, in *rig.Instance, database, sql string, verify bool) proxy.Explanation {
	t.Helper()
	e, err := in.Explain(t.Context(), database, "postgres", sql, verify)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return e
}

func wantControlError(t *testing.T, what string, err error, code string) {
	t.Helper()
	var refused *proxy.ControlError
	if !errors.As(err, &refused) || refused.Code != code {
		t.Errorf("%s: got %v, want SQLSTATE %s", what, err, code)
	}
}

func TestControl_ExplainsBeforeAnyClientHasCome(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "control_explain", "create table t(a int primary key); create table u(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "control_explain", Size: 1, Caching: true})
	e := explained(t, in, "control_explain", "select a from t where a = 7", true)
	if e.Status != "cacheable" || e.Reason != "" || !slices.Equal(e.Tables, []string{"public.t"}) || e.Writes != nil {
		t.Errorf("a read: got %+v", e)
	}
	if e.MaxAge != time.Hour || e.Rule != 0 || e.User != "postgres" {
		t.Errorf("its lifetime: got %+v", e)
	}
	if !slices.ContainsFunc(e.Settings, func(s proxy.NameValue) bool { return s.Name == "TimeZone" && s.Value != "" }) {
		t.Errorf("its settings: got %v", e.Settings)
	}
	if e.Oracle == nil || !e.Oracle.Agrees || e.Oracle.Status != "cacheable" {
		t.Errorf("the server: got %+v", e.Oracle)
	}
	for sql, want := range map[string]string{
		"select random() from t": "volatile", "select a from t for update": "uncacheable", "begin": "notaquery",
		"select 1; drop table t": "multiplestatements",
	} {
		if e := explained(t, in, "control_explain", sql, false); e.Status != want || e.Reason == "" {
			t.Errorf("%s: got %s, %q, want %s and a reason", sql, e.Status, e.Reason, want)
		}
	}
	if e := explained(t, in, "control_explain", "insert into u values (1)", false); !slices.Equal(e.Writes, []string{"public.u"}) {
		t.Errorf("an insert writes %v", e.Writes)
	}
	if e := explained(t, in, "control_explain", "call p()", false); !slices.Equal(e.Writes, []string{"everything"}) {
		t.Errorf("a call writes %v", e.Writes)
	}
}

// VERIFY asks the server about a statement, and never has it run, whatever it is.
func TestControl_VerifiesWithoutRunning(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "control_verify", "create table t(a int); create sequence s")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "control_verify", Size: 1, Caching: true})
	for _, sql := range []string{
		"insert into t values (1)", "select nextval('s')", "drop table t", "select 1; insert into t values (1)", "select nonsense",
	} {
		if e := explained(t, in, "control_verify", sql, true); e.Oracle == nil || !e.Oracle.Agrees {
			t.Errorf("%s: got %+v", sql, e.Oracle)
		}
	}
	if e := explained(t, in, "control_verify", "select nonsense", true); !strings.Contains(e.Oracle.Reason, "nonsense") {
		t.Errorf("the server's refusal: got %+v", e.Oracle)
	}
	real := rig.Direct(t, pg, "control_verify")
	if got := rig.Ask(t, real, "select count(*), (select is_called from s) from t"); got != "0,f" {
		t.Errorf("the database has changed: %s", got)
	}
}

func TestControl_ExplainSaysWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "control_off", "select")
	off := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "control_off", Size: 1})
	if e := explained(t, off, "control_off", "select 1", true); e.Status != "disabled" || e.Reason == "" {
		t.Errorf("without a cache: got %+v", e)
	}
	_, err := off.Explain(t.Context(), "elsewhere", "postgres", "select 1", false)
	wantControlError(t, "an unknown database", err, "3D000")
	_, err = off.Purge(t.Context(), "control_off", proxy.Purge{All: true})
	wantControlError(t, "a purge without a cache", err, "55000")
	gone := rig.Start(t, rig.Setup{Upstream: closedAddress(t), Database: "gone", Size: 1, Caching: true})
	_, err = gone.Explain(t.Context(), "gone", "postgres", "select 1", false)
	wantControlError(t, "a server that is not there", err, "08001")
	_, err = gone.Purge(t.Context(), "gone", proxy.Purge{Table: "t"})
	wantControlError(t, "a table of a server that is not there", err, "08001")
}

// closedAddress is an address at which nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

// A purge is over when it returns: what was kept before is asked from the server the next time, and only that.
func TestControl_PurgesWhatDependsOnATable(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "control_purge", `create table t as select 1 as a; create table u as select 2 as a;
		create table parts(a int) partition by range (a); create table low partition of parts for values from (0) to (10);
		insert into parts values (3); create schema "Other"; create table "Other"."T""x" as select 5 as a`)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "control_purge", Size: 2, Caching: true})
	c := in.Connect(t, "control_purge")
	for _, step := range []struct {
		what   proxy.Purge
		purged string
		hits   []string // that remain
	}{
		{proxy.Purge{Table: "t"}, "table public.t", []string{"u", "parts", "low", `"Other"."T""x"`}},
		{proxy.Purge{Schema: "public", Table: "u"}, "table public.u", []string{"t", "parts", "low", `"Other"."T""x"`}},
		{proxy.Purge{Table: "parts"}, "table public.parts", []string{"t", "u", `"Other"."T""x"`}},
		{proxy.Purge{Table: "low"}, "table public.low", []string{"t", "u", `"Other"."T""x"`}},
		{proxy.Purge{Schema: "Other", Table: `T"x`}, `table Other.T"x`, []string{"t", "u", "parts", "low"}},
		{proxy.Purge{All: true}, "all", nil},
	} {
		tables := []string{"t", "u", "parts", "low", `"Other"."T""x"`}
		for _, table := range tables {
			rig.Prime(t, c, "select a from "+table)
		}
		purged, err := in.Purge(t.Context(), "control_purge", step.what)
		if err != nil || !slices.Equal(purged, []string{step.purged}) {
			t.Errorf("%+v: got %q, %v", step.what, purged, err)
		}
		for _, table := range tables {
			want := "miss"
			if slices.Contains(step.hits, table) {
				want = "hit"
			}
			rig.Ask(t, c, "select a from "+table)
			if got := rig.Status(t, c); got != want {
				t.Errorf("after the purge of %s, %s: got %s, want %s", step.purged, table, got, want)
			}
		}
	}
	_, err := in.Purge(t.Context(), "control_purge", proxy.Purge{Table: "missing"})
	wantControlError(t, "an unknown table", err, "42P01")
	_, err = in.Purge(t.Context(), "elsewhere", proxy.Purge{All: true})
	wantControlError(t, "an unknown database", err, "3D000")
}

func TestControl_ShowsPoolsDatabasesAndClients(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "control_show", "select")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "control_show", Size: 1, Caching: true})
	idle, busy, waits := in.Connect(t, "control_show"), in.Connect(t, "control_show"), in.Connect(t, "control_show")
	rig.Ask(t, idle, "set application_name = 'resting'")
	rig.Ask(t, busy, "begin")
	late := make(chan error, 1)
	go func() {
		_, err := rig.Try(context.Background(), waits, "select 1")
		late <- err
	}()
	rig.Await(t, "a client to wait", func() bool { return in.Pools()[0].Waiting == 1 })
	p := in.Pools()[0]
	if p.Database != "control_show" || p.User != "postgres" || p.Mode != "transaction" || p.Clients != 3 || p.Leased != 1 {
		t.Errorf("pool: got %+v", p)
	}
	d := in.Databases()[0]
	if d.Name != "control_show" || d.Servers != 1 || d.Clients != 3 || !d.CachingEnabled {
		t.Errorf("database: got %+v", d)
	}
	var states []string
	for _, c := range in.Clients(t.Context()) {
		states = append(states, fmt.Sprintf("%s %s %v", c.State, c.Application, c.Server != 0))
		if c.Database != "control_show" || c.User != "postgres" || !strings.HasPrefix(c.Address.String(), "127.0.0.1:") {
			t.Errorf("client: got %+v", c)
		}
	}
	if want := []string{"idle resting false", "active  true", "waiting  false"}; !slices.Equal(states, want) {
		t.Errorf("clients: got %q, want %q", states, want)
	}
	rig.Ask(t, busy, "rollback")
	if err := <-late; err != nil {
		t.Error(err)
	}
}

// withConsole gives an instance a console for root and the databases' own users.
func withConsole(t *testing.T, s rig.Setup) *rig.Instance {
	t.Helper()
	console := admin.New(admin.Options{Version: "test", Admins: []string{"root"}})
	s.Options = func(o *rig.Options) { o.Console, o.MaxClients = console, 4 }
	in := rig.Start(t, s)
	console.Attach(in.Proxy)
	return in
}

func TestConsole_IsADatabaseOfTheProxy(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "control_console", "create table t as select 1 as a")
	in := withConsole(t, rig.Setup{Upstream: pg.Addr(), Database: "control_console", Size: 2, Caching: true})
	dsn := func(user, database string) string {
		return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", user, in.Address, database)
	}
	for range 10 { // each gives back its place among four clients
		for _, name := range []string{"overdrive", "pgbouncer"} {
			c, err := pgconn.Connect(t.Context(), dsn("postgres", name))
			if err != nil {
				t.Fatal(err)
			}
			if got := rig.Ask(t, c, "show version"); got != "Overdrive test" {
				t.Errorf("got %q", got)
			}
			rig.CloseConn(c)
			<-c.CleanupDone()
		}
	}
	client := in.Connect(t, "control_console")
	rig.Prime(t, client, "select a from t")
	root, err := pgconn.Connect(t.Context(), dsn("root", "overdrive"))
	if err != nil {
		t.Fatal(err)
	}
	defer rig.CloseConn(root)
	if got := rig.Ask(t, root, "purge table t"); got != "control_console,table public.t" {
		t.Errorf("got %q", got)
	}
	rig.Ask(t, client, "select a from t")
	if got := rig.Status(t, client); got != "miss" {
		t.Errorf("after the purge: got %s", got)
	}
	_, err = pgconn.Connect(t.Context(), dsn("stranger", "overdrive"))
	if rig.State(err) != "42501" {
		t.Errorf("a user of no database: got %v", err)
	}
}

// A console does not hold up the end, and hears of it.
func TestConsole_EndsWithTheProxy(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "control_end", "select")
	in := withConsole(t, rig.Setup{Upstream: pg.Addr(), Database: "control_end", Size: 2, Caching: true})
	c, err := pgconn.Connect(t.Context(), fmt.Sprintf("postgres://root@%s/overdrive?sslmode=disable", in.Address))
	if err != nil {
		t.Fatal(err)
	}
	defer rig.CloseConn(c)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := in.Server.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if _, err := rig.Try(t.Context(), c, "show version"); err == nil {
		t.Error("the console outlived the proxy")
	}
}
