package classify

import (
	"testing"

	"overdrive/querycache/verdict"
)

func TestSuppose_JudgesAndLeavesNothingBehind(t *testing.T) {
	tallies := verdict.NewTallies()
	c := New(tallies)
	for sql, want := range map[string]verdict.Status{
		"select a from t where b = 1": verdict.Unsettled, "insert into t values (1)": verdict.NotAQuery, "select 1; select 2": verdict.MultipleStatements,
		"": verdict.NotAQuery, "select 'x": verdict.ParseError,
	} {
		if v := c.Suppose([]byte(sql)); v.Status != want || v.Tally != nil {
			t.Errorf("%s: got %+v, want %s", sql, v, want)
		}
	}
	if all := tallies.All(); len(all) != 0 {
		t.Errorf("%d shapes are remembered", len(all))
	}
	v, same := c.Suppose([]byte("select a from t where b = 1")), c.Judge([]byte("select a from t where b = 7"))
	if v.Fingerprint != same.Fingerprint || v.Shape != same.Shape || v.Effect != same.Effect {
		t.Errorf("got %+v, want %+v", v, same)
	}
}
