package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/postgres"
	"overdrive/proxy/proxytest/rig"
)

func TestKill_EndsClientsAndServersWhateverTheyDo(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "killed", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "killed", Size: 4, Options: func(o *rig.Options) {
		other := o.Databases[0]
		other.Name, other.Target.Database = "spared", "postgres"
		o.Databases = append(o.Databases, other)
	}})
	spared := in.Connect(t, "spared")
	rig.Ask(t, spared, "begin; select 1")
	idle, amid, pinned := in.Connect(t, "killed"), in.Connect(t, "killed"), in.Connect(t, "killed")
	rig.Ask(t, idle, "select 1")
	rig.Ask(t, amid, "begin; insert into t values (1)")
	rig.Ask(t, pinned, "create temporary table mine(a int)")
	busy, waits := in.Connect(t, "killed"), in.Connect(t, "killed")
	holds := in.Connect(t, "killed")
	rig.Ask(t, holds, "begin")
	rig.Ask(t, holds, "select 1")
	running := rig.Asking(t, busy, "select pg_sleep(60), 'to be killed'")
	rig.AwaitQuery(t, pg, "select pg_sleep(60), ''to be killed")
	waiting := rig.Asking(t, waits, "select 1")
	rig.Await(t, "a client that waits", func() bool { return poolOf(in, "killed").Waiting == 1 })

	if err := in.Kill("killed"); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"the one whose query ran": <-running, "the one who waited": <-waiting} {
		if rig.State(err) != "57P01" || !strings.Contains(err.Error(), "killed by an administrator") {
			t.Errorf("%s reads %v", what, err)
		}
	}
	for what, c := range map[string]*pgconn.PgConn{"idle": idle, "in a transaction": amid, "pinned": pinned, "holding a server": holds} {
		if err := rig.Farewell(t, c); rig.State(err) != "57P01" {
			t.Errorf("a client that is %s reads %v", what, err)
		}
	}
	count := backends(t, pg, "killed")
	rig.Await(t, "the server having nothing of it", func() bool { return count() == "0" })
	if got := rig.Ask(t, rig.Direct(t, pg, "killed"), "select count(*) from t"); got != "0" {
		t.Errorf("%s rows of a transaction that was killed", got)
	}
	rig.Ask(t, spared, "commit")

	late := make(chan error, 1)
	config := &in.Config(t, "killed").Config
	go func() {
		c, err := pgconn.ConnectConfig(t.Context(), config)
		if err == nil {
			defer rig.CloseConn(c)
			_, err = rig.Try(t.Context(), c, "select 1")
		}
		late <- err
	}()
	rig.Await(t, "a new client that waits", func() bool { return poolOf(in, "killed").Waiting == 1 })
	if err := in.Kill("killed"); err != nil { // what is paused may be killed again
		t.Fatal(err)
	}
	rig.WantState(t, <-late, "57P01")
	if err := in.Resume("killed"); err != nil {
		t.Fatal(err)
	}
	rig.Ask(t, in.Connect(t, "killed"), "select 1")
	wantControlError(t, "a database that is not there", in.Kill("nowhere"), "3D000")
}

// A server that answers neither its query nor a cancel request is not waited for, whether its client is there or has left.
func TestKill_DoesNotWaitForAServerThatIsSilent(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "kill_silent", "select")
	relay := rig.StartHoldingRelay(t, pg.Addr())
	in := rig.Start(t, rig.Setup{Upstream: relay.Address, Database: "kill_silent", Size: 2})
	stays, leaves := relay.HoldQuestion(t, "select 'stays'"), relay.HoldQuestion(t, "select 'leaves'")
	defer stays.Cut()
	defer leaves.Cut()
	c, gone := in.Connect(t, "kill_silent"), in.Connect(t, "kill_silent")
	asked := rig.Asking(t, c, "select 'stays'")
	rig.Asking(t, gone, "select 'leaves'")
	<-stays.Reached
	<-leaves.Reached
	gone.Conn().Close()
	rig.Await(t, "the proxy having noticed", func() bool {
		return slices.ContainsFunc(in.Servers(t.Context()), func(s proxy.ServerStatus) bool { return s.State == "being_canceled" })
	})
	if err := in.Kill(""); err != nil {
		t.Fatal(err)
	}
	if left := in.Servers(t.Context()); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
	rig.WantState(t, <-asked, "57P01")
}

func poolOf(in *rig.Instance, database string) (sum pool.Stats) {
	for _, p := range in.Pools() {
		if p.Database == database {
			return p.Stats
		}
	}
	return sum
}

func clientOf(t *testing.T, in *rig.Instance, application string) proxy.ClientStatus {
	t.Helper()
	all := in.Clients(t.Context())
	i := slices.IndexFunc(all, func(c proxy.ClientStatus) bool { return c.Application == application })
	if i < 0 {
		t.Fatalf("there is no client %q among %v", application, all)
	}
	return all[i]
}

