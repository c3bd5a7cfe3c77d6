package postgres_test

import (
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"
)

// What a pipeline shows does not go back: a hit behind a query that waits at the server is not older than that one's answer.
func TestConsistency_APipelineDoesNotGoBack(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "consistency_order", "create table t as select 1 as v; create table u as select 7 as x")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "consistency_order", Size: 3, Caching: true})
	reader, writer, holder := in.Connect(t, "consistency_order"), in.Connect(t, "consistency_order"), rig.Direct(t, pg, "consistency_order")
	rig.Prime(t, reader, "select v from t")
	rig.Ask(t, holder, "begin; lock table u in access exclusive mode")
	p := reader.StartPipeline(t.Context())
	for _, sql := range []string{"select v, x from t, u", "select v from t"} {
		p.SendQueryParams(sql, nil, nil, nil, []int16{0})
		p.SendPipelineSync()
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	rig.AwaitQuery(t, pg, "select v, x")
	rig.Ask(t, writer, "update t set v = 2")
	rig.Ask(t, holder, "commit")
	var got []string
	for range 2 {
		r, err := rig.ReadResult(p)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.Join(rig.RowsOf(r), ";"))
		if _, err := p.GetResults(); err != nil {
			t.Fatal(err)
		}
	}
	if got[0] != "2,7" || got[1] != "2" {
		t.Errorf("got %q and then %q, want 2 in both", got[0], got[1])
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}
