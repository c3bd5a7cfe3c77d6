package checklist_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/proxytest"
)

// sameAnswers has each of several questions answered from the cache, and then fails the test unless each, asked among the
// others, is still answered from it with the bytes that the server sends.
func sameAnswers(t *testing.T, w *rig.WirePair, questions [][][]byte) {
	t.Helper()
	for _, q := range questions {
		w.Hits(t, q...)
	}
	for range 2 {
		for _, q := range questions {
			w.HitsAtOnce(t, q...)
		}
	}
}

func TestChecklist_K1_SameTextWithAnotherValueIsAnotherEntry(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_k1", "create table t(a int, b text); insert into t values (1, 'one'), (2, 'two')")
	p := b.Pair(t)
	const sql = "select b from t where a = $1::int"
	for _, format := range []int16{0, 1} {
		for i, value := range []string{"1", "2", "1", "2", "3", "3"} {
			got, err := rig.AskExtended(t.Context(), p.Through, format, sql, value)
			want, wantErr := rig.AskExtended(t.Context(), p.Real, format, sql, value)
			word := rig.Status(t, p.Through)
			if wanted := []string{"miss", "miss", "hit", "hit", "miss", "hit"}[i]; got != want || err != nil || wantErr != nil || word != wanted {
				t.Errorf("format %d, value %s: got %q, %v (%s), want %q, %v (%s)", format, value, got, err, word, want, wantErr, wanted)
			}
		}
	}
	p.Hits(t, "select b from t where a = 1", "select b from t where a = 2")
	p.HitsAtOnce(t, "select b from t where a = 1", "select b from t where a = 2")
}

func TestChecklist_K2_TheSameBytesAsTextAndAsBinaryAreTwoValues(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_k2", "create table t(a int, b text); insert into t values (1234, 'text'), (x'31323334'::int, 'binary')")
	value := []byte("1234") // as a binary integer it is 0x31323334
	var questions [][][]byte
	for _, formats := range [][]int{nil, {0}, {1}, {0, 0}, {0, 1}, {1, 0}, {1, 1}} {
		questions = append(questions, [][]byte{
			proxytest.Parse("", "select b, $2::int from t where a = $1::int"),
			proxytest.Bind("", "", [][]byte{value, value}, formats, nil), proxytest.Execute("", 0), proxytest.Sync(),
		})
	}
	sameAnswers(t, b.Wires(t), questions)
}

func TestChecklist_K3_EachMixOfResultFormatsIsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_k3", "create table t as select 1 as a, 'one' as b, '2024-01-01'::timestamptz as c")
	var questions [][][]byte
	for _, formats := range [][]int{nil, {0}, {1}, {0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {1, 0, 0}, {1, 1, 1}} {
		bind := proxytest.Bind("", "", nil, nil, formats)
		parse := proxytest.Parse("", "select a, b, c from t")
		questions = append(questions,
			[][]byte{parse, bind, proxytest.Execute("", 0), proxytest.Sync()},
			[][]byte{parse, bind, proxytest.Describe('P', ""), proxytest.Execute("", 0), proxytest.Sync()})
	}
	w := b.Wires(t)
	sameAnswers(t, w, questions)
	parse := proxytest.Parse("", "select a, b, c from t")
	for _, wrong := range [][]int{{0, 0}, {2}, {1, 1, 1, 1}} {
		if got := w.Same(t, parse, proxytest.Bind("", "", nil, nil, wrong), proxytest.Execute("", 0), proxytest.Sync()); !strings.Contains(rig.TypesOf(got), "E") {
			t.Errorf("result formats %v are answered with %v, want an error", wrong, got)
		}
	}
}

