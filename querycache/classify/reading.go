package classify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"overdrive/querycache/classify/nodetree"
	"overdrive/querycache/sqlscan"
	"overdrive/querycache/verdict"
)

// This file says what reading a relation comes to, through the server's own trees of views and policies.

// reading is what reading a relation comes to. It never changes once the catalog is built.
type reading struct {
	status verdict.Status // Cacheable: nothing is known against it
	reason string
	clock  string             // what reads the clock, once in a statement; empty: nothing
	reads  map[*relation]bool // with rows of their own
	views  map[*relation]bool
	needs  map[string]bool // parameters that policies and views read
	writes bool            // it may write anything
	deep   bool            // it was refused for more than maxViews, and names but its own part
}

// maxViews bounds the views that a relation is read through. In a chain of views each reads all of those before it, which
// together costs the square of its length.
const maxViews = 200

// maxHeld bounds the relations that the readings of an Inventory remember together. A chain of tables that inherit, say, costs
// the square of its length where each of them is read.
const maxHeld = 1 << 20

// readKey names a reading. A relation that is read behind a view, or by a policy, is read with somebody's rights: whose is
// not looked at, but all its policies are judged, whether they hold for the role that asks or not.
type readKey struct {
	relation *relation
	behind   bool
	policed  bool // its policies hold for the role that asks
}

func newReading() *reading {
	return &reading{status: verdict.Cacheable, reads: map[*relation]bool{}, views: map[*relation]bool{}, needs: map[string]bool{}}
}

// refuse notes why what is read may not be kept. Volatile outranks, as in a walker.
func (rd *reading) refuse(s verdict.Status, format string, args ...any) {
	if rd.status == verdict.Cacheable || rd.status == verdict.Uncacheable && s == verdict.Volatile {
		rd.status, rd.reason = s, fmt.Sprintf(format, args...)
	}
}

// add notes that more is read. Where it is a part of something with a name, that is put before the reason.
func (rd *reading) add(more *reading, whole string) {
	switch {
	case more.status == verdict.Cacheable:
	case whole == "":
		rd.refuse(more.status, "%s", more.reason)
	default:
		rd.refuse(more.status, "%s: %s", whole, more.reason)
	}
	if more.clock != "" && rd.clock == "" {
		if rd.clock = more.clock; whole != "" {
			rd.clock = whole + ": " + more.clock
		}
	}
	rd.deep = rd.deep || more.deep
	if !more.deep {
		maps.Copy(rd.reads, more.reads)
		maps.Copy(rd.views, more.views)
	}
	for name := range more.needs {
		rd.needs[name] = true
	}
	rd.writes = rd.writes || more.writes
}

// reading returns what it comes to if somebody for whom the policies of r hold, or do not, reads r. It is worked out when it
// is first asked for.
func (c *Inventory) reading(r *relation, policed bool) *reading {
	m := c.remembered
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held > maxHeld {
		m.readings, m.held = map[readKey]*reading{}, 0
	}
	return c.read(r, false, policed)
}

// read returns the reading of r. Call it with mu of remembered held.
func (c *Inventory) read(r *relation, behind, policed bool) *reading {
	behind = behind && r.rowSecurity || r.kind == 'v' // else there is no difference
	policed = policed && r.rowSecurity && !behind
	key := readKey{r, behind, policed}
	if rd, ok := c.remembered.readings[key]; ok {
		if rd == nil {
			rd = newReading()
			rd.refuse(verdict.Uncacheable, "relation %q is read by its own definition", r.name)
		}
		return rd
	}
	c.remembered.readings[key] = nil // under way
	rd := newReading()
	for _, r := range r.family() {
		if reason := r.unreadable(); reason != "" {
			rd.refuse(verdict.Uncacheable, "%s", reason)
		}
		if r.kind != 'v' {
			rd.reads[r] = true
		}
		for _, column := range r.generated {
			c.readTree(rd, column, r, fmt.Sprintf("a generated column of %q", r.name), false)
		}
	}
	if r.kind == 'v' && rd.status == verdict.Cacheable {
		rd.views[r] = true
		c.readTree(rd, r.tree, r, fmt.Sprintf("view %q", r.name), false)
	}
	if r.rowSecurity && (behind || policed) {
		for _, policy := range r.policies {
			c.readTree(rd, policy, r, fmt.Sprintf("policy %q of %q", policy.name, r.name), true)
		}
	}
	if len(rd.views) > maxViews {
		rd.refuse(verdict.Uncacheable, "relation %q is read through more than %d views", r.name, maxViews)
		rd.deep, rd.reads, rd.views = true, map[*relation]bool{}, map[*relation]bool{r: true}
	}
	c.remembered.readings[key] = rd
	c.remembered.held += len(rd.reads) + len(rd.views)
	return rd
}

