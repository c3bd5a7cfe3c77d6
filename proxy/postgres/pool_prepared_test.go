package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Every way in which pgx runs statements works over servers that change from one transaction to the next.
func TestPrepared_EveryModeOfPgxWorksOverSharedServers(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "pgx_modes", "create table item(id int primary key, name text, at timestamptz default now()); insert into item select i, 'item ' || i from generate_series(1, 100) i")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "pgx_modes", Size: 2})
	modes := []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec,
		pgx.QueryExecModeSimpleProtocol,
	}
	var all sync.WaitGroup
	for i := range 10 {
		mode := modes[i%len(modes)]
		c := in.ConnectPgx(t, "pgx_modes", mode)
		random := rand.New(rand.NewPCG(3, uint64(i)))
		all.Go(func() {
			for range 40 {
				if err := useItems(t, c, random.IntN(100)+1); err != nil {
					t.Errorf("%v: %v", mode, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// useItems reads an item, changes and reads it in a transaction that is rolled back, and reads several in one batch.
func useItems(t *testing.T, c *pgx.Conn, id int) error {
	ctx, want := t.Context(), fmt.Sprintf("item %d", id)
	var name string
	if err := c.QueryRow(ctx, "select name from item where id = $1", id).Scan(&name); err != nil || name != want {
		return fmt.Errorf("read %q, %w, want %q", name, err, want)
	}
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if err := tx.QueryRow(ctx, "update item set name = name || '!' where id = $1 returning name", id).Scan(&name); err != nil || name != want+"!" {
		return fmt.Errorf("changed to %q, %w, want %q", name, err, want+"!")
	}
	if err := tx.Rollback(ctx); err != nil {
		return err
	}
	var batch pgx.Batch
	for i := range 3 {
		batch.Queue("select name from item where id = $1", (id+i)%100+1)
	}
	results := c.SendBatch(ctx, &batch)
	for i := range 3 {
		if err := results.QueryRow().Scan(&name); err != nil || name != fmt.Sprintf("item %d", (id+i)%100+1) {
			return fmt.Errorf("batch %d: read %q, %w", i, name, err)
		}
	}
	if err := results.Close(); err != nil {
		return err
	}
	_, err = c.Exec(ctx, "select 1/0")
	if rig.State(err) != "22012" {
		return fmt.Errorf("got %w, want 22012", err)
	}
	return nil
}

// A client may have more statements than a server is made to keep; those that were dropped there come back by themselves.
func TestPrepared_MoreStatementsThanAServerKeeps(t *testing.T) {
	t.Parallel()
	const statements = 300
	pg := rig.NewDatabase(t, "many_statements", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "many_statements", Size: 2})
	clients := []*pgx.Conn{in.ConnectPgx(t, "many_statements", pgx.QueryExecModeExec), in.ConnectPgx(t, "many_statements", pgx.QueryExecModeExec)}
	name := func(i int) string { return fmt.Sprintf("s%d", i) }
	for _, c := range clients {
		for i := range statements {
			if _, err := c.PgConn().Prepare(t.Context(), name(i), fmt.Sprintf("select $1::int + %d", i), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	random := rand.New(rand.NewPCG(4, 4))
	for range 600 {
		i, c := random.IntN(statements), clients[random.IntN(2)]
		r := c.PgConn().ExecPrepared(t.Context(), name(i), [][]byte{[]byte("1000")}, nil, nil).Read()
		if got := rig.RowsOf(r); r.Err != nil || len(got) != 1 || got[0] != fmt.Sprint(1000+i) {
			t.Fatalf("statement %d: got %q, %v", i, got, r.Err)
		}
	}
	for range 4 {
		if got := rig.Ask(t, clients[0].PgConn(), "select count(*) <= 200 from pg_prepared_statements"); got != "t" {
			t.Error("a server keeps more than 200 statements")
		}
	}
}

// After DDL the server refuses a plan whose columns changed. Every client that was told of the old columns must see an error,
// as with a direct connection: rows of another shape than it was told would be read wrongly. Its next try works, whichever
// server it gets.
func TestPrepared_ChangedColumnsAreRecoveredFrom(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "changed_columns", "create table wide(a int); insert into wide values (1)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "changed_columns", Size: 2})
	clients := make([]*pgx.Conn, 4)
	for i := range clients {
		clients[i] = in.ConnectPgx(t, "changed_columns", pgx.QueryExecModeCacheStatement)
	}
	for columns := 1; columns <= 3; columns++ {
		if columns > 1 {
			rig.Ask(t, clients[0].PgConn(), fmt.Sprintf("alter table wide add column c%d int default 5", columns))
		}
		for i, c := range clients {
			failed := 0
			for right := 0; right < 3; {
				rows, err := c.Query(t.Context(), "select * from wide")
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for rows.Next() {
					values, _ := rows.Values()
					n = len(values)
				}
				switch err := rows.Err(); {
				case (rig.State(err) == "0A000" || rig.State(err) == "26000") && failed < 2: // one for each server
					failed++
				case err != nil:
					t.Fatalf("client %d, %d columns: %v", i, columns, err)
				case n != columns:
					t.Fatalf("client %d got %d columns, want %d", i, n, columns)
				default:
					right++
				}
			}
		}
	}
}

// Names belong to the client: the same name means different statements to different clients, and none to others.
func TestPrepared_NamesArePrivate(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "private_names", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "private_names", Size: 1})
	a, b, c := in.Connect(t, "private_names"), in.Connect(t, "private_names"), in.Connect(t, "private_names")
	if _, err := a.Prepare(t.Context(), "s", "select 'a' || $1::text", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Prepare(t.Context(), "s", "select 'b' || $1::text", nil); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for want, conn := range map[string]*pgconn.PgConn{"a1": a, "b1": b} {
			r := conn.ExecPrepared(t.Context(), "s", [][]byte{[]byte("1")}, nil, nil).Read()
			if got := strings.Join(rig.RowsOf(r), ""); r.Err != nil || got != want {
				t.Errorf("got %q, %v, want %q", got, r.Err, want)
			}
		}
		rig.WantState(t, c.ExecPrepared(t.Context(), "s", [][]byte{[]byte("1")}, nil, nil).Read().Err, "26000")
	}
	for serial := range 5 { // the names that the proxy gives are out of reach
		r := c.ExecPrepared(t.Context(), fmt.Sprintf("_overdrive_%x", serial), [][]byte{[]byte("1")}, nil, nil).Read()
		rig.WantState(t, r.Err, "26000")
	}
}
