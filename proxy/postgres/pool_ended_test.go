//go:build linux && !portable_loop

package postgres_test

import (
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"
)

// The portable loop hears of its sockets from goroutines, in no certain order, and cannot promise this.

// A server that an administrator ends while it is idle in the pool is not handed out.
func TestPool_EndedIdleServersAreNotHandedOut(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "ended_idle", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "ended_idle", Size: 3, Options: new(rig.Captured).Capture})
	d := rig.Direct(t, pg, "postgres")
	var clients []*pgconn.PgConn
	for range 3 {
		c := in.Connect(t, "ended_idle")
		rig.Ask(t, c, "begin")
		clients = append(clients, c)
	}
	for _, c := range clients {
		rig.Ask(t, c, "commit")
	}
	for round := range 5 {
		rig.Ask(t, d, "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = 'ended_idle'")
		for _, c := range clients {
			if got, err := rig.Try(t.Context(), c, "select 1"); err != nil || got != "1" {
				t.Fatalf("round %d: got %q, %v", round, got, err)
			}
		}
	}
}
