package checklist_test

import (
	"strconv"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// Answers that hang on more than the statement and its tables show.

const domainOfATable = `create table allowed(a int); insert into allowed values (5);
	create function chk(int) returns bool language plpgsql stable as 'begin return exists (select from allowed where a = $1); end';
	create domain d as int check (chk(value)); `

const datesAndTexts = `create table t(d timestamptz, s text); insert into t values ('2024-01-01', 'now'); create table w("?column?" date); insert into w values ('2024-01-01')`

// wantNewEachTime fails if the answer, which is the present time, is the same twice.
func wantNewEachTime(t *testing.T, f *writerBench, sql string) {
	t.Helper()
	last := ""
	for range 12 {
		got, err := rig.Try(t.Context(), f.reader, sql)
		if err != nil {
			t.Fatal(err)
		}
		if word := rig.Status(t, f.reader); got == last || word == "hit" {
			a, _ := rig.Try(t.Context(), f.real, sql)
			t.Fatalf("STALE CLOCK: %q twice (%s), PostgreSQL says %q: %s", got, word, a, sql)
		}
		last = got
	}
}

// wantNeverKept fails the test unless the query goes to the server in each form, again and again.
func wantNeverKept(t *testing.T, c *pgconn.PgConn, sql string) {
	t.Helper()
	for form, ask := range rig.Askers {
		for range 3 {
			if _, err := ask(t, c, sql); err != nil {
				t.Fatal(err)
			}
			if word := rig.Status(t, c); word != "uncacheable" {
				t.Errorf("%s (%s) is %s, want it refused", sql, form, word)
			}
		}
	}
}

// A policy that reads application_name, which is not in the key.
func TestServing_APolicyMayReadAParameterThatNoKeyHas(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_a", `create table doc(tenant text, secret text); insert into doc values ('one', 'secret of one'), ('two', 'secret of two');
		alter table doc enable row level security; create policy p on doc using (tenant = current_setting('application_name'));
		grant select on doc to public`)
	for _, who := range []string{"one", "two", "one"} {
		c := f.Connect(t, f.database, func(c *pgconn.Config) { c.RuntimeParams["application_name"] = who })
		rig.Ask(t, c, "set role pg_monitor") // to whom the policy applies
		rig.Await(t, "the query to be kept, or refused for good", func() bool {
			got, word := rig.Ask(t, c, "select secret from doc"), rig.Status(t, c)
			if got != "secret of "+who {
				t.Fatalf("WRONG ROWS: client %s gets %q (%s)", who, got, word)
			}
			return word == "hit" || word == "session-state" && strings.Contains(rig.ReasonOf(t, c), "part of the key")
		})
	}
}

// A parameter that is set later, and is not in the key either.
func TestServing_APolicyMayReadStatementTimeout(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_a2", `create table t(a text); insert into t values ('1s'), ('2s'); alter table t enable row level security;
		create policy p on t using (a = current_setting('statement_timeout')); grant select on t to public`)
	rig.Ask(t, f.reader, "set role pg_monitor")
	for _, limit := range []string{"1s", "2s", "1s"} {
		rig.Ask(t, f.reader, "set statement_timeout = '"+limit+"'")
		rig.Await(t, "the query to be kept, or refused for good", func() bool {
			got, word := rig.Ask(t, f.reader, "select a from t"), rig.Status(t, f.reader)
			if got != limit {
				t.Fatalf("WRONG ROWS: %q (%s), want %s", got, word, limit)
			}
			return word == "hit" || word == "session-state" && strings.Contains(rig.ReasonOf(t, f.reader), "part of the key")
		})
	}
}

// The last byte of the length of a parameter is a letter, and hides the word behind it.
func TestServing_TheLengthOfAParameterHidesNoWord(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_e", "create table t(a int); insert into t values (1)")
	value := "now" + strings.Repeat(" ", 'A'-3)
	const sql = "select $1::timestamptz from t"
	a, err := rig.AskExtended(t.Context(), f.reader, 0, sql, value)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		b, err := rig.AskExtended(t.Context(), f.reader, 0, sql, value)
		if err != nil {
			t.Fatal(err)
		}
		word := rig.Status(t, f.reader)
		if b == a || word == "hit" {
			t.Fatalf("STALE CLOCK: %q twice (%s)", b, word)
		}
		a = b
	}
}

// System columns of a row in parentheses.
func TestServing_ASystemColumnOfARowIsNotKept(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_f", "create table t(a int); insert into t values (1), (2)")
	wantNeverKept(t, f.reader, "select (t).xmax from t where a = 2")
}

func TestServing_TheCtidOfARowIsNotKept(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_f2", "create table t(a int); insert into t values (1), (2); delete from t where a = 1")
	wantNeverKept(t, f.reader, "select (t).ctid from t where a = 2")
}

func TestServing_AParameterOfADomainMayHangOnATable(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "seen_k2", domainOfATable)
	oid, _ := strconv.Atoi(rig.Ask(t, rig.Direct(t, b.Pg, b.Database), "select 'd'::regtype::oid"))
	w := b.Wires(t)
	messages := [][]byte{proxytest.Parse("", "select $1 is null", uint32(oid)), proxytest.Bind("", "", [][]byte{[]byte("5")}, nil, nil), proxytest.Execute("", 0), proxytest.Sync()}
	for range 3 {
		w.Same(t, messages...)
	}
	w.Through.Ask(proxytest.Query("delete from allowed"))
	w.Same(t, messages...)
}

func TestServing_ALiteralOfADomainMayHangOnATable(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_o", domainOfATable+"create table t(arr d[]); insert into t values ('{5}')")
	wantNeverKept(t, f.reader, "select count(*) from t where arr = '{5}'")
}

// A cast to text keeps the name of the column, so a date's name stands for a text.
func TestServing_ACastKeepsTheNameOfADateColumn(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_s", datesAndTexts)
	wantNewEachTime(t, f, "select max(q.d::timestamptz) from (select d::text from t union all select s from t) q")
}

func TestServing_ACaseKeepsTheNameOfADateColumn(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_s2", datesAndTexts)
	wantNewEachTime(t, f, "select q.d::timestamptz from (select case when s is not null then s else d::text end from t) q")
}

func TestServing_AColumnWithoutANameIsNoDate(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_s3", datesAndTexts)
	wantNewEachTime(t, f, `select q."?column?"::timestamptz from (select s || '' from t) q, (select 1 as one from w) w2`)
}

// Only that it becomes a hit can be shown: the answer changes with daylight saving time.
func TestServing_ATimeOfDayByTheNameOfADateIsNotKept(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "seen_s4", datesAndTexts)
	const sql = "select q.d at time zone 'America/New_York' from (select d::time from t) q"
	for range 6 {
		_, _ = rig.Try(t.Context(), f.reader, sql)
		if word := rig.Status(t, f.reader); word == "hit" {
			t.Fatal("a time of day AT TIME ZONE is a hit")
		}
	}
}
