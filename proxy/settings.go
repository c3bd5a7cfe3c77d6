package proxy

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unsafe"
)

// A setting is one run-time parameter and its value. key is the name in lower case: PostgreSQL compares names that way.
type setting struct{ key, name, value string }

// settings is an immutable set of run-time parameters, sorted by key and interned: two sets with equal content are the
// same pointer, so the usual question "does this server already have what this client wants" is one comparison.
//
// A set holds every parameter that the server reports and that can be set, and every other parameter that a client named
// in its startup packet.
type settings struct {
	id    uint64 // unique in the process, never reused
	items []setting
	// answers is the id of the set without the parameters that no answer depends on; part of cache keys.
	answers uint64
	// legible says whether the classifier reads texts under these settings as the server does.
	legible bool
}

// interner makes sets of settings unique. Safe for concurrent use; it is asked only when something changed.
type interner struct {
	mu    sync.Mutex // guards the fields below
	sets  map[string]*settings
	bytes int // of all sets
	next  uint64
}

// maxSets bounds the distinct sets that are kept apart. Beyond it the table starts anew: older sets stay valid, equal
// ones are merely no longer the same pointer, which costs a comparison by content.
const maxSets = 10000

// maxSetBytes bounds what the sets of the table hold together, in the same way.
const maxSetBytes = 32 << 20

// intern returns the set with these items, which it sorts and keeps.
func (in *interner) intern(items []setting) *settings {
	slices.SortFunc(items, func(a, b setting) int { return cmp.Compare(a.key, b.key) })
	var content strings.Builder
	for _, it := range items {
		content.WriteString(it.key)
		content.WriteByte(0)
		content.WriteString(it.value)
		content.WriteByte(0)
	}
	answers := in.telling(items)
	in.mu.Lock()
	defer in.mu.Unlock()
	if s, ok := in.sets[content.String()]; ok {
		return s
	}
	size := 2*content.Len() + len(items)*int(unsafe.Sizeof(setting{}))
	if in.sets == nil || len(in.sets) >= maxSets || in.bytes+size > maxSetBytes {
		in.sets, in.bytes = make(map[string]*settings), 0
	}
	in.bytes += size
	in.next++
	s := &settings{id: in.next, items: items, answers: in.next}
	if answers != nil {
		s.answers = answers.id
	}
	s.legible = s.readsPlainly()
	in.sets[content.String()] = s
	return s
}

// telling returns the set of those items that answers depend on, or nil if they are all.
func (in *interner) telling(items []setting) *settings {
	some := slices.DeleteFunc(slices.Clone(items), func(it setting) bool { return silent[it.key] })
	if len(some) == len(items) {
		return nil
	}
	return in.intern(some)
}

// silent are parameters that decide whether, when and how fast an answer comes, and who asks for it, but not what it says.
var silent = map[string]bool{
	"application_name": true, "default_transaction_read_only": true, "geqo": true,
	"idle_in_transaction_session_timeout": true, "idle_session_timeout": true, "jit": true, "lock_timeout": true,
	"plan_cache_mode": true, "random_page_cost": true, "statement_timeout": true, "tcp_keepalives_idle": true,
	"tcp_user_timeout": true, "work_mem": true, "scram_iterations": true,
}

// with returns the set in which name has the given value.
func (in *interner) with(s *settings, name, value string) *settings {
	if old, ok := s.get(name); ok && old == value {
		return s
	}
	key := strings.ToLower(name)
	items := make([]setting, 0, len(s.items)+1)
	for _, it := range s.items {
		if it.key != key {
			items = append(items, it)
		}
	}
	return in.intern(append(items, setting{key, name, value}))
}

// without returns the set that lacks name.
func (in *interner) without(s *settings, name string) *settings {
	i, ok := s.find(name)
	if !ok {
		return s
	}
	return in.intern(slices.Delete(slices.Clone(s.items), i, i+1))
}

// get looks a parameter up; the case of its name does not matter.
func (s *settings) get(name string) (value string, ok bool) {
	i, ok := s.find(name)
	if !ok {
		return "", false
	}
	return s.items[i].value, true
}

func (s *settings) find(name string) (i int, ok bool) {
	key := strings.ToLower(name)
	return slices.BinarySearchFunc(s.items, key, func(it setting, k string) int { return cmp.Compare(it.key, k) })
}

// readsPlainly says whether a backslash in a string constant stands for itself, and a quote is never a part of another
// character: the texts are read byte by byte, with standard_conforming_strings on.
func (s *settings) readsPlainly() bool {
	if v, _ := s.get("standard_conforming_strings"); v == "off" {
		return false
	}
	encoding, _ := s.get("client_encoding")
	switch strings.ToUpper(encoding) {
	case "SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "GB18030", "UHC", "JOHAB": // second bytes may be ASCII
		return false
	}
	return true
}

// spelling returns the name of a parameter as the set has it, or else as it is.
func (s *settings) spelling(name string) string {
	if i, ok := s.find(name); ok {
		return s.items[i].name
	}
	return name
}

// change returns the SQL that turns a server that has s into one that has want, or "" if they are equal. Values are
// compared exactly.
//
// set_config takes each value as a configuration file would, so that lists such as search_path need no quoting of
// their elements here; the text itself is an escape string, which reads the same under any
// standard_conforming_strings.
func (s *settings) change(want *settings) string {
	var sql strings.Builder
	for _, it := range s.items {
		if _, ok := want.get(it.key); !ok {
			sql.WriteString("RESET " + quoteName(it.name) + ";")
		}
	}
	first := true
	for _, it := range want.items {
		if has, ok := s.get(it.key); ok && has == it.value {
			continue
		}
		if first {
			sql.WriteString("SELECT ")
		} else {
			sql.WriteString(", ")
		}
		first = false
		sql.WriteString("pg_catalog.set_config(" + quoteLiteral(it.name) + ", " + quoteLiteral(it.value) + ", false)")
	}
	return sql.String()
}

// quoteLiteral writes an escape string constant.
func quoteLiteral(s string) string {
	s = strings.ReplaceAll(s, `\`, `\\`)
	return `E'` + strings.ReplaceAll(s, `'`, `\'`) + `'`
}

// quoteName writes a parameter's name, which may have a dot, as identifiers.
func quoteName(name string) string {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		parts[i] = `"` + strings.ReplaceAll(p, `"`, `""`) + `"`
	}
	return strings.Join(parts, ".")
}

// settable says whether a parameter that the server reports can be set by a client. The others describe the server.
func settable(name string) bool {
	switch strings.ToLower(name) {
	case "server_version", "server_encoding", "integer_datetimes", "is_superuser", "session_authorization", "in_hot_standby":
		return false
	}
	return true
}
