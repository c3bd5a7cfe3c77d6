package settings

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unsafe"
)

// An Interner makes sets of settings unique. Safe for concurrent use; it is asked only when something changed. The zero value is
// ready.
type Interner struct {
	mu    sync.Mutex // guards the fields below
	sets  map[string]*Set
	bytes int // of all sets
	next  uint64
}

// MaxSets bounds the distinct sets that are kept apart. Beyond it the table starts anew: older sets stay valid, equal
// ones are merely no longer the same pointer, which costs a comparison by content.
const MaxSets = 10000

// maxSetBytes bounds what the sets of the table hold together, in the same way.
const maxSetBytes = 32 << 20

// Intern returns the set with these items, which it sorts and keeps. The caller must not use the slice any more.
func (in *Interner) Intern(items []Setting) *Set {
	slices.SortFunc(items, func(a, b Setting) int { return cmp.Compare(a.Key, b.Key) })
	var content strings.Builder
	for _, it := range items {
		content.WriteString(it.Key)
		content.WriteByte(0)
		content.WriteString(it.Value)
		content.WriteByte(0)
	}
	answers := in.telling(items)
	in.mu.Lock()
	defer in.mu.Unlock()
	if s, ok := in.sets[content.String()]; ok {
		return s
	}
	size := 2*content.Len() + len(items)*int(unsafe.Sizeof(Setting{}))
	if in.sets == nil || len(in.sets) >= MaxSets || in.bytes+size > maxSetBytes {
		in.sets, in.bytes = make(map[string]*Set), 0
	}
	in.bytes += size
	in.next++
	s := &Set{id: in.next, items: items, answers: in.next, bytes: size}
	if answers != nil {
		s.answers = answers.id
	}
	s.legible = s.readsPlainly()
	s.encoding, _ = s.Get("client_encoding")
	s.noteTimeout()
	in.sets[content.String()] = s
	return s
}

// telling returns the set of those items that answers depend on, or nil if they are all.
func (in *Interner) telling(items []Setting) *Set {
	some := slices.DeleteFunc(slices.Clone(items), func(it Setting) bool { return Has(it.Key, Silent) })
	if len(some) == len(items) {
		return nil
	}
	return in.Intern(some)
}
