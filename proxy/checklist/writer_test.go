package checklist_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
)

// writerBench is a database of one test's own, a proxy in front of it, and clients. Tests do not share one: a change of the
// catalog, or a function that may write anything, makes the whole database miss.
type writerBench struct {
	*rig.Instance
	pg             *proxytest.Postgres
	database       string
	writer, reader *pgconn.PgConn // through the proxy
	real           *pgconn.PgConn // past it
}

// startWriter returns once the cache is at work.
func startWriter(t *testing.T, name, sql string, edits ...func(*rig.Setup)) *writerBench {
	t.Helper()
	pg := rig.NewDatabase(t, name, sql)
	s := rig.Setup{Upstream: pg.Addr(), Database: name, Size: 4, Caching: true}
	for _, edit := range edits {
		edit(&s)
	}
	f := &writerBench{Instance: rig.Start(t, s), pg: pg, database: name}
	f.writer, f.reader, f.real = f.Connect(t, name), f.Connect(t, name), rig.Direct(t, pg, name)
	rig.Prime(t, f.reader, "select 1")
	return f
}

// since runs a part of a test that needs what servers older than version, which is as server_version_num has it, lack.
func (f *writerBench) since(t *testing.T, version int, what string, part func(t *testing.T)) {
	t.Helper()
	t.Run(what, func(t *testing.T) {
		if f.version(t) < version {
			t.Skipf("PostgreSQL %d has no %s", f.version(t)/10000, what)
		}
		part(t)
	})
}

