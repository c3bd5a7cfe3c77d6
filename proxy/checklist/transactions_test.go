package checklist_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// neverInside fails the test unless a transaction that begins so is answered by the server, although the cache has an
// answer. It has an old one: somebody went around the proxy.
func neverInside(t *testing.T, name string, begins ...string) {
	t.Helper()
	const sql = "select a from t"
	b := startStepped(t, name, "create table t as select 'old' as a")
	c := b.connect(t)
	b.prime(t, c, sql)
	rig.Ask(t, b.real, "update t set a = 'new'")
	b.wantValue(t, "outside", c, sql, "old", "hit")
	for _, begin := range begins {
		rig.Ask(t, c, begin)
		b.wantValue(t, "after "+begin, c, sql, "new", "transaction")
		rig.Ask(t, c, "commit")
	}
	b.wantValue(t, "outside again", c, sql, "old", "hit")
}

func TestChecklist_T1_NothingIsServedInsideATransaction(t *testing.T) {
	t.Parallel()
	neverInside(t, "checklist_t1", "begin", "start transaction", "begin; select 1", "BEGIN ISOLATION LEVEL SERIALIZABLE", "begin read write",
		"begin; savepoint s", "begin; commit and chain", "begin; rollback and chain")
}

func TestChecklist_T2_AClientSeesItsOwnUncommittedWrite(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	b := startStepped(t, "checklist_t2", "create table t as select 'old' as a")
	writer := b.connect(t)
	for _, end := range []string{"rollback", "commit"} {
		b.prime(t, writer, sql)
		rig.Ask(t, writer, "begin")
		rig.Ask(t, writer, "update t set a = 'first'")
		b.wantValue(t, "after the update", writer, sql, "first", "transaction")
		rig.Ask(t, writer, "savepoint s")
		if _, err := rig.AskExtended(t.Context(), writer, 0, "update t set a = $1", "second"); err != nil {
			t.Fatal(err)
		}
		b.wantValue(t, "after the second update", writer, sql, "second", "transaction")
		rig.Ask(t, writer, "rollback to s")
		b.wantValue(t, "after ROLLBACK TO", writer, sql, "first", "transaction")
		rig.Ask(t, writer, end)
	}
	b.want(t, "after the end", writer, sql, "miss")
}

func TestChecklist_T3_NobodyElseSeesAnUncommittedWrite(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	b := startStepped(t, "checklist_t3", "create table t as select 'old' as a")
	writer, reader := b.connect(t), b.connect(t)
	for _, primed := range []bool{true, false} { // there is an old answer, or there is none
		if primed {
			b.prime(t, reader, sql)
		}
		for _, begin := range []string{"begin", "begin isolation level repeatable read"} {
			rig.Ask(t, writer, begin)
			rig.Ask(t, writer, "update t set a = 'uncommitted'")
			b.wantValue(t, "the writer", writer, sql, "uncommitted", "transaction")
			b.wantValue(t, "while it is uncommitted", reader, sql, "old", "unsettled")
			rig.Ask(t, writer, "rollback")
			b.wantValue(t, "after ROLLBACK", reader, sql, "old", "hit miss")
		}
		b.kept().Purge()
	}
}

// What others read while a transaction is open must not outlive its commit, whether they read before or after its write.
func TestChecklist_T4_AnswersReadDuringATransactionVanishAtItsCommit(t *testing.T) {
	t.Parallel()
	b := startStepped(t, "checklist_t4", "create table t as select '0' as a")
	writer, reader, other := b.connect(t), b.connect(t), b.connect(t)
	const before, after = "select a from t", "select a || '!' from t"
	for i := range 4 {
		rig.Ask(t, writer, "begin")
		rig.Ask(t, writer, "select 1 from t")
		b.prime(t, reader, before)
		rig.Ask(t, writer, fmt.Sprintf("update t set a = '%d'", i+1))
		for range 3 {
			b.wantValue(t, "during the transaction", reader, after, fmt.Sprintf("%d!", i), "unsettled")
		}
		rig.Ask(t, writer, "commit")
		for _, c := range []*pgconn.PgConn{reader, other, writer} {
			b.want(t, "after COMMIT", c, before, "miss hit")
			b.want(t, "after COMMIT", c, after, "miss hit")
		}
	}
}

// A transaction that was certainly rolled back has changed nothing: what was kept before it is still true, and what was
// read inside of it was never kept.
func TestChecklist_T5_RollbackKeepsNothingAndEvictsNothing(t *testing.T) {
	t.Parallel()
	const sql, inside = "select a from t", "select a || '?' from t"
	b := startStepped(t, "checklist_t5", "create table t as select 'old' as a")
	writer, reader := b.connect(t), b.connect(t)
	b.prime(t, reader, sql)
	for _, end := range []string{"rollback", "abort", "rollback to s; rollback"} {
		for _, step := range []string{"begin", "savepoint s", "update t set a = 'gone'"} {
			rig.Ask(t, writer, step)
		}
		b.wantValue(t, "inside", writer, inside, "gone?", "transaction")
		for step := range strings.SplitSeq(end, "; ") {
			rig.Ask(t, writer, step)
		}
		b.wantValue(t, "after "+end, reader, sql, "old", "hit")
		b.wantValue(t, "after "+end, reader, inside, "old?", "miss")
		b.kept().Purge()
		b.prime(t, reader, sql)
	}
	for _, step := range []string{"begin", "savepoint s", "update t set a = 'gone'", "rollback to s", "commit"} {
		rig.Ask(t, writer, step)
	}
	b.wantValue(t, "after ROLLBACK TO and COMMIT", reader, sql, "old", "hit miss")
}

