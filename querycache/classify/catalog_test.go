package classify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"overdrive/querycache/verdict"
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

// callTree is an expression that calls a function.
func callTree(oid int) string {
	return fmt.Sprintf("{FUNCEXPR :funcid %d :funcresulttype 23 :funcretset false :args <>}", oid)
}

// policyTree is the condition who = current_user AND tenant = current_setting('App.x'), as far as it matters.
const policyTree = `{BOOLEXPR :boolop and :args ({SQLVALUEFUNCTION :op 10 :type 19 :typmod -1} {FUNCEXPR :funcid 2077 :funcresulttype 25 ` +
	`:args ({CONST :consttype 25 :constisnull false :constvalue 9 [ 36 0 0 0 65 112 112 46 120 ]})}) :location 1}`

// viewTree is the definition of a view that selects what the function gives from a relation.
func viewTree(view, relation, function int) string {
	entry := "{RANGETBLENTRY :rtekind 0 :relid %d :relkind r :tablesample <>}"
	return fmt.Sprintf("({QUERY :commandType 1 :utilityStmt <> :resultRelation 0 :hasModifyingCTE false :hasForUpdate false :rtable ("+entry+entry+
		") :targetList ({TARGETENTRY :expr %s :resno 1}) :onConflict <> :returningList <> :rowMarks <> :constraintDeps <>})", view, relation, callTree(function))
}

// handBuilt is a small catalog as the server would tell it.
func handBuilt() [][][]string {
	return [][][]string{
		setDatabase: {{"f", "f", "f", "", "f"}},
		// oid schema name kind persistence rowsecurity opaque coded owner forced
		setRelations: rows(`
			1 public t r p f f f 10 f
			2 public u r p f f f 10 f
			3 public v v p f f f 10 f
			4 public writing_view v p f t f 10 f
			5 public view_over_it v p f f f 10 f
			6 public parent p p f f f 10 f
			7 public child r p f f f 10 f
			8 public foreign_child f p f f f 10 f
			9 public with_foreign p p f f f 10 f
			10 public guarded r p t f f 9 f
			11 public triggered r p f t f 10 f
			12 public referenced r p f f f 10 f
			13 public referencing r p f f f 10 f
			14 public temp_seen r t f f f 10 f
			15 pg_catalog pg_class r p f f f 10 f
			16 other t r p f f f 10 f
			17 public feeds r p f f f 10 f
			18 public policed r p t t f 9 f
			19 public spied m p f f f 10 f
			20 public soft r p t f f 10 f`),
		setInherits:    rows("6 7\n9 8"),
		setForeignKeys: rows("12 13 t t id\n17 11 t t id\n6 2 t t id"),
		setViewUses:    rows("5 4"),
		// oid name schema builtin least most volatility arguments signature shares trust result
		setFunctions: rows(`
			701 count pg_catalog t 0 1 i 0 _ f _ 25
			702 lower pg_catalog t 1 1 i 0 _ f _ 25
			703 now pg_catalog t 0 0 s 0 _ f _ 25
			704 random pg_catalog t 0 0 v 0 _ f _ 25
			705 f public f 0 0 v 0 _ f _ 25
			706 cost public f 1 1 v 0 _ f _ 25
			707 g other f 0 0 v 0 _ f _ 25
			708 lower other f 1 1 v 0 _ f _ 25
			709 quiet public f 0 0 w 0 _ f _ 25
			710 csafe public f 0 0 i 0 _ f _ 25
			711 datemultirange pg_catalog t 1 1 i 0 _ f _ 25
			712 query_to_xml pg_catalog t 4 4 v 0 _ f _ 25
			713 ts_rewrite pg_catalog t 3 3 i 0 _ f _ 25
			714 concat pg_catalog t 0 -1 s 0 "any" f _ 25`),
		setNotation:      rows("cost t t\nrow_to_json t f\nvolf f t\npg_advisory_lock f f\nvolf f f"),
		setOperators:     rows("20001 ### v f\n20002 <+> i f\n20003 %% w f\n20004 <*> i t"),
		setCasts:         nil,
		setTypes:         rows("25 pg_catalog text t f\n23 pg_catalog int4 t f\n1082 pg_catalog date t t\n1182 pg_catalog _date t t\n4535 pg_catalog datemultirange t t"),
		setDomains:       nil,
		setDateColumns:   rows("1 day d\n2 day f"),
		setWritingTypes:  rows("coded"),
		setUnstableTypes: rows("2205 regclass"),
		setViews:         [][]string{{"3", viewTree(3, 1, 702)}, {"4", viewTree(4, 1, 705)}, {"5", viewTree(5, 4, 702)}},
		setPolicies:      [][]string{{"10", "own", policyTree}, {"18", "quietly", callTree(709)}},
		setGenerated:     [][]string{{"20", callTree(703)}},
		setTriggers:      nil,
		setTriggerCode:   nil,
		setObjects:       nil, // the last
	}
}

// seenByTest is the catalog as a role sees it that owns most tables and has the usual search_path.
func seenByTest(results [][][]string) (*Catalog, error) {
	all, err := NewInventory(results)
	if err != nil {
		return nil, err
	}
	c, _ := all.Seen(`"$user", public`, &Rights{Role: "me", Usage: map[string]bool{"public": true}, Owners: map[uint32]bool{10: true}})
	return c, nil
}

