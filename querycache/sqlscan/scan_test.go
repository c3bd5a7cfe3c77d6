package sqlscan

import (
	"fmt"
	"strings"
	"testing"
)

func tokens(text string) string {
	names := [...]string{"end", "word", "quoted", "uquoted", "string", "estring", "ustring", "dollar", "bits", "number",
		"param", "op", "punct", "stray"}
	var out []string
	s := Scan([]byte(text))
	for {
		if s.Next() == End {
			if s.Broken {
				out = append(out, "broken")
			}
			return strings.Join(out, " ")
		}
		out = append(out, fmt.Sprintf("%s:%s", names[s.Kind], text[s.Start:s.End]))
		if s.Broken {
			out = append(out, "broken")
		}
	}
}

func TestScanner_CutsAsPostgreSQLDoes(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{" \t\r\n\f\v", ""},
		{"Select a_1$ FROM é", "word:Select word:a_1$ word:FROM word:é"},
		{`"a b" "a""b"`, `quoted:"a b" quoted:"a""b"`},
		{`U&"d\0061t" u&'x' U & 'x'`, `uquoted:U&"d\0061t" ustring:u&'x' word:U op:& string:'x'`},
		{`'a''b' E'a\'b' b'01' X'1F' n'x'`, `string:'a''b' estring:E'a\'b' bits:b'01' bits:X'1F' string:n'x'`},
		{`'a\' b`, `string:'a\' word:b`},
		{"'a'\n 'b'", "string:'a'\n 'b'"},
		{"'a' -- why\n 'b'", "string:'a' -- why\n 'b'"},
		{"'a' /* x\n */ 'b'", "string:'a' string:'b'"},
		{"'a' 'b'", "string:'a' string:'b'"},
		{"E'a'\n'\\''", "estring:E'a'\n'\\''"},
		{"$$a'b$$ $t$ $$ $t$ $T$ $t$ $T$", "dollar:$$a'b$$ dollar:$t$ $$ $t$ dollar:$T$ $t$ $T$"},
		{"$1 $23a $a a$b$c", "param:$1 param:$23 word:a stray:$ word:a word:a$b$c"},
		{"1 1.5 .5 1. 1e9 1.5E-3 1e 1e+", "number:1 number:1.5 number:.5 number:1. number:1e9 number:1.5E-3 number:1 word:e number:1 word:e op:+"},
		{"0x1F 0b01 0o17 0x 1_000 1_ 0xFg", "number:0x1F number:0b01 number:0o17 number:0 word:x number:1_000 number:1 word:_ number:0xF word:g"},
		{"1..10 a.b t.5", "number:1 punct:.. number:10 word:a punct:. word:b word:t number:.5"},
		{"a=-1 a@-1 a<-- c\nb", "word:a op:= op:- number:1 word:a op:@- number:1 word:a op:< word:b"},
		{"a*/* x */b a- -b +-+", "word:a op:* word:b word:a op:- op:- word:b op:+ op:- op:+"},
		{"a->>'k' ||/ 8 !~~* @>", "word:a op:->> string:'k' op:||/ number:8 op:!~~* op:@>"},
		{"a::int := => (x)[1:2];", "word:a punct::: word:int punct::= op:=> punct:( word:x punct:) punct:[ number:1 punct:: number:2 punct:] punct:;"},
		{"/* /* */ now() */ 1 -- x", "number:1"},
		{"/* /* */ 1", "broken"},
		{"'a", "string:'a broken"},
		{`"a`, `quoted:"a broken`},
		{`E'a\'`, `estring:E'a\' broken`},
		{"$x$ a $x", "dollar:$x$ a $x broken"},
		{"\\ {\x00", "stray:\\ stray:{ stray:\x00"},
	} {
		if got := tokens(tt.text); got != tt.want {
			t.Errorf("%q:\n got %s\nwant %s", tt.text, got, tt.want)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, seed := range []string{"select 1", "'a'\n'b'", "$t$x$t$", "/* /* */ */", `U&"x" E'\`, "1.5e-3 0x1f .5 1..2",
		"a*-- x", "$1$", "@-", "'a' --", "'a' -- x\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := Scan(text)
		end := 0
		for {
			s.next()
			tok := s.Token
			if tok.Kind == End {
				break
			}
			if tok.Start != end || tok.End <= tok.Start || tok.End > len(text) {
				t.Fatalf("token %+v does not follow %d in %d bytes", tok, end, len(text))
			}
			end = tok.End
		}
		if end != len(text) {
			t.Fatalf("tokens cover %d of %d bytes", end, len(text))
		}

		shape, flags := AppendShape(nil, text)
		if flags.Has(Unterminated) {
			return
		}
		again, flags2 := AppendShape(nil, shape)
		if string(again) != string(shape) {
			t.Fatalf("shape of the shape differs:\n%q\n%q", shape, again)
		}
		if mask := Multi | Empty | Encoded | Unterminated; flags&mask != flags2&mask {
			t.Fatalf("flags %b of the text, %b of its shape %q", flags, flags2, shape)
		}
		h1, _ := Shape(text)
		h2, _ := Shape(shape)
		if h1 != h2 {
			t.Fatalf("hash of %q and of its shape differ", text)
		}
	})
}
