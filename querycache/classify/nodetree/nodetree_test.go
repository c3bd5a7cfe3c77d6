package nodetree

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// expr wraps an expression into a query that selects it, as PostgreSQL 15 writes it.
func expr(e string) string {
	return `({QUERY :commandType 1 :querySource 0 :canSetTag true :utilityStmt <> :resultRelation 0 :hasAggs false ` +
		`:hasModifyingCTE false :hasForUpdate false :hasRowSecurity false :isReturn false :cteList <> ` +
		`:rtable ({RANGETBLENTRY :alias <> :eref {ALIAS :aliasname t :colnames ("a" "b")} :rtekind 0 :relid 16384 :relkind r ` +
		`:rellockmode 1 :tablesample <> :lateral false :inh true :inFromCl true :requiredPerms 2 :checkAsUser 0 ` +
		`:selectedCols (b 8 9) :insertedCols (b) :updatedCols (b) :extraUpdatedCols (b) :securityQuals <>}) ` +
		`:jointree {FROMEXPR :fromlist ({RANGETBLREF :rtindex 1}) :quals <>} ` +
		`:targetList ({TARGETENTRY :expr ` + e + ` :resno 1 :resname \:x\ y :ressortgroupref 0 :resorigtbl 0 :resorigcol 0 :resjunk false}) ` +
		`:onConflict <> :returningList <> :rowMarks <> :setOperations <> :constraintDeps <> :stmt_location 0 :stmt_len 0})`
}

const (
	column  = `{VAR :varno 1 :varattno 1 :vartype 23 :vartypmod -1 :varcollid 0 :varlevelsup 0 :varnosyn 1 :varattnosyn 1 :location 7}`
	one     = `{CONST :consttype 23 :consttypmod -1 :constcollid 0 :constlen 4 :constbyval true :constisnull false :location 9 :constvalue 4 [ 1 0 0 0 0 0 0 0 ]}`
	appName = `{CONST :consttype 25 :consttypmod -1 :constcollid 100 :constlen -1 :constbyval false :constisnull false :location 3 :constvalue 9 [ 36 0 0 0 65 112 112 46 120 ]}`
)

func call(oid int, args string) string {
	return fmt.Sprintf(`{FUNCEXPR :funcid %d :funcresulttype 25 :funcretset false :funcvariadic false :funcformat 0 :funccollid 100 :inputcollid 100 :args (%s) :location 0}`, oid, args)
}

