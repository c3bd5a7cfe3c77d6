package checklist_test

import (
	"fmt"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
	"overdrive/querycache"
)

// wantRow fails the test unless c gets value for the row in one form, in the way of word.
func (b *steppedBench) wantRow(t *testing.T, when, form string, c *pgconn.PgConn, value, word string) {
	t.Helper()
	got, err := rowQuestions[form](t.Context(), c)
	if how := rig.Status(t, c); got != value || err != nil || how != word {
		t.Errorf("%s (%s): got %q, %v (%s), want %q (%s)", when, form, got, err, how, value, word)
	}
}

// overtake has c ask for the row while meanwhile happens, which is before the server has the question or before the proxy
// has the answer. It fails the test unless c gets value.
func (b *steppedBench) overtake(t *testing.T, held *rig.QuestionHold, form string, c *pgconn.PgConn, value string, meanwhile func()) {
	t.Helper()
	answer := askRow(t, c, form)
	<-held.Reached
	meanwhile()
	held.Release()
	if got := <-answer; got.value != value || got.err != nil {
		t.Fatalf("%s: got %q, %v, want %q", form, got.value, got.err, value)
	}
}

// The classic: an answer is on its way while what it shows is changed. Its client may have it, nobody after that. What is
// written before the server has the question counts too, since generations are taken before it is sent.
func TestChecklist_R1_AnAnswerOvertakenByAWriteIsNotKept(t *testing.T) {
	t.Parallel()
	b := startStepped(t, "checklist_r1", rowTable)
	writer, reader, other := b.connect(t), b.connect(t), b.connect(t)
	for form := range rowQuestions {
		for _, write := range []string{"update t set a = '%s'", "begin; update t set a = '%s'; commit"} {
			rig.Ask(t, writer, "update t set a = 'old'")
			b.overtake(t, b.relay.HoldAnswer(t, rowKey), form, reader, "old", func() { rig.Ask(t, writer, fmt.Sprintf(write, "new")) })
			b.wantRow(t, "after an answer overtaken by a write", form, other, "new", "miss")
			b.wantRow(t, "after that", form, reader, "new", "hit")
			rig.Ask(t, writer, "update t set a = 'old'")
			b.overtake(t, b.relay.HoldQuestion(t, rowKey), form, reader, "new", func() { rig.Ask(t, writer, fmt.Sprintf(write, "new")) })
			b.wantRow(t, "after a question overtaken by a write", form, other, "new", "miss")
		}
	}
}

