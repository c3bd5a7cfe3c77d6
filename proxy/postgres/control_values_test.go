package postgres_test

import (
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/proxytest"
)

// Whoever may log in to a database sees the shapes of everybody's statements there.
func TestQueries_ShowNoValuesOfOthers(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := rig.NewDatabase(t, "control_values", "create table people (mail text)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "control_values", Size: 2, Caching: true})
	c := in.Connect(t, "control_values")
	rig.Prime(t, c, "select mail from people where mail = 'topsecret'")
	for _, sql := range []string{
		"set app.tenant = topsecret", "set app.tenant to topsecret", "begin; set local app.tenant = topsecret; commit",
		"select * from people where mail = topsecret@example.com where", "alter role postgres set app.key = topsecret",
		"alter role postgres reset app.key", "create role topuser password $$topsecret$$", "drop role topuser",
	} {
		_, _ = rig.Try(t.Context(), c, sql)
	}
	queries := in.Queries("control_values")
	if len(queries) < 7 {
		t.Errorf("%d shapes were seen, so this proves little", len(queries))
	}
	for _, q := range queries {
		if strings.Contains(q.Shape+q.Reason, "topsecret") {
			t.Errorf("%s: %s (%s)", q.Status, q.Shape, q.Reason)
		}
	}
}