func TestRead_CollectsWhatATreeSays(t *testing.T) {
	for name, tt := range map[string]struct{ tree, want string }{
		"a column":                {expr(column), "relations [{16384 r}] types [23]"},
		"a function of functions": {expr(call(870, call(871, column))), "relations [{16384 r}] functions [870 871] types [23 25]"},
		"an operator": {expr(`{OPEXPR :opno 96 :opfuncid 0 :opresulttype 16 :opretset false :opcollid 0 :inputcollid 0 :args (` + column + one + `) :location 1}`),
			"relations [{16384 r}] operators [96] types [16 23]"},
		"a comparison of rows": {expr(`{ROWCOMPAREEXPR :rctype 1 :opnos (o 97 664) :opfamilies (o 1976 1994) :inputcollids (o 0 100) :largs (` + column + `) :rargs (` + one + `)}`),
			"relations [{16384 r}] operators [97 664] types [23]"},
		"a conversion through text": {expr(`{COERCEVIAIO :arg ` + column + ` :resulttype 1082 :resultcollid 0 :coerceformat 1 :location 1}`),
			"relations [{16384 r}] types [23 1082] stored [1082]"},
		"a conversion of a constant": {expr(`{COERCEVIAIO :arg ` + one + ` :resulttype 1082 :resultcollid 0 :coerceformat 1 :location 1}`),
			"relations [{16384 r}] types [23 1082] coerced [1082]"},
		"a setting":       {call(2077, appName), "types [25] outside settings [App.x]"},
		"another setting": {call(3294, appName+one), "types [23 25] outside settings [App.x]"},
		"a clock":         {`{SQLVALUEFUNCTION :op 3 :type 1184 :typmod -1 :location 1}`, "types [1184] clock"},
		"an identity":     {`{SQLVALUEFUNCTION :op 10 :type 19 :typmod -1 :location 1}`, "types [19] outside identity"},
		"the condition of a policy": {strings.Replace(expr(column), ":securityQuals <>", ":securityQuals ({SQLVALUEFUNCTION :op 12 :type 19 :typmod -1 :location 1} "+call(2077, appName)+")", 1),
			"relations [{16384 r}] types [19 23 25] guard identity guard settings [App.x]"},
		"names of PostgreSQL 13": {strings.ReplaceAll(expr(`{CASE :casetype 23 :casecollid 0 :arg <> :args ({WHEN :expr `+column+` :result `+one+` :location 1}) :defresult {COALESCE :coalescetype 20 :coalescecollid 0 :args (`+one+`) :location 1} :location 1}`), "RANGETBLENTRY", "RTE"),
			"relations [{16384 r}] types [20 23]"},
		"fields of PostgreSQL 18": {strings.NewReplacer(":varlevelsup 0", ":varnullingrels (b) :varlevelsup 0 :varreturningtype 0", ":cteList <>", ":hasGroupRTE false :cteList <> :rteperminfos ({RTEPERMISSIONINFO :relid 16384 :inh true :requiredPerms 2 :checkAsUser 0 :selectedCols (b 8) :insertedCols (b) :updatedCols (b)})").Replace(expr(column)),
			"relations [{16384 r}] types [23]"},
		"a list of numbers":     {`{GROUPINGSET :kind 2 :content (i 1 2) :location -1}`, ""},
		"lines broken anywhere": {strings.ReplaceAll(expr(column), " ", "\n"), "relations [{16384 r}] types [23]"},
	} {
		f, err := Read(tt.tree)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f.Refused != "" {
			t.Errorf("%s: refused: %s", name, f.Refused)
		}
		if got := summary(f); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

func summary(f *Facts) string {
	var out []string
	var relations []string
	for _, r := range f.Relations {
		relations = append(relations, fmt.Sprintf("{%d %c}", r.OID, r.Kind))
	}
	add := func(name string, n int, what any) {
		if n > 0 {
			out = append(out, fmt.Sprint(name, " ", what))
		}
	}
	add("relations", len(relations), relations)
	add("functions", len(f.Functions), f.Functions)
	add("operators", len(f.Operators), f.Operators)
	add("types", len(f.Types), f.Types)
	add("coerced", len(f.Coerced), f.Coerced)
	add("stored", len(f.Stored), f.Stored)
	for i, r := range []Reads{f.Outside, f.Guard} {
		name := []string{"outside", "guard"}[i]
		if r.Identity {
			out = append(out, name+" identity")
		}
		add(name+" settings", len(r.Settings), r.Settings)
	}
	if f.Clock {
		out = append(out, "clock")
	}
	return strings.Join(out, " ")
}

func TestRead_RefusesWhatIsNotKnownToBeHarmless(t *testing.T) {
	query := expr(column)
	replace := func(old, new string) string {
		if !strings.Contains(query, old) {
			t.Fatalf("no %q in the tree", old)
		}
		return strings.Replace(query, old, new, 1)
	}
	for name, tree := range map[string]string{
		"a write":                         replace(":commandType 1", ":commandType 3"),
		"a utility statement":             replace(":utilityStmt <>", ":utilityStmt ?"),
		"a write in a WITH query":         replace(":hasModifyingCTE false", ":hasModifyingCTE true"),
		"row locks":                       replace(":hasForUpdate false", ":hasForUpdate true"),
		"row marks":                       replace(":rowMarks <>", ":rowMarks ({ROWMARKCLAUSE :rti 1 :strength 4 :waitPolicy 0 :pushedDown true})"),
		"a sample":                        replace(":tablesample <>", ":tablesample {TABLESAMPLECLAUSE :tsmhandler 3313 :args <> :repeatable <>}"),
		"a system column":                 replace(":varattno 1", ":varattno -1"),
		"an unknown node":                 replace("{RANGETBLREF", "{RANGETBLREFS"),
		"an unknown field":                replace(":rtindex 1", ":rtindex 1 :more 2"),
		"a missing kind of command":       replace(":commandType 1 ", ""),
		"a missing word on locks":         replace(":hasForUpdate false ", ""),
		"a missing relation":              replace(":relid 16384 ", ""),
		"a missing kind of relation":      replace(":relkind r ", ""),
		"a relation that is no number":    replace(":relid 16384 ", ":relid x "),
		"a relation out of range":         replace(":relid 16384 ", ":relid 4294967296 "),
		"a missing kind of entry":         replace(":rtekind 0 ", ""),
		"an entry that is a trigger's":    replace(":rtekind 0 ", ":rtekind 7 "),
		"an entry of a kind to come":      replace(":rtekind 0 ", ":rtekind 10 "),
		"a node where none may be":        replace(":resno 1", ":resno "+call(1, "")),
		"a node in a list of words":       replace(`("a" "b")`, `("a" `+call(1, "")+`)`),
		"a word where a node is expected": replace(":cteList <>", ":cteList x"),
		"a function that is none":         strings.Replace(call(7, ""), ":funcid 7 ", ":funcid x ", 1),
		"a field told twice":              `{RANGETBLREF :rtindex 1 :rtindex 2}`,
		"a function without OID":          strings.Replace(call(7, ""), ":funcid 7 ", "", 1),
		"a keyword to come":               `{SQLVALUEFUNCTION :op 14 :type 19 :typmod -1 :location 1}`,
		"a keyword that is none":          `{SQLVALUEFUNCTION :op x :type 19 :typmod -1 :location 1}`,
		"a setting of a column's name":    call(2077, column),
		"a setting of no name":            call(2077, ""),
		"a setting of another type":       call(2077, one),
		"a setting of a strange header":   call(2077, strings.Replace(appName, "[ 36 0", "[ 37 0", 1)),
		"a setting of an empty name":      call(2077, strings.Replace(appName, "9 [ 36 0 0 0 65 112 112 46 120 ]", "4 [ 16 0 0 0 ]", 1)),
		"OIDs that are none":              expr(`{ROWCOMPAREEXPR :rctype 1 :opnos (o 97 x) :opfamilies (o) :inputcollids (o) :largs <> :rargs <>}`),
		"an assignment":                   `{SUBSCRIPTINGREF :refcontainertype 1007 :refelemtype 23 :refrestype 23 :reftypmod -1 :refcollid 0 :refupperindexpr <> :reflowerindexpr <> :refexpr <> :refassgnexpr ` + one + `}`,
	} {
		f, err := Read(tree)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if f.Refused == "" {
			t.Errorf("%s: not refused", name)
		}
	}
	if f, err := Read(query); err != nil || f.Refused != "" {
		t.Fatalf("the tree itself: %v, %q", err, f.Refused)
	}
}

func TestRead_FailsOnWhatIsNoTree(t *testing.T) {
	for _, text := range []string{
		"", " ", "(", "{", "{}", "{ }", "({A}", "{A", "{A :", "{A :b", "{A :b c", "{A b c}", "{A :b }", "{A :b )}", "(a))", "a b",
		"x [ 1 ]", "4 [ 1 ]", "4 [ 1 2 3 4", "4 [ 1 2 3 (4) ]", "1 [ 300 ]", "1 [ x ]", "-1 [ 1 ]",
		strings.Repeat("(", maxDepth+1) + strings.Repeat(")", maxDepth+1),
		strings.Repeat("(", 1<<19), strings.Repeat(" ", MaxSize) + "<>",
	} {
		if f, err := Read(text); err == nil {
			t.Errorf("%.30q: got %+v", text, f)
		}
	}
	if _, err := Read(strings.Repeat("(", maxDepth) + strings.Repeat(")", maxDepth)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{expr(column), expr(one), call(2077, appName), "<>", `({A :b "c\ d" :e (i 1)})`, "4 [ 1 0 -1 0 ]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		facts, err := Read(text)
		if err != nil {
			return
		}
		again, err := Read(text)
		if err != nil || summary(again) != summary(facts) {
			t.Fatalf("%q: read twice: %v", text, err)
		}
		if !slices.IsSorted(facts.Functions) || !slices.IsSorted(facts.Types) {
			t.Fatalf("%q: out of order: %+v", text, facts)
		}
		// A call that is written in the text, as a token, must not be lost without a refusal.
		if facts.Refused == "" && strings.Contains(text, "{FUNCEXPR :funcid 16385 ") && !slices.Contains(facts.Functions, 16385) {
			t.Fatalf("%q: a call was lost: %+v", text, facts)
		}
	})
}
