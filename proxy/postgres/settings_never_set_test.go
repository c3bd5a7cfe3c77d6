package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// A parameter of one's own that others have set, in whatever way, is NULL to whoever has not, as it is straight to PostgreSQL; and who has set
// it reads what it would there.
func TestSettings_WhatAClientHasNeverSetIsNull(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := rig.NewDatabase(t, "never_set", `
		create table t(id int primary key, tenant text); insert into t values (1, 'public'), (2, 'x');
		create view v as select id from t where coalesce(current_setting('app.policy', true), 'public') = tenant;
		create role never_set_reader; grant select on t to never_set_reader; grant never_set_reader to postgres;
		alter table t enable row level security;
		create policy p on t using (tenant = coalesce(current_setting('app.policy', true), 'public'));
		create function sets(name text) returns text language plpgsql as $$ begin execute 'set ' || name || ' = 1'; return 'x'; end $$`)
	for _, s := range []rig.Setup{{Size: 2}, {Size: 3}, {Size: 2, Caching: true}, {Size: 3, Caching: true}} {
		t.Run(fmt.Sprintf("size %d, cache %v", s.Size, s.Caching), func(t *testing.T) {
			s.Upstream, s.Database = pg.Addr(), "never_set"
			in := rig.Start(t, s)
			setter, reader := in.Connect(t, "never_set"), in.Connect(t, "never_set")
			if s.Caching {
				rig.Prime(t, reader, "select 1 from t")
			}
			for i, sets := range []string{
				"set %s = 1", "select set_config('%s', '1', false)", "begin; set local %s = 1; commit", "select set_config('%s', '1', true)",
				"begin; set %s = 1; rollback", "reset %s", "do $$ begin perform set_config('%s', '1', false); end $$", "select sets('%s')",
			} {
				name := fmt.Sprintf("app.never_%d", i)
				rig.Ask(t, setter, fmt.Sprintf(sets, name))
				wantNull(t, reader, name)
				if got := rig.Ask(t, setter, "select current_setting('"+name+"', true) is null"); got != "f" && i < 2 {
					t.Errorf(sets+": its own client reads NULL", name)
				}
				rig.Ask(t, setter, "select 1")
				wantNull(t, reader, name)
			}
			rig.Ask(t, setter, "set app.policy = 'x'")
			if s.Caching {
				if got := rig.Ask(t, reader, "select string_agg(id::text, ',') from v"); got != "1" {
					t.Errorf("the view lets through %q, want 1", got)
				}
				rig.Ask(t, setter, "select 2")
			}
			rig.Ask(t, reader, "set role never_set_reader")
			if s.Caching {
				rig.Await(t, "the catalog to be known through this role's eyes", func() bool {
					rig.Ask(t, reader, "select 1 from t")
					return rig.Status(t, reader) != "unsettled"
				})
			}
			for range 3 {
				if got := rig.Ask(t, reader, "select string_agg(id::text, ',') from t"); got != "1" {
					t.Errorf("the policy lets through %q, want 1", got)
				}
				rig.Ask(t, setter, "select 2")
			}
		})
	}
}

// wantNull checks that the client does not know a parameter, in both protocols.
func wantNull(t *testing.T, c *pgconn.PgConn, name string) {
	t.Helper()
	sql := "select coalesce(current_setting('" + name + "', true), 'null')"
	if got := rig.Ask(t, c, sql); got != "null" {
		t.Errorf("%s: got %q, want NULL", name, got)
	}
	if r := c.ExecParams(t.Context(), sql, nil, nil, nil, nil).Read(); r.Err != nil || string(r.Rows[0][0]) != "null" {
		t.Errorf("%s: by extended protocol %q, %v, want NULL", name, r.Rows, r.Err)
	}
	sql = "select coalesce(current_setting($1, true), 'null')"
	if r := c.ExecParams(t.Context(), sql, [][]byte{[]byte(name)}, nil, nil, nil).Read(); r.Err != nil || string(r.Rows[0][0]) != "null" {
		t.Errorf("%s: by a parameter %q, %v, want NULL", name, r.Rows, r.Err)
	}
	rig.Ask(t, c, "prepare p as select coalesce(current_setting('"+name+"', true), 'null')")
	if got := rig.Ask(t, c, "execute p"); got != "null" {
		t.Errorf("%s: by EXECUTE %q, want NULL", name, got)
	}
	rig.Ask(t, c, "deallocate p")
	_, err := rig.Try(t.Context(), c, "show "+name)
	rig.WantState(t, err, "42704")
	for _, begin := range []string{"begin", "start transaction read only", "begin isolation level read committed"} {
		rig.Ask(t, c, begin)
		if got := rig.Ask(t, c, "select coalesce(current_setting('"+name+"', true), 'null')"); got != "null" {
			t.Errorf("%s: got %q behind %s, want NULL", name, got, begin)
		}
		rig.Ask(t, c, "commit")
		if _, err := rig.AskExtended(t.Context(), c, 0, begin); err != nil {
			t.Fatal(err)
		}
		if r := c.ExecParams(t.Context(), "select coalesce(current_setting('"+name+"', true), 'null')", nil, nil, nil, nil).Read(); r.Err != nil || string(r.Rows[0][0]) != "null" {
			t.Errorf("%s: got %q, %v behind %s by extended protocol, want NULL", name, r.Rows, r.Err, begin)
		}
		rig.Ask(t, c, "commit")
	}
}

// A parameter that a library has defined is nobody's own, whoever has set it: to read it takes no connection that is fresh.
func TestSettings_WhatALibraryDefinesNeedsNoFreshConnection(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "defined", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "defined", Size: 1})
	setter, reader := in.Connect(t, "defined"), in.Connect(t, "defined")
	same := 0 // times; else the keeper's look has taken the only connection in between
	for round := 0; same < 3 && round < 50; round++ {
		rig.Ask(t, setter, "do $$ begin perform 1; end $$")
		rig.Ask(t, setter, "set plpgsql.extra_Errors = 'all'")
		pid := rig.Ask(t, setter, "select pg_backend_pid()")
		got := rig.Ask(t, reader, "select current_setting('plpgsql.extra_errors', true), pg_backend_pid()")
		if now := strings.TrimPrefix(got, "none,"); now == pid {
			same++
		} else if strings.HasSuffix(got, ","+pid) {
			t.Errorf("got %q, want the default", got)
		}
	}
	if same < 3 {
		t.Errorf("the reader came to the setter's connection %d times, want 3", same)
	}
}