func TestChecklist_K4_ParametersOfAnotherTypeAreAnotherQuestion(t *testing.T) {
	t.Parallel()
	const unknown, int8s, int4s, texts, numerics, bools = 0, 20, 23, 25, 1700, 16
	b := rig.StartPairs(t, "checklist_k4", "create table t as select 1 as a")
	w := b.Wires(t)
	var questions [][][]byte
	for _, typ := range []uint32{unknown, int8s, int4s, texts, numerics, bools} {
		for _, describe := range [][]byte{nil, proxytest.Describe('P', "")} {
			batch := [][]byte{proxytest.Parse("", "select $1 from t", typ), proxytest.Bind("", "", [][]byte{[]byte(" 1")}, nil, nil), proxytest.Execute("", 0), proxytest.Sync()}
			if describe != nil {
				batch = [][]byte{batch[0], batch[1], describe, batch[2], batch[3]}
			}
			questions = append(questions, batch)
		}
	}
	sameAnswers(t, w, questions)
	// More types than parameters are another statement, and one that the server may refuse.
	w.Same(t, proxytest.Parse("", "select $1 from t", int4s, texts), proxytest.Bind("", "", [][]byte{[]byte(" 1")}, nil, nil), proxytest.Execute("", 0), proxytest.Sync())
}

func TestChecklist_K5_NullIsNotTheEmptyString(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_k5", "create table t as select 1 as a")
	var questions [][][]byte
	for _, params := range [][][]byte{
		{nil, nil}, {nil, {}}, {{}, nil}, {{}, {}}, {[]byte("ab"), []byte("c")}, {[]byte("a"), []byte("bc")}, {[]byte("abc"), {}},
		{[]byte("null"), nil}, {[]byte("\xff\xff\xff\xff")[:0], []byte(" ")},
	} {
		questions = append(questions, [][]byte{
			proxytest.Parse("", "select coalesce($1::text, 'nothing'), coalesce($2::text, 'nothing') from t"),
			proxytest.Bind("", "", params, nil, nil), proxytest.Execute("", 0), proxytest.Sync(),
		})
	}
	sameAnswers(t, b.Wires(t), questions)
}

// textQuestions are questions of both protocols for each text.
func textQuestions(texts ...string) (questions [][][]byte) {
	for _, sql := range texts {
		questions = append(questions, [][]byte{proxytest.Query(sql)}, [][]byte{rig.QueryUnit(sql), proxytest.Sync()})
	}
	return questions
}

func TestChecklist_K6_ConstantsOfDifferentTypesAreNotTakenForEachOther(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_k6", "create table t as select 1 as a")
	sameAnswers(t, b.Wires(t), textQuestions("select 1 as x from t", "select '1' as x from t", "select 1.0 as x from t", "select 1. as x from t", "select 01 as x from t",
		"select -1 as x from t", "select 1e0 as x from t", "select 1::bigint as x from t", "select '1'::int as x from t", "select b'1' as x from t", "select x'1' as x from t",
		"select true as x from t", "select 'true' as x from t", "select null as x from t", "select 'null' as x from t", "select '' as x from t"))
}

