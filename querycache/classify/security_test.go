package classify

import (
	"slices"
	"strings"
	"testing"

	"overdrive/querycache/verdict"
)

const guardedSchema = `
CREATE ROLE app LOGIN; CREATE ROLE owner LOGIN; CREATE ROLE auditor LOGIN BYPASSRLS;
GRANT ALL ON SCHEMA public TO owner;
CREATE TABLE member (who text, tenant int);
CREATE TABLE by_role (who text, a int); CREATE POLICY own ON by_role USING (who = current_user OR who = session_user);
CREATE TABLE by_setting (tenant int, a int); CREATE POLICY own ON by_setting USING (tenant = current_setting('App.Tenant', true)::int);
CREATE TABLE by_member (tenant int, a int);
CREATE POLICY own ON by_member USING (tenant IN (SELECT m.tenant FROM member m WHERE m.who = current_user));
CREATE TABLE by_guarded (a int); CREATE POLICY deep ON by_guarded USING (a IN (SELECT a FROM by_setting));
CREATE TABLE by_clock (until timestamptz); CREATE POLICY fresh ON by_clock USING (until > now());
CREATE TABLE by_function (a int); CREATE FUNCTION mine(int) RETURNS bool STABLE LANGUAGE sql AS 'SELECT true';
CREATE POLICY called ON by_function USING (mine(a));
CREATE TABLE by_member_of (a int); CREATE POLICY roles ON by_member_of USING (pg_has_role(current_user, 'owner', 'member'));
CREATE TABLE by_any_setting (a int, name text); CREATE POLICY whichever ON by_any_setting USING (current_setting(name, true) = 'x');
CREATE TABLE by_schema (a int); CREATE POLICY sch ON by_schema USING (current_schema = 'x');
CREATE TABLE by_nobody (a int);
CREATE TABLE by_others (a int); CREATE POLICY r ON by_others FOR SELECT TO owner USING (a = 1);
CREATE POLICY w ON by_others FOR UPDATE USING (random() < 0.5);
CREATE TABLE by_itself (a int); CREATE POLICY loop ON by_itself USING (a IN (SELECT a FROM by_itself));
CREATE TABLE by_two (a int, who text); CREATE POLICY one ON by_two USING (who = current_user);
CREATE POLICY two ON by_two AS RESTRICTIVE USING (a = current_setting('app.two')::int AND a > current_setting('app.one')::int);
CREATE TABLE top (a int) PARTITION BY LIST (a); CREATE TABLE low PARTITION OF top FOR VALUES IN (1);
CREATE POLICY own ON top USING (a = current_setting('app.a')::int); CREATE POLICY never ON low USING (random() < 1);
CREATE VIEW over_clock AS SELECT * FROM by_clock; CREATE VIEW over_setting AS SELECT * FROM by_setting;
CREATE VIEW invoked WITH (security_invoker) AS SELECT * FROM by_role;
DO $$ DECLARE t text; BEGIN FOR t IN SELECT relname FROM pg_class WHERE relname ~ '^by_|^top$|^low$' AND relkind IN ('r', 'p') LOOP
    EXECUTE format('ALTER TABLE %I OWNER TO owner; ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t, t); END LOOP; END $$;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO app, auditor;
`

func TestJudge_RowLevelSecurityForWhoeverAsks(t *testing.T) {
	dsn := startPostgres(t)
	execSQL(t, connect(t, dsn), guardedSchema)
	judges := map[string]*Classifier{}
	for _, role := range []string{"app", "owner", "auditor", "postgres"} {
		c := New(nil)
		c.SetCatalog(loadCatalog(t, connect(t, strings.Replace(dsn, "user=postgres", "user="+role, 1))), c.Generation())
		judges[role] = c
	}
	// For role app, and if it differs behind a bar for who the policies do not hold for. Behind + stand parameters.
	for _, tt := range []struct{ sql, want string }{
		{"SELECT * FROM member", "reads member"},
		{"SELECT * FROM by_role", "reads by_role"},
		{"SELECT * FROM by_setting", "reads by_setting + app.tenant | reads by_setting"},
		{"SELECT * FROM by_member", "reads by_member member | reads by_member"},
		{"SELECT * FROM by_guarded", "reads by_guarded by_setting + app.tenant | reads by_guarded"},
		{"SELECT * FROM by_clock", `volatile policy "fresh" of "by_clock": function "now" is stable | reads by_clock`},
		{"SELECT * FROM by_function", `uncacheable policy "called" of "by_function": function "mine" is user-defined | uncacheable`},
		{"SELECT * FROM by_member_of", `volatile policy "roles" of "by_member_of": function "pg_has_role" is stable | reads by_member_of`},
		{"SELECT * FROM by_any_setting", `uncacheable policy "whichever" of "by_any_setting": current_setting is given a name | reads by_any_setting`},
		{"SELECT * FROM by_schema", `uncacheable policy "sch" of "by_schema": it has a keyword | reads by_schema`},
		{"SELECT * FROM by_nobody", "reads by_nobody"},
		{"SELECT * FROM by_others", "reads by_others"},
		{"SELECT * FROM by_itself", `uncacheable policy "loop" of "by_itself": policy "loop" of "by_itself": relation "by_itself" is read by its own definition | reads by_itself`},
		{"SELECT * FROM by_two", "reads by_two + app.one app.two | reads by_two"},
		{"SELECT * FROM top", "reads low top + app.a | reads low top"},
		{"SELECT * FROM low", `volatile policy "never" of "low": function "random" is volatile | reads low`},
		{"SELECT * FROM by_setting JOIN by_two USING (a)", "reads by_setting by_two + app.one app.tenant app.two | reads by_setting by_two"},
		{"SELECT * FROM member WHERE tenant IN (SELECT tenant FROM by_setting)", "reads by_setting member + app.tenant | reads by_setting member"},
		// Behind a view others' rights count: all policies are judged for everybody.
		{"SELECT * FROM over_clock", `volatile view "over_clock": policy "fresh"`},
		{"SELECT * FROM over_setting", "reads by_setting + app.tenant"},
		{"SELECT * FROM invoked", "reads by_role"},
	} {
		forApp, forOthers, differs := strings.Cut(tt.want, " | ")
		if !differs {
			forOthers = forApp
		}
		for role, c := range judges {
			want := forOthers
			if role == "app" {
				want = forApp
			}
			v := c.Judge([]byte(tt.sql))
			got := string(v.Status) + " " + v.Reason
			if v.Status == verdict.Cacheable {
				var names []string
				for _, id := range v.Reads {
					names = append(names, strings.TrimPrefix(c.Catalog().RelationName(id), "public."))
				}
				slices.Sort(names)
				got = "reads " + strings.Join(names, " ")
				if len(v.Needs) > 0 {
					got += " + " + strings.Join(v.Needs, " ")
				}
				if got != want {
					t.Errorf("%s, %s: got %s, want %s", role, tt.sql, got, want)
				}
			} else if !strings.HasPrefix(got, want) {
				t.Errorf("%s, %s: got %s, want %s", role, tt.sql, got, want)
			}
		}
	}
	v := judges["app"].Judge([]byte("SELECT * FROM over_setting o JOIN member USING (tenant)"))
	if want := []string{"public.by_setting", "public.member", "public.over_setting"}; !slices.Equal(v.Tables, want) {
		t.Errorf("tables: got %v, want %v", v.Tables, want)
	}
}
