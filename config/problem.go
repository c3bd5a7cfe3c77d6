package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with a configuration.
type Problem struct {
	Key   string // path of the key, such as databases.shop.pool.size; empty when the file as a whole is meant
	Text  string // what is wrong, without secrets
	Where string // "overdrive.yaml:12", "--listen" or the name of an environment variable; may be empty
}

// String writes p on one line.
func (p Problem) String() string {
	s := p.Text
	if p.Key != "" {
		s = p.Key + ": " + s
	}
	if p.Where != "" {
		s += " (" + p.Where + ")"
	}
	return s
}

// Problems is everything wrong with a configuration, in the order of the keys. A nil Problems is no error; compare its
// length with 0, since a nil Problems in an error variable is not a nil error.
type Problems []Problem

// Error writes one line per problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// report collects problems while a configuration is read, and remembers which place each key's value came from.
type report struct {
	problems Problems
	origin   map[string]string // place by key path
}

func (r *report) add(key, format string, args ...any) {
	text := oneLine(fmt.Sprintf(format, args...))
	r.problems = append(r.problems, Problem{Key: key, Text: text, Where: r.place(key)})
}

// place returns where key's value came from, or failing that where the nearest key around it did.
func (r *report) place(key string) string {
	for key != "" {
		if at, found := r.origin[key]; found {
			return at
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return ""
}

// replace says that the value of key comes from place, and drops the problems of the value that it replaces.
func (r *report) replace(key, place string) {
	r.problems = slices.DeleteFunc(r.problems, func(p Problem) bool {
		return p.Key == key || strings.HasPrefix(p.Key, key+"[")
	})
	r.origin[key] = place
}

// failed says whether key itself already has a problem, so that its value is not judged twice.
func (r *report) failed(key string) bool {
	for _, p := range r.problems {
		if p.Key == key {
			return true
		}
	}
	return false
}

// oneLine keeps the promise of one line per problem for texts that quote a hostile file.
func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, s)
}
