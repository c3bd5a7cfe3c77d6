package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy"
	"overdrive/proxy/postgres"
	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// An ear is a client that remembers what it was notified of: "channel payload".
type ear struct {
	*pgconn.PgConn
	heard   []string
	senders []uint32
}

func listenAt(t *testing.T, in *rig.Instance, database string) *ear {
	t.Helper()
	e := &ear{}
	e.PgConn = in.Connect(t, database, func(config *pgconn.Config) {
		config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) {
			e.heard, e.senders = append(e.heard, n.Channel+" "+n.Payload), append(e.senders, n.PID)
		}
	})
	return e
}

// hears waits until it has heard n things, and returns them.
func (e *ear) hears(t *testing.T, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(e.heard) < n {
		if err := e.WaitForNotification(ctx); err != nil {
			t.Fatalf("after %d of %d notifications, the last %.100q: %v", len(e.heard), n, e.heard[max(0, len(e.heard)-5):], err)
		}
	}
	return e.heard
}

// onlyHears fails unless it has heard just this, now that all was told.
func (e *ear) onlyHears(t *testing.T, want ...string) {
	t.Helper()
	got := e.hears(t, len(want))
	if !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
	e.heard, e.senders = nil, nil
}

// isFree waits until the session has no pin.
func (e *ear) isFree(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got := rig.Ask(t, e.PgConn, "show overdrive.pinned")
		if got == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the session is pinned by %q for ever, and has heard %q", got, e.heard)
		}
	}
}

func TestListen_NeedsNoServer(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "listen_free", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "listen_free", Size: 1})
	e, other := listenAt(t, in, "listen_free"), in.Connect(t, "listen_free")
	rig.Ask(t, e.PgConn, `listen news; listen "Odd ""name"`)
	e.isFree(t)
	if got := in.Databases()[0].Servers - in.Pools()[0].Open; got != 1 {
		t.Errorf("%d connections are shown beside those of the pool, want the one that listens", got)
	}
	rig.Ask(t, other, "begin; notify news, 'one'; notify unheard, 'x'")
	rig.Ask(t, other, `notify "Odd ""name", 'two'`)
	if len(e.heard) != 0 {
		t.Errorf("heard %q of a transaction that is open", e.heard)
	}
	rig.Ask(t, other, "commit; notify news, 'three'")
	e.hears(t, 3)
	if got := e.senders[0]; got != other.PID() {
		t.Errorf("the sender is %d, want %d, whom clients know", got, other.PID())
	}
	e.onlyHears(t, "news one", `Odd "name two`, "news three")
	if got := rig.Ask(t, e.PgConn, "insert into t values (1); select count(*) from t"); got != "1" {
		t.Errorf("got %q", got)
	}
	rig.Ask(t, e.PgConn, "unlisten news")
	rig.Ask(t, other, "notify news, 'four'")
	rig.Ask(t, other, `notify "Odd ""name", 'five'`)
	e.onlyHears(t, `Odd "name five`)
	e.isFree(t)
	rig.Ask(t, e.PgConn, "discard all")
	e.isFree(t)
	rig.Ask(t, other, `notify news, 'six'; notify "Odd ""name", 'seven'`)
	rig.Ask(t, e.PgConn, "select 1")
	rig.Ask(t, e.PgConn, "listen last")
	rig.Ask(t, other, "notify last, 'eight'")
	e.onlyHears(t, "last eight")
}

