package classify

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"overdrive/querycache/sqlscan"
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
	if v := c.Judge(sql); v.Status != Unsettled {
		t.Errorf("after Stale: got %s", v.Status)
	}
	catalog, _ := NewCatalog(handBuilt())
	if c.SetCatalog(catalog, generation) {
		t.Error("a catalog loaded before Stale was taken")
	}
	if !c.SetCatalog(catalog, c.Generation()) {
		t.Error("a fresh catalog was refused")
	}
	if v := c.Judge(sql); v.Status != Cacheable {
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
				if v.Status == Cacheable && !slices.Equal(v.Reads, []RelationID{1}) {
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
	if v := c.Judge(sql); v.Status != Unsettled {
		t.Errorf("while suspended: got %s", v.Status)
	}
	if again, _ := c.Suspend(); again != nil {
		t.Error("a second Suspend gave a catalog")
	}
	if !c.SetCatalog(catalog, generation) || c.Judge(sql).Status != Cacheable {
		t.Error("the catalog could not be put back")
	}
	catalog, generation = c.Suspend()
	c.Stale()
	if c.SetCatalog(catalog, generation) {
		t.Error("a catalog was put back that had gone stale")
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
