package main

import (
	"strings"
	"testing"
	"time"
)

// write has a report take events, one a line, in which 'x' stands for "x", and returns what it wrote.
func write(events string) string {
	var out strings.Builder
	r := newReport(&out, time.Time{})
	for line := range strings.Lines(strings.TrimSpace(strings.ReplaceAll(events, "'", `"`))) {
		r.take([]byte(strings.TrimSpace(line)))
	}
	r.beat(time.Time{}.Add(90 * time.Second))
	return out.String()
}

func TestReport_OfWhatPassesOnlyTheClosingLineIsShown(t *testing.T) {
	got := write(`
		{'Action':'start','Package':'a'}
		{'Action':'run','Package':'a','Test':'TestX'}
		{'Action':'output','Package':'a','Test':'TestX','Output':'=== RUN   TestX\n'}
		{'Action':'output','Package':'a','Test':'TestX','Output':'    a word\n'}
		{'Action':'pass','Package':'a','Test':'TestX'}
		{'Action':'output','Package':'a','Output':'PASS\n'}
		{'Action':'output','Package':'a','Output':'ok  \ta\t1.2s\n'}
		{'Action':'pass','Package':'a'}`)
	if want := "ok  \ta\t1.2s\n... 1m30s, 1 packages done, running: nothing but the compiler\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestReport_OfATestThatFailsEverythingIsShownAtOnce(t *testing.T) {
	got := write(`
		{'Action':'run','Package':'a','Test':'TestX'}
		{'Action':'run','Package':'a','Test':'TestX/sub'}
		{'Action':'output','Package':'a','Test':'TestX/sub','Output':'    x_test.go:1: no\n'}
		{'Action':'output','Package':'a','Test':'TestX/sub','Output':'    --- FAIL: TestX/sub (0.1s)\n'}
		{'Action':'fail','Package':'a','Test':'TestX/sub'}
		{'Action':'output','Package':'a','Test':'TestX','Output':'--- FAIL: TestX (0.1s)\n'}
		{'Action':'fail','Package':'a','Test':'TestX'}
		{'Action':'run','Package':'a','Test':'TestY','Time':'0001-01-01T00:00:30Z'}`)
	want := "    x_test.go:1: no\n    --- FAIL: TestX/sub (0.1s)\n--- FAIL: TestX (0.1s)\n" +
		"... 1m30s, 0 packages done, running: a TestY (60s)\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A panic, or the end of the time, leaves tests that have neither passed nor failed; what they said is what there is.
func TestReport_OfAPackageThatBreaksOffTheRunningTestsAreShown(t *testing.T) {
	got := write(`
		{'Action':'run','Package':'a','Test':'TestX'}
		{'Action':'output','Package':'a','Test':'TestX','Output':'panic: test timed out after 1s\n'}
		{'Action':'output','Package':'a','Output':'FAIL\ta\t1.0s\n'}
		{'Action':'fail','Package':'a'}`)
	if want := "panic: test timed out after 1s\nFAIL\ta\t1.0s\n... 1m30s, 1 packages done, running: nothing but the compiler\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestReport_WhatTheCompilerSaysIsShown(t *testing.T) {
	got := write(`
		{'ImportPath':'a','Action':'build-output','Output':'a.go:1: no\n'}
		{'ImportPath':'a','Action':'build-fail'}
		{'Action':'output','Package':'a','Output':'FAIL\ta [build failed]\n'}
		{'Action':'fail','Package':'a','FailedBuild':'a'}
		no event at all`)
	for _, want := range []string{"a.go:1: no\n", "FAIL\ta [build failed]\n", "no event at all"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
