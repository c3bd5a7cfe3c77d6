package postgres_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// A name that the server refuses costs one login, and leaves nothing behind that works on.
func TestIdentities_OfRefusedNamesDialOnceAndRest(t *testing.T) {
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2, Caching: true, Options: func(o *rig.Options) {
		new(rig.Captured).Capture(o)
		o.Databases[0].Target.User, o.Databases[0].Pool.MinIdle = "", 1
	}})
	rig.CloseConn(in.Connect(t, "postgres"))
	before := runtime.NumGoroutine()
	const names = 400
	for i := range names {
		_, err := login(t, in, func(c *pgconn.Config) { c.User = fmt.Sprint("nobody", i) })
		rig.WantState(t, err, "28000")
	}
	dials := func() (n uint64) {
		for _, p := range in.Pools() {
			if p.User != "postgres" {
				n += p.Dials
			}
		}
		return n
	}
	if got := runtime.NumGoroutine() - before; got > names/10 {
		t.Errorf("%d goroutines are left for %d names", got, names)
	}
	first := dials()
	<-time.After(2 * time.Second) // longer than two pauses of the pool
	if later := dials(); first > 2*names || later != first {
		t.Errorf("%d logins for %d names, and %d two seconds later", first, names, later)
	}
}