// PostgreSQL tells a session of its own notifications before it says that the transaction is over, and clients tell them by the PID.
func TestListen_OwnNotificationsComeBeforeReadyForQuery(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "listen_own", "create table t(a int); create function f() returns trigger language plpgsql as "+
		"$$begin perform pg_notify('news', new.a::text); return null; end$$; create trigger x after insert on t for each row execute function f()")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "listen_own", Size: 2})
	e, other := listenAt(t, in, "listen_own"), in.Connect(t, "listen_own")
	rig.Ask(t, e.PgConn, "listen news")
	for i := range 200 {
		want := fmt.Sprint("news ", i)
		rig.Ask(t, other, fmt.Sprintf("notify news, 'other %d'", i))
		switch i % 4 {
		case 0:
			rig.Ask(t, e.PgConn, fmt.Sprintf("notify news, '%d'", i))
		case 1:
			rig.Ask(t, e.PgConn, fmt.Sprintf("insert into t values (%d)", i))
		case 2:
			if _, err := rig.AskExtended(t.Context(), e.PgConn, 0, "select pg_notify('news', $1)", fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		case 3:
			rig.Ask(t, e.PgConn, "begin")
			rig.Ask(t, e.PgConn, fmt.Sprintf("notify news, '%d'", i))
			rig.Ask(t, e.PgConn, "commit")
		}
		if !slices.Equal(e.heard, []string{fmt.Sprint("news other ", i), want}) {
			t.Fatalf("heard %q by the ReadyForQuery, want the other's and %q", e.heard, want)
		}
		if e.senders[0] != other.PID() || e.senders[1] != e.PID() {
			t.Fatalf("%d: the senders are %v, want %d and %d", i, e.senders, other.PID(), e.PID())
		}
		e.heard, e.senders = nil, nil
	}
	e.isFree(t)
}

