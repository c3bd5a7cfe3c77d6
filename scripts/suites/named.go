package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A naming says that a test may differ from its run at PostgreSQL itself, and why. In the file a paragraph has the reason and the tests:
//
//	# The reason, on as many lines
//	# as it needs.
//	a test
//	another test
//	  +a line that its result has besides
//	  -a line that its result lacks
//	a third test
//	  ~words in one of the lines that its result has
//
// Where lines with + and - are given, the difference must be these and no others. A test may be named more than once: it may differ in
// any of these manners. A paragraph without a test is a remark.
type naming struct {
	test   string
	reason string
	lines  []string
	words  []string // behind each ~
}

// fits says whether a result differs as it is named to.
func (n *naming) fits(r result) bool {
	for _, words := range n.words {
		if !slices.ContainsFunc(r.lines, func(line string) bool { return strings.Contains(line, words) }) {
			return false
		}
	}
	return len(n.lines) == 0 || slices.Equal(n.lines, r.lines)
}

// readNamedFile reads the namings of a suite.
func readNamedFile(dir, suite string) ([]*naming, error) {
	file := filepath.Join(dir, suite+".txt")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	named, err := readNamed(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return named, nil
}

// readNamed reads namings.
func readNamed(text string) ([]*naming, error) {
	var named []*naming
	var reason []string
	var last *naming // of the test above
	for n, line := range strings.Split(text, "\n") {
		words, isReason := strings.CutPrefix(line, "# ")
		difference, isDifference := strings.CutPrefix(line, "  ")
		inside, isInside := strings.CutPrefix(difference, "~")
		switch {
		case line == "":
			reason, last = nil, nil
		case isReason:
			reason = append(reason, words)
		case isDifference && last == nil:
			return nil, fmt.Errorf("line %d: a difference of no test", n+1)
		case isDifference && isInside:
			last.words = append(last.words, inside)
		case isDifference:
			last.lines = append(last.lines, difference)
		case len(reason) == 0:
			return nil, fmt.Errorf("line %d: %s has no reason", n+1, line)
		default:
			last = &naming{test: line, reason: strings.Join(reason, " ")}
			named = append(named, last)
		}
	}
	return named, nil
}
