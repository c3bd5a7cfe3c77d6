package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// What a READ ONLY transaction runs writes nothing, whatever its names mean. What only looks like one may: each of these is sent in one
// packet and message by message, and the cache must know of every row that came to be.
func TestCache_OnlyReadOnlyTransactionsWriteNothing(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "read_only", "create table t(a int); create table u(a int); insert into u values (1)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "read_only", Size: 2, Caching: true})
	reader := in.Connect(t, "read_only")
	direct, err := pgconn.Connect(t.Context(), "postgres://postgres@"+pg.Addr()+"/read_only?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close(t.Context())
	const insert = "insert into t values (1)"
	for _, statements := range [][]string{
		{"select 1/0; begin read only", insert},
		{"begin read only; nonsense", insert},
		{"begin read only", "commit; begin", insert, "commit"},
		{"begin read only", "rollback; begin", insert, "commit"},
		{"begin; savepoint a", "begin read only", "rollback to a", insert, "commit"},
		{"begin read only", "set transaction read write", insert, "commit"},
		{"begin read only", "set transaction_read_only = off", insert, "commit"},
		{"begin read only", "set local transaction_read_only to off", insert, "commit"},
		{"begin transaction read only, read write", insert, "commit"},
		{"begin", insert, "begin read only", "commit"},
		{"begin read only; commit; " + insert},
		{"begin read only", "select 1; end; begin", insert, "commit"},
		{"start transaction read only", "abort", insert},
		{"begin read only", "commit and chain", insert, "rollback"},
		{"begin read only", "reset transaction_read_only", insert, "commit"},
		{"begin read only", `set "TRANSACTION_READ_ONLY" = off`, insert, "commit"},
		{"begin read only", `set U&"transaction\005fread_only" = off`, insert, "commit"},
		{"begin read only", "set local standard_conforming_strings = off", "set transaction_read_only = off", insert, "commit"},
		{"begin; savepoint a", "begin read only", "release a", insert, "commit"},
		{"begin read only", "commit; " + insert + "; begin /*" + strings.Repeat("x", 270<<10) + "*/", "commit"},
		{"begin read only", "commit; " + insert + `; begin; select 1 as U&"a"`, "commit"},
	} {
		for _, together := range []bool{true, false} {
			rig.Prime(t, reader, "select count(*) from t")
			w := in.Dial(t, proxytest.Login{User: "postgres", Database: "read_only"})
			var packet []byte
			for _, sql := range statements {
				packet = append(packet, proxytest.Query(sql)...)
				if !together {
					send(t, w, packet, 1)
					packet = nil
				}
			}
			if together {
				send(t, w, packet, len(statements))
			}
			if got, want := rig.Ask(t, reader, "select count(*) from t"), rig.Ask(t, direct, "select count(*) from t"); got != want {
				t.Errorf("%q, in one packet %v: the cache says %s, the table has %s", statements, together, got, want)
			}
			w.Close()
		}
	}
}

// A request of PostgREST: what its names mean is set for the transaction alone.
func TestCache_AReadOnlyTransactionUnderASearchPathOfItsOwnInvalidatesNothing(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "read_only_path", "create schema s; create table s.t(a int); create table u(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "read_only_path", Size: 2, Caching: true})
	reader, api := in.Connect(t, "read_only_path"), in.Connect(t, "read_only_path")
	rig.Prime(t, reader, "select a from u")
	for _, sql := range []string{"begin isolation level read committed read only", "select set_config('search_path', 's', true)",
		"select count(*) from t", "with x as (select * from t) select count(*) from x", "commit"} {
		rig.Ask(t, api, sql)
	}
	rig.Ask(t, reader, "select a from u")
	if got := rig.Status(t, reader); got != "hit" {
		t.Errorf("after it a read of another table is a %s", got)
	}
	if got := rig.Ask(t, api, "show overdrive.pinned"); got != "" {
		t.Errorf("pinned by %s", got)
	}
}

func send(t *testing.T, w *proxytest.Wire, messages []byte, batches int) {
	t.Helper()
	if err := w.Send(messages); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReceiveReady(batches); err != nil {
		t.Fatal(err)
	}
}
