package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/pool"
	"overdrive/proxy/proxytest"
)

func TestCache_HitsInBothProtocolsAndFormats(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "cache_hits", `create table t(a int, b text, c timestamptz, d numeric);
		insert into t select i, 'text ' || i, '2024-01-01'::timestamptz + i * interval '1 day', i / 7.0 from generate_series(1, 50) i;
		insert into t values (null, '', null, 'NaN')`)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "cache_hits", Size: 2, Caching: true})
	a, b, real := in.Connect(t, "cache_hits"), in.Connect(t, "cache_hits"), rig.Direct(t, pg, "cache_hits")
	const all, one = "select * from t order by a", "select b, c, d from t where a = $1::int"
	rig.Prime(t, a, all)
	rig.WantFresh(t, "priming", all, real, a, b)
	if got := rig.Status(t, b); got != "hit" {
		t.Errorf("another client: got %s, want hit", got)
	}
	for _, format := range []int16{0, 1} {
		for i := range 20 {
			param := fmt.Sprint(i/2 + 1)
			got, err := rig.AskExtended(t.Context(), a, format, one, param)
			want, wantErr := rig.AskExtended(t.Context(), real, format, one, param)
			if got != want || err != nil || wantErr != nil {
				t.Errorf("a = %s: got %q, %v, want %q, %v", param, got, err, want, wantErr)
			}
			if got, want := rig.Status(t, a), []string{"miss", "hit"}[i%2]; got != want {
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
			if got := strings.Join(rig.RowsOf(r), ""); r.Err != nil || !strings.HasPrefix(got, "text 7,2024-01-08") {
				t.Errorf("%s: got %q, %v", name, got, r.Err)
			}
		}
		if got := rig.Status(t, c); got != "hit" {
			t.Errorf("%s: got %s, want hit", name, got)
		}
	}
}

// A hit needs no server: it is given while all of them are taken, and when there is none.
func TestCache_HitsNeedNoServer(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "cache_no_server", "create table t as select 1 as a")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "cache_no_server", Size: 1, Caching: true})
	c, holder := in.Connect(t, "cache_no_server"), in.Connect(t, "cache_no_server")
	rig.Prime(t, c, "select a from t")
	rig.Ask(t, holder, "begin")
	for form, ask := range rig.Askers {
		if got, err := ask(t, c, "select a from t"); err != nil || len(got) == 0 {
			t.Errorf("%s: got %q, %v", form, got, err)
		}
	}
}

// SHOW overdrive.status says why an answer did not come from the cache.
func TestCache_StatusSaysWhyNot(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "cache_status", "create table t as select 1 as a")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "cache_status", Size: 2, Caching: true})
	c := in.Connect(t, "cache_status")
	rig.Prime(t, c, "select a from t")
	for sql, want := range map[string]string{
		"select a, now() from t": "volatile", "select a, random() from t": "volatile", "insert into t values (2)": "notaquery",
		"select a from t for update": "uncacheable", "select a from t; select 1": "multiplestatements", "select nonsense(": "parseerror",
	} {
		_, _ = rig.Try(t.Context(), c, sql)
		if got := rig.Status(t, c); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
	rig.Prime(t, c, "select a from t")
	for _, step := range []struct{ before, want, after string }{
		{"begin", "transaction", "rollback"}, {"set overdrive.cache = off", "disabled", "set overdrive.cache = on"},
		{"select pg_advisory_lock(1)", "session-state", "discard all"}, {"set seed = 0.5", "session-state", "discard all"},
	} {
		rig.Ask(t, c, step.before)
		rig.Ask(t, c, "select a from t")
		if got := rig.Status(t, c); got != step.want {
			t.Errorf("after %s: got %s, want %s", step.before, got, step.want)
		}
		rig.Ask(t, c, step.after)
	}
}