func TestChecklist_K7_OnlyWhatTheServerReadsAlikeIsTheSame(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_k7", `create table t(a text, "A" text, "É" text, "é" text, u text);
		insert into t values ('small', 'large', 'LARGE accent', 'small accent', null); create table "T" as select 'another' as a`)
	w := b.Wires(t)
	sameAnswers(t, w, textQuestions("select a from t", `select "A" from t`, `select a from "T"`, `select "É" from t`, `select "é" from t`, "select a as X from t", `select a as "X" from t`,
		"select 'x' from t", "select 'X' from t", `select e'\n' from t`, `select '\n' from t`, "select 'a''b' from t", `select e'a\'b' from t`, "select $q$a$q$ from t", "select $Q$a$q$b$Q$ from t",
		"select $$a$$ from t", "select '$q$a$q$' from t", `select '\0061' from t`, `select n'x' from t`, `select 'n''x' from t`, "select b'1' from t", "select 'b''1' from t"))
	// The case of words that are not quoted is the same to the server.
	w.HitsAtOnce(t, proxytest.Query("SELECT A FROM T"))
	w.HitsAtOnce(t, rig.QueryUnit("Select A from T"), proxytest.Sync())
	w.HitsAtOnce(t, proxytest.Query("select A as x FROM t"))
	// What is written with U&, or has other than ASCII letters in words, need not be kept, if only it is not taken for
	// something else.
	for range 3 {
		for _, sql := range []string{"select É from t", "select é from t", `select u&'\0061' from t`, `select '\0061' from t`, `select u &'\0061' from t`, `select U&"\0041" from t`, `select u&'!0061' uescape '!' from t`, `select "A" from t`} {
			w.Same(t, proxytest.Query(sql))
			w.Same(t, rig.QueryUnit(sql), proxytest.Sync())
		}
	}
}

func TestChecklist_K8_WhiteSpaceInsideConstantsCounts(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_k8", `create table t("a b" text, "a  b" text); insert into t values ('one blank', 'two blanks')`)
	w := b.Wires(t)
	sameAnswers(t, w, textQuestions("select 'a b' from t", "select 'a  b' from t", "select 'a\tb' from t", "select 'a\nb' from t", "select 'a\r\nb' from t", "select ' a b' from t", "select 'ab' from t",
		"select $$a\nb$$ from t", "select $$a b$$ from t", `select "a b" from t`, `select "a  b" from t`, "select 'a--b\n' from t", "select 'a/* */b' from t", "select 'a/**/b' from t", "select '\\n' from t"))
	w.HitsAtOnce(t, proxytest.Query("select\n  'a b'\n\tfrom   t "))
	w.HitsAtOnce(t, rig.QueryUnit("select\n  'a b'\n\tfrom   t "), proxytest.Sync())
	// Constants are put together over a line break only. Without one this is an error, although all else is the same. What
	// is put together need not be kept, if only it is not taken for something else.
	for range 3 {
		for _, q := range textQuestions("select 'a'\n'b' from t", "select 'a' -- and\n'b' from t", "select 'a'\n\n  'b' from t", "select e'a'\n'\\n' from t", "select 'a'\n'\\n' from t", "select 'a''b' from t") {
			w.Same(t, q...)
		}
		for _, sql := range []string{"select 'a' 'b' from t", "select 'a'/* \n */'b' from t", "select 'a'/* */\n'b' from t", "select $$a$$\n$$b$$ from t"} {
			if got := w.Same(t, proxytest.Query(sql)); rig.Fields(got[0])['C'] != "42601" {
				t.Errorf("%q is answered with %v, want 42601", sql, got)
			}
			w.Same(t, rig.QueryUnit(sql), proxytest.Sync())
		}
	}
}

func TestChecklist_K9_CommentsChangeNothing(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_k9", `create table t(a int, "now()" text, "delete from t" text); insert into t values (1, 'column', 'another')`)
	p := b.Pair(t)
	p.Hits(t, "select a from t where a = 1")
	p.HitsAtOnce(t, "select a from t where a = 1 -- now()", "/* delete from t */ select a from t where a = 1", "select a /* /* */ , now() */ from t where a = 1",
		"-- delete from t;\nselect a from t where a = 1", "select a from t where a = /*now()*/1", "select a\nfrom--x\nt where/**/a = 1", "--\rselect a from t where a = 1",
		"select a from t where a = 1 /* ' */", "select a from t where a = 1 -- '")
	p.Hits(t, `select "now()", 'random()', $$random()$$, 'delete from t', $x$ delete from t $x$ from t`, `select "delete from t" from t`, "select 'delete from t; random()' as x, a from t /* for update */",
		"select '/*', a from t -- */", "select '--', a from t", `select "now()" as "random()" from t`)
	// A string that a date type would read as the present is refused even where none does, but it is no write.
	p.Right(t, "select 'now()', a from t", "select $$now()$$, a from t")
	// None of these was taken for a write.
	p.HitsAtOnce(t, "select a from t where a = 1")
	// What only looks like a comment, or ends sooner than it seems to, does count.
	p.Never(t, "select a, '/*' || now() || '*/' > '' from t", "select a /* */ , now() > '2000-01-01' /* */ from t", "select a -- comment\n, now() > '2000-01-01' from t", "select a -- comment\r, now() > '2000-01-01' from t",
		"select '--', now() > '2000-01-01' from t", `select "now()", $$--$$, now() > '2000-01-01' from t`)
	p.Hits(t, "select 1 -- x\n+ 1", "select 1 -- x + 1", "select 1 /*/ + 1 */", "select 1 /**/ + 1 /**/", "select 1 - - 1")
	p.HitsAtOnce(t, "select 1 -- x\n+ 1", "select 1 -- x + 1", "select 1 /*/ + 1 */", "select 1 /**/ + 1 /**/", "select 1 - - 1")
}

func TestChecklist_K10_AHintChangesThePolicyAndNotTheData(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_k10", "create table t as select 'old' as a")
	p := b.Pair(t)
	p.Hits(t, "select a from t")
	p.Hits(t, "/* overdrive: tag=scores */ select a from t") // which must be fetched once more, to have its tag
	p.HitsAtOnce(t, "select a from t", "select a from t /* overdrive: max_age=5m */", "/* overdrive: nonsense */ select a from t", "/* no hint: no-cache */ select a from t")
	for form := range rig.Askers {
		if p.As(t, form, "/* overdrive: no-cache */ select a from t"); rig.Status(t, p.Through) != "hint" {
			t.Errorf("no-cache (%s) is %s, want hint", form, rig.Status(t, p.Through))
		}
	}
	rig.Ask(t, p.Real, "update t set a = 'new'") // around the proxy
	for form, do := range rig.Askers {
		if got, err := do(t, p.Through, "select a from t"); got != "old" || err != nil {
			t.Errorf("%s: got %q, %v, want what is kept", form, got, err)
		}
		p.As(t, form, "/* overdrive: no-cache */ select a from t") // reads past the entry and leaves it
		if got, err := do(t, p.Through, "select a from t"); got != "old" || err != nil {
			t.Errorf("%s after no-cache: got %q, %v, want what is kept", form, got, err)
		}
		p.As(t, form, "/* overdrive: refresh */ select a from t") // replaces it
		if got, err := do(t, p.Through, "select a from t"); got != "new" || err != nil || rig.Status(t, p.Through) != "hit" {
			t.Errorf("%s after refresh: got %q, %v (%s), want a hit with the new value", form, got, err, rig.Status(t, p.Through))
		}
	}
	p.Do(t, "select '/* overdrive: no-cache */', a from t")
	p.Hits(t, "select '/* overdrive: no-cache */', a from t")
}

func TestChecklist_K11_ASemicolonAtTheEndIsNothingAndOneBetweenIsASecondStatement(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_k11", "create table t as select 1 as a")
	p := b.Pair(t)
	p.Hits(t, "select a from t")
	p.HitsAtOnce(t, "select a from t;", "select a from t ; ", "select a from t;;", "select a from t; -- the end", "select a from t\n;\n/* the end */\n")
	p.Hits(t, "select ';', a from t;", "select a as \";\" from t;")
	p.Never(t, "select a from t; select a from t", "select a from t; select 2;", "select a from t;;select 2", "select 1; -- ;\nselect 2")
	p.HitsAtOnce(t, "select a from t")
}

func TestChecklist_K12_DatabasesAreKeptApart(t *testing.T) {
	t.Parallel()
	const sql = "select a from t"
	rig.NewDatabase(t, "checklist_k12b", "create table t as select 'second' as a")
	b := rig.StartPairs(t, "checklist_k12", "create table t as select 'first' as a", func(o *rig.Options) {
		second, policy := o.Databases[0], *o.Databases[0].Cache
		second.Name, second.Target.Database, second.Cache = "checklist_k12b", "checklist_k12b", &policy
		o.Databases = append(o.Databases, second)
	})
	other := &rig.PairBench{Instance: b.Instance, Pg: b.Pg, Database: "checklist_k12b"}
	first, second := b.Pair(t), other.Pair(t)
	rig.WantApart(t, sql, second, first)
	// A write concerns its own database only.
	first.Do(t, "update t set a = 'changed'")
	second.HitsAtOnce(t, sql)
	first.Right(t, sql)
}

func TestChecklist_K13_UsersAreKeptApart(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	rig.MakeRoles(t, pg, "checklist_k13a", "checklist_k13b")
	b := rig.StartPairs(t, "checklist_k13", `create table t(who text, a int); insert into t values ('checklist_k13a', 1), ('checklist_k13b', 2); grant select on t to public;
		alter table t enable row level security; create policy p on t using (who = current_user)`, ownServers)
	a, c, admin := b.Pair(t, rig.As("checklist_k13a", "")), b.Pair(t, rig.As("checklist_k13b", "")), b.Pair(t)
	rig.WantApart(t, "select a from t", a, c)
	rig.WantApart(t, "select a from t order by a", admin, a)
	a.HitsAtOnce(t, "select a from t")
	c.HitsAtOnce(t, "select a from t")
}

func TestChecklist_K14_AnswersHaveTheColumnsOfToday(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_k14", "create table t as select 1 as a")
	w, writer := b.Wires(t), b.Connect(t, "checklist_k14")
	sameAnswers(t, w, textQuestions("select * from t", "select a as x from t", "select a as y from t", "select t as x from t", "select t.* from t"))
	for _, ddl := range []string{"alter table t add column b text default 'b'", "alter table t alter column a type bigint", "alter table t alter column b type varchar(7)",
		"alter table t rename column b to c", "alter table t drop column c"} {
		rig.Ask(t, writer, ddl)
		for _, q := range textQuestions("select * from t", "select a as x from t", "select t as x from t", "select t.* from t") {
			w.Same(t, q...)
			w.Hits(t, q...)
		}
	}
}

func TestChecklist_K15_AColumnMayHaveTheNameOfTheClock(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_k15", "create table t as select 1 as a")
	w := b.Wires(t)
	sameAnswers(t, w, textQuestions(`select 1 as "now"`, "select 1 as now", "select a as random from t", `select a as "current_user" from t`, `select 1 "current_timestamp"`))
	if got := w.Hits(t, proxytest.Query(`select 1 as "now"`)); !bytes.HasPrefix(got[0].Body, []byte("\x00\x01now\x00")) {
		t.Errorf("the columns are %v", got[0])
	}
}

// No two of these questions are alike, but so many share their length, their beginning or their end that whatever short cut a
// look-up takes, some of them meet.
func TestChecklist_K16_EqualHashesAreNotEqualKeys(t *testing.T) {
	t.Parallel()
	const n = 300
	b := rig.StartPairs(t, "checklist_k16", "create table t as select i as a from generate_series(1, 1000) i")
	w := b.Dial(t, proxytest.Login{User: "postgres", Database: "checklist_k16"})
	long := strings.Repeat("x", 5000)
	for form, question := range map[string]func(i int) []byte{
		"by value": func(i int) []byte {
			return append(rig.QueryUnit("select $1::text", fmt.Appendf(nil, "%05d", i)), proxytest.Sync()...)
		},
		"by text": func(i int) []byte { return proxytest.Query(fmt.Sprintf("select '%05d'", i)) },
		"by the end": func(i int) []byte {
			return proxytest.Query(fmt.Sprintf("select '%05d' /* x */ where '%s' <> '%d'", i, long[:i%500], i))
		},
		"by the start": func(i int) []byte {
			return proxytest.Query(fmt.Sprintf("select '%05d' where '%s' <> ''", i, long[:2500]))
		},
	} {
		hits := 0
		for round := range 2 {
			for i := range n {
				got, err := w.Ask(question(i))
				row := ""
				for _, m := range got {
					if m.Type == 'D' {
						row = string(m.Body[6:])
					}
				}
				if row != fmt.Sprintf("%05d", i) || err != nil {
					t.Fatalf("%s: question %d is answered with %q, %v: %v", form, i, row, err, got)
				}
				if round > 0 && i%10 == 0 && rig.WireStatus(t, w) == "hit" {
					hits++
				}
			}
		}
		if hits < n/20 {
			t.Errorf("%s: %d hits in a tenth of %d questions, so this proves little", form, hits, n)
		}
	}
}

// In every order: an answer that was kept for one form of asking does not serve another unless it is what the server would say
// to that.
func TestChecklist_K17_AnAnswerToOneProtocolIsNoAnswerToTheOther(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_k17", "create table t as select 1 as a, 'text' as b")
	w := b.Wires(t)
	forms := func(sql string) [][][]byte {
		parse, bind, execute, sync := proxytest.Parse("", sql), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()
		statement, portal := proxytest.Describe('S', ""), proxytest.Describe('P', "")
		return [][][]byte{
			{proxytest.Query(sql)}, {parse, bind, execute, sync}, {parse, bind, portal, execute, sync}, {parse, statement, bind, execute, sync},
			{parse, statement, bind, portal, execute, sync}, {parse, proxytest.Bind("", "", nil, nil, []int{1}), portal, execute, sync},
		}
	}
	for i := range forms("") {
		for j := range forms("") {
			all := forms(fmt.Sprintf("select a, b, %d from t where a <> %d", i, j+5))
			w.Hits(t, all[i]...)
			w.Same(t, all[j]...)
			w.Hits(t, all[j]...)
			w.HitsAtOnce(t, all[i]...)
		}
	}
}