func settled(t testing.TB) *Classifier {
	t.Helper()
	catalog, err := seenByTest(handBuilt())
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
		"an empty volatility":  func(r [][][]string) [][][]string { r[setFunctions][0][6] = ""; return r },
		"an empty kind":        func(r [][][]string) [][][]string { r[setRelations][0][3] = ""; return r },
		"no functions":         func(r [][][]string) [][][]string { r[setFunctions] = nil; return r },
	} {
		if _, err := seenByTest(spoil(handBuilt())); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCatalog_ImplicitCastOfTheUserForbidsEverything(t *testing.T) {
	sets := handBuilt()
	sets[setCasts] = rows("int4 text i v")
	catalog, err := seenByTest(sets)
	if err != nil {
		t.Fatal(err)
	}
	c := New(nil)
	c.SetCatalog(catalog, c.Generation())
	if v := c.Judge([]byte("SELECT 1")); v.Status != verdict.Uncacheable || v.Effect != verdict.EffectEverything {
		t.Errorf("got %+v", v)
	}
}

func TestCatalog_EventTriggersMakeEveryTableOfASessionDDL(t *testing.T) {
	sets := handBuilt()
	sets[setDatabase][0][0] = "t"
	catalog, err := seenByTest(sets)
	if err != nil {
		t.Fatal(err)
	}
	c := New(nil)
	c.SetCatalog(catalog, c.Generation())
	if v := c.Judge([]byte("create temp table x (a int)")); v.Effect != verdict.EffectEverything || !v.DDL {
		t.Errorf("got %+v", v)
	}
}

func TestCatalog_CastToJSONOfTheUserForbidsWhatMakesJSON(t *testing.T) {
	sets := handBuilt()
	sets[setCasts] = rows("thing json e i")
	sets[setFunctions] = append(sets[setFunctions], rows("900 to_json pg_catalog t 1 1 s 2283 anyelement f _ 114")...)
	catalog, err := seenByTest(sets)
	if err != nil {
		t.Fatal(err)
	}
	c := New(nil)
	c.SetCatalog(catalog, c.Generation())
	if v := c.Judge([]byte("select to_json(a) from t")); v.Status != verdict.Uncacheable {
		t.Errorf("got %+v", v)
	}
	if v := c.Judge([]byte("select concat(a) from t")); v.Status != verdict.Cacheable {
		t.Errorf("got %+v", v)
	}
}

func TestCatalog_NamesRelations(t *testing.T) {
	catalog, _ := seenByTest(handBuilt())
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

func TestNewCatalog_RefusesTwoRelationsOfOneOID(t *testing.T) {
	sets := handBuilt()
	twin := slices.Clone(sets[setRelations][0])
	twin[2] = "twin"
	sets[setRelations] = append(sets[setRelations], twin)
	if _, err := seenByTest(sets); err == nil {
		t.Error("the catalog was taken")
	}
}

func TestNewCatalog_AChainOfViewsCostsInProportionToItsLength(t *testing.T) {
	const n = 3000
	sets := handBuilt()
	for i := range n {
		id, under := 100000+i, 1
		if i > 0 {
			under = id - 1
		}
		sets[setRelations] = append(sets[setRelations], strings.Fields(fmt.Sprint(id, " public chain", i, " v p f f f 10 f")))
		sets[setViews] = append(sets[setViews], []string{fmt.Sprint(id), viewTree(id, under, 702)})
	}
	catalog, err := seenByTest(sets)
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for _, r := range catalog.byID {
		catalog.reading(r, false)
	}
	for _, rd := range catalog.remembered.readings {
		held += len(rd.views) + len(rd.reads)
	}
	if held > 10*n+maxViews*maxViews {
		t.Errorf("%d views hold %d relations", n, held)
	}
	c := New(nil)
	c.SetCatalog(catalog, c.Generation())
	for i, want := range map[int]verdict.Status{0: verdict.Cacheable, maxViews - 1: verdict.Cacheable, maxViews + 1: verdict.Uncacheable, n - 1: verdict.Uncacheable} {
		if v := c.Judge(fmt.Appendf(nil, "select * from chain%d", i)); v.Status != want {
			t.Errorf("chain%d: got %s (%s)", i, v.Status, v.Reason)
		}
	}
}

func TestClassifier_VerdictsOnWideTablesCountForWhatTheyWeigh(t *testing.T) {
	const partitions = 2000
	sets := handBuilt()
	for i := range partitions {
		sets[setRelations] = append(sets[setRelations], strings.Fields(fmt.Sprint(100000+i, " public part", i, " r p f f f 10 f")))
		sets[setInherits] = append(sets[setInherits], []string{"6", fmt.Sprint(100000 + i)})
	}
	catalog, err := seenByTest(sets)
	if err != nil {
		t.Fatal(err)
	}
	c := New(nil)
	c.SetCatalog(catalog, c.Generation())
	for i := range 600 {
		if v := c.Judge(fmt.Appendf(nil, "select c%d from parent", i)); len(v.Reads) < partitions {
			t.Fatalf("%d tables are read, %s (%s)", len(v.Reads), v.Status, v.Reason)
		}
	}
	if got := c.shapes.Len(); got*4*partitions > maxShapeBytes {
		t.Errorf("%d verdicts on %d tables are kept", got, partitions)
	}
}