func TestListen_MoreListenersThanServers(t *testing.T) {
	t.Parallel()
	const listeners, writers, each = 8, 3, 200
	pg := rig.NewDatabase(t, "listen_many", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "listen_many", Size: 3})
	var ears []*ear
	for range listeners {
		e := listenAt(t, in, "listen_many")
		rig.Ask(t, e.PgConn, "listen news")
		ears = append(ears, e)
	}
	var all sync.WaitGroup
	for w := range writers {
		c := in.Connect(t, "listen_many")
		all.Go(func() {
			for i := range each {
				if _, err := rig.Try(t.Context(), c, fmt.Sprintf("notify news, '%d.%d'", w, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	for i, e := range ears {
		got := e.hears(t, writers*each)
		if i > 0 && !slices.Equal(got, ears[0].heard) {
			t.Errorf("listener %d has heard in another order than the first", i)
		}
	}
}

// What a session listens to is what PostgreSQL says, whatever becomes of the transaction.
func TestListen_IsTransactional(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "listen_tx", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "listen_tx", Size: 2})
	other := in.Connect(t, "listen_tx")
	for _, test := range []struct {
		sql  []string
		want string // channels
	}{
		{[]string{"begin", "listen c", "rollback"}, "a b"},
		{[]string{"begin", "listen c", "commit"}, "a b c"},
		{[]string{"begin; listen c; commit"}, "a b c"},
		{[]string{"begin", "unlisten a", "rollback"}, "a b"},
		{[]string{"begin", "unlisten a", "commit"}, "b"},
		{[]string{"begin", "unlisten *", "commit"}, ""},
		{[]string{"begin", "unlisten *", "listen c", "commit"}, "c"},
		{[]string{"begin", "listen c", "unlisten *", "rollback"}, "a b"},
		{[]string{"unlisten *"}, ""},
		{[]string{"discard all"}, ""},
		{[]string{"begin", "savepoint s", "unlisten *", "rollback to s", "commit"}, "a b"},
		{[]string{"begin", "savepoint s", "listen c", "rollback to s", "listen d", "commit"}, "a b d"},
		{[]string{"begin", "savepoint s", "listen c", "release s", "unlisten a", "commit"}, "b c"},
		{[]string{"begin", "unlisten a", "select 1/0", "rollback"}, "a b"},
		{[]string{"begin", "unlisten a", "select 1/0", "commit"}, "a b"},
		{[]string{"do $$begin execute 'unlisten a'; end$$"}, "b"},
		{[]string{"do $$begin execute 'listen c'; end$$"}, "a b c"},
		{[]string{"listen c", "unlisten a", "listen d", "unlisten c"}, "b d"},
		{[]string{"listen a", "listen a"}, "a b"},
		{[]string{"unlisten unknown"}, "a b"},
	} {
		for _, extended := range []bool{false, true} {
			if extended && strings.Contains(test.sql[0], ";") {
				continue
			}
			for _, first := range []string{"handed over", "at once"} {
				e := listenAt(t, in, "listen_tx")
				rig.Ask(t, e.PgConn, "listen a; listen b")
				if first == "handed over" {
					e.isFree(t)
				}
				for _, sql := range test.sql {
					if extended {
						_, _ = rig.AskExtended(t.Context(), e.PgConn, 0, sql)
					} else {
						_, _ = rig.Try(t.Context(), e.PgConn, sql)
					}
				}
				var want []string
				for range 2 { // as the server hears it, and as it was handed over
					for _, channel := range []string{"a", "b", "c", "d"} {
						rig.Ask(t, other, "notify "+channel+", 'x'")
						if strings.Contains(test.want, channel) {
							want = append(want, channel+" x")
						}
					}
					rig.Ask(t, e.PgConn, "notify a")
					if strings.Contains(test.want, "a") {
						want = append(want, "a ")
					}
					if t.Failed() {
						return
					}
					e.isFree(t)
				}
				if e.hears(t, len(want)); strings.Contains(test.sql[len(test.sql)-1], "commit") && slices.Contains(test.sql, "rollback to s") {
					slices.Sort(e.heard) // see the known gaps
					slices.Sort(want)
				}
				if !slices.Equal(e.heard, want) {
					t.Errorf("%q, %s, extended %v: heard %q, want %q", test.sql, first, extended, e.heard, want)
				}
				rig.CloseConn(e.PgConn)
			}
		}
	}
}

// In an open batch the channels are lent amid it, and rise and fall with it.
func TestListen_InOneBatch(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "listen_batch", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "listen_batch", Size: 2})
	other := in.Connect(t, "listen_batch")
	for _, test := range []struct {
		sql  []string
		want []string
	}{
		{[]string{"insert into t values (1)", "unlisten a", "select 1"}, []string{"b x"}},
		{[]string{"listen c", "notify c, 'own'", "unlisten b"}, []string{"c own", "a x", "c x"}},
		{[]string{"listen c", "unlisten a", "select 1/0"}, []string{"a x", "b x"}},
		{[]string{"select 1", "unlisten *"}, nil},
	} {
		e := listenAt(t, in, "listen_batch")
		rig.Ask(t, e.PgConn, "listen a; listen b")
		e.isFree(t)
		batch := &pgconn.Batch{}
		for _, sql := range test.sql {
			batch.ExecParams(sql, nil, nil, nil, nil)
		}
		_, _ = e.ExecBatch(t.Context(), batch).ReadAll()
		for range 2 {
			rig.Ask(t, other, "notify a, 'x'; notify b, 'x'; notify c, 'x'")
			e.isFree(t)
		}
		rig.Ask(t, e.PgConn, "notify a, 'last'; notify b, 'last'; notify c, 'last'")
		own, heard := []string(nil), []string(nil)
		for _, w := range test.want {
			if strings.HasSuffix(w, "x") {
				own = append(own, strings.Replace(w, "x", "last", 1))
				heard = append(heard, w)
			}
		}
		if got, want := e.heard, slices.Concat(test.want, heard, own); !slices.Equal(got, want) {
			t.Errorf("%q: heard %q, want %q", test.sql, got, want)
		}
		if got := rig.Ask(t, e.PgConn, "select count(*) from pg_prepared_statements where name like '%overdrive%' and statement like '%LISTEN%'"); got != "0" {
			t.Errorf("%q: %s statements of ours are left", test.sql, got)
		}
		rig.CloseConn(e.PgConn)
	}
}

// Each that says countsOn notifies of the next number, in the order of the commits.
const (
	counts   = "create table t(a int); insert into t values (0)"
	countsOn = "begin; update t set a = a + 1; select pg_notify('news', a::text) from t; commit"
)

// From the moment at which LISTEN is answered nothing is lost and nothing comes twice, however often what a session listens to changes.
func TestListen_LosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "listen_churn", counts)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "listen_churn", Size: 4})
	ctx, stop := context.WithCancel(t.Context())
	var writers, all sync.WaitGroup
	for range 2 {
		c := in.Connect(t, "listen_churn")
		writers.Go(func() {
			for ctx.Err() == nil {
				if _, err := rig.Try(t.Context(), c, countsOn); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 6 {
		e := listenAt(t, in, "listen_churn")
		all.Go(func() { churn(t, e, i) })
	}
	all.Wait()
	stop()
	writers.Wait()
}

func churn(t *testing.T, e *ear, number int) {
	said := func(sql string) bool {
		_, err := rig.Try(t.Context(), e.PgConn, sql)
		if err != nil {
			t.Error(sql, err)
		}
		return err == nil
	}
	for round := range 12 {
		if !said("listen news") {
			return
		}
		e.heard = nil
		for i := range 10 {
			sql := []string{"listen other", "unlisten other", "select 1", "begin; listen news; rollback", "begin; unlisten news; rollback",
				"notify other", "begin; unlisten other; select 1; commit", "listen news"}[(i*(number+1)+round)%8]
			if !said(sql) {
				return
			}
			if i%3 == 0 {
				wait, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
				_ = e.WaitForNotification(wait)
				cancel()
			}
		}
		if !said("unlisten news") {
			return
		}
		before := 0
		for _, h := range e.heard {
			var n int
			if _, err := fmt.Sscanf(h, "news %d", &n); err != nil {
				continue
			}
			if before != 0 && n != before+1 {
				t.Errorf("listener %d, round %d: %d came after %d", number, round, n, before)
				return
			}
			before = n
		}
		e.heard = nil
		if !said("select 1") {
			return
		}
		for _, h := range e.heard {
			if strings.HasPrefix(h, "news") {
				t.Errorf("listener %d, round %d: heard %q after UNLISTEN", number, round, h)
				return
			}
		}
	}
}

// Whatever dies, nobody waits for ever, and who goes on has missed nothing.
func TestListen_WhoGoesOnHasMissedNothing(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "listen_kill", counts)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "listen_kill", Size: 3, Options: new(rig.Captured).Capture})
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Second)
	defer stop()
	var all sync.WaitGroup
	goes := func(f func(c *ear) error) {
		all.Go(func() {
			for ctx.Err() == nil {
				e := &ear{}
				config := in.Config(t, "listen_kill", func(config *pgconn.Config) {
					config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { e.heard = append(e.heard, n.Payload) }
				})
				c, err := pgconn.ConnectConfig(t.Context(), &config.Config)
				if err != nil {
					continue
				}
				for e.PgConn = c; err == nil && ctx.Err() == nil; {
					err = f(e)
				}
				rig.CloseConn(c)
			}
		})
	}
	for range 2 {
		goes(func(e *ear) error {
			_, err := rig.Try(t.Context(), e.PgConn, countsOn)
			return err
		})
	}
	killer := rig.Direct(t, pg, "postgres")
	all.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			who := []string{"application_name like 'overdrive: listens%'", "application_name not like 'overdrive: listens%'"}[i%2]
			_, _ = rig.Try(t.Context(), killer, "select pg_terminate_backend(pid) from (select pid from pg_stat_activity where datname = 'listen_kill' and "+
				who+" order by random() limit 1) x")
			time.Sleep(30 * time.Millisecond)
		}
	})
	heard := make(chan int, 1000)
	for i := range 5 {
		goes(func(e *ear) error {
			for _, sql := range []string{"listen news", "select 1", "listen other", "notify other, '0'", "begin; unlisten news; rollback", "unlisten other", "select 1"}[:2+i] {
				if _, err := rig.Try(t.Context(), e.PgConn, sql); err != nil {
					return err
				}
				wait, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
				_ = e.WaitForNotification(wait)
				cancel()
			}
			before := 0
			for _, h := range e.heard {
				var n int
				if fmt.Sscan(h, &n); n == 0 {
					continue
				}
				if before != 0 && n != before+1 {
					t.Errorf("listener %d: %d came after %d", i, n, before)
				}
				before = n
			}
			select {
			case heard <- len(e.heard):
			default:
			}
			_, err := rig.Try(t.Context(), e.PgConn, "unlisten *")
			e.heard = nil
			return err
		})
	}
	all.Wait()
	close(heard)
	n := 0
	for h := range heard {
		n += h
	}
	if n == 0 {
		t.Error("nobody has heard anything")
	}
	t.Logf("%d notifications were heard", n)
}

