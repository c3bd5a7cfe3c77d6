package settings

import (
	"slices"
	"testing"
)

func TestParameters_AreInOrderAndOnce(t *testing.T) {
	for i, p := range parameters[1:] {
		if before := parameters[i]; Fold(before.Name) >= Fold(p.Name) {
			t.Errorf("%s stands behind %s", p.Name, before.Name)
		}
	}
}

func TestParameters_TraitsFitEachOther(t *testing.T) {
	for _, p := range parameters {
		has := func(t Trait) bool { return p.Traits&t != 0 }
		switch {
		case has(Fixed) && !has(Reported):
			t.Errorf("%s describes the server, which does not tell it", p.Name)
		case has(Stuck) && has(Reported|Fixed|Transient|Names|Recodes):
			t.Errorf("%s has two reasons not to follow, or follows by what the server reports", p.Name)
		case has(Names) && has(Silent):
			t.Errorf("%s changes what names mean and is no part of the key", p.Name)
		case has(Recodes) && !has(Reported):
			t.Errorf("%s changes how texts are read, and nobody is told", p.Name)
		}
	}
}

func TestParameters_UnknownOnesHaveNoTrait(t *testing.T) {
	for _, key := range []string{"", "nosuch", "app.tenant", "transaction_timeout", "Role"} {
		if Has(key, ^Trait(0)) {
			t.Errorf("%q has a trait", key)
		}
	}
	if !MayFollow("app.tenant") || !MayFollow("nosuch") || !Settable("nosuch") || Settable("Server_Version") {
		t.Error("parameters without a line follow and can be set, and the case of a name does not matter")
	}
}

func TestParameters_WithFindsThoseThatHaveAllTraits(t *testing.T) {
	if got, want := With(Names), []string{"role", "row_security", "search_path", "session_authorization"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := With(Hidden|Names), []string{"role", "session_authorization"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRename_IsTrueOfAllAndOfWhatTextsHangOn(t *testing.T) {
	for _, key := range []string{"all", "search_path", "role", "session_authorization", "row_security", "client_encoding", "standard_conforming_strings"} {
		if !Rename([]string{"work_mem", key}) {
			t.Errorf("%s: false", key)
		}
	}
	if Rename([]string{"work_mem", "app.role"}) || Recode([]string{"search_path"}) || !Recode([]string{"all"}) {
		t.Error("got what does not hang on the keys")
	}
}

func TestFold_TouchesLettersOfASCIIOnly(t *testing.T) {
	for name, want := range map[string]string{"DateStyle": "datestyle", "app.ÄRger": "app.Ärger", "": "", "a_1": "a_1", "@Z[": "@z["} {
		if got := Fold(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