func TestKillClient_EndsOneAndItsServer(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "kill_client", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "kill_client", Size: 3})
	one, other := in.Connect(t, "kill_client", rig.With("application_name", "one")), in.Connect(t, "kill_client", rig.With("application_name", "other"))
	rig.Ask(t, other, "begin; insert into t values (1)")
	running := rig.Asking(t, one, "insert into t select 2 from pg_sleep(60) -- one")
	rig.AwaitQuery(t, pg, "insert into t select 2 from pg_sleep(60) -- one")
	if err := in.KillClient(clientOf(t, in, "one").ID); err != nil {
		t.Fatal(err)
	}
	rig.WantState(t, <-running, "57P01")
	rig.Await(t, "its server connection being gone", func() bool { return len(in.Servers(t.Context())) == 1 })
	real := rig.Direct(t, pg, "postgres")
	rig.Await(t, "its query being cancelled", func() bool {
		return rig.Ask(t, real, "select count(*) from pg_stat_activity where query like '%from pg_sleep(60) -- one'") == "0"
	})
	rig.Ask(t, other, "commit")
	if got := rig.Ask(t, other, "select count(*) from t"); got != "1" {
		t.Errorf("%s rows, want 1", got)
	}
	if err := in.KillClient(clientOf(t, in, "other").ID); err != nil { // at rest
		t.Fatal(err)
	}
	rig.WantState(t, rig.Farewell(t, other), "57P01")
	wantControlError(t, "a client that is gone", in.KillClient(clientID), "42704")
}

// clientID is one that nobody has.
const clientID = 1 << 40

func TestReconnect_RenewsEachConnectionWhenItIsReleased(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "renewed", "select")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "renewed", Size: 4, Caching: true})
	busy, free := in.Connect(t, "renewed"), in.Connect(t, "renewed")
	rig.Ask(t, busy, "begin")
	held := rig.Ask(t, busy, "select pg_backend_pid()")
	idle := rig.Ask(t, free, "/* overdrive: no-cache */ select pg_backend_pid()")
	real := rig.Direct(t, pg, "postgres")
	keeper := func() string {
		return rig.Ask(t, real, "select pid from pg_stat_activity where datname = 'renewed' and pid not in ("+held+","+idle+") order by 1")
	}
	rig.Await(t, "the keeper's connection", func() bool { return keeper() != "" })
	before := keeper()
	rig.Await(t, "the free client's server being idle, which it is not yet when that has its answer", func() bool {
		return slices.ContainsFunc(in.Servers(t.Context()), func(s proxy.ServerStatus) bool { return fmt.Sprint(s.PID) == idle && s.State == "idle" })
	})
	if err := in.Reconnect(""); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() { waited <- in.WaitClose(t.Context(), "renewed") }()
	if now := rig.Ask(t, free, "/* overdrive: no-cache */ select pg_backend_pid()"); now == idle || now == held {
		t.Errorf("an idle connection was not renewed: %s", now)
	}
	for _, s := range in.Servers(t.Context()) {
		if s.CloseNeeded != (fmt.Sprint(s.PID) == held) {
			t.Errorf("%d: close needed is %v", s.PID, s.CloseNeeded)
		}
	}
	wantOpen(t, "WAIT_CLOSE", waited)
	if got := rig.Ask(t, busy, "select pg_backend_pid()"); got != held {
		t.Errorf("a transaction changed from server %s to %s", held, got)
	}
	rig.Ask(t, busy, "commit")
	wantDone(t, "WAIT_CLOSE", waited)
	if now := rig.Ask(t, busy, "/* overdrive: no-cache */ select pg_backend_pid()"); now == held {
		t.Error("the connection that was held was not renewed")
	}
	rig.Await(t, "the keeper having another connection", func() bool { return !strings.Contains(keeper(), before) })
	wantDone(t, "WAIT_CLOSE of nothing", func() <-chan error {
		over := make(chan error, 1)
		over <- in.WaitClose(t.Context(), "")
		return over
	}())
	rig.Ask(t, busy, "begin; select 1")
	_ = in.Reconnect("renewed")
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if in.WaitClose(ctx, "renewed") == nil {
		t.Error("WAIT_CLOSE did not wait")
	}
}

