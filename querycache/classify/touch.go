package classify

import (
	"maps"
	"slices"
	"strings"

	"overdrive/querycache/verdict"
)

// This file is about what DDL may change the meaning of, where that is known: alter.go tells of which. All other DDL may change everything.

// A Touch is what DDL may have changed: while the catalog of now is not known, statements are judged by the one of before, unless they
// touch one of these relations, or name one of these functions and types. It never changes.
type Touch struct {
	relations map[verdict.RelationID]bool
	names     map[string]bool // of relations in any schema, which may be hidden now, or hide others
	prefixes  []string        // of names that the server makes up, for indexes and sequences
	code      map[string]bool // names of functions and types, likewise
	triggers  bool            // some of the code may be run by triggers
	blind     bool            // it is on a relation that is not known yet, nor are its children
	bends     bool            // to read one of the relations may run other code than before
	inert     bool            // neither to read nor to write one does
}

func newTouch() *Touch {
	return &Touch{relations: map[verdict.RelationID]bool{}, names: map[string]bool{}, code: map[string]bool{}}
}

// TouchOf returns what a change of the relations touches, and of the functions and types of the names. Whoever has made the change has told what it may
// make of statements that were under way.
func TouchOf(relations []verdict.RelationID, code ...string) *Touch {
	t := newTouch()
	for _, id := range relations {
		t.relations[id] = true
	}
	for _, name := range code {
		t.code[name] = true
	}
	return t
}

// hits reports whether t touches r.
func (t *Touch) hits(r *relation) bool { return t.relations[r.id] || t.hitsName(r.name) }

