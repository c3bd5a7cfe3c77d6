package sqlscan

import (
	"bytes"
	"testing"
)

func keyOf(text string) string { return string(AppendKey(nil, []byte(text))) }

func TestAppendKey_KeepsConstantsAndDropsWhatServersDoNotRead(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"SELECT  Name FROM \"T\" /* x */ WHERE id=42 AND s=E'it\\'s';", `select name from "T" where id = 42 and s = E'it\'s'`},
		{"select 'A  b',$q$ X $q$,x'1F',1.50,$1", "select 'A  b' , $q$ X $q$ , x'1F' , 1.50 , $1"},
		{"", ""},
		{" ;; -- x", ""},
		{";select 1;;", "select 1"},
		{"select 1;;select 2", "select 1 ; select 2"},
	} {
		if got := keyOf(tt.text); got != tt.want {
			t.Errorf("%q:\n got %q\nwant %q", tt.text, got, tt.want)
		}
	}
	if got := string(AppendKey([]byte("before "), []byte("A"))); got != "before a" {
		t.Errorf("got %q", got)
	}
}

// The names are those of the checklist for the key of a cache.
func TestAppendKey_IsEqualExactlyWhenTheServerReadsTheSame(t *testing.T) {
	for _, p := range [][2]string{
		{"SELECT a", "select A"},                                  // K7
		{"select 1", "select\n\t 1"},                              // K8
		{"/* a */ select 1", "select /* b /* c */ */ 1 -- now()"}, // K9
		{"/* overdrive: max_age=1s */ select 1", "select 1"},      // K10
		{"select 1", "select 1;"},                                 // K11
		{"select a=-1", "select a = - 1"},
		{"select a.b", "select a . b"},
		{"select f(x)::int", "select f ( x ) :: int"},
	} {
		if keyOf(p[0]) != keyOf(p[1]) {
			t.Errorf("%q and %q differ: %q, %q", p[0], p[1], keyOf(p[0]), keyOf(p[1]))
		}
	}
	for _, p := range [][2]string{
		{"select 1", "select '1'"}, // K6
		{"select 1", "select 1.0"},
		{`select "A"`, "select a"}, // K7
		{"select 'x'", "select 'X'"},
		{`select E'\n'`, `select '\n'`},
		{"select $q$x$q$", "select 'x'"},
		{"select U&'x'", "select 'x'"},
		{`select U&"x"`, `select "x"`},
		{"select B'1'", "select '1'"},
		{"select 'a b'", "select 'a  b'"}, // K8
		{"select 'a' 'b'", "select 'a'\n'b'"},
		{"select 'a''b'", "select 'a' 'b'"},
		{"select '/* a */'", "select ''"},                // K9
		{"select 1", "select 1; select 1"},               // K11
		{`select 1 as "now"`, "select 1 as now ( )"},     // K15
		{"select 1a", "select 1 a"},                      // an error and not
		{"select $1a", "select $1 a"},                    // the same
		{"select 1/**/a", "select 1a"},                   //
		{"select a@-1", "select a @ - 1"},                // other operators
		{"select a::b", "select a : : b"},                //
		{"select\v1", "select 1"},                        // an error before PostgreSQL 16
		{"select 1 /*", "select 1"},                      // an error and not
		{"select 1 /*", "select 1 /"},                    //
		{"select 'a", "select 'a'"},                      //
		{"select 1 where a = 1", "select 1 where a = 2"}, //
	} {
		if keyOf(p[0]) == keyOf(p[1]) {
			t.Errorf("%q and %q have the same key %q", p[0], p[1], keyOf(p[0]))
		}
	}
}

func TestHint_FlagAndWordsAgree(t *testing.T) {
	for _, tt := range []struct {
		text, words string
		ok          bool
	}{
		{"select 1", "", false},
		{"/* overdrive: a */ select 1", " a ", true},
		{"select 1 /*OVERDRIVE:b*/", "b", true},
		{"/* x */ select 1 /*\n overdrive: c */ /* overdrive: d */", " c ", true},
		{"select '/* overdrive: a */', \"/* overdrive: */\", $$/* overdrive: */$$", "", false},
		{"-- /* overdrive: a */\nselect 1", "", false},
		{"-- overdrive: a\nselect 1", "", false},
		{"/* /* overdrive: a */ */ select 1", "", false},
		{"/* overdrives: a */ select 1", "", false},
	} {
		words, ok := Hint([]byte(tt.text))
		if string(words) != tt.words || ok != tt.ok {
			t.Errorf("%q: got %q %v", tt.text, words, ok)
		}
		if _, f := Shape([]byte(tt.text)); f.Has(Hinted) != tt.ok {
			t.Errorf("%q: flagged %v", tt.text, f.Has(Hinted))
		}
	}
	if _, ok := Hint([]byte("select 1 /* overdrive: a")); ok {
		t.Error("a comment that is not closed has words")
	}
}

func FuzzAppendKey(f *testing.F) {
	for _, seed := range []string{"select 1", "SELECT 'a'\n'b' ;", "$t$x$t$ a", "1a 1.a $1a", "a@-1 - -b", `U&"x" "a""b"`, "a..b ::c", "1/**/2"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		key := AppendKey(nil, text)
		shape, flags := AppendShape(nil, text)
		if flags.Has(Unterminated) || bytes.ContainsRune(text, '\v') {
			return
		}
		if again := AppendKey(nil, key); string(again) != string(key) {
			t.Fatalf("key of the key differs:\n%q\n%q", key, again)
		}
		if of, _ := AppendShape(nil, key); string(of) != string(shape) {
			t.Fatalf("the key has another shape than the text:\n%q\n%q", of, shape)
		}
	})
}

func BenchmarkAppendKey(b *testing.B) {
	text := []byte(benchText)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf = AppendKey(buf[:0], text)
	}
}

func BenchmarkHint(b *testing.B) {
	text := []byte(benchText)
	for b.Loop() {
		Hint(text)
	}
}
