package checklist_test

import (
	"testing"
	"time"

	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// What an administrator changes for the whole server, ALTER SYSTEM and a reload, changes what answers look like: none of before is served
// once the reload was asked for through the proxy, and none for longer than between two looks where it went around it.
func TestDefaults_AReloadOfTheServerChangesAnswers(t *testing.T) {
	proxytest.ChangesCluster(t)
	pg := rig.NewDatabase(t, "defaults_reload", `create table t (a float8, d date, z timestamptz, b bytea, i interval);
		insert into t values (1::float8 / 3, '2020-01-02', '2020-01-02 03:04:05+00', '\x0102', '1 day 2 hours')`)
	direct := rig.Direct(t, pg, "defaults_reload")
	defer func() {
		for _, name := range []string{"extra_float_digits", "datestyle", "bytea_output", "intervalstyle"} {
			rig.Ask(t, direct, "alter system reset "+name)
		}
		rig.Ask(t, direct, "select pg_reload_conf()")
	}()
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "defaults_reload", Size: 3, Caching: true})
	admin := in.Connect(t, "defaults_reload")
	const read = "select a, d, z, b, i from t"
	fresh := func() string { // what a session has that begins now; those from before keep what they were told at login
		c := rig.Direct(t, pg, "defaults_reload")
		defer rig.CloseConn(c)
		return rig.Ask(t, c, read)
	}
	for i, set := range []string{
		"extra_float_digits = '-10'", "datestyle = 'German'", "bytea_output = 'escape'", "intervalstyle = 'sql_standard'",
		"extra_float_digits = '-3'", "bytea_output = 'hex'", "datestyle = 'ISO'",
	} {
		reader := in.Connect(t, "defaults_reload")
		rig.Prime(t, reader, read)
		before := fresh()
		asking, through := admin, i%2 == 0
		if !through {
			asking = direct
		}
		rig.Ask(t, asking, "alter system set "+set)
		rig.Ask(t, asking, "select pg_reload_conf()")
		rig.Await(t, "the server to follow "+set, func() bool { return fresh() != before })
		for begun := time.Now(); ; {
			c := in.Connect(t, "defaults_reload")
			got, word, want := rig.Ask(t, c, read), rig.Status(t, c), fresh()
			rig.CloseConn(c)
			if got == want {
				break
			}
			// What is not served from the cache has the defaults that the keeper has last seen: those of now, when it has looked.
			if through && word == "hit" || time.Since(begun) > 20*time.Second {
				t.Errorf("%s, asked for through the proxy: %v: after %v a new session has %s (%s), want %s", set, through, time.Since(begun), got, word, want)
				break
			}
		}
		rig.CloseConn(reader)
	}
}
