package checklist_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/config"
	"overdrive/proxy/proxytest"
	"overdrive/querycache"
	"overdrive/querycache/verdict"
)

// steppedBench is a database of one test's own and a proxy in front of it. The proxy has one event loop, which makes the
// order of events certain (see fence), its cache a clock that stands still unless the test moves it, and its way to the
// server is a relay that counts queries and holds them or their answers.
type steppedBench struct {
	*rig.Instance
	relay    *rig.HoldingRelay
	database string
	policy   querycache.Policy
	clock    *atomic.Int64  // nanoseconds, of the cache
	real     *pgconn.PgConn // past the proxy
	fencer   *pgconn.PgConn
}

// startStepped returns once the cache is at work.
func startStepped(t *testing.T, name, sql string, edits ...func(*rig.Options)) *steppedBench {
	t.Helper()
	return startSteppedAt(t, rig.NewDatabase(t, name, sql), name, edits...)
}

// startSteppedAt is startStepped for a database that there is already.
func startSteppedAt(t *testing.T, pg *proxytest.Postgres, name string, edits ...func(*rig.Options)) *steppedBench {
	t.Helper()
	b := startSteppedCold(t, pg, name, edits...)
	b.fencer = b.connect(t)
	b.prime(t, b.fencer, "select 1")
	return b
}

// startSteppedCold does not wait for the cache.
func startSteppedCold(t *testing.T, pg *proxytest.Postgres, name string, edits ...func(*rig.Options)) *steppedBench {
	t.Helper()
	b := &steppedBench{relay: rig.StartHoldingRelay(t, pg.Addr()), database: name, clock: new(atomic.Int64), real: rig.Direct(t, pg, name)}
	cache := querycache.New(querycache.Options{Now: func() time.Duration { return time.Duration(b.clock.Load()) }})
	b.Instance = rig.Start(t, rig.Setup{Upstream: b.relay.Address, Database: name, Size: 4, Caching: true, Options: func(o *rig.Options) {
		o.Loops, o.Cache = 1, cache
		for _, edit := range edits {
			edit(o)
		}
		b.policy, cache = *o.Databases[0].Cache, o.Cache
	}})
	b.Cache = cache
	return b
}

func (b *steppedBench) connect(t *testing.T, edits ...func(*pgconn.Config)) *pgconn.PgConn {
	t.Helper()
	return b.Instance.Connect(t, b.database, edits...)
}

// kept returns the part of the cache that belongs to the database.
func (b *steppedBench) kept() *querycache.Database {
	return b.Cache.Database(b.relay.Address+"/"+b.database, b.policy)
}

func (b *steppedBench) advance(d time.Duration) { b.clock.Add(int64(d)) }

// fence returns when the proxy has taken up everything that was sent before the call: its only loop takes events in the
// order in which they came, and it has answered a question that came later.
func (b *steppedBench) fence(t *testing.T) {
	t.Helper()
	for range 2 {
		rig.Ask(t, b.fencer, "show overdrive.cache")
	}
}

// prime asks in all forms until the answers come from the cache. It fails the test at once if the query is refused.
func (b *steppedBench) prime(t *testing.T, c *pgconn.PgConn, sql string) {
	t.Helper()
	for _, form := range []string{"simple", "text", "binary"} {
		rig.Await(t, fmt.Sprintf("a hit for %s (%s)", sql, form), func() bool {
			_, err := rig.Askers[form](t, c, sql)
			word := rig.Status(t, c)
			if err != nil || !slices.Contains(rig.OnTheWay, word) {
				t.Fatalf("%s (%s) is %s, %v, want it to become a hit", sql, form, word, err)
			}
			return word == "hit"
		})
	}
}

// want fails the test unless c gets in all forms what the server says directly, in the way that one of words names.
func (b *steppedBench) want(t *testing.T, when string, c *pgconn.PgConn, sql, words string) {
	t.Helper()
	b.wantAs(t, when, c, sql, words, b.real)
}

// wantAs is want with another direct connection to compare with.
func (b *steppedBench) wantAs(t *testing.T, when string, c *pgconn.PgConn, sql, words string, real *pgconn.PgConn) {
	t.Helper()
	for form, ask := range rig.Askers {
		want, wantErr := ask(t, real, sql)
		got, err, word := b.settled(t, c, sql, ask, words)
		if got != want || rig.State(err) != rig.State(wantErr) || !slices.Contains(strings.Fields(words), word) {
			t.Errorf("%s: %s (%s) is %q, %v (%s), want %q, %v (%s)", when, sql, form, got, err, word, want, wantErr, words)
		}
	}
}

