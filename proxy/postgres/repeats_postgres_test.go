package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy"
	"overdrive/proxy/proxytest/rig"
	"overdrive/querycache"
)

// shapeOf returns what was counted of the one shape that begins so.
func shapeOf(t *testing.T, in *rig.Instance, database, prefix string) proxy.QueryStatus {
	t.Helper()
	for _, q := range in.Queries(database) {
		if strings.HasPrefix(q.Shape, prefix) {
			return q
		}
	}
	t.Fatalf("no shape begins with %q", prefix)
	return proxy.QueryStatus{}
}

// askWith asks with one parameter, by the extended protocol.
func askWith(t *testing.T, c *pgconn.PgConn, sql, value string) {
	t.Helper()
	if r := c.ExecParams(t.Context(), sql, [][]byte{[]byte(value)}, nil, nil, nil).Read(); r.Err != nil {
		t.Fatalf("%s: %v", sql, r.Err)
	}
}

func TestRepeats_CountRunsOfOneShapeWithOtherValues(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "repeats", "create table t(a int primary key, b int); insert into t select g, g from generate_series(1, 100) g")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "repeats", Size: 2, Caching: true,
		Options: withRules(func(p *querycache.Policy) { p.MaxAge = 0 })})
	c := in.Connect(t, "repeats")
	for i := range 12 {
		rig.Ask(t, c, fmt.Sprintf("select b from t where a = %d", i))
	}
	for i := range 12 {
		askWith(t, c, "select a + b from t where a = $1::int", fmt.Sprint(i))
	}
	for i := range 12 { // in turn with another
		rig.Ask(t, c, fmt.Sprintf("select 1 from t where a = %d", i))
		rig.Ask(t, c, fmt.Sprintf("select 2, 2 from t where a = %d", i))
	}
	for i := range 12 { // without parameters
		askWith(t, c, fmt.Sprintf("select 1, 2, b from t where a = %d and $1 <> ''", i), "x")
	}
	for range 12 { // with the same values
		rig.Ask(t, c, "select a, a from t where a = 1")
		askWith(t, c, "select b, b from t where a = $1::int", "7")
	}
	for range 12 {
		askWith(t, c, "select a, b, a from t where a = $1::int", "7")
	}
	for shape, want := range map[string]int64{"select b from": 10, "select a + b": 10, "select 1 from": 0, "select 1 , 1 from": 0, "select 1 , 1 , b": 10, "select a , a": 0, "select b , b": 0, "select a , b , a": 0} {
		q := shapeOf(t, in, "repeats", shape)
		if q.Repeats < want-3 || q.Repeats > want || q.Calls != 12 || q.ServerTime <= 0 { // one in 64 values looks like the one before, and four of ten hardly ever
			t.Errorf("%s: got %+v, want %d repeats", shape, q, want)
		}
	}
}
