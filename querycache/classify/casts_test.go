package classify

import (
	"strings"
	"testing"
)

// An implicit cast of the user's is called wherever types do not fit, with nothing in the statement to show it.
func TestCatalog_ImplicitCastsThatForbidCaching(t *testing.T) {
	dsn := startPostgres(t)
	conn := connect(t, dsn)
	execSQL(t, conn, schema)
	for _, tt := range []struct {
		cast   string
		status Status
		effect Effect
	}{
		{"(text AS mood) WITH INOUT AS IMPLICIT", Cacheable, EffectNone},
		{"(mood AS text) WITH INOUT AS IMPLICIT", Cacheable, EffectNone},
		{"(text AS holds_checked) WITH INOUT", Uncacheable, EffectEverything},
		{"(text AS holds_checked) WITH INOUT AS IMPLICIT", Uncacheable, EffectEverything},
		{"(text AS date) WITH INOUT AS IMPLICIT", Uncacheable, EffectNone},
		{"(int AS mood) WITH INOUT AS IMPLICIT", Uncacheable, EffectNone},
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