func TestListen_WhoIsDeafIsTold(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "listen_lost", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "listen_lost", Size: 2, Options: new(rig.Captured).Capture})
	bystander := in.Connect(t, "listen_lost")
	var ears []*ear
	for range 4 {
		e := listenAt(t, in, "listen_lost")
		rig.Ask(t, e.PgConn, "listen news")
		e.isFree(t)
		ears = append(ears, e)
	}
	rig.Ask(t, ears[3].PgConn, "begin")
	pg.Exec("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'listen_lost' and application_name like 'overdrive: listens%'")
	for i, e := range ears {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		rig.WantState(t, e.WaitForNotification(ctx), "57P01")
		cancel()
		if !e.IsClosed() {
			t.Errorf("the connection of listener %d is open still", i)
		}
	}
	rig.Ask(t, bystander, "select 1")
	e := listenAt(t, in, "listen_lost")
	rig.Ask(t, e.PgConn, "listen news")
	e.isFree(t)
	rig.Ask(t, bystander, "notify news, 'again'")
	e.onlyHears(t, "news again")
}

// Where nobody can log in any more, the session is pinned, and hears.
func TestListen_IsPinnedWhereNobodyElseCanListen(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := rig.NewDatabase(t, "listen_pinned", "")
	rig.MakeRoles(t, pg, "listen_pinned_role")
	pg.Exec("alter role listen_pinned_role connection limit 2")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "listen_pinned", User: "listen_pinned_role", Size: 2, Options: new(rig.Captured).Capture})
	as := rig.As("listen_pinned_role", "")
	other := in.Connect(t, "listen_pinned", as)
	e := &ear{}
	e.PgConn = in.Connect(t, "listen_pinned", as, func(config *pgconn.Config) {
		config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { e.heard = append(e.heard, n.Channel+" "+n.Payload) }
	})
	rig.Ask(t, other, "begin")
	rig.Ask(t, e.PgConn, "listen news")
	time.Sleep(100 * time.Millisecond)
	if got := rig.Ask(t, e.PgConn, "show overdrive.pinned"); got != "LISTEN" {
		t.Errorf("pinned by %q, want LISTEN", got)
	}
	rig.Ask(t, other, "notify news, 'one'; commit")
	e.onlyHears(t, "news one")
}

