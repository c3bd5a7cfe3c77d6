package session

import (
	"fmt"
	"testing"
	"time"
)

// lensesOf has sessions ask for n lenses.
func lensesOf(o *Identity, n int) []*Lens {
	var all []*Lens
	for i := range n {
		all = append(all, o.LensOf(LensKey{Path: fmt.Sprint("path", i)}))
	}
	return all
}

func TestLenses_OneThatIsUnusedMakesRoomForAnother(t *testing.T) {
	st := newStage(t, setup{cache: true})
	o := st.identity
	all := lensesOf(o, MaxLenses)
	start := time.Now()
	o.LensesInUse(start)
	all[3].used.Store(true)
	if o.LensOf(LensKey{Path: "new"}) != nil {
		t.Fatal("a lens was given beyond the limit, though none is spare")
	}
	before := o.lensAge.Load()
	o.LensesInUse(start.Add(lensSpare / 2))
	o.LensesInUse(start.Add(lensSpare))
	if o.lensAge.Load() == before {
		t.Error("sessions without a lens do not hear that there may be room")
	}
	for i := range MaxLenses - 1 {
		if l := o.LensOf(LensKey{Path: fmt.Sprint("new", i)}); l == nil {
			t.Fatalf("no room for another lens after %d", i)
		}
	}
	if !all[0].forgotten.Load() || all[3].forgotten.Load() {
		t.Error("a lens that was used had to go, or one that was not stayed")
	}
	if o.LensOf(LensKey{Path: "one more"}) != nil {
		t.Error("lenses that were asked for just now made room")
	}
	if all[0].Classifier.Catalog() != nil {
		t.Error("a forgotten lens has a catalog")
	}
}

func TestLenses_AreForgottenAfterALongWhile(t *testing.T) {
	st := newStage(t, setup{cache: true})
	all := lensesOf(st.identity, 3)
	start := time.Now()
	st.identity.LensesInUse(start)
	all[1].used.Store(true)
	if got := st.identity.LensesInUse(start.Add(lensForget)); len(got) != 2 || got[1] != all[1] {
		t.Errorf("%d lenses are left, want the usual one and the used one", len(got))
	}
}

func TestLenses_ASessionLooksForAnotherWhenItsOwnWasForgotten(t *testing.T) {
	st := newStage(t, setup{cache: true})
	s := &Session{surroundings: surroundings{identity: st.identity}, params: parameters{want: st.identity.Base()}}
	s.params.want = st.identity.Interner.With(s.params.want, "search_path", "elsewhere")
	first := s.lens()
	if first == nil || s.lens() != first || !first.used.Load() {
		t.Fatal("a session does not keep its lens, or does not say that it uses it")
	}
	st.identity.mu.Lock()
	st.identity.forgetLens(0)
	st.identity.mu.Unlock()
	second := s.lens()
	if second == nil || second == first {
		t.Error("a session keeps a lens that was forgotten")
	}
}
