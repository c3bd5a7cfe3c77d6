package main

import (
	"slices"
	"strings"
	"testing"
)

func TestReadNamed_GivesEachTestItsReasonAndItsLines(t *testing.T) {
	named, err := readNamed(`# A remark.

# One reason
# on two lines.
a
  +more
  -less
b

# Another.
c
  ~some words
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(named) != 3 || named["a"].reason != "One reason on two lines." || named["b"].reason != named["a"].reason || named["c"].reason != "Another." {
		t.Errorf("read %v", named)
	}
	if !slices.Equal(named["a"].lines, []string{"+more", "-less"}) || named["b"].lines != nil || !slices.Equal(named["c"].words, []string{"some words"}) {
		t.Errorf("a has %q, b %q, c %q", named["a"].lines, named["b"].lines, named["c"].words)
	}
}

func TestReadNamed_RefusesWhatHasNoReasonOrNoTest(t *testing.T) {
	for text, want := range map[string]string{
		"a\n":                   "line 1: a has no reason",
		"# Why.\na\n\nb\n":      "line 4: b has no reason",
		"# Why.\n  +more\n":     "line 2: a difference of no test",
		"# Why.\na\n\n# No.\na": "line 5: a is named twice",
	} {
		if _, err := readNamed(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// What is named here is what the command compares with.
func TestNamed_FilesAreReadable(t *testing.T) {
	for _, s := range suites {
		text, err := readNamedFile("../../"+where, s.name)
		if err != nil {
			t.Error(err)
		}
		for name, n := range text {
			if !strings.HasSuffix(n.reason, ".") {
				t.Errorf("%s: the reason of %s is no sentence: %s", s.name, name, n.reason)
			}
		}
	}
}