// Who does not take in what it listens to is ended, whether it does not read or is in a transaction for ever. Nobody else suffers.
func TestListen_WhoDoesNotTakeItInIsEnded(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "listen_flood", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "listen_flood", Size: 3, Options: new(rig.Captured).Capture})
	deaf := in.Dial(t, proxytest.Login{User: "postgres", Database: "listen_flood"})
	if err := deaf.Send(proxytest.Query("listen news")); err != nil {
		t.Fatal(err)
	}
	e, busy, other := listenAt(t, in, "listen_flood"), listenAt(t, in, "listen_flood"), in.Connect(t, "listen_flood")
	rig.Ask(t, e.PgConn, "listen news")
	rig.Ask(t, busy.PgConn, "listen news")
	e.isFree(t)
	busy.isFree(t)
	rig.Ask(t, busy.PgConn, "begin")
	for _, c := range in.Server.Clients(t.Context()) { // while it is handed over a session is pinned, and its server waits for it
		for end := time.Now().Add(20 * time.Second); c.Pinned != "" && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			all := in.Server.Clients(t.Context())
			c = all[slices.IndexFunc(all, func(o proxy.ClientStatus) bool { return o.ID == c.ID })]
		}
	}
	const rounds, each = 60, 100
	for i := range rounds {
		rig.Ask(t, other, fmt.Sprintf("select pg_notify('news', repeat('x', 7000) || i) from generate_series(1, %d) i", each))
		e.hears(t, (i+1)*each)
	}
	_, err := rig.Try(t.Context(), busy.PgConn, "commit")
	rig.WantState(t, err, "53400")
	for end := time.Now().Add(20 * time.Second); len(in.Server.Clients(t.Context())) != 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("there are %d clients, want the one that hears and the other", len(in.Server.Clients(t.Context())))
		}
	}
}

