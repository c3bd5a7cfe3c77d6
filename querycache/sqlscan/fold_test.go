package sqlscan

import "testing"

func TestFold_TouchesASCIIOnly(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "app.tenant": "app.tenant", "App.TENANT": "app.tenant", "app.Ärger": "app.Ärger", "APP.ÄRGER": "app.Ärger",
		"\u212aelvin": "\u212aelvin", "app.\xc4X": "app.\xc4x",
	} {
		if got := Fold(name); got != want {
			t.Errorf("Fold(%q) is %q, want %q", name, got, want)
		}
	}
}

func TestNamesAreASCII_LooksPastConstantsAndComments(t *testing.T) {
	for text, want := range map[string]bool{
		"select 'é' from t -- à": true, "select E'é', $$ü$$, U&'ß' /* ñ */": true, "select 1": true, "": true,
		"select é": false, `select "é"`: false, "select $é$x$é$": true, "select 'a' as ü": false, "set app.Ä = 1": false,
	} {
		if got := NamesAreASCII([]byte(text)); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}