// A commit may be certain and not yet visible, here because it waits for a standby that is missing. Whoever reads
// meanwhile reads the past, and that must not be kept.
func TestChecklist_R2_WhatIsReadBeforeACommitIsVisibleIsNotKept(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	pg := proxytest.StartPostgres(t, proxytest.WithSetting("synchronous_commit", "on"))
	pg.Exec("create table t as select '' as a")
	b := startSteppedAt(t, pg, "postgres")
	writer, reader := b.connect(t), b.connect(t)
	for i, end := range []func(){
		func() {
			rig.Ask(t, b.real, "alter system reset synchronous_standby_names")
			rig.Ask(t, b.real, "select pg_reload_conf()")
		},
		func() { // the commit stands, and comes with a warning
			if err := writer.CancelRequest(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		rig.Ask(t, b.real, "alter system set synchronous_standby_names = 'missing'")
		rig.Ask(t, b.real, "select pg_reload_conf()")
		b.prime(t, reader, sql)
		var answer <-chan error
		rig.Await(t, "a commit to wait for the standby", func() bool { // the first may come before the setting
			select {
			case err := <-answer:
				if err != nil {
					t.Fatal(err)
				}
				answer = nil
			default:
			}
			if answer == nil {
				b.prime(t, reader, sql)
				answer = rig.Asking(t, writer, "update t set a = a || '+'")
			}
			return rig.Ask(t, b.real, "select count(*) from pg_stat_activity where wait_event = 'SyncRep'") == "1"
		})
		for range 3 {
			b.want(t, "while the commit waits", reader, sql, "unsettled")
		}
		old := rig.Ask(t, b.real, sql)
		end()
		if err := <-answer; err != nil {
			t.Errorf("round %d: the write: %v", i, err)
		}
		b.wantValue(t, "after the commit", reader, sql, old+"+", "miss")
		b.wantValue(t, "after the commit", writer, sql, old+"+", "hit")
	}
	rig.Ask(t, b.real, "alter system reset synchronous_standby_names")
	rig.Ask(t, b.real, "select pg_reload_conf()")
}

// agingHint is the lifetime that the tests of age give to their statements.
const agingHint = "/* overdrive: max_age=60s, swr=60s */ "

func TestChecklist_R3_AnInvalidatedAnswerIsNeverServedStale(t *testing.T) {
	t.Parallel()
	const sql = agingHint + "select a from t"
	// Half of the pool may refresh. A form whose refresh finds no room is not refreshed until the clock moves.
	b := startStepped(t, "checklist_r3", "create table t as select 'old' as a", func(o *rig.Options) { o.Databases[0].Pool.Size = 2 * len(rig.Askers) })
	writer, reader := b.connect(t), b.connect(t)
	b.prime(t, reader, sql)
	b.advance(61 * time.Second)
	b.wantValue(t, "aged", reader, sql, "old", "stale") // else the rest proves nothing
	for i, order := range []string{"age, write", "write, age", "age, write, age"} {
		b.prime(t, reader, sql)
		now := fmt.Sprint(i)
		for _, r := range order {
			switch r {
			case 'w':
				rig.Ask(t, writer, "update t set a = '"+now+"'")
			case 'g':
				b.advance(61 * time.Second)
			}
		}
		b.wantValue(t, order, reader, sql, now, "miss")
	}
	b.prime(t, reader, sql)
	b.advance(121 * time.Second)
	b.want(t, "too old to be served stale", reader, sql, "miss")
}

func TestChecklist_R4_ARefreshOvertakenByAWriteIsNotKept(t *testing.T) {
	t.Parallel()
	const sql = agingHint + rowQuery
	b := startStepped(t, "checklist_r4", rowTable, func(o *rig.Options) { o.Databases[0].Pool.Size = 2 })
	writer, reader := b.connect(t), b.connect(t)
	for i := range 3 {
		b.prime(t, reader, sql)
		old, now := rig.Ask(t, b.real, rowQuery), fmt.Sprint(i)
		b.advance(61 * time.Second)
		asked, held := b.relay.Count(rowKey), b.relay.HoldAnswer(t, rowKey)
		for range 3 {
			if got := rig.Ask(t, reader, sql); got != old || rig.Status(t, reader) != "stale" {
				t.Fatalf("aged: got %s (%s), want %s (stale)", got, rig.Status(t, reader), old)
			}
		}
		<-held.Reached // it has read the old value
		if got := b.relay.Count(rowKey) - asked; got != 1 {
			t.Errorf("%d refreshes run, want one", got)
		}
		rig.Ask(t, writer, "update t set a = '"+now+"'")
		if got := rig.Ask(t, reader, sql); got != now {
			t.Errorf("during the refresh: got %s (%s), want %s", got, rig.Status(t, reader), now)
		}
		held.Release()
		for _, c := range []*pgconn.PgConn{writer, reader} { // both servers are free, so the refresh has ended
			rig.Ask(t, c, "begin")
		}
		for _, c := range []*pgconn.PgConn{writer, reader} {
			rig.Ask(t, c, "rollback")
		}
		b.wantValue(t, "after the refresh", reader, sql, now, "hit miss")
	}
}

// Who asks after a write may not be given the answer to a question from before it, even if the same question is under way.
func TestChecklist_R5_WhoeverAsksAfterAWriteDoesNotWaitForAnOlderAnswer(t *testing.T) {
	t.Parallel()
	b := startStepped(t, "checklist_r5", rowTable)
	writer, leader, early, late := b.connect(t), b.connect(t), b.connect(t), b.connect(t)
	for form := range rowQuestions {
		rig.Ask(t, writer, "update t set a = 'old'")
		held := b.relay.HoldAnswer(t, rowKey)
		first := askRow(t, leader, form)
		<-held.Reached
		waiting := askRow(t, early, form)
		b.fence(t)
		rig.Ask(t, writer, "update t set a = 'new'")
		select {
		case got := <-askRow(t, late, form):
			if got.value != "new" || got.err != nil {
				t.Errorf("%s: after the write: got %q, %v, want new", form, got.value, got.err)
			}
		case <-time.After(rig.Patience):
			t.Errorf("%s: who asked after the write waits for the answer from before it", form)
		}
		held.Release()
		if got := <-first; got.value != "old" || got.err != nil {
			t.Errorf("%s: the first: got %q, %v, want what the server told it", form, got.value, got.err)
		}
		if got := <-waiting; got.err != nil {
			t.Errorf("%s: who asked before the write: %v", form, got.err)
		}
		for _, c := range []*pgconn.PgConn{leader, early, late} {
			if got, err := rowQuestions[form](t.Context(), c); got != "new" || err != nil {
				t.Errorf("%s: at last: got %q, %v (%s), want new", form, got, err, rig.Status(t, c))
			}
		}
	}
}

// The fault that R5 is about is too rare to be met by chance in the consistency check, so it is seeded here.
func TestConsistency_AFlightFromBeforeAWriteIsFoundOut(t *testing.T) {
	t.Parallel()
	b := startStepped(t, "checklist_r5_fault", rowTable, func(o *rig.Options) {
		o.Cache = querycache.New(querycache.Options{Faults: querycache.Faults{JoinAnyFlight: true}})
	})
	writer, leader, late := b.connect(t), b.connect(t), b.connect(t)
	held := b.relay.HoldAnswer(t, rowKey)
	first := askRow(t, leader, "simple")
	<-held.Reached
	rig.Ask(t, writer, "update t set a = 'new'")
	second := askRow(t, late, "simple")
	b.fence(t)
	held.Release()
	if got := <-first; got.value != "old" || got.err != nil {
		t.Errorf("the first: got %q, %v", got.value, got.err)
	}
	if got := <-second; got.value != "old" || got.err != nil {
		t.Errorf("who asked after the write got %q, %v: R5 would not notice the fault", got.value, got.err)
	}
}

// Two proxies do not know of each other, so the levels that would promise it are refused. Level ttl promises that what
// went through the other one is seen after max_age, and what went through this one at once.
func TestChecklist_R6_AnotherProxysWriteIsSeenAfterMaxAge(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	wantOnlyTTL(t)
	pg := rig.NewDatabase(t, "checklist_r6", "create table t as select 'old' as a")
	here, there := startSteppedAt(t, pg, "checklist_r6"), startSteppedAt(t, pg, "checklist_r6")
	mine, theirs := here.connect(t), there.connect(t)
	here.prime(t, mine, sql)
	there.prime(t, theirs, sql)
	rig.Ask(t, mine, "update t set a = 'new'")
	here.want(t, "where it was written", mine, sql, "miss")
	there.advance(there.policy.MaxAge)
	there.wantValue(t, "elsewhere", theirs, sql, "old", "hit")
	there.advance(1)
	there.want(t, "elsewhere after max_age", theirs, sql, "miss")
}

// There is no stream of changes whose end had to be noticed, and the levels that need one are refused. What tells of
// changes is the writer's own connection: when that breaks, nothing that it may have written is served or kept.
func TestChecklist_R7_NothingIsServedWhileTheOutcomeOfAWriteIsUnknown(t *testing.T) {
	t.Parallel()
	const sql, unrelated = "select a from t", "select a from u"
	wantOnlyTTL(t)
	b := startStepped(t, "checklist_r7", "create table t as select 'old' as a; create table u as select 'other' as a", new(rig.Captured).Capture)
	writer, reader := b.connect(t), b.connect(t)
	b.prime(t, reader, sql)
	b.prime(t, reader, unrelated)
	rig.Ask(t, writer, "begin; update t set a = 'new'")
	held := b.relay.HoldAnswer(t, "commit")
	answer := rig.Asking(t, writer, "commit")
	<-held.Reached
	held.Cut()
	if err := <-answer; err == nil {
		t.Fatal("the writer was told of a commit that nobody knows of")
	}
	// The backend has committed, or is about to. As soon as it is gone, which the server is asked, answers are kept again.
	rig.Await(t, "an answer that is kept again", func() bool {
		if got := rig.Ask(t, reader, sql); got != "new" {
			t.Fatalf("got %q after the commit", got)
		}
		return rig.Status(t, reader) == "hit"
	})
	b.want(t, "after the writer's connection broke", reader, unrelated, "hit")
}
