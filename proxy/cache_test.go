package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/proxytest"
)

// status says what became of the client's last statement.
func status(tb testing.TB, c *pgconn.PgConn) string {
	tb.Helper()
	return ask(tb, c, "show overdrive.status")
}

// asker is one way of asking a query without parameters.
type asker func(tb testing.TB, c *pgconn.PgConn, sql string) (string, error)

// askers are the forms that the cache tells apart.
var askers = map[string]asker{
	"simple": func(tb testing.TB, c *pgconn.PgConn, sql string) (string, error) { return try(tb.Context(), c, sql) },
	"text": func(tb testing.TB, c *pgconn.PgConn, sql string) (string, error) {
		return askExtended(tb.Context(), c, 0, sql)
	},
	"binary": func(tb testing.TB, c *pgconn.PgConn, sql string) (string, error) {
		return askExtended(tb.Context(), c, 1, sql)
	},
}

// prime asks until the answers come from the cache.
func prime(tb testing.TB, c *pgconn.PgConn, sql string) {
	tb.Helper()
	for form, ask := range askers {
		await(tb, fmt.Sprintf("a hit for %s (%s)", sql, form), func() bool {
			if _, err := ask(tb, c, sql); err != nil {
				tb.Fatalf("%s: %v", sql, err)
			}
			return status(tb, c) == "hit"
		})
	}
}

// wantFresh fails the test unless all clients are answered in all forms as a direct connection is.
func wantFresh(t *testing.T, after, sql string, real *pgconn.PgConn, clients ...*pgconn.PgConn) {
	t.Helper()
	for form, ask := range askers {
		want, wantErr := ask(t, real, sql)
		for i, c := range clients {
			if got, err := ask(t, c, sql); got != want || state(err) != state(wantErr) {
				t.Errorf("after %s client %d, %s, gets %q, %v (%s), want %q, %v", after, i, form, got, err, status(t, c), want, wantErr)
			}
		}
	}
}

func TestCache_HitsInBothProtocolsAndFormats(t *testing.T) {
	t.Parallel()
	pg := newDatabase(t, "cache_hits", `create table t(a int, b text, c timestamptz, d numeric);
		insert into t select i, 'text ' || i, '2024-01-01'::timestamptz + i * interval '1 day', i / 7.0 from generate_series(1, 50) i;
		insert into t values (null, '', null, 'NaN')`)
	in := start(t, setup{upstream: pg.Addr(), database: "cache_hits", size: 2, caching: true})
	a, b, real := in.connect(t, "cache_hits"), in.connect(t, "cache_hits"), direct(t, pg, "cache_hits")
	const all, one = "select * from t order by a", "select b, c, d from t where a = $1::int"
	prime(t, a, all)
	wantFresh(t, "priming", all, real, a, b)
	if got := status(t, b); got != "hit" {
		t.Errorf("another client: got %s, want hit", got)
	}
	for _, format := range []int16{0, 1} {
		for i := range 20 {
			param := fmt.Sprint(i/2 + 1)
			got, err := askExtended(t.Context(), a, format, one, param)
			want, wantErr := askExtended(t.Context(), real, format, one, param)
			if got != want || err != nil || wantErr != nil {
				t.Errorf("a = %s: got %q, %v, want %q, %v", param, got, err, want, wantErr)
			}
			if got, want := status(t, a), []string{"miss", "hit"}[i%2]; got != want {
				t.Errorf("format %d, a = %s: got %s, want %s", format, param, got, want)
			}
		}
	}
	// A named statement, prepared by two clients under two names.
	for name, c := range map[string]*pgconn.PgConn{"mine": a, "yours": b} {
		if _, err := c.Prepare(t.Context(), name, one, nil); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			r := c.ExecPrepared(t.Context(), name, [][]byte{[]byte("7")}, nil, nil).Read()
			if got := strings.Join(rowsOf(r), ""); r.Err != nil || !strings.HasPrefix(got, "text 7,2024-01-08") {
				t.Errorf("%s: got %q, %v", name, got, r.Err)
			}
		}
		if got := status(t, c); got != "hit" {
			t.Errorf("%s: got %s, want hit", name, got)
		}
	}
}

