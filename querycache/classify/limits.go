package classify

import (
	"fmt"
	"slices"

	"overdrive/querycache/sqlscan"
	"overdrive/querycache/verdict"
)

// This file bounds what a text may cost. The length of a text bounds the time that its tokens take, for they are looked at a
// fixed number of times. The grammar and the walk through its trees are spared what would cost more than its length:
// such a text has the verdict of one that is too long.

const (
	// maxTokens bounds the tokens of a text that is parsed. In most texts they take four to six bytes each.
	maxTokens = 32 << 10

	// maxFaulty is the length of the longest shape that is parsed where the grammar may find an error in every other word, and
	// maxFaults how many are let through in longer ones. It goes on behind such errors, and for each it counts the lines from
	// the start.
	maxFaulty = 8 << 10
	maxFaults = 8

	// maxSetting bounds the tokens of a statement about a parameter in such a text.
	maxSetting = 200

	// maxSteps bounds what visiting the tree may take beyond its nodes: the tables read by views, functions of one name, tables
	// that a change is carried on to. The text names them and the catalog says how many they are.
	maxSteps = 1 << 20
)

// spend notes that the next step of the walker goes through n things, and reports whether it is to go on. When the statement
// has cost too much it may do anything.
func (w *walker) spend(n int) bool {
	if w.spent += n; w.spent <= maxSteps {
		return true
	}
	w.refuse(verdict.Uncacheable, "the statement reaches more tables or functions than are looked at")
	w.everything = true
	return false
}

// tooDear tells why statements of a shape are not to be parsed. ok: they are.
func tooDear(shape []byte, all []statement) (s verdict.Status, reason string, ok bool) {
	tokens, deepest, faults := 0, 0, 0
	for _, one := range all {
		tokens += len(one)
		deepest = max(deepest, one.nesting())
		faults += one.faults()
	}
	switch {
	case tokens > maxTokens:
		return verdict.OversizedQuery, fmt.Sprintf("the text has more than %d words and signs", maxTokens), false
	case deepest > maxDepth:
		return verdict.Uncacheable, fmt.Sprintf("the statement is nested more than %d levels deep", maxDepth), false
	case len(shape) <= maxFaulty:
	case faults > maxFaults:
		return verdict.ParseError, "IS NULL or UNIQUE stands where it cannot", false
	case slices.ContainsFunc(all, statement.isForeign):
		if len(all) > 1 {
			return verdict.MultipleStatements, severalStatements(all), false
		}
		return verdict.NotAQuery, "the statement is no query", false
	}
	return verdict.Cacheable, "", true
}

// nesting returns how deep parentheses and brackets nest, at most.
func (s statement) nesting() int {
	depth, deepest := 0, 0
	for _, t := range s {
		switch t.text {
		case "(", "[":
			depth++
			deepest = max(deepest, depth)
		case ")", "]":
			depth--
		}
	}
	return deepest
}

// faults counts the places where the grammar finds an error and goes on: a test for NULL right behind another, and UNIQUE
// before a subselect.
func (s statement) faults() int {
	n := 0
	for i, t := range s {
		switch {
		case t.is("unique") && s.at(i+1).text == "(":
			n++
		case t.is("isnull", "notnull"), t.is("null") && (s.at(i-1).is("is") || s.at(i-1).is("not") && s.at(i-2).is("is")):
			if s.at(i+1).is("is", "isnull", "notnull") {
				n++
			}
		}
	}
	return n
}

// isForeign reports whether walker.statement has nothing to say of s but that it may do anything.
func (s statement) isForeign() bool {
	switch first := s.at(0); {
	case first.is("create"):
		return !s.at(1).is("temp", "temporary", "local", "global")
	case first.is("set", "reset", "show") && len(s) > maxSetting:
		return true // the grammar makes a name of many parts anew for each of them
	case first.kind == sqlscan.Word:
		return !first.is("select", "values", "table", "with", "insert", "update", "delete", "merge", "set", "reset", "show", "discard",
			"listen", "unlisten", "notify", "deallocate", "close", "fetch", "move", "lock", "checkpoint", "load", "begin", "start",
			"commit", "end", "rollback", "abort", "savepoint", "release", "declare", "explain", "prepare", "copy", "truncate",
			"vacuum", "analyze", "cluster")
	default:
		return first.text != "("
	}
}
