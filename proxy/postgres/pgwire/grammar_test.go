package pgwire

import "testing"

func TestIsFromGrammar_NeedsThePlaceInTheClientsTextAndTheFileOfTheGrammar(t *testing.T) {
	for body, want := range map[string]bool{
		"SERROR\x00C42601\x00P1\x00Fscan.l\x00\x00":          true,
		"SERROR\x00C42601\x00P1\x00Fgram.y\x00R\x00\x00":     true,
		"SERROR\x00C42601\x00P1\x00Fpl_exec.c\x00\x00":       false,
		"SERROR\x00C42601\x00Fscan.l\x00\x00":                false,
		"SERROR\x00C42601\x00P1\x00Wcall\x00Fscan.l\x00\x00": false,
		"SERROR\x00P1\x00Fscan.l\x00p1\x00\x00":              false,
		"SERROR\x00P1\x00Fscan.l\x00qselct\x00\x00":          false,
		"SERROR\x00P1\x00Fscan.l":                            false,
		"":                                                   false,
	} {
		if got := IsFromGrammar([]byte(body)); got != want {
			t.Errorf("%q: got %v, want %v", body, got, want)
		}
	}
}