// readTree adds to rd what a tree of the relation r reads. Only a policy may ask who is asking.
func (c *Inventory) readTree(rd *reading, t tree, r *relation, whole string, policy bool) {
	part := newReading()
	if t.err != nil || t.facts == nil {
		part.refuse(verdict.Uncacheable, "its definition could not be read")
		part.writes = true
		rd.add(part, whole)
		return
	}
	c.judgeFacts(part, t.facts)
	asks := &t.facts.Outside
	for _, name := range asks.Settings {
		part.needs[sqlscan.Fold(name)] = true
	}
	if !policy && !asks.None() {
		part.refuse(verdict.Volatile, "it depends on who is asking")
	}
	for _, one := range t.facts.Relations {
		switch other := c.byID[verdict.RelationID(one.OID)]; {
		case other == r && !policy && r.kind == 'v': // a view's tree names the view itself
		case other == nil:
			part.refuse(verdict.Uncacheable, "relation %d is not known", one.OID)
			part.writes = true
		default:
			if other.codeOnRead() {
				part.writes = true
			}
			part.add(c.read(other, true, false), "")
		}
	}
	rd.add(part, whole)
}

// judgeFacts judges what a tree calls and holds, relations and what it reads of the session aside.
func (c *Inventory) judgeFacts(rd *reading, f *nodetree.Facts) {
	if f.Refused != "" {
		rd.refuse(verdict.Uncacheable, "%s", f.Refused)
	}
	if f.Clock {
		rd.clock = cmp.Or(rd.clock, "a keyword such as CURRENT_DATE depends on the clock")
	}
	for _, oid := range f.Functions {
		c.judgeCall(rd, oid)
	}
	for _, oid := range f.Operators {
		o, ok := c.operations[oid]
		if oid < firstUser || o.harmless {
			continue
		}
		rd.refuse(verdict.Uncacheable, "operator %s is user-defined", o.name)
		rd.writes = rd.writes || !ok || mayWrite(o.volatility)
	}
	for _, oid := range f.Types {
		if name, bad := c.unstable[oid]; bad {
			rd.refuse(verdict.Uncacheable, "type %q is not known to be safe", name)
		}
	}
	for _, oid := range f.Domains {
		if _, ok := c.coercions[oid]; !ok {
			rd.refuse(verdict.Uncacheable, "a value becomes one of a domain not known to be safe")
		}
	}
	for _, oid := range f.Stored {
		if _, ok := c.coercions[oid]; !ok {
			rd.refuse(verdict.Uncacheable, "a value is read as a type not known to be safe")
		}
	}
	for _, oid := range f.Coerced {
		if date, ok := c.coercions[oid]; !ok || date {
			rd.refuse(verdict.Uncacheable, "a value is read as a type not known to be safe, or as a date: it may be a word such as today")
		}
	}
}

// judgeCall judges the call of a function that is known by its OID.
func (c *Inventory) judgeCall(rd *reading, oid uint32) {
	f := c.calls[oid]
	rd.writes = rd.writes || f != nil && c.makesCoded(f.name)
	switch {
	case f == nil:
		rd.refuse(verdict.Uncacheable, "function %d is not known", oid)
		rd.writes = true
	case runsText(f.name):
		rd.refuse(verdict.Uncacheable, "function %q runs a text as SQL", f.name)
		rd.writes = true
	case f.isTrusted():
		tables, ok := c.behind(f)
		if !ok {
			rd.refuse(verdict.Uncacheable, "%s", f.refuseTrusted())
		}
		for _, r := range tables {
			rd.reads[r] = true
		}
	case !f.builtin:
		status := verdict.Uncacheable
		if f.volatility == 'v' || f.volatility == 'u' {
			status = verdict.Volatile
		}
		rd.refuse(status, "function %q is user-defined and %s", f.name, volatilityWord(f.volatility))
		rd.writes = rd.writes || mayWrite(f.volatility)
	case f.readsClock():
		rd.clock = cmp.Or(rd.clock, fmt.Sprintf("function %q is %s", f.name, volatilityWord(f.volatility)))
	case !f.harmless():
		rd.refuse(verdict.Volatile, "function %q is %s", f.name, volatilityWord(f.volatility))
	case c.castJSON && asJSON(f.name):
		rd.refuse(verdict.Uncacheable, "function %q may call a user-defined cast to JSON", f.name)
	}
}

// unreadable tells why the rows of a relation change without a write that can be seen, or are not the same for all
// readers; empty if they do and are.
func (r *relation) unreadable() string {
	switch {
	case r.isSystem():
		return fmt.Sprintf("relation %q is a system catalog", r.name)
	case r.kind == 'f':
		return fmt.Sprintf("relation %q is a foreign table", r.name)
	case r.kind == 'S':
		return fmt.Sprintf("relation %q is a sequence", r.name)
	case !slices.Contains([]byte("rpvm"), r.kind):
		return fmt.Sprintf("relation %q is of a kind not known to be safe", r.name)
	case r.temporary:
		return fmt.Sprintf("relation %q is temporary", r.name)
	}
	return ""
}
