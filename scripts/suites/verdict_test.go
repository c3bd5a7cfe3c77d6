package main

import (
	"io"
	"strings"
	"testing"
)

var base = results{"a": {state: passed}, "b": {state: passed}, "b/c": {state: passed}, "never": {state: skipped}}

// judged writes the verdict on one more run of these tests.
func judged(t *testing.T, named string, got results) (text string, good bool) {
	t.Helper()
	n, err := readNamed(named)
	if err != nil {
		t.Fatal(err)
	}
	v := verdict{suite: "s", base: base, named: n}
	v.add(session, got, 7)
	var out strings.Builder
	good = v.write(&out)
	return out.String(), good
}

func TestVerdict_IsGoodIfWhatPassesDirectlyPasses(t *testing.T) {
	text, good := judged(t, "", results{"a": {state: passed}, "b": {state: passed}, "b/c": {state: passed}, "never": {state: failed}})
	if !good || !strings.Contains(text, "s: 3 tests pass at PostgreSQL itself, 2 of them") || !strings.Contains(text, "| session | 3 | 2 | 0 | 7 |") {
		t.Errorf("good: %t\n%s", good, text)
	}
	if !strings.Contains(text, "at PostgreSQL itself: never was skipped") {
		t.Errorf("the test that says nothing is not told of:\n%s", text)
	}
}

func TestVerdict_IsBadIfADifferenceIsNotNamed(t *testing.T) {
	for _, test := range []struct {
		what, named, want string
		got               result
	}{
		{"a test that fails", "", "session: a failed\n    said", result{failed, []string{"said"}}},
		{"a test that was skipped", "", "session: a was skipped", result{state: skipped}},
		{"a test that was not run", "", "session: a was not run", result{}},
		{"another line", "# Why.\na\n  +x", "session: a differs otherwise than it is named to", result{failed, []string{"+y"}}},
		{"a line more", "# Why.\na\n  +x", "differs otherwise", result{failed, []string{"+x", "+y"}}},
		{"no line with the words", "# Why.\na\n  ~some", "differs otherwise", result{failed, []string{"others"}}},
	} {
		text, good := judged(t, test.named, results{"a": test.got, "b": {state: passed}, "b/c": {state: passed}})
		if good || !strings.Contains(text, "NOT NAMED") || !strings.Contains(text, test.want) || !strings.Contains(text, "| session | 2 | 1 | 1 | 7 |") {
			t.Errorf("%s: good: %t\n%s", test.what, good, text)
		}
	}
}

func TestVerdict_SaysWhichNamedDifferencesOccurred(t *testing.T) {
	named := "# Not so.\na\n  ~others\n\n# Why it is so.\na\n  ~words\nb/c\n"
	text, good := judged(t, named, results{"a": {failed, []string{"the words are here"}}, "b": {state: passed}, "b/c": {state: passed}})
	if !good || !strings.Contains(text, "named: a (session)\n    Why it is so.") || !strings.Contains(text, "did not occur: a\n    Not so.") || !strings.Contains(text, "named, and did not occur: b/c") {
		t.Errorf("good: %t\n%s", good, text)
	}
}

func TestVerdict_OnNothingIsBad(t *testing.T) {
	v := verdict{suite: "s", base: results{"never": {state: failed}}}
	v.add(session, results{}, 0)
	if v.write(io.Discard) {
		t.Error("no test passed at PostgreSQL itself, and all is well")
	}
}
