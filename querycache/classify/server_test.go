package classify

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"overdrive/proxy/proxytest/pglocal"

	"github.com/jackc/pgx/v5/pgconn"
)

// first is a server that runs until all tests have ended: as long as there is one, others are made from a copy of what it was made of.
var first = sync.OnceValues(func() (*pglocal.Server, error) {
	started = true
	return pglocal.Start(context.Background(), pglocal.Options{})
})

var started bool // first was called

func TestMain(m *testing.M) {
	code := m.Run()
	if started {
		if server, err := first(); err == nil {
			server.Stop()
		}
	}
	os.Exit(code)
}

// startPostgres runs a fresh server for the test and returns a connection string for its superuser.
func startPostgres(t *testing.T) string {
	t.Helper()
	if _, err := first(); err != nil {
		t.Fatal(err)
	}
	server, err := pglocal.Start(t.Context(), pglocal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	return fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=disable", server.Port())
}

func connect(t *testing.T, dsn string) *pgconn.PgConn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func execSQL(t *testing.T, conn *pgconn.PgConn, sql string) []*pgconn.Result {
	t.Helper()
	results, err := conn.Exec(context.Background(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%v\nin %s", err, sql)
	}
	return results
}

// loadCatalog asks the server behind conn for its catalog.
func loadCatalog(t *testing.T, conn *pgconn.PgConn, trusted ...string) *Catalog {
	t.Helper()
	ask := func(sql string) (rows [][]string) {
		for _, row := range execSQL(t, conn, sql)[0].Rows {
			var cells []string
			for _, cell := range row {
				cells = append(cells, string(cell))
			}
			rows = append(rows, cells)
		}
		return rows
	}
	path := ask("SHOW search_path")[0][0]
	execSQL(t, conn, "BEGIN; SET LOCAL search_path = pg_catalog, pg_temp")
	defer execSQL(t, conn, "ROLLBACK")
	sets, err := AskCatalog(func(sql string) ([][]string, error) { return ask(sql), nil }, trusted...)
	if err != nil {
		t.Fatal(err)
	}
	all, err := NewInventory(sets)
	if err != nil {
		t.Fatal(err)
	}
	rights, err := ReadRights(ask(RightsQuery("")))
	if err != nil {
		t.Fatal(err)
	}
	c, ok := all.Seen(path, rights)
	if !ok {
		t.Fatalf("the search_path %q is not understood", path)
	}
	return c
}

// askOver asks the server behind conn.
func askOver(conn *pgconn.PgConn) func(sql string) ([][]string, error) {
	return func(sql string) (rows [][]string, err error) {
		results, err := conn.Exec(context.Background(), sql).ReadAll()
		if err != nil {
			return nil, fmt.Errorf("%w in %s", err, sql)
		}
		for _, row := range results[0].Rows {
			var cells []string
			for _, cell := range row {
				cells = append(cells, string(cell))
			}
			rows = append(rows, cells)
		}
		return rows, nil
	}
}

// loadInventory loads the inventory of now, over a session whose last look was looked; nil: it is its first. It returns how many questions that took.
func loadInventory(t *testing.T, conn *pgconn.PgConn, before *Inventory, looked *Signs) (c *Inventory, asked int) {
	t.Helper()
	execSQL(t, conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	defer execSQL(t, conn, "COMMIT")
	ask := askOver(conn)
	counted := func(sql string) ([][]string, error) { asked++; return ask(sql) }
	signs, err := AskSigns(counted, looked)
	if err != nil {
		t.Fatal(err)
	}
	if before != nil && before.Shows(signs) {
		return before, asked
	}
	if c, err = LoadInventory(counted, before, signs); err != nil {
		t.Fatal(err)
	}
	return c, asked
}
