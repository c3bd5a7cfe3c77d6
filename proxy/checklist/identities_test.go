package checklist_test

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"overdrive/proxy/postgres"
	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/proxytest"
	"overdrive/querycache"
)

// The proxy asks for the password itself, and a hit is given to nobody who has not given it.
func TestChecklist_A8_WhoeverCannotLogInAnyMoreGetsNoHits(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	var secret atomic.Pointer[pgauth.Secret]
	change := func(password string) {
		s, err := pgauth.ParseSecret(password)
		if err != nil {
			t.Fatal(err)
		}
		secret.Store(&s)
	}
	change("first")
	pg := rig.NewDatabase(t, "checklist_a8", "create table t as select 'old' as a")
	b := startSteppedCold(t, pg, "checklist_a8", func(o *rig.Options) {
		new(rig.Captured).Capture(o)
		o.AuthMethod = pgauth.MethodPassword
		o.Users = func(user string) (pgauth.Secret, bool) { return *secret.Load(), user == "postgres" }
	})
	c := b.connect(t, rig.As("postgres", "first"))
	b.prime(t, c, sql)
	change("second")
	for _, who := range []func(*pgconn.Config){rig.As("postgres", "first"), rig.As("postgres", ""), rig.As("somebody", "second")} {
		got, err := pgconn.ConnectConfig(t.Context(), &b.Config(t, "checklist_a8", who).Config)
		if err == nil {
			rig.CloseConn(got)
		}
		rig.WantState(t, err, "28P01")
	}
	b.wantValue(t, "with the new password", b.connect(t, rig.As("postgres", "second")), sql, "old", "hit")
	// Who is in stays in, as at PostgreSQL.
	b.wantValue(t, "logged in before", c, sql, "old", "hit")
}

// What counts is who asks at the server. Two users with one server user are one, for better or worse.
func TestChecklist_A9_UsersOfOneServerRoleShareAndOthersDoNot(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	rig.MakeRoles(t, pg, "checklist_a9_low")
	b := startStepped(t, "checklist_a9", rowTable+"; create table low as select 'low' as a; grant select on low to checklist_a9_low", func(o *rig.Options) {
		o.Databases[0].Users = []string{"checklist_a9_x", "checklist_a9_y"}
	})
	x, y := b.connect(t, rig.As("checklist_a9_x", "")), b.connect(t, rig.As("checklist_a9_y", ""))
	b.prime(t, x, rowQuery)
	asked := b.relay.Count(rowKey)
	b.want(t, "the other user of the role", y, rowQuery, "hit")
	if got := b.relay.Count(rowKey); got != asked {
		t.Errorf("the server was asked %d times more", got-asked)
	}
	// The same server user under another role is somebody else, whether the role comes with the login or later.
	low := b.connect(t, rig.As("checklist_a9_y", ""), rig.With("options", "-c role=checklist_a9_low"))
	b.wantRefused(t, "with a lesser role", low, rowQuery, "42501")
	rig.Ask(t, y, "set role checklist_a9_low")
	b.wantRefused(t, "after SET ROLE", y, rowQuery, "42501")
	for range 2 {
		b.want(t, "with a lesser role", low, "select a from low", "hit miss unsettled session-state")
		b.want(t, "after SET ROLE", y, "select a from low", "hit miss unsettled session-state")
	}
	b.prime(t, x, rowQuery)
	b.wantRefused(t, "with a lesser role, after a hit of the other", low, rowQuery, "42501")
	// Where each client is its own server user they do not share.
	p := startPeople(t, "checklist_a9_own", "create table t as select 'a' as a; grant select on t to {x}, {y}", "x", "y")
	p.hits(t, "x", "select a from t")
	p.want(t, "another server user", p.proxied["y"], "select a from t", "miss")
}

// The log is read by others than the data. Not even its most detailed form tells what was asked with.
func TestChecklist_A11_TheLogTellsNoValues(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	const secret = "checklistsecret"
	var log rig.Captured
	b := startStepped(t, "checklist_a11", "create table t(a text unique); insert into t values ('"+secret+"'), ('other')", func(o *rig.Options) {
		log.Capture(o)
		o.Cache = querycache.New(querycache.Options{MaxBytes: 20 << 10, Poison: true})
	})
	c := b.connect(t)
	for _, sql := range []string{
		"select a from t where a = '" + secret + "'", "select a::int from t where a = '" + secret + "'", "select '" + secret + "' from nowhere",
		"insert into t values ('" + secret + "')", "select '" + secret, "/* overdrive: tag=" + secret + ", nonsense=1 */ select a from t",
		"select a || repeat('" + secret + "', 10000) from t", "set app.token = '" + secret + "'", "set overdrive.max_age = '" + secret + "'",
		"show overdrive." + secret, "alter role postgres password null; select '" + secret + "'", "do $$ begin raise log '" + secret + "'; end $$",
	} {
		for _, ask := range rig.Askers {
			_, _ = ask(t, c, sql) // most are refused, by the server or by us
		}
	}
	_, err := rig.AskExtended(t.Context(), c, 0, "select a from t where a = $1::int::text", secret)
	rig.WantState(t, err, "22P02")
	for sleep, leave := range map[string]func(c *pgconn.PgConn){
		"select pg_sleep(600)": func(c *pgconn.PgConn) { resetConn(t, c.Conn()) },
		"select pg_sleep(601)": func(*pgconn.PgConn) {
			rig.Ask(t, b.real, "select pg_terminate_backend(pid) from pg_stat_activity where query like 'select pg_sleep(601)%'")
		},
	} {
		dying := b.connect(t)
		answer := rig.Asking(t, dying, sleep+", '"+secret+"'")
		rig.AwaitQuery(t, proxytest.SharedPostgres(t), sleep+", ''"+secret)
		leave(dying)
		<-answer
	}
	log.Await(t, "session ended", "db=checklist_a11")
	b.fence(t)
	if log.Has(secret) {
		log.Mu.Lock()
		defer log.Mu.Unlock()
		for _, line := range log.Lines {
			if strings.Contains(line, secret) {
				t.Errorf("the log has %s", line)
			}
		}
	}
}

