package checklist_test

import (
	"fmt"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// A restart, a failover to another primary, a restored backup: with level ttl none of them is noticed, and none need be. An
// answer is max_age old at most, and writes through the proxy count whichever server they reach.
func TestChecklist_R8_ARestartedServerIsBelievedAfterMaxAge(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	wantOnlyTTL(t)
	pg := proxytest.StartPostgres(t)
	pg.Exec("create table t as select 'old' as a; create table u as select 'old' as a")
	b := startSteppedAt(t, pg, "postgres", new(rig.Captured).Capture)
	c := b.connect(t)
	b.prime(t, c, sql)
	b.prime(t, c, "select a from u")
	pg.Restart()
	b.real = rig.Direct(t, pg, "postgres")
	rig.Await(t, "the catalog to be looked at again", func() bool {
		return rig.Ask(t, b.real, "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()") != "0"
	})
	rig.Await(t, "the catalog to be known again", func() bool {
		rig.Ask(t, c, "select 'anything else'")
		return rig.Status(t, c) != "unsettled"
	})
	rig.Ask(t, b.real, "update u set a = 'restored'")
	b.wantValue(t, "after the restart", c, "select a from u", "old", "hit")
	rig.Ask(t, c, "update t set a = 'new'")
	b.want(t, "after a write", c, sql, "miss")
	b.advance(b.policy.MaxAge + 1)
	b.want(t, "after max_age", c, "select a from u", "miss")
	b.want(t, "after max_age", c, sql, "miss")
}

// What is written with synchronous_commit off is visible at once though not yet safe on disk. The writer, who waits for
// nothing, reads it.
func TestChecklist_R9_AWriteThatWaitsForNothingIsReadAtOnce(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	b := startStepped(t, "checklist_r9", "create table t as select '' as a")
	writer, reader := b.connect(t), b.connect(t)
	hasty := b.connect(t, rig.With("options", "-c synchronous_commit=off"))
	for i := range 20 {
		b.prime(t, reader, sql)
		if i%2 == 0 {
			rig.Ask(t, writer, fmt.Sprintf("begin; set local synchronous_commit = off; update t set a = '%d'; commit", i))
		} else {
			rig.Ask(t, hasty, fmt.Sprintf("update t set a = '%d'", i))
		}
		for _, c := range []*pgconn.PgConn{writer, hasty, reader} {
			if got := rig.Ask(t, c, sql); got != fmt.Sprint(i) {
				t.Fatalf("got %s (%s), want %d", got, rig.Status(t, c), i)
			}
		}
	}
}

// Age is told by a clock that only goes forward, and begins when the question is sent: what an answer shows is as old as
// that, however long it took.
func TestChecklist_R10_AgeIsCountedFromTheQuestionByTheCachesOwnClock(t *testing.T) {
	t.Parallel()
	b := startStepped(t, "checklist_r10", rowTable)
	c := b.connect(t)
	for form := range rowQuestions {
		rig.Ask(t, b.real, "update t set a = 'old'")
		b.overtake(t, b.relay.HoldAnswer(t, rowKey), form, c, "old", func() { b.advance(40 * time.Minute) })
		rig.Ask(t, b.real, "update t set a = 'new'")
		b.advance(20 * time.Minute)
		b.wantRow(t, "an hour after the question", form, c, "old", "hit")
		b.advance(1)
		b.wantRow(t, "later", form, c, "new", "miss")
	}
}

func TestChecklist_R11_AnAnswerOvertakenByAPurgeIsNotKept(t *testing.T) {
	t.Parallel()
	b := startStepped(t, "checklist_r11", rowTable)
	c, other := b.connect(t), b.connect(t)
	id := b.oid(t, "t")
	for name, purge := range map[string]func(){
		"Database.Purge": func() { b.kept().Purge() }, "Cache.Purge": b.Cache.Purge, "Invalidate": func() { b.kept().Invalidate(id) },
	} {
		for form := range rowQuestions {
			rig.Ask(t, b.real, "update t set a = 'old'")
			b.kept().Purge()
			b.overtake(t, b.relay.HoldAnswer(t, rowKey), form, c, "old", func() {
				rig.Ask(t, b.real, "update t set a = 'new'") // nobody here knows of it
				purge()
			})
			b.wantRow(t, "after "+name, form, other, "new", "miss")
			// And what is kept already is gone when the purge returns.
			b.wantRow(t, "before "+name, form, other, "new", "hit")
			rig.Ask(t, b.real, "update t set a = 'newer'")
			purge()
			b.wantRow(t, "after "+name, form, other, "newer", "miss")
		}
	}
}

func TestChecklist_R12_AShorterMaxAgeHoldsForWhatIsKeptAlready(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	b := startStepped(t, "checklist_r12", "create table t as select 'old' as a")
	c := b.connect(t)
	b.prime(t, c, sql)
	rig.Ask(t, b.real, "update t set a = 'new'")
	b.advance(time.Minute)
	b.wantValue(t, "before", c, sql, "old", "hit")
	b.policy.MaxAge = time.Minute
	b.kept().SetPolicy(b.policy)
	b.wantValue(t, "with the age of the answer", c, sql, "old", "hit")
	b.policy.MaxAge = time.Minute - 1
	b.kept().SetPolicy(b.policy)
	b.want(t, "with less than its age", c, sql, "miss")
	b.policy.MaxAge, b.policy.Enabled = time.Hour, false
	b.kept().SetPolicy(b.policy)
	b.want(t, "switched off", c, sql, "disabled")
	rig.Ask(t, b.real, "update t set a = 'newest'")
	b.want(t, "switched off", c, sql, "disabled")
}

func TestChecklist_R14_ANewProxyStartsEmpty(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	pg := rig.NewDatabase(t, "checklist_r14", "create table t as select 'old' as a")
	b := startSteppedAt(t, pg, "checklist_r14", new(rig.Captured).Capture)
	b.prime(t, b.connect(t), sql)
	if err := <-b.Stop(rig.Patience); err != nil {
		t.Fatal(err)
	}
	rig.Ask(t, b.real, "update t set a = 'new'")
	next := startSteppedAt(t, pg, "checklist_r14")
	next.want(t, "after the restart", next.connect(t), sql, "miss")
}
