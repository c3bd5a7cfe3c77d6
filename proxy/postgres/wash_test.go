package postgres_test

import (
	"fmt"
	"testing"

	"overdrive/proxy/proxytest/rig"
)

// What code has left behind while nothing was known of the catalog, behind DDL or on a young server, reaches nobody else, though it
// may not have been seen to pin anybody.
func TestWash_WhatUnseenCodeLeavesBehindReachesNobody(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "washes", `create function lockit() returns void language sql as 'select pg_advisory_lock(5)';
		create function tempit() returns void language plpgsql as $$ begin create temp table shade(a int); end $$`)
	for _, caching := range []bool{true, false} {
		for i, sql := range []string{
			"prepare p as select pg_advisory_lock(5); execute p; deallocate p",
			"prepare p as select pg_advisory_lock(5); create table z%d(a int); execute p; deallocate p",
			"create table z%d(a int); select lockit()",
			"create table z%d(a int); select tempit()",
			"create table z%d(a int); do $$ begin execute 'create te'||'mp table zy(a int)'; end $$",
			"create table z%d(a int); do $$ begin execute 'lis'||'ten x'; end $$",
		} {
			in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "washes", Size: 1, Caching: caching})
			c := in.Connect(t, "washes")
			if i > 0 {
				sql = fmt.Sprintf(sql, 10*i+map[bool]int{true: 1}[caching])
			}
			rig.Ask(t, c, sql)
			pinned := rig.Ask(t, c, "show overdrive.pinned")
			if pinned != "" {
				rig.CloseConn(c)
			}
			if got := rig.Ask(t, in.Connect(t, "washes"), rig.Leftovers); !rig.IsClean(got) {
				t.Errorf("caching %v, %s (pinned by %q): the next client finds %s", caching, sql, pinned, got)
			}
		}
	}
}