// Each client reads under its own settings.
func TestCache_AnswersDependOnSettings(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "cache_settings", `create table t as select '2024-07-01 12:00+00'::timestamptz as at, '\xdeadbeef'::bytea as b, 0.1::float8 / 3 as f,
		interval '1 day 2 hours' as i`)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "cache_settings", Size: 2, Caching: true})
	const sql = "select at, b, f, i from t"
	var clients []*pgconn.PgConn
	var wants []string
	for _, params := range []map[string]string{
		nil, {"timezone": "Asia/Tokyo"}, {"datestyle": "German"}, {"timezone": "Asia/Tokyo", "datestyle": "German"},
		{"options": "-c bytea_output=escape"}, {"options": "-c extra_float_digits=-5"}, {"intervalstyle": "iso_8601"},
		{"client_encoding": "latin1"}, {"application_name": "other"},
	} {
		c := in.Connect(t, "cache_settings", func(config *pgconn.Config) { config.RuntimeParams = params })
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
		wants = append(wants, rig.Ask(t, real, sql))
		rig.CloseConn(real)
	}
	rig.Prime(t, clients[0], sql)
	for round := range 3 {
		for i, c := range clients {
			if got := rig.Ask(t, c, sql); got != wants[i] {
				t.Errorf("client %d gets %s, want %s", i, got, wants[i])
			}
			if got := rig.Status(t, c); round > 0 && got != "hit" {
				t.Errorf("client %d, round %d: %s, want hit", i, round, got)
			}
		}
	}
	rig.Ask(t, clients[0], "set timezone = 'Asia/Tokyo'")
	if got := rig.Ask(t, clients[0], sql); got != wants[1] {
		t.Errorf("after SET: got %s, want %s", got, wants[1])
	}
	rig.Ask(t, clients[0], "reset timezone")
	if got := rig.Ask(t, clients[0], sql); got != wants[0] {
		t.Errorf("after RESET: got %s, want %s", got, wants[0])
	}
}

// Nobody is shown what the server would refuse to show, or would show differently, under that client's own name.
func TestCache_IdentitiesAreKeptApart(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := rig.NewDatabase(t, "cache_identity", `drop role if exists alice, bob; create role alice login; create role bob login; create schema bob authorization bob;
		create table secret as select 'secret' as a; grant select on secret to alice;
		create table mine(who text, a int); insert into mine values ('alice', 1), ('bob', 2); alter table mine enable row level security;
		create policy p on mine using (who = current_user); grant select on mine to public;
		create table named as select 'public' as a; grant select on named to public;
		create table bob.named as select 'bob' as a; alter table bob.named owner to bob`)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "cache_identity", Size: 2, Caching: true, Options: func(o *rig.Options) {
		o.Databases[0].Target.User = ""
		o.Databases[0].Pool = pool.Limits{Size: 2, WaitTimeout: rig.Patience}
	}})
	admin, alice, bob := in.Connect(t, "cache_identity"), in.Connect(t, "cache_identity", rig.As("alice", "")), in.Connect(t, "cache_identity", rig.As("bob", ""))
	real := func(user string) *pgconn.PgConn {
		c, err := pgconn.Connect(t.Context(), strings.Replace(pg.DSN("cache_identity"), "postgres@", user+"@", 1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { rig.CloseConn(c) })
		return c
	}
	realAlice, realBob := real("alice"), real("bob")
	rig.Prime(t, alice, "select a from secret")
	for _, sql := range []string{"select a from secret", "select a from mine", "select a from named", "select current_user::text"} {
		for range 3 {
			rig.WantFresh(t, "nothing", sql, realAlice, alice)
			rig.WantFresh(t, "nothing", sql, realBob, bob)
		}
	}
	rig.Prime(t, alice, "select a from secret")
	rig.Ask(t, admin, "revoke select on secret from alice")
	rig.WantFresh(t, "REVOKE", "select a from secret", realAlice, alice)
	if _, err := rig.Try(t.Context(), alice, "select a from secret"); rig.State(err) != "42501" {
		t.Errorf("after REVOKE: got %v, want 42501", err)
	}
	// A role may come with the login; names then mean what they mean to that role.
	asBob := in.Connect(t, "cache_identity", rig.With("options", "-c role=bob"))
	plain := in.Connect(t, "cache_identity")
	rig.Prime(t, plain, "select a from named")
	for range 3 {
		if got := rig.Ask(t, asBob, "select a from named"); got != "bob" {
			t.Errorf("as bob: got %s, want bob's own table", got)
		}
		if got := rig.Ask(t, plain, "select a from named"); got != "public" {
			t.Errorf("as postgres: got %s, want the public table", got)
		}
	}
	rig.Ask(t, admin, "update bob.named set a = 'changed'")
	if got := rig.Ask(t, asBob, "select a from named"); got != "changed" {
		t.Errorf("as bob: got %s (%s) after the update", got, rig.Status(t, asBob))
	}
}

// Caching never fails a client while the catalog cannot be read; it is merely off.
func TestCache_WithoutCatalogNothingIsCached(t *testing.T) {
	t.Parallel()
	fake := proxytest.StartFakeEach(t, func(int) []proxytest.Step { return []proxytest.Step{honest} })
	var log rig.Captured
	in := rig.Start(t, rig.Setup{Upstream: fake.Addr(), Database: "postgres", Size: 1, Caching: true, Options: log.Capture})
	w := in.Dial(t, fenceLogin)
	wantRight(t, "client", w)
	log.Await(t, "catalog could not be read", "db=postgres")
	for range 3 {
		wantRight(t, "client", w)
	}
}
