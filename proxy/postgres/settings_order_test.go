package postgres_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// assignmentsInOrder are statements that set parameters and bring them back, and what decides whether that counts.
var assignmentsInOrder = []string{
	"set app.t = 'a'", "set app.t = 'b'", "reset app.t", "set app.t to default", "set local app.t = 'c'",
	"set search_path = first", "set search_path = second, public", "reset search_path",
	"set timezone = 'Asia/Tokyo'", "set timezone = 'CET'", "reset timezone",
	"set statement_timeout = '70s'", "reset statement_timeout", "set bytea_output = 'escape'", "reset bytea_output",
	"set role order_other", "reset role", "reset all", "reset all", "discard all",
	"begin", "commit", "rollback", "savepoint s", "rollback to s", "release s", "select 1/0", "select 1",
}

// whatIsAssigned asks for all of them. A parameter that nobody knows and one that is empty are the same: see docs/plan.md.
const whatIsAssigned = `select coalesce(current_setting('app.t', true), '') || ' ' || current_setting('search_path') || ' ' ||
	current_setting('timezone') || ' ' || current_setting('statement_timeout') || ' ' || current_setting('bytea_output') || ' ' || current_role`

// dresses are the ways to send statements.
var dresses = map[string]func(t *testing.T, c *pgconn.PgConn, statements []string) (states string){
	"one text": func(t *testing.T, c *pgconn.PgConn, statements []string) string {
		_, err := rig.Try(t.Context(), c, strings.Join(statements, "; "))
		return rig.State(err)
	},
	"one by one": func(t *testing.T, c *pgconn.PgConn, statements []string) (states string) {
		for _, sql := range statements {
			_, err := rig.Try(t.Context(), c, sql)
			states += rig.State(err) + " "
		}
		return states
	},
	"one batch": func(t *testing.T, c *pgconn.PgConn, statements []string) string {
		var b pgconn.Batch
		for _, sql := range statements {
			b.ExecParams(sql, nil, nil, nil, nil)
		}
		_, err := c.ExecBatch(t.Context(), &b).ReadAll()
		return rig.State(err)
	},
	"batches ahead": func(t *testing.T, c *pgconn.PgConn, statements []string) (states string) {
		p := c.StartPipeline(t.Context())
		for _, sql := range statements {
			p.SendQueryParams(sql, nil, nil, nil, nil)
			if err := p.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		for open := len(statements); open > 0; {
			results, err := p.GetResults()
			switch r := results.(type) {
			case *pgconn.ResultReader:
				_, err = r.Close()
			case *pgconn.PipelineSync:
				open--
			}
			if err != nil {
				states += rig.State(err) + " "
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		return states
	},
}

// What a client has after any of them, in whatever order and dress, is what it would have without the proxy, and nobody else has it.
func TestSettings_SetsAndResetsCountInTheirOrder(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	for _, caching := range []bool{true, false} {
		t.Run(fmt.Sprintf("caching=%v", caching), func(t *testing.T) {
			name := fmt.Sprintf("settings_order_%v", caching)
			pg := rig.NewDatabase(t, name, "create role "+name+"; create schema first; create schema second")
			b := &rig.PairBench{Instance: rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: 1, Caching: caching}), Pg: pg, Database: name}
			random := rand.New(rand.NewPCG(1, 1))
			for range 60 {
				checkAssignments(t, b, random, name)
			}
		})
	}
}

// checkAssignments has a client and one of the server itself say the same, and a bystander look.
func checkAssignments(t *testing.T, b *rig.PairBench, random *rand.Rand, role string) {
	t.Helper()
	actor, bystander := b.Pair(t, rig.With("application_name", "actor"), rig.With("timezone", "UTC")), b.Pair(t)
	defer func() {
		for _, c := range []*pgconn.PgConn{actor.Through, actor.Real, bystander.Through, bystander.Real} {
			rig.CloseConn(c)
		}
	}()
	bystander.Do(t, whatIsAssigned)
	var told []string
	for range 4 {
		var statements []string
		for range 1 + random.IntN(5) {
			statements = append(statements, strings.ReplaceAll(assignmentsInOrder[random.IntN(len(assignmentsInOrder))], "order_other", role))
		}
		names := slices.Sorted(maps.Keys(dresses))
		dress := names[random.IntN(len(names))]
		told = append(told, fmt.Sprintf("%s: %s", dress, strings.Join(statements, "; ")))
		want, got := dresses[dress](t, actor.Real, statements), dresses[dress](t, actor.Through, statements)
		if got != want {
			t.Fatalf("errors are %q, want %q:\n\t%s", got, want, strings.Join(told, "\n\t"))
		}
		for _, c := range []*pgconn.PgConn{actor.Real, actor.Through} {
			if c.TxStatus() != 'I' {
				rig.Ask(t, c, "rollback")
			}
		}
		for _, p := range []*rig.ClientPair{actor, bystander, actor} {
			want, got := rig.Ask(t, p.Real, whatIsAssigned), rig.Ask(t, p.Through, whatIsAssigned)
			if got != want && p == bystander {
				t.Fatalf("another client has %q, want %q, after\n\t%s", got, want, strings.Join(told, "\n\t"))
			}
			if got != want {
				t.Fatalf("the client has %q, want %q, after\n\t%s", got, want, strings.Join(told, "\n\t"))
			}
			if word := rig.Ask(t, actor.Through, "show overdrive.pinned"); p == actor && word != "" {
				break // it keeps the server, so that the bystander would wait
			}
		}
	}
}

// What a server refuses to take back is washed off, and concerns nobody but the client that tried to set it.
func TestSettings_WhatIsRefusedConcernsNobodyElse(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := rig.NewDatabase(t, "settings_refused", "create role ordinary login")
	ordinary := func(c *pgconn.Config) { c.User = "ordinary" }
	for _, caching := range []bool{true, false} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "settings_refused", User: "ordinary", Size: 1, Caching: caching})
		for _, sql := range []string{"set lc_messages = 'C'", "set lc_messages = 'nonsense'", "set session_replication_role = replica"} {
			for _, statements := range [][]string{{sql}, {"select 1", sql, "select 1"}, {sql, "select 1", "reset lc_messages", "select 1"}} {
				c := in.Connect(t, "settings_refused", ordinary)
				for _, one := range statements {
					if _, err := rig.Try(t.Context(), c, one); err != nil && one == "select 1" {
						t.Errorf("%q: %v", statements, err)
					}
				}
				rig.CloseConn(c)
				other := in.Connect(t, "settings_refused", ordinary)
				if got, err := rig.Try(t.Context(), other, "select 1"); err != nil || got != "1" {
					t.Errorf("after %q another client gets %q, %v", statements, got, err)
				}
				rig.CloseConn(other)
			}
		}
	}
}
