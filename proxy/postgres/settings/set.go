package settings

import (
	"cmp"
	"slices"
	"time"
)

// A Setting is one run-time parameter and its value, in the bytes that the server has. Key is the name as Fold returns it.
type Setting struct{ Key, Name, Value string }

// Of returns the setting of a parameter whose name is spelled as given.
func Of(name, value string) Setting { return Setting{Fold(name), name, value} }

// A Set is an immutable set of run-time parameters, sorted by key and interned: two sets of one Interner with equal content are the
// same pointer, so the usual question "does this server already have what this client wants" is one comparison.
//
// A set holds every parameter that the server reports and that can be set, and every other parameter that a client named
// in its startup packet or that was learnt from the server.
type Set struct {
	id    uint64 // Unique in the process, never reused.
	items []Setting
	// answers is the id of the set without the parameters that no answer depends on.
	answers uint64
	// legible says that a backslash in a string constant stands for itself.
	legible bool
	bytes   int // What the set takes in memory, about.
	// limit is the statement_timeout, and limited says whether the set has one.
	limit   time.Duration
	limited bool
	// encoding is the client_encoding.
	encoding string
}

// Items returns the settings in the order of their keys. They must not be changed.
func (s *Set) Items() []Setting { return s.items }

// Answers is a number that two sets share only if every parameter on which an answer may depend is equal in them. It is a part of
// cache keys.
func (s *Set) Answers() uint64 { return s.answers }

// Legible says whether the classifier reads texts under these settings as the server does, but for their encoding.
func (s *Set) Legible() bool { return s.legible }

// Bytes is what the set takes in memory, about.
func (s *Set) Bytes() int { return s.bytes }

// Find looks a parameter up; the case of its name does not matter.
func (s *Set) Find(name string) (it Setting, ok bool) {
	i, ok := slices.BinarySearchFunc(s.items, Fold(name), func(it Setting, key string) int { return cmp.Compare(it.Key, key) })
	if !ok {
		return Setting{}, false
	}
	return s.items[i], true
}

// Get returns the value of a parameter; the case of its name does not matter.
func (s *Set) Get(name string) (value string, ok bool) {
	it, ok := s.Find(name)
	return it.Value, ok
}

// Encoding is the encoding of what a client with these settings sends and is sent.
func (s *Set) Encoding() string { return s.encoding }

// readsPlainly says whether a backslash in a string constant stands for itself.
func (s *Set) readsPlainly() bool {
	v, _ := s.Get("standard_conforming_strings")
	return v != "off"
}

// Spelling returns the name of a parameter as the set has it, or else as it is.
func (s *Set) Spelling(name string) string {
	if it, ok := s.Find(name); ok {
		return it.Name
	}
	return name
}

// Differences returns what must be done to turn a server that has s into one that has want, which is nothing if they are
// equal: the parameters that go back to the server's own values, then those that are set. Values are compared exactly.
func (s *Set) Differences(want *Set) (resets, sets []Setting) {
	for _, it := range s.items {
		if _, ok := want.Find(it.Key); !ok {
			resets = append(resets, it)
		}
	}
	for _, it := range want.items {
		if has, ok := s.Get(it.Key); !ok || has != it.Value {
			sets = append(sets, it)
		}
	}
	return resets, sets
}

// Doubtful is the value of a parameter whose value is not known. No client can ask for it, since it has a zero byte.
const Doubtful = "\x00"
