package classify

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"overdrive/querycache/sqlscan"
	"overdrive/querycache/verdict"
)

func TestClassifier_StaleForgetsVerdictsAndRefusesTheLoadUnderWay(t *testing.T) {
	c := settled(t)
	sql := []byte("select * from t")
	before := c.Judge(sql)
	if !c.Current(before) {
		t.Error("a fresh verdict is not current")
	}
	generation := c.Generation()
	c.Stale()
	if c.Current(before) {
		t.Error("a verdict survived Stale")
	}
	if v := c.Judge(sql); v.Status != verdict.Unsettled {
		t.Errorf("after Stale: got %s", v.Status)
	}
	catalog, _ := seenByTest(handBuilt())
	if c.SetCatalog(catalog, generation) {
		t.Error("a catalog loaded before Stale was taken")
	}
	if !c.SetCatalog(catalog, c.Generation()) {
		t.Error("a fresh catalog was refused")
	}
	if v := c.Judge(sql); v.Status != verdict.Cacheable {
		t.Errorf("after SetCatalog: got %s", v.Status)
	}
	if !c.Current(c.Judge([]byte(""))) || !c.Current(Unreadable()) {
		t.Error("a verdict for ever is not current")
	}
}

func TestClassifier_RemembersWithinItsBounds(t *testing.T) {
	c := settled(t)
	remember := func(hash int, shape string) {
		c.remember(uint64(hash), &known{shape: shape, generation: c.Generation(), plain: &empty, dated: &empty})
	}
	for i := range 2 * maxShapes {
		remember(i%(maxShapes+5), "select 1")
	}
	if got := c.shapes.Len(); got != maxShapes {
		t.Errorf("got %d shapes, want %d", got, maxShapes)
	}
	for i := range 300 {
		remember(i, strings.Repeat("x", MaxText))
	}
	sum := 0
	for _, k := range c.shapes.Values() {
		sum += k.weight()
	}
	if c.bytes != sum || sum > maxShapeBytes {
		t.Errorf("counted %d bytes, there are %d", c.bytes, sum)
	}
}

func TestClassifier_TellsShapesOfOneHashApart(t *testing.T) {
	c := settled(t)
	c.Judge([]byte("select * from t"))
	shape, _ := sqlscan.AppendShape(nil, []byte("select * from t"))
	for _, hash := range c.shapes.Keys() {
		if c.recall(hash, []byte("select * from u")) != nil {
			t.Error("found under another shape")
		}
		if c.recall(hash, shape) == nil {
			t.Error("not found")
		}
	}
}

func TestClassifier_IsSafeForConcurrentUse(t *testing.T) {
	c := settled(t)
	catalog := c.Catalog()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 300 {
				switch i % 50 {
				case 10:
					c.Stale()
				case 11:
					c.SetCatalog(catalog, c.Generation())
				}
				v := c.Judge(fmt.Appendf(nil, "select c%d from t", i%7))
				if v.Status == verdict.Cacheable && !slices.Equal(v.Reads, []verdict.RelationID{1}) {
					t.Errorf("got %v", v.Reads)
				}
			}
		})
	}
	wg.Wait()
}

func TestClassifier_ASuspendedCatalogIsPutBackUnlessItWentStale(t *testing.T) {
	c := settled(t)
	sql := []byte("select * from t")
	before := c.Catalog()
	catalog, generation := c.Suspend()
	if catalog != before {
		t.Fatal("Suspend gave another catalog than there was")
	}
	if v := c.Judge(sql); v.Status != verdict.Unsettled {
		t.Errorf("while suspended: got %s", v.Status)
	}
	if again, _ := c.Suspend(); again != nil {
		t.Error("a second Suspend gave a catalog")
	}
	if !c.SetCatalog(catalog, generation) || c.Judge(sql).Status != verdict.Cacheable {
		t.Error("the catalog could not be put back")
	}
	catalog, generation = c.Suspend()
	c.Stale()
	if c.SetCatalog(catalog, generation) {
		t.Error("a catalog was put back that had gone stale")
	}
}

