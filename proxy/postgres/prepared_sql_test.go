package postgres_test

import (
	"fmt"
	"sync"
	"testing"

	"overdrive/proxy/proxytest/rig"
)

// More clients than servers, each with statements of its own under the same names, from SQL and by protocol.
func TestPrepared_StatementsOfSQLFollowTheirClient(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "prepared_sql", "create table t(a int); insert into t select generate_series(1, 20)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "prepared_sql", Size: 3, Caching: true})
	var all sync.WaitGroup
	for i := range 8 {
		c := in.Connect(t, "prepared_sql")
		all.Go(func() {
			rig.Ask(t, c, fmt.Sprintf("prepare mine (int) as select '%d: ' || a from t where a = $1", i))
			for n := 1; n < 20; n++ {
				want := fmt.Sprintf("%d: %d", i, n)
				if got := rig.Ask(t, c, fmt.Sprintf("execute mine (%d)", n)); got != want {
					t.Errorf("EXECUTE: got %q, want %q", got, want)
				}
				r := c.ExecPrepared(t.Context(), "mine", [][]byte{fmt.Append(nil, n)}, nil, nil).Read()
				if r.Err != nil || string(r.Rows[0][0]) != want {
					t.Errorf("by protocol: got %q, %v, want %q", r.Rows, r.Err, want)
				}
				if pinned := rig.Ask(t, c, "show overdrive.pinned"); pinned != "" {
					t.Errorf("pinned by %s", pinned)
				}
			}
			rig.Ask(t, c, "deallocate mine")
			_, err := c.Exec(t.Context(), "execute mine (1)").ReadAll()
			rig.WantState(t, err, "26000")
			rig.CloseConn(c)
		})
	}
	all.Wait()
	next := in.Connect(t, "prepared_sql")
	if got := rig.Ask(t, next, "select count(*) from pg_prepared_statements where name not like '\\_overdrive%'"); got != "0" {
		t.Errorf("%s statements are left", got)
	}
}