func (f *writerBench) version(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(rig.Ask(t, f.real, "show server_version_num"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// extension makes an extension in the test's database, or skips the test where the server does not come with it.
func (f *writerBench) extension(t *testing.T, name string) {
	t.Helper()
	if rig.Ask(t, f.real, "select 1 from pg_available_extensions where name = '"+name+"'") == "" {
		t.Skipf("the server has no extension %s", name)
	}
	rig.Ask(t, f.writer, "create extension "+name)
}

// askSettled asks until the catalog, and the tables, are not changing any more. It returns the answer and the status.
func askSettled(t *testing.T, c *pgconn.PgConn, form, sql string) (got, word string, err error) {
	t.Helper()
	rig.Await(t, sql+" to be settled", func() bool {
		got, err = rig.Askers[form](t, c, sql)
		word = rig.Status(t, c)
		return word != "unsettled" && word != "coalesced" && (word != "transaction" || c.TxStatus() != 'I') // see onTheWay
	})
	return got, word, err
}

// primeAll has all three forms of sql answered from the cache for c, and fails the test at once if one is refused.
func primeAll(t *testing.T, c *pgconn.PgConn, sql string) bool {
	t.Helper()
	for form := range rig.Askers {
		word, err := "miss", error(nil)
		rig.Await(t, "a hit for "+sql, func() bool {
			_, word, err = askSettled(t, c, form, sql)
			return err != nil || word != "miss"
		})
		if word != "hit" || err != nil {
			t.Errorf("%s (%s) is %s, %v, want a hit", sql, form, word, err)
			return false
		}
	}
	return true
}

// hits fails the test unless every query is answered from the cache, to both clients, with what the server says.
func (f *writerBench) hits(t *testing.T, queries ...string) bool {
	t.Helper()
	all := true
	for _, sql := range queries {
		if all = primeAll(t, f.reader, sql) && all; all {
			f.wantHits(t, "priming", sql)
		}
	}
	return all
}

// right fails the test unless every query, cached or not, is answered as the server does.
func (f *writerBench) right(t *testing.T, queries ...string) {
	t.Helper()
	for _, sql := range queries {
		for range 3 {
			rig.WantFresh(t, "nothing", sql, f.real, f.writer, f.reader)
		}
	}
}

// wantHits fails the test unless sql, primed, is a hit for both clients in all forms, and true.
func (f *writerBench) wantHits(t *testing.T, after, sql string) {
	t.Helper()
	for form, ask := range rig.Askers {
		want, wantErr := ask(t, f.real, sql)
		for name, c := range map[string]*pgconn.PgConn{"writer": f.writer, "reader": f.reader} {
			got, err := ask(t, c, sql)
			if word := rig.Status(t, c); got != want || err != nil || wantErr != nil || word != "hit" {
				t.Errorf("after %s the %s, %s, gets %q, %v (%s), want %q, %v and a hit, for %s",
					after, name, form, got, err, word, want, wantErr, sql)
			}
		}
	}
}

// never fails the test if a query is looked for in the cache, or anything but one of words is said of it. Asked three
// times in each form; that the server refuses a query is no matter.
func (f *writerBench) never(t *testing.T, words string, queries ...string) {
	t.Helper()
	for _, sql := range queries {
		for form := range rig.Askers {
			for range 3 {
				_, word, err := askSettled(t, f.reader, form, sql)
				if !strings.Contains(" "+words+" ", " "+word+" ") {
					t.Errorf("%s (%s) is %s, %v, want one of: %s", sql, form, word, err, words)
					break
				}
			}
		}
	}
}

// moves is never for queries whose answer is another one each time they are executed.
func (f *writerBench) moves(t *testing.T, words string, queries ...string) {
	t.Helper()
	f.never(t, words, queries...)
	for _, sql := range queries {
		for form, ask := range rig.Askers {
			first, err := ask(t, f.reader, sql)
			second, again := ask(t, f.reader, sql)
			if first == second || err != nil || again != nil {
				t.Errorf("%s (%s) gave %q twice, %v, %v", sql, form, first, err, again)
			}
		}
	}
}

// runs is never for queries each execution of which takes a number from the sequence calls.
func (f *writerBench) runs(t *testing.T, words string, queries ...string) {
	t.Helper()
	const calls = "select last_value from calls"
	for _, sql := range queries {
		f.never(t, words, sql)
		for form, do := range rig.Askers {
			before := rig.Ask(t, f.real, calls)
			_, err := do(t, f.reader, sql)
			if after := rig.Ask(t, f.real, calls); after == before || err != nil {
				t.Errorf("%s (%s) was not executed: %v", sql, form, err)
			}
		}
	}
}

// A seenWrite is a write that changes the answer of a query.
type seenWrite struct {
	query  string
	write  string // its steps, with ;; between them, each a message of its own
	before string // what makes it possible once more; likewise
	simple bool   // only the simple protocol can say it
	loose  bool   // the query need not be cached, if only it is right
}

// writeWays are the forms in which a write is sent. The last binds statements that were parsed before.
var writeWays = []string{"simple", "extended", "rebound"}

// seen sends each write in all ways and fails the test unless everybody gets the new answer in all forms at once.
func (f *writerBench) seen(t *testing.T, writes ...seenWrite) {
	t.Helper()
	for _, w := range writes {
		ways := writeWays
		if w.simple {
			ways = ways[:1]
		}
		for _, way := range ways {
			if !f.seenOnce(t, way, w) {
				break
			}
		}
	}
}

// seenOnce sends a write in one way. It returns false where the query is not cached, so that there is nothing to prove.
func (f *writerBench) seenOnce(t *testing.T, way string, w seenWrite) bool {
	t.Helper()
	for _, step := range stepsOf(w.before) {
		rig.Ask(t, f.writer, step)
	}
	names := f.prepared(t, way, w)
	defer func() {
		for _, name := range names {
			if err := f.writer.Deallocate(t.Context(), name); err != nil {
				t.Error(err)
			}
		}
	}()
	for _, c := range []*pgconn.PgConn{f.reader, f.writer} {
		if w.loose {
			f.right(t, w.query)
		} else if !primeAll(t, c, w.query) {
			return false
		}
	}
	old, oldErr := rig.Try(t.Context(), f.real, w.query)
	for i, step := range stepsOf(w.write) {
		var err error
		switch way {
		case "simple":
			_, err = rig.Try(t.Context(), f.writer, step)
		case "extended":
			_, err = rig.AskExtended(t.Context(), f.writer, 0, step)
		default:
			err = f.writer.ExecPrepared(t.Context(), names[i], nil, nil, nil).Read().Err
		}
		if err != nil {
			t.Errorf("%s (%s): %v", step, way, err)
		}
	}
	after := fmt.Sprintf("%s (%s)", w.write, way)
	if now, err := rig.Try(t.Context(), f.real, w.query); now == old && rig.State(err) == rig.State(oldErr) {
		t.Errorf("%s changes nothing for %s, so this proves nothing", after, w.query)
	}
	f.fresh(t, after, w.query)
	return true
}

// fresh fails the test unless both clients get the real answer, at once and again when nothing is changing any more: an old
// one must not come back once the catalog is known again.
func (f *writerBench) fresh(t *testing.T, after, sql string) {
	t.Helper()
	rig.WantFresh(t, after, sql, f.real, f.writer, f.reader)
	for form := range rig.Askers {
		askSettled(t, f.reader, form, sql)
	}
	rig.WantFresh(t, after+", a while later,", sql, f.real, f.writer, f.reader)
}

// prepared parses the steps of a write that is to be rebound, long before they are bound.
func (f *writerBench) prepared(t *testing.T, way string, w seenWrite) (names []string) {
	t.Helper()
	if way != "rebound" {
		return nil
	}
	for i, step := range stepsOf(w.write) {
		names = append(names, fmt.Sprintf("checklist_%d", i))
		if _, err := f.writer.Prepare(t.Context(), names[i], step, nil); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
	return names
}

func stepsOf(steps string) []string {
	if steps == "" {
		return nil
	}
	all := strings.Split(steps, ";;")
	for i, step := range all {
		all[i] = strings.TrimSpace(step)
	}
	return all
}

// stays fails the test unless query, primed, is still answered from the cache after the steps of each write.
func (f *writerBench) stays(t *testing.T, query string, writes ...string) {
	t.Helper()
	for _, write := range writes {
		if !primeAll(t, f.reader, query) {
			return
		}
		for _, step := range stepsOf(write) {
			rig.Ask(t, f.writer, step)
		}
		f.wantHits(t, write, query)
	}
}

// copyRows copies two rows in, by what start begins, and does as told between them.
func copyRows(t *testing.T, w *proxytest.Wire, start []byte, between func()) {
	t.Helper()
	if err := w.Send(start); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := w.Receive()
		if err != nil || m.Type == pgwire.ErrorResponse {
			t.Fatal(m, err)
		}
		if m.Type == pgwire.CopyInResponse {
			break
		}
	}
	if err := w.Send(proxytest.CopyData([]byte("70\n"))); err != nil {
		t.Fatal(err)
	}
	between()
	rest := [][]byte{proxytest.CopyData([]byte("71\n")), proxytest.CopyDone()}
	if start[0] != pgwire.Query {
		rest = append(rest, proxytest.Sync())
	}
	if err := w.Send(rest...); err != nil {
		t.Fatal(err)
	}
	if got, err := w.ReceiveReady(1); err != nil || got[0].Type != pgwire.CommandComplete {
		t.Fatal(got, err)
	}
}

// withMaxAge is short enough to be waited for.
func withMaxAge(age time.Duration) func(*rig.Setup) {
	return func(s *rig.Setup) {
		s.Options = func(o *rig.Options) { o.Databases[0].Cache.MaxAge = age }
	}
}

// within waits until all clients are answered as the real server answers. write has been done around the proxy before, and
// could be seen at the time done: nothing older may be served once age has passed since.
func (f *writerBench) within(t *testing.T, write, sql string, done time.Time, age time.Duration) {
	t.Helper()
	want := map[string]string{}
	for form, ask := range rig.Askers {
		want[form], _ = ask(t, f.real, sql)
	}
	rig.Await(t, sql+" to show "+write, func() bool {
		fresh := true
		for form, ask := range rig.Askers {
			for _, c := range []*pgconn.PgConn{f.writer, f.reader} {
				asked := time.Now()
				got, err := ask(t, c, sql)
				if err != nil {
					t.Fatal(err)
				}
				if got != want[form] {
					fresh = false
					if late := asked.Sub(done) - age; late >= 0 {
						t.Fatalf("%v later than max_age after %s, %s (%s) is %q (%s), want %q", late, write, sql, form, got, rig.Status(t, c),
							want[form])
					}
				}
			}
		}
		return fresh
	})
}