func TestClassifier_ASuspendThatIsUndoneIsNoOtherVersion(t *testing.T) {
	c := settled(t)
	before := c.Version()
	for range 3 {
		c.SetCatalog(c.Suspend())
	}
	if c.Version() != before {
		t.Error("another version though the catalog is the same")
	}
	for name, change := range map[string]func(){
		"Stale":                   c.Stale,
		"another catalog":         func() { c.SetCatalog(settled(t).Catalog(), c.Generation()) },
		"another after a Suspend": func() { c.Suspend(); c.SetCatalog(settled(t).Catalog(), c.Generation()) },
		"the same after a Stale":  func() { same := c.Catalog(); c.Suspend(); c.Stale(); c.SetCatalog(same, c.Generation()) },
	} {
		before = c.Version()
		change()
		if c.Version() == before {
			t.Errorf("%s: the same version", name)
		}
		c.SetCatalog(settled(t).Catalog(), c.Generation())
	}
}

func TestClassifier_ForgetsAVerdictThatStaleOvertook(t *testing.T) {
	c := settled(t)
	late := &known{shape: "select 1", generation: c.Generation(), plain: &empty, dated: &empty}
	c.Stale()
	c.remember(1, late)
	if got := c.shapes.Len(); got != 0 {
		t.Errorf("got %d shapes", got)
	}
}

func TestTallies_AreSharedByAllClassifiersAndOutliveTheCatalog(t *testing.T) {
	tallies := verdict.NewTallies()
	catalog, err := seenByTest(handBuilt())
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
		if k.Tally == first.Tally && (k.Calls.Load() != 3 || k.Status != verdict.Unsettled || k.Shape != first.Shape || k.Reason == "") {
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

// The look at the catalog brings what others have changed, though a statement that is in doubt has ended meanwhile.
func TestClassifier_ADoubtHoldsUpNoLook(t *testing.T) {
	c := settled(t)
	catalog := func() *Catalog { another := *c.Catalog(); return &another }
	look := c.Generation()
	c.Doubt(TouchOf([]verdict.RelationID{1}))
	newer := catalog()
	if !c.RenewCatalog(newer, look, Difference{Relations: []verdict.RelationID{2}}) || c.Catalog() != newer || !c.Doubted() {
		t.Errorf("the catalog is new: %v, doubted: %v, want both", c.Catalog() == newer, c.Doubted())
	}
	second := c.Generation()
	c.Stale()
	if c.RenewCatalog(newer, second, Difference{}) || c.Catalog() != nil {
		t.Error("a look from before a Stale has brought a catalog")
	}
	c.SetCatalog(newer, c.Generation())
	c.Doubt(TouchOf([]verdict.RelationID{1}))
	if c.RenewCatalog(catalog(), second, Difference{}) {
		t.Error("a look from before another catalog has brought its own")
	}
	third := c.Generation()
	if !c.RenewCatalog(catalog(), third, Difference{}) || c.Doubted() {
		t.Error("a look from behind the doubt has not ended it")
	}
}

// However much DDL passes between two looks, what it does not touch stays known; and a look ends the doubts that came before it, whatever comes meanwhile.
func TestClassifier_ManyDoubtsLeaveTheRestKnown(t *testing.T) {
	c := settled(t)
	const read = "select a from t"
	c.Doubt(c.Judge([]byte("create table first (a int)")).Touch)
	for i := range 10 * maxDoubts {
		c.Doubt(c.Judge(fmt.Appendf(nil, "create table t%d (a int)", i)).Touch)
		if n := len(c.state.Load().doubts); n > maxDoubts {
			t.Fatalf("there are %d doubts", n)
		}
	}
	for sql, want := range map[string]verdict.Status{
		read: verdict.Cacheable, "select a from first": verdict.Unsettled, "select a from t0": verdict.Unsettled, "select a from t639": verdict.Unsettled,
	} {
		if v := c.Judge([]byte(sql)); v.Status != want {
			t.Errorf("%s is %s (%s), want %s", sql, v.Status, v.Reason, want)
		}
	}
	same := *c.Catalog()
	if !c.RenewCatalog(&same, c.Generation(), Difference{}) || c.Doubted() {
		t.Error("a look has not ended the doubts of before")
	}
	c.Doubt(TouchOf([]verdict.RelationID{1}))
	look := c.Generation()
	c.Doubt(TouchOf([]verdict.RelationID{2}))
	if c.RenewCatalog(&same, look, Difference{}); len(c.state.Load().doubts) != 1 {
		t.Errorf("behind a look there are %d doubts, want the one that came meanwhile", len(c.state.Load().doubts))
	}
	for i := range 2 * maxTouched {
		c.Doubt(c.Suppose(fmt.Appendf(nil, "create table s%d (a int)", i)).Touch)
		if c.Catalog() == nil {
			return
		}
	}
	t.Error("the doubts grow for ever")
}
