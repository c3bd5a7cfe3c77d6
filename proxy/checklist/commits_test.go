package checklist_test

import (
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// The first step hides the write from everybody, the second, of whatever session, shows it.
func TestChecklist_T11_CommitPreparedIsWhenAPreparedTransactionIsSeen(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	pg := proxytest.StartPostgres(t, proxytest.WithSetting("max_prepared_transactions", "4"))
	pg.Exec("create table t as select '0' as a")
	b := startSteppedAt(t, pg, "postgres")
	writer, reader, finisher := b.connect(t), b.connect(t), b.connect(t)
	for i, end := range []string{"commit prepared 'x'", "rollback prepared 'x'", "commit prepared 'x'"} {
		b.prime(t, reader, sql)
		old := rig.Ask(t, b.real, sql)
		for _, step := range []string{"begin", fmt.Sprintf("update t set a = '%d'", i+1), "prepare transaction 'x'"} {
			rig.Ask(t, writer, step)
		}
		for range 3 { // it may be kept now, since it is true now
			b.wantValue(t, "while it is prepared", reader, sql, old, "hit miss unsettled")
		}
		rig.Ask(t, finisher, end)
		for _, c := range []*pgconn.PgConn{reader, writer, finisher} {
			b.want(t, "after "+end, c, sql, "miss hit unsettled")
		}
		if now := rig.Ask(t, b.real, sql); (now == old) != strings.HasPrefix(end, "rollback") {
			t.Errorf("after %s the value is %s and was %s, so this proves nothing", end, now, old)
		}
	}
}

func TestChecklist_T12_EveryKindOfEndIsTakenForWhatItIs(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	b := startStepped(t, "checklist_t12", "create table t as select '0' as a")
	writer, reader := b.connect(t), b.connect(t)
	rig.Ask(t, writer, "begin")
	for i, end := range []string{"commit and chain", "rollback and chain", "end and chain", "abort and chain", "commit and chain"} {
		old := rig.Ask(t, b.real, sql)
		rig.Ask(t, writer, fmt.Sprintf("update t set a = '%d'", i+1))
		b.wantValue(t, "before "+end, reader, sql, old, "unsettled")
		rig.Ask(t, writer, end)
		b.want(t, "after "+end, reader, sql, "miss hit unsettled") // the next transaction may write it as well
		b.want(t, "in the next transaction", writer, sql, "transaction")
	}
	rig.Ask(t, writer, "commit")
	// A COMMIT of what has failed is a rollback.
	old := rig.Ask(t, b.real, sql)
	rig.Ask(t, writer, "begin")
	rig.Ask(t, writer, "update t set a = 'never'")
	_, err := rig.Try(t.Context(), writer, "select 1/0")
	rig.WantState(t, err, "22012")
	r := writer.Exec(t.Context(), "commit")
	results, err := r.ReadAll()
	if err != nil || results[0].CommandTag.String() != "ROLLBACK" {
		t.Fatalf("COMMIT said %v, %v, want ROLLBACK", results, err)
	}
	for _, c := range []*pgconn.PgConn{reader, writer} {
		b.wantValue(t, "after the COMMIT that rolled back", c, sql, old, "miss hit")
	}
}

// What is deferred happens between COMMIT and its answer, to tables that no statement named, and may fail it.
func TestChecklist_T13_WhatIsDeferredToTheCommitCounts(t *testing.T) {
	t.Parallel()
	b := startStepped(t, "checklist_t13", `create table t(a text); create table log as select 'none' as a;
		create function logs() returns trigger language plpgsql as 'begin update log set a = new.a; return null; end';
		create constraint trigger tr after insert on t deferrable initially deferred for each row execute function logs();
		create table parent(id int primary key); create table child(id int references parent deferrable initially deferred, a text)`)
	writer, reader := b.connect(t), b.connect(t)
	const log, child = "select a from log", "select max(a) from child"
	for i, way := range []string{"begin; insert; commit", "insert", "begin; insert; set constraints all immediate; commit"} {
		b.prime(t, reader, log)
		old := rig.Ask(t, b.real, log)
		for step := range strings.SplitSeq(way, "; ") {
			if step == "commit" && i == 0 {
				b.wantValue(t, "before COMMIT", reader, log, old, "unsettled hit")
			}
			if step == "insert" {
				step = fmt.Sprintf("insert into t values ('%d')", i)
			}
			rig.Ask(t, writer, step)
		}
		b.wantValue(t, "after "+way, reader, log, fmt.Sprint(i), "miss hit")
	}
	b.prime(t, reader, child)
	for _, step := range []string{"begin", "insert into child values (7, 'orphan')"} {
		rig.Ask(t, writer, step)
	}
	b.wantValue(t, "inside", writer, child, "orphan", "transaction")
	_, err := rig.Try(t.Context(), writer, "commit")
	rig.WantState(t, err, "23503")
	b.wantValue(t, "after the COMMIT that failed", reader, child, "", "miss hit")
}

func TestChecklist_T14_DDLThatIsRolledBackLeavesTheOldColumns(t *testing.T) {
	t.Parallel()
	const sql = "select * from t"
	b := startStepped(t, "checklist_t14", "create table t as select 'old' as a; create table other as select 'other' as a, 'b' as b")
	writer, reader := b.connect(t), b.connect(t)
	for _, ddl := range []string{
		"alter table t add column b text default 'new'", "alter table t alter column a type varchar(2) using 'x'",
		"drop table t; create table t as select 'dropped' as x", "alter table t rename to gone; alter table other rename to t",
		"truncate t", "alter table t rename column a to z",
	} {
		b.prime(t, reader, sql)
		rig.Ask(t, writer, "begin")
		for step := range strings.SplitSeq(ddl, "; ") {
			rig.Ask(t, writer, step)
		}
		b.want(t, "inside", writer, "select 1", "transaction")
		answer := rig.Asking(t, reader, sql) // it waits for the lock of the table
		rig.Ask(t, writer, "rollback")
		if err := <-answer; err != nil {
			t.Errorf("%s: a reader meanwhile: %v", ddl, err)
		}
		b.want(t, "after the rollback of "+ddl, reader, sql, "hit miss unsettled")
		if got := rig.Ask(t, reader, sql); got != "old" {
			t.Errorf("after the rollback of %s: got %s", ddl, got)
		}
	}
}

// Between two statements of a transaction others see nothing of it, after its commit all of it. That holds while the
// commit is known to the server alone, too.
func TestChecklist_T15_NobodySeesHalfATransaction(t *testing.T) {
	t.Parallel()
	const first, second, both = "select a from t", "select a from u", "select t.a || u.a from t, u"
	b := startStepped(t, "checklist_t15", "create table t as select '0' as a; create table u as select '0' as a")
	writer, reader := b.connect(t), b.connect(t)
	want := func(when, value string) {
		t.Helper()
		b.wantValue(t, when, reader, first, value, "hit miss unsettled")
		b.wantValue(t, when, reader, second, value, "hit miss unsettled")
		b.wantValue(t, when, reader, both, value+value, "hit miss unsettled")
	}
	for i, whole := range []bool{false, true, false, true} {
		for _, sql := range []string{first, second, both} {
			b.prime(t, reader, sql)
		}
		old, now := fmt.Sprint(i), fmt.Sprint(i+1)
		one, two := "update t set a = '"+now+"'", "update u set a = '"+now+"'"
		held := b.relay.HoldAnswer(t, "commit")
		end := "begin; " + one + "; " + two + "; commit"
		if !whole {
			for _, step := range []string{"begin", one} {
				rig.Ask(t, writer, step)
				want("after "+step, old)
			}
			rig.Ask(t, writer, two)
			want("before COMMIT", old)
			end = "commit"
		}
		answer := rig.Asking(t, writer, end)
		<-held.Reached
		want("when the server has committed and the proxy does not know", now)
		held.Release()
		if err := <-answer; err != nil {
			t.Fatal(err)
		}
		want("after COMMIT", now)
	}
}

// Level ttl promises nothing about a replica that lags: an answer may be max_age older than the replica. What promises
// more needs the positions of replication, and is refused as long as nobody looks at them. What ttl does promise holds
// with any server: an answer that was asked for before a write is not kept after it, however late it comes.
func TestChecklist_T16_AnAnswerFromBeforeAWriteIsNotKeptHoweverLateItComes(t *testing.T) {
	t.Parallel()
	wantOnlyTTL(t)
	b := startStepped(t, "checklist_t16", rowTable)
	writer, lagging, reader := b.connect(t), b.connect(t), b.connect(t)
	held := b.relay.HoldAnswer(t, rowKey)
	answer := askRow(t, lagging, "simple")
	<-held.Reached
	for range 5 { // it lags by several writes
		rig.Ask(t, writer, "update t set a = 'new'")
	}
	held.Release()
	if got := <-answer; got.value != "old" || got.err != nil {
		t.Fatalf("the replica answers %q, %v, want what was before the writes", got.value, got.err)
	}
	b.wantValue(t, "after the late answer", reader, rowQuery, "new", "miss")
	b.wantValue(t, "after the late answer", lagging, rowQuery, "new", "hit")
}