// There is no second store whose content had to be mistrusted: answers live in this process, and no setting changes that.
// That a new process starts with none is R14.
func TestChecklist_A13_AnswersComeFromNoStoreButThisProcess(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"store: redis", "l2: memcached", "path: /tmp/cache"} {
		wantConfigRefused(t, key, key[:strings.Index(key, ":")])
	}
}

// Whether somebody asked before can be told from the time an answer takes. Between server users there is nothing to tell,
// since they share nothing; that users of one server user can is said where it is promised what they share.
func TestChecklist_A14_TimeTellsNothingAboutOtherIdentities(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	p := startPeople(t, "checklist_a14", "create table t as select 'a' as a; grant select on t to {alice}, {bob}", "alice", "bob")
	p.hits(t, "alice", sql)
	p.hits(t, "admin", sql)
	p.want(t, "bob's first", p.proxied["bob"], sql, "miss")
	promises, err := os.ReadFile("../../docs/caching.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.ToLower(string(promises)), "timing") {
		t.Error("docs/caching.md does not say that the timing of answers tells who shares an identity what was asked before")
	}
}

// The only server connection goes from one client to the next. What is asked on it for the cache must be asked as the
// second, whatever the first left behind.
func TestChecklist_A15_NothingIsKeptUnderSomebodyElsesLeftovers(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	const sql = "select a from t"
	rig.MakeRoles(t, proxytest.SharedPostgres(t), "checklist_a15_low")
	b := startStepped(t, "checklist_a15", `create table t as select 'public' as a; create schema other; create table other.t as select 'other' as a;
		grant usage on schema other to checklist_a15_low; grant select on other.t to checklist_a15_low; create table l(a text);
		alter role checklist_a15_low set search_path = other`, func(o *rig.Options) { o.Databases[0].Pool.Size = 1 })
	c, other := b.connect(t), b.connect(t)
	for _, dirt := range []string{
		"set role checklist_a15_low", "set session authorization checklist_a15_low", "set search_path = other", "select set_config('search_path', 'other', false)",
		"create temp table t as select 'temporary' as a", "begin; set local search_path = other", "begin; update t set a = 'uncommitted'",
		"begin; declare c cursor with hold for select 1; commit", "select pg_advisory_lock(1)", "prepare p as select 1", "set row_security = off",
		"begin; lock table t; select 1/0", "set standard_conforming_strings = off", "listen news", "set default_transaction_isolation = serializable",
	} {
		for name, leave := range map[string]func(*pgconn.PgConn){"leaves": rig.CloseConn, "vanishes": func(c *pgconn.PgConn) { c.Conn().Close() }} {
			first := b.connect(t)
			_, err := rig.Try(t.Context(), first, dirt)
			if err != nil && rig.State(err) != "22012" {
				t.Fatalf("%s: %v", dirt, err)
			}
			leave(first)
			b.kept().Purge()
			when := fmt.Sprintf("who said %s %s", dirt, name)
			b.prime(t, c, sql)
			b.wantValue(t, when, other, sql, "public", "hit miss")
			if got := rig.Ask(t, c, rig.Leftovers); !rig.IsClean(got) {
				t.Errorf("%s: the next finds %s", when, got)
			}
		}
	}
}

func TestChecklist_A16_EncryptionIsNoIdentity(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	const sql = "select a from t"
	server, roots := rig.Authority(t)
	pg := proxytest.SharedPostgres(t)
	rig.MakeRoles(t, pg, "checklist_a16_alice", "checklist_a16_bob")
	pg = rig.NewDatabase(t, "checklist_a16", "create table t as select 'a' as a; grant select on t to checklist_a16_alice")
	b := startSteppedAt(t, pg, "checklist_a16", ownServers, func(o *rig.Options) { o.TLS, o.TLSMode = server, postgres.TLSPrefer })
	encrypted := func(c *pgconn.Config) { c.TLSConfig = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"} }
	real := directAs(t, pg, "checklist_a16", "checklist_a16_alice")
	plain, secure := b.connect(t, rig.As("checklist_a16_alice", "")), b.connect(t, rig.As("checklist_a16_alice", ""), encrypted)
	if _, ok := secure.Conn().(*tls.Conn); !ok {
		t.Fatal("the connection is not encrypted, so this proves nothing")
	}
	for _, pair := range [][2]*pgconn.PgConn{{plain, secure}, {secure, plain}} {
		b.kept().Purge()
		b.prime(t, pair[0], sql)
		b.wantAs(t, "the same user over the other", pair[1], sql, "hit", real)
		for _, c := range []*pgconn.PgConn{b.connect(t, rig.As("checklist_a16_bob", "")), b.connect(t, rig.As("checklist_a16_bob", ""), encrypted)} {
			b.prime(t, c, "select 1")
			b.wantRefused(t, "another user", c, sql, "42501")
		}
	}
	b.advance(time.Hour + 1)
	b.wantAs(t, "after max_age", secure, sql, "miss", real)
}
