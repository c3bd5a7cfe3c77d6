package postgres_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"overdrive/proxy/postgres"
	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// Many clients, few servers, transactions in both protocols that are committed, rolled back and retried: money neither
// appears nor vanishes, and nobody sees it half moved.
func TestPool_TransfersKeepTheSum(t *testing.T) {
	t.Parallel()
	const clients, transfers, accounts, each = 60, 15, 20, 100
	pg := rig.NewDatabase(t, "transfers", fmt.Sprintf("create table account(id int primary key, n int check (n >= 0));"+
		"insert into account select i, %d from generate_series(1, %d) i", each, accounts))
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "transfers", Size: 5})
	want := fmt.Sprint(each * accounts)
	var all sync.WaitGroup
	for i := range clients {
		c := in.Connect(t, "transfers")
		random := rand.New(rand.NewPCG(2, uint64(i)))
		all.Go(func() {
			for range transfers {
				if err := transfer(t, c, random, accounts); err != nil && rig.State(err) != "23514" && rig.State(err) != "40P01" {
					t.Errorf("client %d: %v", i, err)
					return
				}
				if got, err := rig.AskExtended(t.Context(), c, 0, "select sum(n) from account"); err != nil || got != want {
					t.Errorf("client %d sees a sum of %s, %v, want %s", i, got, err, want)
					return
				}
			}
		})
	}
	all.Wait()
	d := rig.Direct(t, pg, "transfers")
	if got := rig.Ask(t, d, "select sum(n) from account"); got != want {
		t.Errorf("the sum is %s, want %s", got, want)
	}
	if got := rig.Ask(t, d, "select count(*) <= 5 from pg_stat_activity where datname = 'transfers' and pid <> pg_backend_pid()"); got != "t" {
		t.Error("the pool has more than 5 server connections")
	}
}

// transfer moves something from one account to another in a transaction, which now and then is rolled back.
func transfer(t *testing.T, c *pgconn.PgConn, random *rand.Rand, accounts int) error {
	from, to, n := random.IntN(accounts)+1, random.IntN(accounts)+1, fmt.Sprint(random.IntN(50))
	if _, err := rig.Try(t.Context(), c, "begin"); err != nil {
		return err
	}
	_, err := rig.AskExtended(t.Context(), c, 0, "update account set n = n - $1::int where id = $2::int", n, fmt.Sprint(from))
	if err == nil {
		_, err = rig.Try(t.Context(), c, fmt.Sprintf("update account set n = n + %s where id = %d", n, to))
	}
	end := "commit"
	if err != nil || random.IntN(4) == 0 {
		end = "rollback"
	}
	if _, endErr := rig.Try(t.Context(), c, end); endErr != nil {
		return endErr
	}
	return err
}

func TestPool_WaitTimeoutSaysWhichPoolIsFull(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	var log rig.Captured
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2, Wait: 300 * time.Millisecond, Options: log.Capture})
	for range 2 {
		rig.Ask(t, in.Connect(t, "postgres"), "begin")
	}
	c := in.Connect(t, "postgres")
	_, err := rig.Try(t.Context(), c, "select 1")
	rig.WantState(t, err, "53300")
	for _, part := range []string{`"postgres/postgres"`, "within 3", "size 2", "2 leased"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want %s in it", err, part)
		}
	}
	log.Await(t, "session ended", "no server connection", "size 2")
}

// While the upstream cannot be reached clients wait; when it is there they go on as if nothing had been. Who has waited
// too long hears what the last attempt to reach it said.
func TestPool_UnreachableUpstreamIsWaitedFor(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	impatient := rig.Start(t, rig.Setup{Upstream: address, Database: "postgres", Size: 2, Wait: 300 * time.Millisecond, Options: new(rig.Captured).Capture})
	_, err = login(t, impatient)
	rig.WantState(t, err, "08001")
	if !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v, want the reason of the last attempt in it", err)
	}

	var log rig.Captured
	patient := rig.Start(t, rig.Setup{Upstream: address, Database: "postgres", Size: 2, Options: log.Capture})
	logins := make(chan error, 3)
	for range cap(logins) {
		go func() {
			_, err := login(t, patient)
			logins <- err
		}()
	}
	log.Await(t, "upstream login failed", "refused")
	pg := proxytest.SharedPostgres(t)
	if l, err = net.Listen("tcp", address); err != nil {
		t.Fatalf("the port was taken by somebody else: %v", err)
	}
	defer l.Close()
	go forward(l, pg.Addr(), func([]byte) {})
	for range cap(logins) {
		if err := <-logins; err != nil {
			t.Errorf("a client that waited: %v", err)
		}
	}
}

// forward passes connections on, until l is closed. It shows the first eight bytes of each to before.
func forward(l net.Listener, address string, before func(head []byte)) {
	for {
		from, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer from.Close()
			to, err := net.Dial("tcp", address)
			if err != nil {
				return
			}
			defer to.Close()
			var head [8]byte
			if _, err := io.ReadFull(from, head[:]); err != nil {
				return
			}
			before(head[:])
			if _, err := to.Write(head[:]); err != nil {
				return
			}
			go func() {
				defer to.Close()
				_, _ = io.Copy(to, from)
			}()
			_, _ = io.Copy(from, to)
		}()
	}
}

