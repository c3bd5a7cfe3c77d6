package sqlscan

import (
	"strings"
	"testing"
)

func shapeOf(text string) (string, Flags) {
	b, f := AppendShape(nil, []byte(text))
	return string(b), f
}

func TestAppendShape_KeepsNamesAndDropsConstants(t *testing.T) {
	for _, tt := range []struct {
		text, want string
		flags      Flags
	}{
		{"SELECT Name FROM \"T\" /* x */ WHERE id=42 AND s=E'it\\'s';", `select name from "T" where id = 1 and s = 's'`, 0},
		{"select $1 , x'1f', 1.5, $$a$$, 'b'", "select $1 , b'0' , 1 , 's' , 's'", 0},
		{"", "", Empty},
		{" ;; -- x", "", Empty},
		{";select 1;;", "select 1", 0},
		{"select 1;;select 2", "select 1 ; select 1", Multi},
		{"select 'now()'", "select 's'", SpecialDate},
		{"select 'Today 10:00', \"now\"", "select 's' , \"now\"", SpecialDate},
		{"select \"now\" -- today", "select \"now\"", 0},
		{"select 'a", "select 's'", Unterminated},
		{"select 1 /*", "select 1", Unterminated},
		{`select U&"a"`, `select U&"a"`, Encoded},
		{`select U&'a'`, `select u&'s'`, SpecialDate},
	} {
		got, flags := shapeOf(tt.text)
		if got != tt.want || flags != tt.flags {
			t.Errorf("%q: got %q %b, want %q %b", tt.text, got, flags, tt.want, tt.flags)
		}
	}
}

func TestShape_IsEqualExactlyWhenTheMeaningOfNamesIs(t *testing.T) {
	same := [][2]string{
		{"select a", "SELECT  A"},
		{"/* a */ select 1", "-- b\nselect 2;"},
		{"select 'x'", "select $q$y$q$"},
		{"select a=-1", "select a = - 1"},
	}
	for _, p := range same {
		a, _ := Shape([]byte(p[0]))
		b, _ := Shape([]byte(p[1]))
		if a != b {
			t.Errorf("%q and %q have different shapes", p[0], p[1])
		}
	}
	different := [][2]string{
		{`select "A"`, "select a"},
		{"select '1'", "select 1"},
		{"select ab", "select a b"},
		{"select $1", "select $2"},
		{"select 'a' 'b'", "select 'a'\n'b'"},
		{"select a@-1", "select a @ - 1"},
		{"select b'1'", "select '1'"},
	}
	for _, p := range different {
		a, _ := Shape([]byte(p[0]))
		b, _ := Shape([]byte(p[1]))
		if a == b {
			t.Errorf("%q and %q have the same shape", p[0], p[1])
		}
	}
}

func TestHasSpecialDate_SeesWholeWordsInAnyCase(t *testing.T) {
	for _, s := range []string{"now", "NOW", "now()", " today ", "{today}", "[today,]", "tomorrow 10:00", "Yesterday", "1now", "now_",
		`{tod\ay}`, `{"today"}`, `{to"da"y}`, `{"\n\o\w"}`, `x yester\day`, `[tomor""row,]`} {
		if !HasSpecialDate([]byte(s)) {
			t.Errorf("%q: got false", s)
		}
	}
	for _, s := range []string{"", "know", "nowhere", "snow", "todays", "tomorro", "epoch", "infinity", "no w", `{"no","w"}`, `\"`, `to\morr`} {
		if HasSpecialDate([]byte(s)) {
			t.Errorf("%q: got true", s)
		}
	}
}

func TestSpecialDate_IsAssumedBehindEscapesAndPieces(t *testing.T) {
	for _, s := range []string{`E'to\x64ay'`, `E'to\day'`, `E'\ntoday'`, "'to'\n'day'", `U&'\0074oday'`, `E'now'`, `$$now$$`, `N'now'`,
		`'{tod\ay}'`, `E'{tod\\ay}'`, `E'{\nt\"oday}'`, `E'\\\\today\n'`, `E'a\'now'`} {
		if _, f := shapeOf("select " + s); !f.Has(SpecialDate) {
			t.Errorf("%s: not flagged", s)
		}
	}
	for _, s := range []string{`E'a\nb'`, `E'it\'s'`, `E'\\'`, `b'0'`, `E'C:\\files\\x'`} {
		if _, f := shapeOf("select " + s); f.Has(SpecialDate) {
			t.Errorf("%s: flagged", s)
		}
	}
}

const benchText = "SELECT c.id, c.name, o.total FROM customers AS c JOIN orders AS o ON o.customer_id = c.id " +
	"WHERE c.region = 'north' AND o.total > 100 ORDER BY o.total DESC LIMIT 20"

func BenchmarkShape(b *testing.B) {
	for _, bench := range []struct{ name, text string }{
		{"pgbench", "SELECT abalance FROM pgbench_accounts WHERE aid = 48291;"},
		{"join", benchText},
		{"4KiB", strings.Repeat("SELECT column_one, column_two FROM some_table WHERE id = 1 AND ", 64)},
	} {
		text := []byte(bench.text)
		b.Run("hash/"+bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				Shape(text)
			}
		})
		b.Run("append/"+bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				buf, _ = AppendShape(buf[:0], text)
			}
		})
	}
}
