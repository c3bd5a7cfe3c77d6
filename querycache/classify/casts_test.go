package classify

import (
	"strings"
	"testing"

	"overdrive/querycache/verdict"
)

// An implicit cast of the user's is called wherever types do not fit, with nothing in the statement to show it.
func TestCatalog_ImplicitCastsThatForbidCaching(t *testing.T) {
	dsn := startPostgres(t)
	conn := connect(t, dsn)
	execSQL(t, conn, schema)
	for _, tt := range []struct {
		cast   string
		status verdict.Status
		effect verdict.Effect
	}{
		{"(text AS mood) WITH INOUT AS IMPLICIT", verdict.Cacheable, verdict.EffectNone},
		{"(mood AS text) WITH INOUT AS IMPLICIT", verdict.Cacheable, verdict.EffectNone},
		{"(text AS holds_checked) WITH INOUT", verdict.Uncacheable, verdict.EffectEverything},
		{"(text AS holds_checked) WITH INOUT AS IMPLICIT", verdict.Uncacheable, verdict.EffectEverything},
		{"(text AS date) WITH INOUT AS IMPLICIT", verdict.Uncacheable, verdict.EffectNone},
		{"(int AS mood) WITH INOUT AS IMPLICIT", verdict.Uncacheable, verdict.EffectNone},
	} {
		execSQL(t, conn, "CREATE CAST "+tt.cast)
		c := New(nil)
		c.SetCatalog(loadCatalog(t, conn), c.Generation())
		if v := c.Judge([]byte("SELECT id FROM plain")); v.Status != tt.status || v.Effect != tt.effect {
			t.Errorf("%s: got %s, %d", tt.cast, v.Status, v.Effect)
		}
		types, _, _ := strings.Cut(tt.cast, " WITH")
		execSQL(t, conn, "DROP CAST "+types)
	}
}
