package checklist_test

import (
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// peopleBench is a bench for several users, each of whom is its own server user.
type peopleBench struct {
	*steppedBench
	proxied, direct map[string]*pgconn.PgConn
}

// startPeople makes a database that sql fills, and has everybody log in. The users are named after the test: user "x" is
// written {x} in sql and is called prefix_x. The administrator is postgres.
func startPeople(t *testing.T, name, sql string, users ...string) *peopleBench {
	t.Helper()
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	var roles []string
	for _, u := range users {
		roles = append(roles, name+"_"+u)
		sql = strings.ReplaceAll(sql, "{"+u+"}", name+"_"+u)
	}
	rig.MakeRoles(t, pg, roles...)
	p := &peopleBench{startStepped(t, name, sql, ownServers), map[string]*pgconn.PgConn{}, map[string]*pgconn.PgConn{}}
	p.proxied["admin"], p.direct["admin"] = p.connect(t), p.real
	for i, u := range users {
		p.proxied[u] = p.connect(t, rig.As(roles[i], ""))
		p.direct[u] = directAs(t, pg, name, roles[i])
		p.prime(t, p.proxied[u], "select 1") // the catalog is each server user's own
	}
	return p
}

// do has the administrator say something through the proxy.
func (p *peopleBench) do(t *testing.T, sql string) {
	t.Helper()
	for u := range p.proxied {
		sql = strings.ReplaceAll(sql, "{"+u+"}", p.database+"_"+u)
	}
	rig.Ask(t, p.proxied["admin"], sql)
}

// same fails the test unless all users get, three times and whatever others got before, what the server says to them.
func (p *peopleBench) same(t *testing.T, when string, queries ...string) {
	t.Helper()
	for range 3 {
		for _, sql := range queries {
			for user, c := range p.proxied {
				for form, ask := range rig.Askers {
					want, wantErr := ask(t, p.direct[user], sql)
					got, err := ask(t, c, sql)
					if got != want || rig.State(err) != rig.State(wantErr) {
						t.Errorf("%s: %s (%s) gets %q, %v (%s) for %s, want %q, %v", when, user, form, got, err, rig.Status(t, c), sql, want, wantErr)
					}
				}
			}
		}
	}
}

// hits returns once all forms of sql are hits for the user, and fails the test if one of them tells something else than the
// server does. What was just granted or created may have the catalog read more than once.
func (p *peopleBench) hits(t *testing.T, user, sql string) {
	t.Helper()
	c := p.proxied[user]
	rig.Await(t, "hits for "+sql, func() bool {
		p.prime(t, c, sql)
		hits := 0
		for form, ask := range rig.Askers {
			want, wantErr := ask(t, p.direct[user], sql)
			if got, err := ask(t, c, sql); got != want || err != nil || wantErr != nil {
				t.Fatalf("%s (%s) gets %q, %v for %s, want %q, %v", user, form, got, err, sql, want, wantErr)
			}
			if rig.Status(t, c) == "hit" {
				hits++
			}
		}
		return hits == len(rig.Askers)
	})
}

func TestChecklist_A1_WhoMayNotReadATableIsRefusedThoughAnotherHasItsRows(t *testing.T) {
	t.Parallel()
	const sql = "select a from secret"
	p := startPeople(t, "checklist_a1", "create table secret as select 'secret' as a; grant select on secret to {alice}", "alice", "bob")
	p.hits(t, "admin", sql)
	p.hits(t, "alice", sql)
	for range 3 {
		p.wantRefused(t, "bob", p.proxied["bob"], sql, "42501")
	}
	p.same(t, "with a prime for alice", sql, "table secret", "select count(*) from secret")
	p.do(t, "grant select on secret to {bob}")
	p.hits(t, "bob", sql)
}

func TestChecklist_A2_RightsToColumnsAreKept(t *testing.T) {
	t.Parallel()
	p := startPeople(t, "checklist_a2", `create table t as select 'a' as a, 'b' as b; grant select (a) on t to {alice};
		grant select (b) on t to {bob}`, "alice", "bob")
	p.hits(t, "alice", "select a from t")
	p.hits(t, "bob", "select b from t")
	p.hits(t, "admin", "select * from t")
	p.same(t, "with a prime for each", "select a from t", "select b from t", "select * from t", "select a, b from t", "select 1 from t where b = 'b'")
	p.do(t, "revoke select (a) on t from {alice}")
	p.same(t, "after REVOKE of a column", "select a from t", "select b from t")
	p.wantRefused(t, "alice", p.proxied["alice"], "select a from t", "42501")
}

// What takes a right away, through the proxy or around it. The latter is noticed by a look at the catalog every few
// seconds.
func TestChecklist_A3_ARightThatIsTakenAwayIsGone(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	const sql = "select a from public.t"
	p := startPeople(t, "checklist_a3", `create table t as select 'a' as a; alter table t owner to {owner};
		grant {group} to {alice}; create table guarded(a text); insert into guarded values ('x'); alter table guarded enable row level security;
		grant select on guarded to {alice}`, "owner", "group", "alice")
	alice := p.proxied["alice"]
	for _, c := range []struct{ give, take string }{
		{"grant select on t to {alice}", "revoke select on t from {alice}"},
		{"grant select on t to {group}", "revoke {group} from {alice}"},
		{"grant {group} to {alice}", "revoke select on t from {group}"},
		{"grant select on t to public", "revoke select on t from public"},
		{"grant select on all tables in schema public to {alice}", "revoke usage on schema public from public, {alice}"},
		{"grant usage on schema public to public", "revoke all on all tables in schema public from {alice}"},
		{"grant {owner} to {alice}", "do 'begin execute ''revoke {owner} from {alice}''; end'"},
		{"grant select on t to {alice}", "begin; revoke select on t from {alice}; commit"},
		{"grant select on t to {group}; grant {group} to {alice}", "alter role {alice} noinherit"},
	} {
		p.do(t, c.give)
		p.hits(t, "alice", sql)
		p.do(t, c.take)
		p.wantRefused(t, "after "+c.take, alice, sql, "42501")
		p.same(t, "after "+c.take, sql)
	}
	p.do(t, "alter role {alice} bypassrls; grant select on guarded to {alice}")
	p.same(t, "with BYPASSRLS", "select a from guarded")
	p.do(t, "alter role {alice} nobypassrls")
	p.same(t, "without BYPASSRLS", "select a from guarded")
	p.do(t, "grant select on t to {alice}")
	p.hits(t, "alice", sql)
	rig.Ask(t, p.real, "revoke select on t from checklist_a3_alice")
	rig.Await(t, "a REVOKE that went around the proxy to be noticed", func() bool {
		_, err := rig.Try(t.Context(), alice, sql)
		return rig.State(err) == "42501"
	})
}

// policyTables are tables whose rows depend on who asks.
const policyTables = `create table mine(who text, a text); insert into mine values ('checklist_a4_alice', 'hers'), ('checklist_a4_bob', 'his');
	create table tenants(tenant text, a text); insert into tenants values ('one', 'first'), ('two', 'second');
	create table members(who text, grp text); insert into members values ('checklist_a4_alice', 'red'), ('checklist_a4_bob', 'blue');
	create table docs(grp text, a text); insert into docs values ('red', 'r'), ('blue', 'b');
	create table timed(until timestamptz, a text); insert into timed values (now() + interval '1 hour', 'soon'), (now(), 'gone');
	create table forced(who text, a text); insert into forced values ('checklist_a4_alice', 'hers'); alter table forced owner to {alice};
	alter table mine enable row level security; alter table tenants enable row level security; alter table docs enable row level security;
	alter table timed enable row level security; alter table forced enable row level security;
	create policy p on mine using (who = current_user); create policy p on tenants using (tenant = current_setting('app.tenant', true));
	create policy p on docs using (grp in (select grp from members where who = current_user)); create policy p on timed using (until > now());
	grant select on all tables in schema public to {alice}, {bob}`

var policyQueries = []string{"select a from mine", "select a from tenants", "select a from docs order by a", "select a from timed", "select a from forced"}

func TestChecklist_A4_RowSecurityShowsEverybodyTheirOwnRows(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	p := startPeople(t, "checklist_a4", policyTables, "alice", "bob")
	p.same(t, "by policies", policyQueries...)
	p.hits(t, "alice", "select a from mine") // the role is in the key
	p.hits(t, "bob", "select a from mine")
	p.hits(t, "bob", "select a from docs order by a")
	// A policy that reads another table depends on it.
	p.do(t, "update members set grp = 'red'")
	p.same(t, "when the members have changed", policyQueries...)
	if got := rig.Ask(t, p.proxied["bob"], "select a from docs order by a"); got != "r" {
		t.Errorf("bob, now a red one, sees %s", got)
	}
	// A policy that looks at the clock shows another thing each time.
	if got := rig.Ask(t, p.proxied["bob"], "select a from timed"); got != "soon" || rig.Status(t, p.proxied["bob"]) == "hit" {
		t.Errorf("got %s (%s), want soon and no hit", got, rig.Status(t, p.proxied["bob"]))
	}
	for _, change := range []string{
		"alter table forced force row level security", "alter table forced no force row level security", "alter role {bob} bypassrls",
		"alter role {bob} nobypassrls", "alter policy p on mine using (true)", "drop policy p on mine", "alter table mine disable row level security",
		"alter table mine enable row level security; create policy q on mine as restrictive using (who <> 'checklist_a4_bob'); create policy p on mine using (true)",
		"alter table forced owner to {bob}",
	} {
		p.do(t, change)
		p.same(t, "after "+change, policyQueries...)
	}
	// A setting that a policy reads is part of the question.
	for _, tenant := range []string{"one", "two", "three"} {
		startup := p.connect(t, rig.As("checklist_a4_alice", ""), rig.With("options", "-c app.tenant="+tenant))
		for _, c := range []*pgconn.PgConn{p.proxied["alice"], p.direct["alice"]} {
			rig.Ask(t, c, "set app.tenant = '"+tenant+"'")
		}
		for range 3 {
			p.wantAs(t, "tenant "+tenant, p.proxied["alice"], "select a from tenants", "hit miss unsettled session-state uncacheable", p.direct["alice"])
			p.wantAs(t, "tenant "+tenant, startup, "select a from tenants", "hit miss unsettled session-state uncacheable", p.direct["alice"])
		}
		p.same(t, "tenant "+tenant+" for alice alone", "select a from tenants")
	}
}

func TestChecklist_A5_AViewReadsWithTheRightsOfItsOwnerOrOfWhoAsks(t *testing.T) {
	t.Parallel()
	p := startPeople(t, "checklist_a5", `create table t(who text, a text); insert into t values ('checklist_a5_alice', 'hers'), ('checklist_a5_bob', 'his');
		alter table t enable row level security; create policy p on t using (who = current_user); grant select on t to {alice};
		create view owners as select a from t; create view invokers with (security_invoker) as select a from t;
		create view barrier with (security_barrier) as select a from t where who = current_user;
		create view chain as select a from invokers; grant select on owners, invokers, barrier, chain to {alice}, {bob}`, "alice", "bob")
	queries := []string{"select a from owners order by a", "select a from invokers", "select a from barrier", "select a from chain"}
	for _, change := range []string{
		"select 1", "grant select on t to {bob}", "alter view owners set (security_invoker)", "alter view owners reset (security_invoker)",
		"alter view owners owner to {bob}", "alter view invokers set (security_invoker = false)", "update t set a = a || '!'",
		"revoke select on t from {bob}", "create or replace view chain as select 'none' as a",
	} {
		p.do(t, strings.ReplaceAll(change, "select 'none' as a", "select a from barrier"))
		p.same(t, "after "+change, queries...)
	}
}

func TestChecklist_A6_ASecurityDefinerFunctionAnswersEachCallerAnew(t *testing.T) {
	t.Parallel()
	p := startPeople(t, "checklist_a6", `create table t as select 'secret' as a;
		create function theirs() returns text language sql stable security definer as 'select a || session_user from t';
		create function fixed() returns text language sql immutable security definer as 'select a || session_user from t';
		revoke execute on function theirs(), fixed() from public; grant execute on function theirs(), fixed() to {alice}`, "alice", "bob")
	queries := []string{"select theirs()", "select fixed()", "select * from fixed()", "select 1 where theirs() <> ''"}
	p.same(t, "called", queries...)
	for _, sql := range queries {
		p.wantRefused(t, "bob", p.proxied["bob"], sql, "42501")
	}
	rig.Ask(t, p.real, "update t set a = 'changed'")
	p.same(t, "after a change that went around the proxy", queries...)
	p.do(t, "alter function theirs() security invoker")
	p.same(t, "after SECURITY INVOKER", queries...)
}

func TestChecklist_A7_ARoleThatIsRefusedIsNotTakenOn(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	const sql, whose = "select a from mine", "select a from his"
	p := startPeople(t, "checklist_a7", `create table mine as select 'hers' as a; grant select on mine to {alice};
		create table his as select 'his' as a; grant select on his to {bob}; grant select on his to {friend};
		alter role {alice} noinherit; grant {friend} to {alice}`,
		"alice", "bob", "friend")
	alice, real := p.proxied["alice"], p.direct["alice"]
	p.hits(t, "alice", sql)
	p.hits(t, "bob", whose)
	for _, set := range []string{"set role checklist_a7_bob", "set session authorization checklist_a7_bob", "set local role checklist_a7_bob", "set role nobody_of_that_name"} {
		for _, c := range []*pgconn.PgConn{alice, real} {
			if _, err := rig.Try(t.Context(), c, set); err == nil && !strings.Contains(set, "local") {
				t.Fatalf("%s was accepted", set)
			}
		}
		p.wantAs(t, "after "+set, alice, sql, "hit miss unsettled session-state", real)
		p.wantRefused(t, "after "+set, alice, whose, "42501")
	}
	p.hits(t, "bob", whose)
	p.prime(t, p.connect(t, rig.As("checklist_a7_alice", "")), sql)
	p.wantRefused(t, "in the end", alice, whose, "42501")
	for _, set := range []string{"set role checklist_a7_friend", "reset role", "set role checklist_a7_friend", "set role none", "set role checklist_a7_friend", "discard all"} {
		for _, c := range []*pgconn.PgConn{alice, real} {
			rig.Ask(t, c, set)
		}
		for range 2 {
			p.wantAs(t, "after "+set, alice, sql, "hit miss unsettled session-state", real)
			if ok := rig.Ask(t, real, "select current_user = 'checklist_a7_friend'"); ok == "t" {
				p.wantAs(t, "after "+set, alice, whose, "hit miss unsettled session-state", real)
			} else {
				p.wantRefused(t, "after "+set, alice, whose, "42501")
			}
		}
	}
}
