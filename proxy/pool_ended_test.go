//go:build linux && !portable_loop

package proxy_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// The portable loop hears of its sockets from goroutines, in no certain order, and cannot promise this.

// A server that an administrator ends while it is idle in the pool is not handed out.
func TestPool_EndedIdleServersAreNotHandedOut(t *testing.T) {
	t.Parallel()
	pg := newDatabase(t, "ended_idle", "")
	in := start(t, setup{upstream: pg.Addr(), database: "ended_idle", size: 3, options: new(captured).capture})
	d := direct(t, pg, "postgres")
	var clients []*pgconn.PgConn
	for range 3 {
		c := in.connect(t, "ended_idle")
		ask(t, c, "begin")
		clients = append(clients, c)
	}
	for _, c := range clients {
		ask(t, c, "commit")
	}
	for round := range 5 {
		ask(t, d, "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = 'ended_idle'")
		for _, c := range clients {
			if got, err := try(t.Context(), c, "select 1"); err != nil || got != "1" {
				t.Fatalf("round %d: got %q, %v", round, got, err)
			}
		}
	}
}
