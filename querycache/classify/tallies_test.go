package classify

import (
	"fmt"
	"strings"
	"testing"

	"overdrive/querycache/sqlscan"
)

func TestTallies_AreSharedByAllClassifiersAndOutliveTheCatalog(t *testing.T) {
	tallies := NewTallies()
	catalog, err := NewCatalog(handBuilt())
	if err != nil {
		t.Fatal(err)
	}
	a, b := New(tallies), New(tallies)
	a.SetCatalog(catalog, a.Generation())
	first := a.Judge([]byte("SELECT * FROM t WHERE a = 7"))
	if first.Tally == nil || first.Shape != "select * from t where a = 1" {
		t.Fatalf("got %+v", first)
	}
	if want, _ := sqlscan.Shape([]byte("select * from t where a=8")); first.Fingerprint != want {
		t.Errorf("fingerprint: got %x, want %x", first.Fingerprint, want)
	}
	first.Tally.Calls.Add(3)
	if v := b.Judge([]byte("select * from t where a = 8")); v.Tally != first.Tally {
		t.Error("another classifier has another tally")
	}
	if v := a.Judge([]byte("select * from t where a = 'today'")); v.Tally == nil || v.Tally == first.Tally || v.Tally != a.Judge([]byte("select * from t where a = 'x'")).Tally {
		t.Error("a text with a date word does not count with its shape")
	}
	a.Stale()
	if v := a.Judge([]byte("select * from t where a = 9")); v.Tally != first.Tally {
		t.Error("another catalog has another tally")
	}
	all := tallies.All()
	if len(all) != 2 {
		t.Fatalf("got %d shapes", len(all))
	}
	for _, k := range all {
		if k.Tally == first.Tally && (k.Calls.Load() != 3 || k.Status != Unsettled || k.Shape != first.Shape || k.Reason == "") {
			t.Errorf("got %+v", k)
		}
	}
}

func TestTallies_DoNotCountWhatWasNotLookedAt(t *testing.T) {
	c := settled(t)
	for _, sql := range []string{"", "select 'x", `select U&"t"`, "select 1" + strings.Repeat(" ", MaxText)} {
		if v := c.Judge([]byte(sql)); v.Tally != nil || v.Fingerprint != 0 {
			t.Errorf("%.20q: got %+v", sql, v)
		}
	}
}

func TestTallies_ForgetWhatIsNotCalledWhenFull(t *testing.T) {
	tallies := NewTallies()
	note := func(i int, shape string) *Verdict {
		v := &Verdict{Fingerprint: uint64(i), Shape: shape}
		tallies.note(v)
		return v
	}
	often := note(1, "often")
	for i := range 3 * maxTallies {
		often.Tally.Calls.Add(1)
		note(i+2, fmt.Sprint("seldom ", i))
	}
	if n := len(tallies.known); n > maxTallies {
		t.Errorf("got %d shapes, want at most %d", n, maxTallies)
	}
	if note(1, "often").Tally != often.Tally {
		t.Error("a shape that is called was forgotten")
	}
	for i := range 300 {
		note(i+1e6, strings.Repeat("x", MaxText))
	}
	sum := 0
	for _, k := range tallies.known {
		sum += len(k.Shape)
	}
	if tallies.bytes != sum || sum > maxTallyBytes {
		t.Errorf("counted %d bytes, there are %d", tallies.bytes, sum)
	}
}