// A restart of the upstream is news to those alone who had something open there.
func TestPool_RestartOfTheUpstreamSparesIdleClients(t *testing.T) {
	t.Parallel()
	pg := proxytest.StartPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 3, Options: new(rig.Captured).Capture})
	idle, prepared, busy, running := in.Connect(t, "postgres"), in.Connect(t, "postgres"), in.Connect(t, "postgres"), in.Connect(t, "postgres")
	rig.Ask(t, idle, "select 1")
	if _, err := prepared.Prepare(t.Context(), "s", "select $1::int + 1", nil); err != nil {
		t.Fatal(err)
	}
	rig.Ask(t, busy, "begin; create table lost(a int)")
	answer := rig.Asking(t, running, "select pg_sleep(600)")
	rig.AwaitQuery(t, pg, "select pg_sleep(600)")
	pg.Restart()
	rig.WantState(t, <-answer, "57P01")
	if _, err := rig.Try(t.Context(), busy, "select 1"); err == nil {
		t.Error("a transaction survived the restart")
	}
	if got := rig.Ask(t, idle, "select 2"); got != "2" {
		t.Errorf("idle client got %s, want 2", got)
	}
	r := prepared.ExecPrepared(t.Context(), "s", [][]byte{[]byte("41")}, nil, nil).Read()
	if got := strings.Join(rig.RowsOf(r), ""); r.Err != nil || got != "42" {
		t.Errorf("prepared statement got %q, %v, want 42", got, r.Err)
	}
	if got := rig.Ask(t, in.Connect(t, "postgres"), "select count(*) from pg_class where relname = 'lost'"); got != "0" {
		t.Error("the open transaction was committed")
	}
}

// A client that vanishes in a transaction is rolled back, and its server, not a new one, serves the next.
func TestPool_VanishedClientIsRolledBackAndItsServerUsedAgain(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "vanished", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "vanished", Size: 1, Options: new(rig.Captured).Capture})
	next := in.Connect(t, "vanished")
	// usedAgain has a client vanish, and reports whether the next one is given the same server.
	usedAgain := func(last string, leave func(*net.TCPConn)) bool {
		server := rig.Ask(t, next, "select pg_backend_pid()")
		w := in.Dial(t, proxytest.Login{User: "postgres", Database: "vanished"})
		if _, err := w.Ask(proxytest.Query("begin; lock t")); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Ask(proxytest.Query(last)); err != nil {
			t.Fatal(err)
		}
		leave(w.Conn().(*net.TCPConn))
		rows, got, _ := strings.Cut(rig.Ask(t, next, "select count(*), pg_backend_pid() from t"), ",")
		if rows != "0" {
			t.Errorf("after %s the next client sees %s rows, want none", last, rows)
		}
		return got == server
	}
	for _, leave := range []func(*net.TCPConn){
		func(nc *net.TCPConn) { nc.Close() },
		func(nc *net.TCPConn) { _ = nc.SetLinger(0); nc.Close() },
		func(nc *net.TCPConn) { _, _ = nc.Write(proxytest.Terminate()); nc.Close() },
	} {
		for _, last := range []string{"insert into t values (1)", "insert into t values ('x')"} { // open and failed
			again := false
			for range 5 { // the keeper of the catalog may have come between, whose look takes the only slot
				again = again || usedAgain(last, leave)
			}
			if !again {
				t.Errorf("after %s the server is never used again", last)
			}
		}
	}
}

func TestPool_StatementModeRefusesTransactionBlocks(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "statement_mode", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "statement_mode", Size: 1, Mode: postgres.StatementPooling, Options: new(rig.Captured).Capture})
	c := in.Connect(t, "statement_mode")
	rig.Ask(t, c, "insert into t values (1)")
	_, err := rig.Try(t.Context(), c, "begin; insert into t values (2)")
	if err == nil {
		_, err = rig.Try(t.Context(), c, "commit")
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Severity != "FATAL" || !strings.Contains(e.Message, "transaction blocks not allowed") {
		t.Errorf("got %v, want a refusal of the transaction", err)
	}
	if got := rig.Ask(t, in.Connect(t, "statement_mode"), "select count(*) from t"); got != "1" {
		t.Errorf("got %s rows, want 1", got)
	}
}

// In session mode a client keeps its server, and what it left there is gone before the next client has it.
func TestPool_SessionModeLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "session_mode", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "session_mode", Size: 1, Mode: postgres.SessionPooling})
	c := in.Connect(t, "session_mode")
	server := rig.Ask(t, c, "select pg_backend_pid()")
	rig.Ask(t, c, "create temp table t(a int); set work_mem = '5MB'; select pg_advisory_lock(1); prepare p as select 1; listen x; begin")
	rig.CloseConn(c)
	next := in.Connect(t, "session_mode")
	got := rig.Ask(t, next, `select pg_backend_pid(), current_setting('work_mem'), to_regclass('pg_temp.t') is null,
		(select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = 'session_mode')),
		(select count(*) from pg_prepared_statements), (select count(*) from pg_listening_channels())`)
	if want := server + ",4MB,t,0,0,0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