func TestChecklist_T6_WhatATransactionReadsAfterItsWriteIsNeverKept(t *testing.T) {
	t.Parallel()
	const sql = "select max(a) from t"
	b := startStepped(t, "checklist_t6", "create table t as select '0' as a")
	writer, reader := b.connect(t), b.connect(t)
	for i, end := range []string{"rollback", "commit", "rollback", "commit"} {
		mine := fmt.Sprint(i + 1)
		rig.Ask(t, writer, "begin")
		rig.Ask(t, writer, "insert into t values ('"+mine+"')")
		for range 3 {
			b.wantValue(t, "inside", writer, sql, mine, "transaction")
		}
		rig.Ask(t, writer, end)
		if end == "commit" || i == 0 { // else what was kept before still holds
			b.want(t, "after "+end, reader, sql, "miss")
		}
		b.want(t, "after "+end, writer, sql, "hit")
	}
}

// A snapshot is one point in time. A newer answer of the cache would be from another.
func TestChecklist_T7_SnapshotsAreNotMixedWithCachedAnswers(t *testing.T) {
	t.Parallel()
	b := startStepped(t, "checklist_t7", "create table t as select '0' as a; create table u as select '0' as a")
	c, writer, reader := b.connect(t), b.connect(t), b.connect(t)
	for i, begin := range []string{"begin isolation level repeatable read", "begin isolation level serializable",
		"begin; set transaction isolation level repeatable read", "begin isolation level serializable read only"} {
		before, after := fmt.Sprint(i), fmt.Sprint(i+1)
		rig.Ask(t, c, begin)
		b.wantValue(t, begin, c, "select a from t", before, "transaction")
		rig.Ask(t, writer, fmt.Sprintf("begin; update t set a = '%s'; update u set a = '%s'; commit", after, after))
		b.prime(t, reader, "select a from u")
		b.prime(t, reader, "select a from t")
		b.wantValue(t, begin, c, "select a from u", before, "transaction")
		b.wantValue(t, begin, c, "select a from t", before, "transaction")
		rig.Ask(t, c, "commit")
		b.wantValue(t, "after "+begin, c, "select a from u", after, "hit")
	}
}

func TestChecklist_T8_AFailedTransactionGetsItsErrorAndNoHit(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	b := startStepped(t, "checklist_t8", "create table t as select 'old' as a")
	c := b.connect(t)
	b.prime(t, c, sql)
	rig.Ask(t, c, "begin")
	_, err := rig.Try(t.Context(), c, "select 1/0")
	rig.WantState(t, err, "22012")
	b.wantRefused(t, "in the failed transaction", c, sql, "25P02")
	if got := rig.Status(t, c); got != "transaction" {
		t.Errorf("the status is %s, want transaction", got)
	}
	rig.Ask(t, c, "rollback")
	b.wantValue(t, "after ROLLBACK", c, sql, "old", "hit")
}

// pipelineOf sends statements as Parse, Bind, Describe, Execute each and one Sync, and returns the values of all rows.
func pipelineOf(t *testing.T, w *proxytest.Wire, statements ...string) (values []string, code string) {
	t.Helper()
	var messages [][]byte
	for _, sql := range statements {
		messages = append(messages, proxytest.Parse("", sql), proxytest.Bind("", "", nil, nil, nil), proxytest.Describe('P', ""),
			proxytest.Execute("", 0))
	}
	got, err := w.Ask(append(messages, proxytest.Sync())...)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range got {
		switch m.Type {
		case 'D':
			values = append(values, string(m.Body[6:]))
		case 'E':
			code = rig.Fields(m)['C']
		}
	}
	return values, code
}

// What comes before one Sync is one transaction.
func TestChecklist_T9_APipelineThatWritesReadsItsOwnWriteAndKeepsNothing(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	b := startStepped(t, "checklist_t9", "create table t as select '0' as a")
	reader, w := b.connect(t), b.Dial(t, proxytest.Login{User: "postgres", Database: "checklist_t9"})
	for i, after := range []string{"", "select 1/0", "", "select 1/0"} {
		b.prime(t, reader, sql)
		mine := fmt.Sprint(i + 1)
		statements := []string{sql, "update t set a = '" + mine + "'", sql}
		if after != "" {
			statements = append(statements, after)
		}
		got, code := pipelineOf(t, w, statements...)
		if len(got) != 2 || got[0] == mine || got[1] != mine || (code == "22012") != (after != "") {
			t.Errorf("the pipeline got %q, %s, want another value and then %s", got, code, mine)
		}
		b.want(t, "after the pipeline", reader, sql, "miss hit")
		if got, _ := pipelineOf(t, w, sql); !slices.Equal(got, []string{rig.Ask(t, b.real, sql)}) {
			t.Errorf("the next pipeline got %q", got)
		}
	}
}

// There is no option that allows it, so it is not done.
func TestChecklist_T10_NothingIsServedInsideAReadOnlyTransaction(t *testing.T) {
	t.Parallel()
	neverInside(t, "checklist_t10", "begin read only", "start transaction read only", "begin; set transaction read only",
		"begin isolation level repeatable read read only", "begin isolation level serializable read only deferrable")
}
