package postgres_test

import (
	"context"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// blocked makes an instance in which somebody asks sql, and gets no answer until the test lets the table go.
func blocked(t *testing.T, name, sql string, size int, wait time.Duration) (in *rig.Instance, unlock func()) {
	t.Helper()
	pg := rig.NewDatabase(t, name, "create table t(a int); insert into t values (1)")
	in = rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: size, Wait: wait, Caching: true})
	warm := in.Connect(t, name)
	awaitHit(t, warm, "select a, 'warm' from t")
	w := pg.Dial(name)
	if _, err := w.Ask(proxytest.Query("begin; lock table t in access exclusive mode")); err != nil {
		t.Fatal(err)
	}
	leader := in.Connect(t, name)
	answer := rig.Asking(t, leader, sql)
	rig.AwaitQuery(t, pg, sql)
	t.Cleanup(func() { <-answer })
	return in, func() {
		if _, err := w.Ask(proxytest.Query("rollback")); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitHit asks until the cache answers.
func awaitHit(t *testing.T, c *pgconn.PgConn, sql string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; <-time.After(5 * time.Millisecond) {
		rig.Ask(t, c, sql)
		if rig.Ask(t, c, "show overdrive.status") == "hit" {
			return
		}
		if time.Now().After(end) {
			t.Fatal("nothing is answered from the cache")
		}
	}
}

// A client that waits for somebody else's answer has its own statement_timeout, and goes on afterwards.
func TestStatementTimeout_EndsTheWaitForSomebodyElsesAnswer(t *testing.T) {
	t.Parallel()
	const sql = "select a from t where a > 0"
	in, unlock := blocked(t, "statement_timeout", sql, 3, 20*time.Second)
	for name, run := range map[string]func(ctx context.Context) error{
		"simple, by SET": func(ctx context.Context) error {
			c := in.Connect(t, "statement_timeout")
			rig.Ask(t, c, "set statement_timeout = '300ms'")
			_, err := rig.Try(ctx, c, sql)
			rig.Ask(t, c, "select 1")
			return err
		},
		"simple, by startup": func(ctx context.Context) error {
			c := in.Connect(t, "statement_timeout", func(c *pgconn.Config) { c.RuntimeParams["statement_timeout"] = "300" })
			_, err := rig.Try(ctx, c, sql)
			rig.Ask(t, c, "select 1")
			return err
		},
	} {
		began := time.Now()
		err := run(t.Context())
		if took := time.Since(began); rig.State(err) != "57014" || took < 300*time.Millisecond || took > 5*time.Second {
			t.Errorf("%s: got %v after %v, want 57014 after 300 ms", name, err, took)
		}
	}
	unlock()
}

// wait_timeout is one for all that a message waits for: who waited that long for somebody else's answer, and finds no server
// free, is refused, and does not wait that long once more.
func TestWaitTimeout_IsOneForTheAnswerOfSomebodyElseAndForAServer(t *testing.T) {
	t.Parallel()
	const sql, limit = "select a from t where a > 0", 4 * time.Second // half of it is what the catalog may take
	in, unlock := blocked(t, "wait_timeout", sql, 1, limit)
	c := in.Connect(t, "wait_timeout")
	began := time.Now()
	_, err := rig.Try(t.Context(), c, sql)
	if took := time.Since(began); rig.State(err) != "53300" || took < limit || took > 2*limit {
		t.Errorf("got %v after %v, want 53300 after %v", err, took, limit)
	}
	unlock()
}