// Where a client has its server to itself it listens by that, and where transactions are refused it listens as ever.
func TestListen_InOtherModes(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]postgres.PoolMode{"listen_session": postgres.SessionPooling, "listen_statement": postgres.StatementPooling} {
		pg := rig.NewDatabase(t, name, "")
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: 2, Mode: mode})
		e, other := listenAt(t, in, name), in.Connect(t, name)
		rig.Ask(t, e.PgConn, "listen news")
		if mode == postgres.StatementPooling {
			e.isFree(t)
		}
		rig.Ask(t, other, "notify news, 'one'")
		rig.Ask(t, e.PgConn, "notify news, 'own'")
		if got := e.hears(t, 2); !slices.Equal(got, []string{"news one", "news own"}) {
			t.Errorf("%v: heard %q", mode, got)
		}
		if e.senders[0] != other.PID() || e.senders[1] != e.PID() {
			t.Errorf("%v: the senders are %v, want %d and %d", mode, e.senders, other.PID(), e.PID())
		}
		connections := rig.Ask(t, rig.Direct(t, pg, name), "select count(*) from pg_stat_activity where application_name like 'overdrive: listens%' and datname = current_database()")
		if want := map[bool]string{true: "0", false: "1"}[mode == postgres.SessionPooling]; connections != want {
			t.Errorf("%v: %s connections listen for sessions, want %s", mode, connections, want)
		}
	}
}

// Letters beyond ASCII reach a client in its own encoding, which only its own server can see to.
func TestListen_InAnEncodingOfItsOwn(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "listen_encoding", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "listen_encoding", Size: 3})
	e, other := listenAt(t, in, "listen_encoding"), in.Connect(t, "listen_encoding")
	rig.Ask(t, e.PgConn, `listen "añb"`)
	e.isFree(t)
	rig.Ask(t, other, `notify "añb", 'ü'`)
	e.onlyHears(t, "añb ü")
	rig.Ask(t, e.PgConn, "set client_encoding = 'LATIN1'")
	rig.Ask(t, other, `notify "añb", 'at once'`)
	e.hears(t, 1) // it may come in the old one
	e.heard = nil
	for range 2 {
		rig.Ask(t, other, `notify "añb", 'ü'`)
		e.onlyHears(t, "a\xf1b \xfc")
	}
	if got := rig.Ask(t, e.PgConn, "show overdrive.pinned"); got != "LISTEN" {
		t.Errorf("pinned by %q, want LISTEN", got)
	}
	rig.Ask(t, e.PgConn, "set client_encoding = 'UTF8'; listen other")
	e.isFree(t)
	rig.Ask(t, other, `notify "añb", 'ü'`)
	e.onlyHears(t, "añb ü")
}