func TestServers_ShowsEachConnectionAndWhoHoldsIt(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "servers_shown", "select")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "servers_shown", Size: 4})
	busy := in.Connect(t, "servers_shown", rig.With("application_name", "busy"))
	other := in.Connect(t, "servers_shown")
	rig.Ask(t, busy, "begin")
	pid := rig.Ask(t, busy, "select pg_backend_pid()")
	if _, err := other.Prepare(t.Context(), "s", "select 1", nil); err != nil {
		t.Fatal(err)
	}
	if r := other.ExecPrepared(t.Context(), "s", nil, nil, nil).Read(); r.Err != nil {
		t.Fatal(r.Err)
	}
	direct := rig.Direct(t, pg, "servers_shown")
	var real string // without the keeper, whose connection goes by another name and has asked for the catalog once it is there
	rig.Await(t, "the server to have two connections of the pool", func() bool {
		real = rig.Ask(t, direct, "select string_agg(pid || ' ' || host(client_addr) || ':' || client_port, ',' order by pid) "+
			"from pg_stat_activity where datname = 'servers_shown' and pid <> pg_backend_pid() and application_name !~ 'overdrive' and query !~ 'pg_catalog'")
		return strings.Count(real, ",") == 1
	})
	var shown []string
	for _, s := range in.Servers(t.Context()) {
		shown = append(shown, fmt.Sprintf("%d %v", s.PID, s.Local))
		if s.Database != "servers_shown" || s.User != "postgres" || s.Address.String() != pg.Addr() || s.ID == 0 || s.Since.IsZero() || s.TLS != "" {
			t.Errorf("got %+v", s)
		}
		held := fmt.Sprint(s.PID) == pid
		if client := clientOf(t, in, "busy"); held && (s.State != "active" || s.Link != client.ID || s.Application != "busy" || client.Link != s.ID) {
			t.Errorf("the one that is held: got %+v, its client %+v", s, client)
		}
		if held != (s.Link != 0) || !s.Asked.IsZero() {
			t.Errorf("asked nothing: got %+v", s)
		}
		if !held && (s.State != "idle" || s.Link != 0 || s.Prepared == 0) {
			t.Errorf("an idle one: got %+v", s)
		}
	}
	slices.Sort(shown)
	if got := strings.Join(shown, ","); got != real || len(shown) != 2 {
		t.Errorf("shown %q, the server has %q", got, real)
	}
	if c := clientOf(t, in, "busy"); c.Local == nil || c.Local.String() != in.Address || c.Since.IsZero() {
		t.Errorf("client: got %+v", c)
	}
	before := time.Now()
	running := rig.Asking(t, busy, "select pg_sleep(60), 'servers_shown'")
	rig.AwaitQuery(t, pg, "select pg_sleep(60), ''servers_shown''")
	c := clientOf(t, in, "busy")
	all := in.Servers(t.Context())
	s := all[slices.IndexFunc(all, func(s proxy.ServerStatus) bool { return s.Link == c.ID })]
	if c.Asked.Before(before) || s.Asked.Before(before) || s.Asked.After(time.Now()) {
		t.Errorf("asked after %v: got %v and %v", before, c.Asked, s.Asked)
	}
	if err := busy.CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	rig.WantState(t, <-running, "57014")
	rig.Ask(t, busy, "commit")
	rig.Await(t, "both being idle", func() bool {
		return !slices.ContainsFunc(in.Servers(t.Context()), func(s proxy.ServerStatus) bool { return s.State != "idle" })
	})
}

// Whoever waits is refused, transactions go on, and idle clients stay.
func TestReleaseServers_LetsTransactionsFinish(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "released", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "released", Size: 1, Mode: postgres.TransactionPooling})
	busy, waits, idle := in.Connect(t, "released"), in.Connect(t, "released"), in.Connect(t, "released")
	rig.Ask(t, busy, "begin; insert into t values (1)")
	waiting := rig.Asking(t, waits, "select 1")
	rig.Await(t, "a client that waits", func() bool { return in.Pools()[0].Waiting == 1 })
	in.Server.Shut()
	in.ReleaseServers()
	rig.WantState(t, <-waiting, "57P01")
	if _, err := pgconn.ConnectConfig(t.Context(), &in.Config(t, "released").Config); rig.State(err) != "57P01" {
		t.Errorf("a new client reads %v", err)
	}
	if in.Released() {
		t.Error("released while a transaction is open")
	}
	wantControlError(t, "resume", in.Resume(""), "55000")
	rig.Ask(t, busy, "insert into t values (2)")
	rig.Ask(t, busy, "commit")
	rig.Await(t, "all being released", in.Released)
	if in.Server.Deserted() {
		t.Error("nobody is left, though two clients are")
	}
	if got := rig.Ask(t, rig.Direct(t, pg, "released"), "select count(*) from t"); got != "2" {
		t.Errorf("%s rows, want 2", got)
	}
	_, err := rig.Try(t.Context(), idle, "select 1")
	rig.WantState(t, err, "57P01")
	rig.CloseConn(busy)
	rig.Await(t, "the last client being gone", in.Server.Deserted)
}
