package classify

import (
	"strings"
	"testing"
)

// rows reads a table written as text: a row a line, cells separated by blanks, _ for an empty cell.
func rows(text string) [][]string {
	var out [][]string
	for line := range strings.Lines(text) {
		cells := strings.Fields(line)
		for i := range cells {
			if cells[i] == "_" {
				cells[i] = ""
			}
		}
		if len(cells) > 0 {
			out = append(out, cells)
		}
	}
	return out
}

// handBuilt is a small catalog as the server would tell it.
func handBuilt() [][][]string {
	return [][][]string{
		setSearchPath: {{"public"}},
		// oid schema name kind persistence rowsecurity visible opaque unstable
		setRelations: rows(`
			1 public t r p f t f f
			2 public u r p f t f f
			3 public v v p f t f f
			4 public writing_view v p f t t f
			5 public view_over_it v p f t f f
			6 public parent p p f t f f
			7 public child r p f t f f
			8 public foreign_child f p f t f f
			9 public with_foreign p p f t f f
			10 public guarded r p t t f f
			11 public triggered r p f t t f
			12 public referenced r p f t f f
			13 public referencing r p f t f f
			14 public temp_seen r t f t f f
			15 pg_catalog pg_class r p f t f f
			16 other t r p f f f f
			17 public feeds r p f t f f
			18 public policed r p t t t f`),
		setInherits:    rows("6 7\n9 8"),
		setForeignKeys: rows("12 13\n17 11\n6 2"),
		setViewUses:    rows("5 4"),
		// name schema builtin least most volatility visible
		setFunctions: rows(`
			count pg_catalog t 0 1 i t
			lower pg_catalog t 1 1 i t
			now pg_catalog t 0 0 s t
			random pg_catalog t 0 0 v t
			f public f 0 0 v t
			cost public f 1 1 v t
			g other f 0 0 v f
			lower other f 1 1 v f
			quiet public f 0 0 w t
			csafe public f 0 0 i t
			datemultirange pg_catalog t 1 1 i t
			query_to_xml pg_catalog t 4 4 v t
			ts_rewrite pg_catalog t 3 3 i t
			concat pg_catalog t 0 -1 s t`),
		setNotation:     rows("cost t t\nrow_to_json t f\nvolf f t\npg_advisory_lock f f\nvolf f f"),
		setOperators:    rows("### v\n<+> i\n%% w"),
		setCasts:        nil,
		setTypes:        rows("text f\nint4 f\ndate t\n_date t\ndatemultirange t"),
		setDateColumns:  rows("1 day t\n2 day f"),
		setWritingTypes: rows("coded"),
	}
}

func settled(t testing.TB) *Classifier {
	t.Helper()
	catalog, err := NewCatalog(handBuilt())
	if err != nil {
		t.Fatal(err)
	}
	c := New(nil)
	if !c.SetCatalog(catalog, c.Generation()) {
		t.Fatal("catalog refused")
	}
	return c
}

func TestNewCatalog_RefusesWhatTheServerCannotHaveSaid(t *testing.T) {
	for name, spoil := range map[string]func([][][]string) [][][]string{
		"a set missing":        func(r [][][]string) [][][]string { return r[1:] },
		"a column missing":     func(r [][][]string) [][][]string { r[setRelations][0] = r[setRelations][0][1:]; return r },
		"an OID that is none":  func(r [][][]string) [][][]string { r[setRelations][0][0] = "x"; return r },
		"an OID too large":     func(r [][][]string) [][][]string { r[setRelations][0][0] = "4294967296"; return r },
		"an edge that is none": func(r [][][]string) [][][]string { r[setInherits][0][1] = "-1"; return r },
		"an empty volatility":  func(r [][][]string) [][][]string { r[setFunctions][0][5] = ""; return r },
		"an empty kind":        func(r [][][]string) [][][]string { r[setRelations][0][3] = ""; return r },
		"no functions":         func(r [][][]string) [][][]string { r[setFunctions] = nil; return r },
	} {
		if _, err := NewCatalog(spoil(handBuilt())); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCatalog_ImplicitCastOfTheUserForbidsEverything(t *testing.T) {
	sets := handBuilt()
	sets[setCasts] = rows("int4 text i v")
	catalog, err := NewCatalog(sets)
	if err != nil {
		t.Fatal(err)
	}
	c := New(nil)
	c.SetCatalog(catalog, c.Generation())
	if v := c.Judge([]byte("SELECT 1")); v.Status != Uncacheable || v.Effect != EffectEverything {
		t.Errorf("got %+v", v)
	}
}

func TestCatalog_NamesRelations(t *testing.T) {
	catalog, _ := NewCatalog(handBuilt())
	if got := catalog.RelationName(16); got != "other.t" {
		t.Errorf("got %q", got)
	}
	if got := catalog.RelationName(999); got != "999" {
		t.Errorf("got %q", got)
	}
	if got := catalog.RelationIDs("", "t"); len(got) != 2 || got[0] != 1 || got[1] != 16 {
		t.Errorf("got %v", got)
	}
	if got := catalog.RelationIDs("other", "t"); len(got) != 1 || got[0] != 16 {
		t.Errorf("got %v", got)
	}
}
