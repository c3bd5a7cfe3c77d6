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
	Rights     bool                 // what RightsQuery asks for may have changed
}

// None reports whether all answers are what they were.
func (d Difference) None() bool { return !d.Everything && len(d.Relations) == 0 }

// DifferenceFrom tells what may be answered otherwise by c than by the Inventory before it. An answer depends on the relations with rows
// of its own that it reads, and a view has none: where one has changed, so has what it is over. A relation that comes or goes, or
// has another name, is hidden by others of the name, or hides them.
func (c *Inventory) DifferenceFrom(before *Inventory) Difference {
	if c.signs == nil || before.signs == nil || c.signs.Common != before.signs.Common || c.signs.Rights != before.signs.Rights {
		return Difference{Everything: true, Rights: true}
	}
	rights := false
	ids, names := map[verdict.RelationID]bool{}, map[string]bool{}
	for _, oid := range before.changedIn(c.standings) {
		id := verdict.RelationID(oid)
		old, now := before.byID[id], c.byID[id]
		if before.standings[oid].kind == "c" || c.standings[oid].kind == "c" || before.rowUses[id] || c.rowUses[id] || len(ids) > maxUpdated {
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
	if before.meansMore(names) || c.meansMore(names) || !before.addNamed(ids, names) || !c.addNamed(ids, names) {
		return Difference{Everything: true, Rights: true}
	}
	return Difference{Relations: slices.Sorted(maps.Keys(ids)), Rights: rights}
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

// meansMore reports whether one of the names, or of the arrays of what is named so, is that of a function or of a type that a value may be cast to.
func (c *Inventory) meansMore(names map[string]bool) bool {
	for name := range names {
		for range 3 {
			if c.functions[name] != nil || c.types[name] != nil {
				return true
			}
			name = "_" + name
			name = name[:min(len(name), MaxName)]
		}
	}
	return false
}
