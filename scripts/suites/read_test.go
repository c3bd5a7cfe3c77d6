package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestReadGoTest_TakesTheEndOfEachTestAndWhatAFailedOnePrinted(t *testing.T) {
	got, err := readGoTest(strings.NewReader(`{"Action":"start","Package":"github.com/jackc/pgx/v5"}
{"Action":"run","Package":"github.com/jackc/pgx/v5","Test":"TestA"}
{"Action":"output","Package":"github.com/jackc/pgx/v5","Test":"TestA","Output":"    conn_test.go:1: no\n"}
{"Action":"fail","Package":"github.com/jackc/pgx/v5","Test":"TestA","Elapsed":0.01}
{"Action":"output","Package":"github.com/jackc/pgx/v5/pgconn","Test":"TestB","Output":"fine\n"}
{"Action":"pass","Package":"github.com/jackc/pgx/v5/pgconn","Test":"TestB/file='/tmp/TestB123/001/service.conf'_x"}
{"Action":"pass","Package":"github.com/jackc/pgx/v5/pgconn","Test":"TestB"}
{"Action":"skip","Package":"github.com/jackc/pgx/v5/pgconn","Test":"TestC"}
warning: what is no event
{"Action":"fail","Package":"github.com/jackc/pgx/v5"}
`))
	want := results{
		"pgx.TestA":                           {failed, []string{"    conn_test.go:1: no"}},
		"pgconn.TestB":                        {state: passed},
		"pgconn.TestB/file='/service.conf'_x": {state: passed},
		"pgconn.TestC":                        {state: skipped},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestReadRegress_KnowsBothFormsOfItsOutput(t *testing.T) {
	want := results{"test_setup": {state: passed}, "boolean": {state: passed}, "char": {state: failed}, "xml": {state: failed}}
	for _, text := range []string{
		`(using postmaster on 127.0.0.1, port 5432)
test test_setup                   ... ok          345 ms
parallel group (3 tests):  char boolean xml
     boolean                      ... ok          100 ms
     char                         ... FAILED       99 ms
     xml                          ... FAILED (test process exited with exit code 2)      2 ms
`, `# using postmaster on 127.0.0.1, port 5432
ok 1         - test_setup                                345 ms
# parallel group (3 tests):  char boolean xml
ok 2         + boolean                                   100 ms
not ok 3     + char                                       99 ms
# (test process exited with exit code 2)
not ok 4     + xml                                         2 ms
1..4
`} {
		if got := readRegress(text); !reflect.DeepEqual(got, want) {
			t.Errorf("read %v of\n%s", got, text)
		}
	}
}

func TestChanged_IsTheLinesThatDifferAndNotWhereTheyStand(t *testing.T) {
	got := changed("--- a/x.out\t2026-01-01\n+++ b/x.out\t2026-01-01\n@@ -1,2 +1 @@\n--- a comment\n- (1 row)\n+ \n@@ -9 +8 @@ more\n+++ x\n")
	if want := []string{"--- a comment", "- (1 row)", "+", "+++ x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWithSources_AddsThemInBothFormsOfAList(t *testing.T) {
	for list, want := range map[string]string{
		"# deb x\ndeb [signed-by=k] http://x bookworm main\n": "# deb x\ndeb [signed-by=k] http://x bookworm main\ndeb-src [signed-by=k] http://x bookworm main\n",
		"Types: deb\nURIs: http://x\n":                        "Types: deb deb-src\nURIs: http://x\n",
		"deb-src http://x bookworm main\n":                    "deb-src http://x bookworm main\n",
	} {
		if got := withSources(list); got != want {
			t.Errorf("%q became %q", list, got)
		}
	}
}
