package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// An event is a line of go test -json (go doc test2json).
type event struct {
	Time          time.Time
	Action        string
	Package, Test string
	Output        string
	OutputType    string
	ImportPath    string
}

// A report writes what is worth reading of the events of go test.
type report struct {
	out      io.Writer
	began    time.Time
	finished int                 // packages
	packages map[string]*outcome // those under way
}

// An outcome is a package under way.
type outcome struct {
	output  []string             // of the package itself
	tests   map[string][]string  // the output of tests that have not passed, by name
	running map[string]time.Time // since when, but for those that wait for others
}

func newReport(out io.Writer, began time.Time) *report {
	return &report{out: out, began: began, packages: make(map[string]*outcome)}
}

// take deals with one line. What is no event is shown.
func (r *report) take(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil || e.Action == "" {
		_, _ = r.out.Write(line)
		return
	}
	if e.Action == "build-output" {
		fmt.Fprint(r.out, e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	p := r.packages[e.Package]
	if p == nil {
		p = &outcome{tests: make(map[string][]string), running: make(map[string]time.Time)}
		r.packages[e.Package] = p
	}
	if e.Test != "" {
		r.test(p, e)
		return
	}
	switch e.Action {
	case "output":
		p.output = append(p.output, e.Output)
	case "pass", "skip":
		r.close(e.Package, closing(p.output))
	case "fail":
		// Of a package that broke off nobody but the tests that were running can say why.
		for _, name := range slices.Sorted(maps.Keys(p.tests)) {
			r.write(p.tests[name])
		}
		r.close(e.Package, p.output)
	}
}

// test deals with an event of a test.
func (r *report) test(p *outcome, e event) {
	switch e.Action {
	case "run", "cont":
		p.running[e.Test] = e.Time
	case "pause":
		delete(p.running, e.Test)
	case "output":
		if !strings.HasPrefix(e.Output, "=== ") {
			p.tests[e.Test] = append(p.tests[e.Test], e.Output)
		}
	case "fail":
		r.write(p.tests[e.Test])
		fallthrough
	case "pass", "skip":
		delete(p.running, e.Test)
		delete(p.tests, e.Test)
	}
}

func (r *report) write(lines []string) {
	for _, line := range lines {
		fmt.Fprint(r.out, line)
	}
}

func (r *report) close(pkg string, lines []string) {
	r.write(lines)
	r.finished++
	delete(r.packages, pkg)
}

// closing returns the lines that go test writes for a package that did not fail.
func closing(output []string) (lines []string) {
	for _, line := range output {
		if strings.HasPrefix(line, "ok  ") || strings.HasPrefix(line, "?   ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// beat says what is running, the longest first.
func (r *report) beat(now time.Time) {
	type test struct {
		name  string
		since time.Time
	}
	var all []test
	for pkg, p := range r.packages {
		for name, since := range p.running {
			if !hasSub(p.running, name) {
				all = append(all, test{pkg + " " + name, since})
			}
		}
	}
	slices.SortFunc(all, func(a, b test) int { return cmp.Or(a.since.Compare(b.since), strings.Compare(a.name, b.name)) })
	text := "nothing but the compiler"
	if len(all) > 0 {
		var names []string
		for _, t := range all[:min(len(all), 3)] {
			names = append(names, fmt.Sprintf("%s (%.0fs)", t.name, max(0, now.Sub(t.since).Seconds())))
		}
		if text = strings.Join(names, ", "); len(all) > 3 {
			text += fmt.Sprintf(" and %d more", len(all)-3)
		}
	}
	fmt.Fprintf(r.out, "... %v, %d packages done, running: %s\n", now.Sub(r.began).Round(time.Second), r.finished, text)
}

// hasSub says whether a subtest of the test runs, for which the test only waits.
func hasSub(running map[string]time.Time, test string) bool {
	for name := range running {
		if strings.HasPrefix(name, test+"/") {
			return true
		}
	}
	return false
}
