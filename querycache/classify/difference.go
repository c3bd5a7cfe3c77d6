package classify

import (
	"maps"
	"slices"

	"overdrive/querycache/verdict"
)

// A Difference is what may be answered otherwise because a catalog has changed.
type Difference struct {
	Everything bool
	Relations  []verdict.RelationID // else: what depends on one of these, ascending
	Names      []string             // or names a function or type of one of these, ascending
	Objects    bool                 // the verdict on what names none of these may be another, though not the answer
	Rights     bool                 // what RightsQuery asks for may have changed
}

// None reports whether all answers are what they were.
func (d Difference) None() bool {
	return !d.Everything && len(d.Relations) == 0 && len(d.Names) == 0 && !d.Objects
}

// DifferenceFrom tells what may be answered otherwise by c than by the Inventory before it. An answer depends on the relations with rows
// of its own that it reads, and a view has none: where one has changed, so has what it is over. A relation that comes or goes, or
// has another name, is hidden by others of the name, or hides them.
func (c *Inventory) DifferenceFrom(before *Inventory) Difference {
	if c.signs == nil || before.signs == nil || c.signs.Common != before.signs.Common || c.signs.Rights != before.signs.Rights {
		return Difference{Everything: true, Rights: true}
	}
	code, ok := c.objectsFrom(before)
	if !ok {
		return Difference{Everything: true, Rights: true}
	}
	rights := code.rights
	ids, names := map[verdict.RelationID]bool{}, map[string]bool{}
	for _, all := range []*Inventory{before, c} {
		for _, id := range all.triggeredBy(code.functions) {
			ids[id] = true
		}
	}
	for _, oid := range before.changedIn(c.standings) {
		id := verdict.RelationID(oid)
		old, now := before.byID[id], c.byID[id]
		was, is := before.standings[oid].kind, c.standings[oid].kind
		if was == "c" && is == "c" || before.rowUses[id] || c.rowUses[id] || len(ids) > maxUpdated {
			return Difference{Everything: true, Rights: true}
		}
		ids[id] = true
		rights = rights || old != nil && old.rowSecurity || now != nil && now.rowSecurity
		if old != nil && now != nil && old.schema == now.schema && old.name == now.name && old.kind == now.kind {
			if !before.addBeneath(ids, old) || !c.addBeneath(ids, now) {
				return Difference{Everything: true, Rights: true}
			}
			continue
		}
		for _, r := range []*relation{old, now} {
			if r != nil {
				names[r.name] = true
			}
		}
	}
	if !before.addNamed(ids, names) || !c.addNamed(ids, names) {
		return Difference{Everything: true, Rights: true}
	}
	for name := range names {
		if before.meansMore(name) || c.meansMore(name) {
			code.names.addCode(name)
		}
	}
	return Difference{
		Relations: slices.Sorted(maps.Keys(ids)), Names: slices.Sorted(maps.Keys(code.names.code)), Rights: rights,
		Objects: before.signs.Objects != c.signs.Objects,
	}
}

// addBeneath adds what is beneath a view. It returns false if there is nothing by which answers that come through the view could be told.
func (c *Inventory) addBeneath(ids map[verdict.RelationID]bool, r *relation) bool {
	if r.kind != 'v' {
		return true
	}
	rd := c.reading(r, false)
	for base := range rd.reads {
		ids[base.id] = true
	}
	return len(rd.reads) > 0 || rd.status != verdict.Cacheable // which nothing is kept of
}

// addNamed adds all relations of the names. It returns false where addBeneath does.
func (c *Inventory) addNamed(ids map[verdict.RelationID]bool, names map[string]bool) bool {
	if len(names) == 0 {
		return true
	}
	for q, r := range c.byName {
		if !names[q.name] {
			continue
		}
		ids[r.id] = true
		if !c.addBeneath(ids, r) {
			return false
		}
	}
	return true
}

// meansMore reports whether the name of a relation, or that of its arrays, is also one of a function or of a type that a value may be cast to.
func (c *Inventory) meansMore(name string) bool {
	for range 3 {
		if c.functions[name] != nil || c.types[name] != nil {
			return true
		}
		name = arrayOf(name)
	}
	return false
}

// Written is what a statement would have that makes the difference: it writes what depends on what has changed.
func (d Difference) Written() *verdict.Statement {
	s := &verdict.Statement{Effect: verdict.EffectRelations, Writes: d.Relations}
	for _, name := range d.Names {
		s.Names = append(s.Names, verdict.NameID(name))
	}
	return s
}