// A hit needs no server: it is given while all of them are taken, and when there is none.
func TestCache_HitsNeedNoServer(t *testing.T) {
	t.Parallel()
	pg := newDatabase(t, "cache_no_server", "create table t as select 1 as a")
	in := start(t, setup{upstream: pg.Addr(), database: "cache_no_server", size: 1, caching: true})
	c, holder := in.connect(t, "cache_no_server"), in.connect(t, "cache_no_server")
	prime(t, c, "select a from t")
	ask(t, holder, "begin")
	for form, ask := range askers {
		if got, err := ask(t, c, "select a from t"); err != nil || len(got) == 0 {
			t.Errorf("%s: got %q, %v", form, got, err)
		}
	}
}

// SHOW overdrive.status says why an answer did not come from the cache.
func TestCache_StatusSaysWhyNot(t *testing.T) {
	t.Parallel()
	pg := newDatabase(t, "cache_status", "create table t as select 1 as a")
	in := start(t, setup{upstream: pg.Addr(), database: "cache_status", size: 2, caching: true})
	c := in.connect(t, "cache_status")
	prime(t, c, "select a from t")
	for sql, want := range map[string]string{
		"select a, now() from t": "volatile", "select a, random() from t": "volatile", "insert into t values (2)": "notaquery",
		"select a from t for update": "uncacheable", "select a from t; select 1": "multiplestatements", "select nonsense(": "parseerror",
	} {
		_, _ = try(t.Context(), c, sql)
		if got := status(t, c); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
	prime(t, c, "select a from t")
	for _, step := range []struct{ before, want, after string }{
		{"begin", "transaction", "rollback"}, {"set overdrive.cache = off", "disabled", "set overdrive.cache = on"},
		{"listen news", "session-state", "discard all"}, {"set log_statement = 'all'", "session-state", "discard all"},
	} {
		ask(t, c, step.before)
		ask(t, c, "select a from t")
		if got := status(t, c); got != step.want {
			t.Errorf("after %s: got %s, want %s", step.before, got, step.want)
		}
		ask(t, c, step.after)
	}
}

// Each client reads under its own settings.
func TestCache_AnswersDependOnSettings(t *testing.T) {
	t.Parallel()
	pg := newDatabase(t, "cache_settings", `create table t as select '2024-07-01 12:00+00'::timestamptz as at, '\xdeadbeef'::bytea as b, 0.1::float8 / 3 as f,
		interval '1 day 2 hours' as i`)
	in := start(t, setup{upstream: pg.Addr(), database: "cache_settings", size: 2, caching: true})
	const sql = "select at, b, f, i from t"
	var clients []*pgconn.PgConn
	var wants []string
	for _, params := range []map[string]string{
		nil, {"timezone": "Asia/Tokyo"}, {"datestyle": "German"}, {"timezone": "Asia/Tokyo", "datestyle": "German"},
		{"options": "-c bytea_output=escape"}, {"options": "-c extra_float_digits=-5"}, {"intervalstyle": "iso_8601"},
		{"client_encoding": "latin1"}, {"application_name": "other"},
	} {
		c := in.connect(t, "cache_settings", func(config *pgconn.Config) { config.RuntimeParams = params })
		clients = append(clients, c)
		w, err := pgconn.ParseConfig(pg.DSN("cache_settings"))
		if err != nil {
			t.Fatal(err)
		}
		w.RuntimeParams = params
		real, err := pgconn.ConnectConfig(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		wants = append(wants, ask(t, real, sql))
		closeConn(real)
	}
	prime(t, clients[0], sql)
	for round := range 3 {
		for i, c := range clients {
			if got := ask(t, c, sql); got != wants[i] {
				t.Errorf("client %d gets %s, want %s", i, got, wants[i])
			}
			if got := status(t, c); round > 0 && got != "hit" {
				t.Errorf("client %d, round %d: %s, want hit", i, round, got)
			}
		}
	}
	ask(t, clients[0], "set timezone = 'Asia/Tokyo'")
	if got := ask(t, clients[0], sql); got != wants[1] {
		t.Errorf("after SET: got %s, want %s", got, wants[1])
	}
	ask(t, clients[0], "reset timezone")
	if got := ask(t, clients[0], sql); got != wants[0] {
		t.Errorf("after RESET: got %s, want %s", got, wants[0])
	}
}

// Nobody is shown what the server would refuse to show, or would show differently, under that client's own name.
func TestCache_IdentitiesAreKeptApart(t *testing.T) {
	t.Parallel()
	pg := newDatabase(t, "cache_identity", `drop role if exists alice, bob; create role alice login; create role bob login; create schema bob authorization bob;
		create table secret as select 'secret' as a; grant select on secret to alice;
		create table mine(who text, a int); insert into mine values ('alice', 1), ('bob', 2); alter table mine enable row level security;
		create policy p on mine using (who = current_user); grant select on mine to public;
		create table named as select 'public' as a; grant select on named to public;
		create table bob.named as select 'bob' as a; alter table bob.named owner to bob`)
	in := start(t, setup{upstream: pg.Addr(), database: "cache_identity", size: 2, caching: true, options: func(o *proxy.Options) {
		o.Databases[0].Target.User = ""
		o.Databases[0].Pool = pool.Limits{Size: 2, WaitTimeout: patience}
	}})
	admin, alice, bob := in.connect(t, "cache_identity"), in.connect(t, "cache_identity", as("alice", "")), in.connect(t, "cache_identity", as("bob", ""))
	real := func(user string) *pgconn.PgConn {
		c, err := pgconn.Connect(t.Context(), strings.Replace(pg.DSN("cache_identity"), "postgres@", user+"@", 1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeConn(c) })
		return c
	}
	realAlice, realBob := real("alice"), real("bob")
	prime(t, alice, "select a from secret")
	for _, sql := range []string{"select a from secret", "select a from mine", "select a from named", "select current_user::text"} {
		for range 3 {
			wantFresh(t, "nothing", sql, realAlice, alice)
			wantFresh(t, "nothing", sql, realBob, bob)
		}
	}
	prime(t, alice, "select a from secret")
	ask(t, admin, "revoke select on secret from alice")
	wantFresh(t, "REVOKE", "select a from secret", realAlice, alice)
	if _, err := try(t.Context(), alice, "select a from secret"); state(err) != "42501" {
		t.Errorf("after REVOKE: got %v, want 42501", err)
	}
	// A role may come with the login; names then mean what they mean to that role.
	asBob := in.connect(t, "cache_identity", with("options", "-c role=bob"))
	plain := in.connect(t, "cache_identity")
	prime(t, plain, "select a from named")
	for range 3 {
		if got := ask(t, asBob, "select a from named"); got != "bob" {
			t.Errorf("as bob: got %s, want bob's own table", got)
		}
		if got := ask(t, plain, "select a from named"); got != "public" {
			t.Errorf("as postgres: got %s, want the public table", got)
		}
	}
	ask(t, admin, "update bob.named set a = 'changed'")
	if got := ask(t, asBob, "select a from named"); got != "changed" {
		t.Errorf("as bob: got %s (%s) after the update", got, status(t, asBob))
	}
}

// Caching never fails a client while the catalog cannot be read; it is merely off.
func TestCache_WithoutCatalogNothingIsCached(t *testing.T) {
	t.Parallel()
	fake := proxytest.StartFakeEach(t, func(int) []proxytest.Step { return []proxytest.Step{honest} })
	var log captured
	in := start(t, setup{upstream: fake.Addr(), database: "postgres", size: 1, caching: true, options: log.capture})
	w := in.dial(t, fenceLogin)
	wantRight(t, "client", w)
	log.await(t, "catalog could not be read", "db=postgres")
	for range 3 {
		wantRight(t, "client", w)
	}
}
