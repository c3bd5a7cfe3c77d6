package rig

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Status says what became of the client's last statement.
func Status(tb testing.TB, c *pgconn.PgConn) string {
	tb.Helper()
	return Ask(tb, c, "show overdrive.status")
}

// Asker is one way of asking a query without parameters.
type Asker func(tb testing.TB, c *pgconn.PgConn, sql string) (string, error)

// Askers are the forms that the cache tells apart.
var Askers = map[string]Asker{
	"simple": func(tb testing.TB, c *pgconn.PgConn, sql string) (string, error) { return Try(tb.Context(), c, sql) },
	"text": func(tb testing.TB, c *pgconn.PgConn, sql string) (string, error) {
		return AskExtended(tb.Context(), c, 0, sql)
	},
	"binary": func(tb testing.TB, c *pgconn.PgConn, sql string) (string, error) {
		return AskExtended(tb.Context(), c, 1, sql)
	},
}

// Prime asks until the answers come from the cache.
func Prime(tb testing.TB, c *pgconn.PgConn, sql string) {
	tb.Helper()
	for form, ask := range Askers {
		Await(tb, fmt.Sprintf("a hit for %s (%s)", sql, form), func() bool {
			if _, err := ask(tb, c, sql); err != nil {
				tb.Fatalf("%s: %v", sql, err)
			}
			return Status(tb, c) == "hit"
		})
	}
}

// WantFresh fails the test unless all clients are answered in all forms as a direct connection is.
func WantFresh(t *testing.T, after, sql string, real *pgconn.PgConn, clients ...*pgconn.PgConn) {
	t.Helper()
	for form, ask := range Askers {
		want, wantErr := ask(t, real, sql)
		for i, c := range clients {
			if got, err := ask(t, c, sql); got != want || State(err) != State(wantErr) {
				t.Errorf("after %s client %d, %s, gets %q, %v (%s), want %q, %v", after, i, form, got, err, Status(t, c), want, wantErr)
			}
		}
	}
}
