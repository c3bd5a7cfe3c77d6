package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest/rig"
)

// inTransactions has the first reads of transactions answered from the cache.
func inTransactions(o *rig.Options) { o.Databases[0].Cache.InTransactions = true }

func TestTransactions_TheFirstReadsAreHitsAndNoneAfterAServerWasAsked(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "tx_hits", "create table t(a int); insert into t values (1); create table u(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "tx_hits", Size: 2, Caching: true, Options: inTransactions})
	c := in.Connect(t, "tx_hits")
	rig.Prime(t, c, "select a from t")
	status := func(want string) {
		t.Helper()
		if got := rig.Status(t, c); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, begin := range []string{
		"begin", "BEGIN WORK;", "start transaction", "begin isolation level read committed", "begin transaction read only", "begin read write, isolation level read committed",
	} {
		for _, end := range []string{"commit", "rollback", "end", "abort work"} {
			rig.Ask(t, c, begin)
			rig.Ask(t, c, "select a from t")
			status("hit")
			if got := c.TxStatus(); got != 'T' {
				t.Errorf("%s: status %c", begin, got)
			}
			rig.Ask(t, c, "select count(*) from u where random() < 2") // the server hears of the transaction
			rig.Ask(t, c, "select a from t")
			status("transaction")
			rig.Ask(t, c, end)
			rig.Ask(t, c, begin)
			rig.Ask(t, c, end) // nobody has heard of it
			if got := c.TxStatus(); got != 'I' {
				t.Errorf("%s, %s: status %c", begin, end, got)
			}
		}
	}
	for _, begin := range []string{
		"begin isolation level repeatable read", "begin isolation level serializable, read only, deferrable", "begin; set local work_mem = '1MB'",
	} {
		rig.Ask(t, c, begin)
		rig.Ask(t, c, "select a from t")
		status("transaction")
		rig.Ask(t, c, "rollback")
	}
	rig.Ask(t, c, "set default_transaction_isolation = 'repeatable read'")
	rig.Ask(t, c, "begin")
	rig.Ask(t, c, "select a from t")
	status("transaction")
	rig.Ask(t, c, "rollback")
}

// What is asked first is kept for others, and what a transaction has written is seen by itself alone until it commits.
func TestTransactions_TheFirstAnswerIsKeptAndNoOther(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "tx_fills", "create table t(a int); insert into t values (1)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "tx_fills", Size: 3, Caching: true, Options: inTransactions})
	c, other := in.Connect(t, "tx_fills"), in.Connect(t, "tx_fills")
	rig.Prime(t, other, "select 0 from t")
	rig.Ask(t, c, "begin")
	rig.Ask(t, c, "select sum(a) from t")
	rig.Ask(t, other, "select sum(a) from t")
	if got := rig.Status(t, other); got != "hit" {
		t.Errorf("the answer to the first read of a transaction was not kept: %s", got)
	}
	rig.Ask(t, c, "insert into t values (10)")
	if got := rig.Ask(t, c, "select sum(a) from t"); got != "11" {
		t.Errorf("a transaction reads %s, want its own write", got)
	}
	if got := rig.Ask(t, other, "select sum(a) from t"); got != "1" {
		t.Errorf("another client reads %s, want 1", got)
	}
	rig.Ask(t, c, "commit")
	rig.Ask(t, c, "begin")
	if got := rig.Ask(t, c, "select sum(a) from t"); got != "11" {
		t.Errorf("after the commit it reads %s", got)
	}
	rig.Ask(t, c, "rollback")
}

func TestTransactions_AFailedLeaseLeavesTheTransactionFailed(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "tx_lease", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "tx_lease", Size: 1, Wait: 2 * time.Second, Caching: true,
		Options: func(o *rig.Options) { inTransactions(o); new(rig.Captured).Capture(o) }})
	c, holder := in.Connect(t, "tx_lease"), in.Connect(t, "tx_lease")
	rig.Prime(t, c, "select a from t")
	rig.Ask(t, holder, "begin; insert into t values (1)")
	for _, ask := range []func(sql string) error{
		func(sql string) error { _, err := rig.Try(t.Context(), c, sql); return err },
		func(sql string) error { _, err := rig.AskExtended(t.Context(), c, 0, sql); return err },
	} {
		rig.Ask(t, c, "begin")
		rig.WantState(t, ask("select 1 from t"), "53300")
		rig.WantState(t, ask("select 2 from t"), "25P02")
		rig.WantState(t, ask("insert into t values (2)"), "25P02")
		if got := c.TxStatus(); got != 'E' {
			t.Errorf("status %c, want E", got)
		}
		if err := ask("commit"); err != nil || c.TxStatus() != 'I' {
			t.Errorf("commit: %v, status %c", err, c.TxStatus())
		}
	}
	rig.Ask(t, holder, "rollback")
	rig.Ask(t, c, "begin")
	if got := rig.Ask(t, c, "select count(*) from t"); got != "0" {
		t.Errorf("got %s", got)
	}
	rig.Ask(t, c, "commit")
}

