package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// good returns what a driver for which everything holds leaves behind.
func good() outcome {
	o := outcome{driver: "good", end: look{queries: []row{
		{"query": `select title from "public" . "books" where id = $1`, "calls": "100", "hits": "95", "status": "cacheable"},
		{"query": "select body from notes where id = $1", "calls": "100", "hits": "0", "status": "cacheable"},
	}, cache: row{}}}
	for range clients {
		o.report.Clients = append(o.report.Clients,
			visit{Served: true, Writes: 15, OwnWritesRead: 15, RollbackUndone: true, TypesRead: true, Status: "hit"})
	}
	return o
}

func TestOutcome_HasAFaultForEachThingThatDoesNotHold(t *testing.T) {
	g := good()
	if faults := g.faults(); len(faults) > 0 {
		t.Fatalf("without a fault there are %q", faults)
	}
	for _, test := range []struct {
		what, want string
		spoil      func(*outcome)
	}{
		{"no report", "no report", func(o *outcome) { o.broken = errors.New("no report") }},
		{"a client that ended with an error", "53300: no connection", func(o *outcome) {
			o.report.Clients[3].Served, o.report.Clients[3].Error = false, "53300: no\nconnection"
		}},
		{"a client too few", "not all served", func(o *outcome) { o.report.Clients = o.report.Clients[1:] }},
		{"a wait given up", "1 waits for a server", func(o *outcome) { o.end.timeouts = 1 }},
		{"a pin", "pinned at the end", func(o *outcome) { o.end.pinned = map[string]int{"LISTEN": 1} }},
		{"a write not read", "own writes", func(o *outcome) { o.report.Clients[0].OwnWritesRead-- }},
		{"a rollback that was none", "rolled back", func(o *outcome) { o.report.Clients[7].RollbackUndone = false }},
		{"a type misread", "types", func(o *outcome) { o.report.Clients[7].TypesRead = false }},
		{"too few hits", "no hits: transaction, in one", func(o *outcome) {
			o.end.queries[0]["hits"] = "89"
			o.report.Clients[0].Status, o.report.Clients[0].Reason = "transaction", "in one"
		}},
		{"no read that is known as one", "no hits", func(o *outcome) { o.end.queries = o.end.queries[1:] }},
	} {
		o := good()
		test.spoil(&o)
		faults := o.faults()
		if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, test.want) }) {
			t.Errorf("%s: the faults are %q, want one with %q", test.what, faults, test.want)
		}
	}
}

func TestConclude_NamesWhoIsNotInstalledAndCountsOnlyTheOthers(t *testing.T) {
	bad := good()
	bad.driver, bad.end.timeouts = "bad", 2
	var out strings.Builder
	failed, err := conclude(&out, []outcome{good(), bad, {driver: "PDO", missing: errors.New("php is not in PATH")}})
	if err != nil || failed != 1 {
		t.Errorf("%d failed, %v, want 1 and no error", failed, err)
	}
	for _, want := range []string{"Not tried: PDO, since php is not in PATH.", "2 tried, 1 failed, 1 not installed", "| holds |", "| fails |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "| PDO") {
		t.Error("a driver that is not installed has a line in the table")
	}
	if _, err := conclude(&out, []outcome{{driver: "PDO", missing: errors.New("php is not in PATH")}}); err == nil {
		t.Error("no driver at all is no failure")
	}
}

func TestReadsBooks_MatchesHowDriversWriteIt(t *testing.T) {
	for text, want := range map[string]bool{
		"select title , price from books where id = $1":                          true,
		`SELECT "books" . "title" FROM "books" LIMIT 1`:                          true,
		`select 1 from "public" . "books" where id = 1`:                          true,
		"select b1_0 . title from books b1_0 where b1_0 . id = $1":               true,
		"select count ( * ) from notes where client = $1":                        false,
		"select relname from pg_class where relname = 's'":                       false,
		"select * from bookshelf":                                                false,
		"select a . attname from pg_attribute a , books_of where a . attnum > 0": false,
	} {
		if got := readsBooks.MatchString(text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