// wantValue fails the test unless c gets value in all forms, in the way that one of words names. The columns of the query
// must be texts, which look the same in all forms.
func (b *steppedBench) wantValue(t *testing.T, when string, c *pgconn.PgConn, sql, value, words string) {
	t.Helper()
	for form, ask := range rig.Askers {
		got, err, word := b.settled(t, c, sql, ask, words)
		if got != value || err != nil || !slices.Contains(strings.Fields(words), word) {
			t.Errorf("%s: %s (%s) is %q, %v (%s), want %q (%s)", when, sql, form, got, err, word, value, words)
		}
	}
}

// settled asks in one form, and again if the catalog is not known though words do not allow for that. It may come over any test
// whose server was restarted, or is busy: the look at the catalog fails then, and is taken again.
func (b *steppedBench) settled(t *testing.T, c *pgconn.PgConn, sql string, ask rig.Asker, words string) (got string, err error, word string) {
	t.Helper()
	rig.Await(t, "the catalog to be known", func() bool {
		got, err = ask(t, c, sql)
		word = rig.Status(t, c)
		return word != "unsettled" || strings.Contains(words, word)
	})
	return got, err, word
}

// wantRefused fails the test unless c is refused in all forms with the SQLSTATE.
func (b *steppedBench) wantRefused(t *testing.T, when string, c *pgconn.PgConn, sql, code string) {
	t.Helper()
	for form, ask := range rig.Askers {
		if got, err := ask(t, c, sql); rig.State(err) != code {
			t.Errorf("%s: %s (%s) is %q, %v (%s), want %s", when, sql, form, got, err, rig.Status(t, c), code)
		}
	}
}

// A row by its key. The key is a word that occurs nowhere else, so the relay recognises the question in every form.
const (
	rowKey   = "checklist-key"
	rowTable = "create table t(k text, a text); insert into t values ('" + rowKey + "', 'old')"
	rowQuery = "select a from t where k = '" + rowKey + "'"
)

// rowQuestions ask for the row. The extended forms have the key in their Bind.
var rowQuestions = map[string]func(ctx context.Context, c *pgconn.PgConn) (string, error){
	"simple": func(ctx context.Context, c *pgconn.PgConn) (string, error) { return rig.Try(ctx, c, rowQuery) },
	"text": func(ctx context.Context, c *pgconn.PgConn) (string, error) {
		return rig.AskExtended(ctx, c, 0, "select a from t where k = $1", rowKey)
	},
	"binary": func(ctx context.Context, c *pgconn.PgConn) (string, error) {
		return rig.AskExtended(ctx, c, 1, "select a from t where k = $1", rowKey)
	},
}

// rowAnswer is what came of a question.
type rowAnswer struct {
	value string
	err   error
}

// askRow asks in the background.
func askRow(t *testing.T, c *pgconn.PgConn, form string) <-chan rowAnswer {
	t.Helper()
	done := make(chan rowAnswer, 1)
	go func() {
		value, err := rowQuestions[form](t.Context(), c)
		done <- rowAnswer{value, err}
	}()
	return done
}

// resetConn breaks a client's connection. One that is merely closed may still want its answer.
func resetConn(t *testing.T, nc net.Conn) {
	t.Helper()
	if err := nc.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

// directAs logs in at the server itself under another name.
func directAs(t *testing.T, pg *proxytest.Postgres, database, user string) *pgconn.PgConn {
	t.Helper()
	c, err := pgconn.Connect(t.Context(), strings.Replace(pg.DSN(database), "postgres@", user+"@", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rig.CloseConn(c) })
	return c
}

// wantConfigRefused fails the test if a configuration with these settings of a database's cache is accepted, or refused
// for another reason than one that has word in it.
func wantConfigRefused(t *testing.T, cache, word string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "overdrive.yaml")
	text := "auth: {users: {app: secret}}\ndatabases: {shop: {url: \"postgres://app:secret@db/shop\", cache: {" + cache + "}}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, problems := config.Load(config.Options{File: file})
	if got := fmt.Sprint(problems); len(problems) != 1 || !strings.Contains(got, word) {
		t.Errorf("a configuration with %s has the problems %s, want one that says %q", cache, got, word)
	}
}

// wantOnlyTTL fails the test unless every freshness level that promises more than ttl is refused, so that nobody
// relies on a promise that is not kept.
func wantOnlyTTL(t *testing.T) {
	t.Helper()
	for _, level := range []string{"tracked", "session", "strict"} {
		wantConfigRefused(t, "freshness: "+level, "not supported")
	}
}

// oid returns the OID of a table.
func (b *steppedBench) oid(t *testing.T, table string) verdict.RelationID {
	t.Helper()
	n, err := strconv.ParseUint(rig.Ask(t, b.real, "select '"+table+"'::regclass::oid"), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return verdict.RelationID(n)
}