func TestTransactions_AreNotLeftIdleForLongerThanTheServerWould(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "tx_idle", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "tx_idle", Size: 1, Caching: true,
		Options: func(o *rig.Options) { inTransactions(o); new(rig.Captured).Capture(o) }})
	c := in.Connect(t, "tx_idle")
	rig.Prime(t, c, "select a from t")
	rig.Ask(t, c, "set idle_in_transaction_session_timeout = '300ms'")
	rig.Ask(t, c, "begin")
	time.Sleep(600 * time.Millisecond)
	_, err := rig.Try(t.Context(), c, "select a from t")
	rig.WantState(t, err, "25P03")
}

// Transfers between accounts, each in a transaction that begins with reads, while others add everything up: the sum is always the same,
// and nobody reads less than what it was told was committed.
func TestTransactions_ReadersAndWritersAgree(t *testing.T) {
	t.Parallel()
	const clients, rounds = 8, 60
	pg := rig.NewDatabase(t, "tx_agree", "create table account(id int primary key, amount int, version int default 0); insert into account select g, 100 from generate_series(1, 10) g")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "tx_agree", Size: 3, Caching: true, Options: inTransactions})
	rig.Prime(t, in.Connect(t, "tx_agree"), "select sum(amount) from account")
	var all sync.WaitGroup
	for i := range clients {
		c := in.Connect(t, "tx_agree")
		all.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(i)))
			for range rounds {
				if err := move(t, c, r); err != nil && rig.State(err) != "40P01" {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	c := in.Connect(t, "tx_agree")
	for range 3 {
		if got := rig.Ask(t, c, "select sum(amount) from account"); got != "1000" {
			t.Errorf("the sum is %s", got)
		}
	}
}

// move reads, moves an amount between two accounts by what the server has, and reads its own write back.
func move(t *testing.T, c *pgconn.PgConn, r *rand.Rand) error {
	from, to := 1+r.IntN(10), 1+r.IntN(10)
	ask := func(sql string) (string, error) {
		if r.IntN(2) == 0 {
			return rig.AskExtended(t.Context(), c, 0, sql)
		}
		return rig.Try(t.Context(), c, sql)
	}
	if _, err := ask("begin"); err != nil {
		return err
	}
	sum, err := ask("select sum(amount) from account")
	if err == nil && sum != "1000" {
		err = fmt.Errorf("the sum is %s in a transaction", sum)
	}
	var written string
	for _, sql := range []string{
		fmt.Sprintf("update account set amount = amount - 1, version = version + 1 where id = %d returning version", from),
		fmt.Sprintf("update account set amount = amount + 1 where id = %d", to),
	} {
		if err == nil {
			var got string
			if got, err = ask(sql); got != "" && strings.Contains(sql, "returning") {
				written = got
			}
		}
	}
	if err != nil || r.IntN(3) == 0 {
		_, _ = ask("rollback")
		return err
	}
	if _, err := ask("commit"); err != nil {
		return err
	}
	if _, err := ask("begin"); err != nil {
		return err
	}
	read, err := ask(fmt.Sprintf("select version from account where id = %d", from))
	if err == nil && len(read) == len(written) && read < written || len(read) < len(written) {
		err = fmt.Errorf("a version of %s is read after %s was committed", read, written)
	}
	_, _ = ask("rollback")
	return err
}
