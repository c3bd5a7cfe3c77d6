package main

import (
	"reflect"
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
	want := []*naming{
		{test: "a", reason: "One reason on two lines.", lines: []string{"+more", "-less"}},
		{test: "b", reason: "One reason on two lines."},
		{test: "c", reason: "Another.", words: []string{"some words"}},
	}
	if !reflect.DeepEqual(named, want) {
		t.Errorf("read %+v", named)
	}
}

func TestReadNamed_RefusesWhatHasNoReasonOrNoTest(t *testing.T) {
	for text, want := range map[string]string{
		"a\n":               "line 1: a has no reason",
		"# Why.\na\n\nb\n":  "line 4: b has no reason",
		"# Why.\n  +more\n": "line 2: a difference of no test",
	} {
		if _, err := readNamed(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// What is named here is what the command compares with.
func TestNamed_FilesAreReadable(t *testing.T) {
	for _, s := range suites {
		named, err := readNamedFile("../../"+where, s.name)
		if err != nil {
			t.Error(err)
		}
		for _, n := range named {
			if !strings.HasSuffix(n.reason, ".") {
				t.Errorf("%s: the reason of %s is no sentence: %s", s.name, n.test, n.reason)
			}
		}
	}
}