// hitsName reports whether t touches relations of the name.
func (t *Touch) hitsName(name string) bool {
	return t.names[name] || slices.ContainsFunc(t.prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// hitsTable is hits for what Verdict.Tables tells of a relation. A point may be a part of a name.
func (t *Touch) hitsTable(c *Catalog, table string) bool {
	for i := range table {
		if table[i] != '.' {
			continue
		}
		if r := c.byName[qualified{table[:i], table[i+1:]}]; r != nil && t.relations[r.id] || t.hitsName(table[i+1:]) {
			return true
		}
	}
	return false
}

// hitsCode reports whether t touches functions or types of the name. A relation has a type of its name, and one of arrays.
func (t *Touch) hitsCode(name string) bool {
	return t.code[name] || t.names[name] || t.names[strings.TrimLeft(name, "_")]
}

// runsIn reports whether a change of r may run, by its triggers, what t touches.
func (t *Touch) runsIn(r *relation) bool { return len(t.code) > 0 && len(r.triggers) > 0 }

// widens reports whether DDL that was judged before t was made may touch more than its verdict says: its relation may have children now,
// triggers may run the code that it changes which they did not run then, and the code may be another.
func (t *Touch) widens(made *Touch) bool {
	return made.blind || len(made.code) > 0 && (made.triggers || made.meets(t))
}

// maxStem is how much of a table's name is left at least in a name that the server makes up: it shortens that, and the column's,
// to 63 bytes together.
const maxStem = 24

// add notes a name that comes or goes.
func (t *Touch) add(name string) {
	t.names[name] = true
	t.makesUp(name)
}

// makesUp notes that the server may give names that it makes up of this one.
func (t *Touch) makesUp(name string) {
	if stem := name + "_"; len(stem) <= maxStem {
		t.prefixes = append(t.prefixes, stem)
	} else {
		t.prefixes = append(t.prefixes, name[:maxStem])
	}
}

// makesUp notes that the server may give names that it makes up of a table's, or of its partitions': an index of the one is one of each of the
// others. Partitions that the catalog does not show yet have come by DDL that is in doubt.
func (w *walker) makesUp(t *Touch, table string) {
	t.makesUp(table)
	for _, r := range w.catalog.named(table) {
		for _, part := range r.family() {
			t.makesUp(part.name)
		}
	}
	for _, d := range w.doubts {
		if d.hitsName(table) || slices.ContainsFunc(w.catalog.named(table), d.hits) {
			t.prefixes = append(t.prefixes, d.prefixes...)
		}
	}
	t.tidy()
}

// tidy has each prefix stand in t once.
func (t *Touch) tidy() {
	slices.Sort(t.prefixes)
	t.prefixes = slices.Compact(t.prefixes)
}

// addCode notes a function or type that comes, goes or changes, with the arrays of the type.
func (t *Touch) addCode(name string) {
	for range 3 {
		t.code[name] = true
		name = arrayOf(name)
	}
}

// arrayOf is the name that the server makes up for the arrays of a type. If that is there it takes one more.
func arrayOf(name string) string {
	name = "_" + name
	return name[:min(len(name), MaxName)]
}

// nameIDs returns what stands for the names of functions and types, ascending.
func nameIDs(names map[string]bool) []verdict.RelationID {
	if len(names) == 0 {
		return nil
	}
	var ids []verdict.RelationID
	for name, counts := range names {
		if counts {
			ids = append(ids, verdict.NameID(name))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// A mention is what a statement names, and what the code names that its triggers run.
type mention struct {
	code      map[string]bool    // functions, types, and what stands behind a point; false: it is none that is known
	relations map[*relation]bool // that this code reads
	deep      bool               // it reads more than is noted
}

func newMention() mention { return mention{code: map[string]bool{}, relations: map[*relation]bool{}} }

// speak notes that a name may mean a function or a type. counts: there is one, so that another may be meant some day. What is in
// pg_catalog by its full name stays what it is.
func (m *mention) speak(schema, name string, counts bool) {
	if schema != systemSchema {
		m.code[name] = m.code[name] || counts
	}
}

// read notes a relation and what is read through it, with whosever rights. It returns how much that is.
func (m *mention) read(c *Inventory, r *relation) (size int) {
	m.relations[r] = true
	for _, policed := range []bool{true, false} {
		rd := c.reading(r, policed)
		m.deep = m.deep || rd.deep
		maps.Copy(m.relations, rd.reads)
		maps.Copy(m.relations, rd.views)
		size += len(rd.reads) + len(rd.views)
	}
	return size
}

// add notes what somebody else mentions.
func (m *mention) add(more mention) {
	for name := range more.code {
		m.code[name] = m.code[name] || more.code[name]
	}
	maps.Copy(m.relations, more.relations)
	m.deep = m.deep || more.deep
}

// doubted reports whether the statement names, reads or writes something that was touched. DDL may name it: what it touches is in doubt by its name
// then, beside what else is.
func (w *walker) doubted(doubts []*Touch) bool {
	if len(doubts) == 0 {
		return false
	}
	return w.mention.deep || slices.ContainsFunc(doubts, w.doubtedBy)
}

// touchable are the relations that the statement, and the code that it runs, has to do with, but for what its changes lead to.
func (w *walker) touchable() []map[*relation]bool {
	return []map[*relation]bool{w.named, w.reads, w.views, w.writes, w.mention.relations, w.relied}
}

func (w *walker) doubtedBy(t *Touch) bool {
	for _, set := range w.touchable() {
		for r := range set {
			if t.hits(r) {
				return true
			}
		}
	}
	for name := range w.mention.code {
		if t.hitsCode(name) {
			return true
		}
	}
	for key := range w.written {
		if t.hits(key.relation) {
			return true
		}
	}
	return slices.ContainsFunc(w.unknown, t.hitsName)
}

// meets reports whether two statements may touch the same.
func (t *Touch) meets(other *Touch) bool {
	for id := range t.relations {
		if other.relations[id] {
			return true
		}
	}
	for name := range t.names {
		if other.hitsName(name) {
			return true
		}
	}
	for name := range other.names {
		if t.hitsName(name) {
			return true
		}
	}
	for name := range t.code {
		if other.hitsCode(name) {
			return true
		}
	}
	return false
}

// reaches adds what is read through r, or with it. It returns false if that is not known.
func (c *Inventory) reaches(t *Touch, r *relation) bool {
	if c.rowUses[r.id] {
		return false
	}
	t.relations[r.id] = true
	if r.kind != 'v' {
		for _, child := range r.family() {
			t.relations[child.id] = true
		}
		return true
	}
	return c.addBeneath(t.relations, r)
}
