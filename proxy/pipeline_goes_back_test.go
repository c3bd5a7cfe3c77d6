package proxy_test

import (
	"strings"
	"testing"
)

// What a pipeline shows does not go back: a hit behind a query that waits at the server is not older than that one's answer.
func TestConsistency_APipelineDoesNotGoBack(t *testing.T) {
	t.Parallel()
	pg := newDatabase(t, "consistency_order", "create table t as select 1 as v; create table u as select 7 as x")
	in := start(t, setup{upstream: pg.Addr(), database: "consistency_order", size: 3, caching: true})
	reader, writer, holder := in.connect(t, "consistency_order"), in.connect(t, "consistency_order"), direct(t, pg, "consistency_order")
	prime(t, reader, "select v from t")
	ask(t, holder, "begin; lock table u in access exclusive mode")
	p := reader.StartPipeline(t.Context())
	for _, sql := range []string{"select v, x from t, u", "select v from t"} {
		p.SendQueryParams(sql, nil, nil, nil, []int16{0})
		p.SendPipelineSync()
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	awaitQuery(t, pg, "select v, x")
	ask(t, writer, "update t set v = 2")
	ask(t, holder, "commit")
	var got []string
	for range 2 {
		r, err := readResult(p)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.Join(rowsOf(r), ";"))
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
