package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A state is what became of a test.
type state uint8

const (
	absent state = iota // it was not run
	passed
	skipped
	failed
)

var states = [...]string{absent: "was not run", passed: "passed", skipped: "was skipped", failed: "failed"}

// A result is what became of a test, and in which lines it differs from what was expected, if the suite can tell.
type result struct {
	state state
	lines []string
}

// Results are those of a run by the names of the tests. A test within a test has a / in its name.
type results map[string]result

// count returns how many tests of base passed there and have this state in r: all, and those that are in no other.
func (r results) count(base results, s state) (all, whole int) {
	for name, b := range base {
		if b.state == passed && r[name].state == s {
			all++
			if !strings.Contains(name, "/") {
				whole++
			}
		}
	}
	return all, whole
}

// A verdict compares the runs of a suite in its ways with the one at PostgreSQL itself. Tests that do not pass there say nothing.
type verdict struct {
	suite string
	base  results
	named []*naming

	ways     []way
	runs     []results
	hits     []int // answers that came from the cache
	unnamed  []string
	occurred map[*naming][]string // the ways in which a test differed as it is named to
}

// add compares one more way, in which so many answers came from the cache.
func (v *verdict) add(w way, got results, hits int) {
	if v.occurred == nil {
		v.occurred = make(map[*naming][]string)
	}
	v.ways, v.runs, v.hits = append(v.ways, w), append(v.runs, got), append(v.hits, hits)
	for _, name := range slices.Sorted(maps.Keys(v.base)) {
		r := got[name]
		if v.base[name].state != passed || r.state == passed {
			continue
		}
		if at := slices.IndexFunc(v.named, func(n *naming) bool { return n.test == name && n.fits(r) }); at >= 0 {
			v.occurred[v.named[at]] = append(v.occurred[v.named[at]], w.name)
			continue
		}
		what := states[r.state]
		if slices.ContainsFunc(v.named, func(n *naming) bool { return n.test == name }) {
			what = "differs otherwise than it is named to"
		}
		v.unnamed = append(v.unnamed, fmt.Sprintf("%s: %s %s", w.name, name, what)+indented(r.lines))
	}
}

// shown bounds the lines of one difference that are printed.
const shown = 40

func indented(lines []string) string {
	more := ""
	if len(lines) > shown {
		lines, more = lines[:shown], fmt.Sprintf("\n    and %d lines more", len(lines)-shown)
	}
	return strings.Join(append([]string{""}, lines...), "\n    ") + more
}

// write prints what became of the suite, and returns whether all is well.
func (v *verdict) write(out io.Writer) (good bool) {
	all, whole := v.base.count(v.base, passed)
	fmt.Fprintf(out, "\n%s: %d tests pass at PostgreSQL itself, %d of them by themselves and the others within them\n\n", v.suite, all, whole)
	fmt.Fprintf(out, "| way | passed of %d | of the %d | otherwise | answers of the cache |\n|---|---|---|---|---|\n", all, whole)
	for i, w := range v.ways {
		a, b := v.runs[i].count(v.base, passed)
		fmt.Fprintf(out, "| %s | %d | %d | %d | %d |\n", w.name, a, b, all-a, v.hits[i])
	}
	v.writeBase(out)
	v.writeNamed(out)
	for _, text := range v.unnamed {
		fmt.Fprintf(out, "\nNOT NAMED  %s\n", text)
	}
	return len(v.unnamed) == 0 && all > 0
}

// writeBase says which tests do not pass at PostgreSQL itself.
func (v *verdict) writeBase(out io.Writer) {
	for _, name := range slices.Sorted(maps.Keys(v.base)) {
		if r := v.base[name]; r.state != passed {
			fmt.Fprintf(out, "\nat PostgreSQL itself: %s %s%s\n", name, states[r.state], indented(r.lines))
		}
	}
}

// writeNamed says which of the differences that are named have occurred, and which have not.
func (v *verdict) writeNamed(out io.Writer) {
	for _, n := range v.named {
		if in := v.occurred[n]; len(in) > 0 {
			fmt.Fprintf(out, "\nnamed: %s (%s)\n    %s\n", n.test, strings.Join(in, ", "), n.reason)
		} else {
			fmt.Fprintf(out, "\nnamed, and did not occur: %s\n    %s\n", n.test, n.reason)
		}
	}
}
