package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/proxytest"
)

// A Parse beyond the bound is refused as a server without memory would refuse it: with an ERROR that says which limit it is.
// The session goes on, and what stood before it in the same batch or block is undone.
func TestPrepared_BeyondTheBoundTheSessionAndItsTransactionsGoOnAsWithPostgres(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "prepared_bound", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "prepared_bound", Size: 1, Caching: true, Options: func(o *rig.Options) { o.MaxPrepared = 1 << 20 }})
	c := in.Connect(t, "prepared_bound")
	prepare := func(i int) error {
		_, err := c.Prepare(t.Context(), fmt.Sprint("s", i), fmt.Sprintf("select %d, '%s'", i, strings.Repeat("x", 1000)), nil)
		return err
	}
	n := 0
	for ; n < 2000; n++ {
		if err := prepare(n); err != nil {
			rig.WantState(t, err, "53400")
			if !strings.Contains(err.Error(), "limits.max_prepared_bytes") {
				t.Errorf("the error does not name the limit: %v", err)
			}
			break
		}
	}
	if n < 300 || n == 2000 {
		t.Errorf("%d statements of a kilobyte fit in a megabyte", n)
	}
	rig.Ask(t, c, "select 1")
	rig.Ask(t, c, "begin; insert into t values (1)")
	rig.WantState(t, prepare(n), "53400")
	_, err := rig.Try(t.Context(), c, "select 1")
	rig.WantState(t, err, "25P02")
	rig.Ask(t, c, "rollback")
	w := in.Dial(t, proxytest.Login{User: "postgres", Database: "prepared_bound"}) // a batch that has written when it comes to the bound
	var b [][]byte
	for i := range 600 {
		b = append(b, proxytest.Parse(fmt.Sprint("w", i), strings.Repeat("-", 1000)+fmt.Sprint("\nselect ", i)))
	}
	b = append(b, proxytest.Sync())
	if _, err := w.Ask(b...); err != nil {
		t.Fatal(err)
	}
	got, err := w.Ask(proxytest.Parse("", "insert into t values (2)"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0),
		proxytest.Parse("more", strings.Repeat("-", 2000)), proxytest.Parse("not seen", "bogus"), proxytest.Sync())
	if err != nil || len(got) < 2 || got[len(got)-2].Type != 'E' || rig.Fields(got[len(got)-2])['C'] != "53400" {
		t.Errorf("got %v, %v, want 53400", got, err)
	}
	if got := rig.Ask(t, c, "select count(*) from t"); got != "0" {
		t.Errorf("%s rows of what failed are there", got)
	}
	rig.Ask(t, c, "deallocate all")
	if err := prepare(n); err != nil {
		t.Errorf("after all were closed: %v", err)
	}
}
