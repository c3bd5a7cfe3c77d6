package classify

import "overdrive/querycache/verdict"

// This file judges domains by the conditions that their values must meet: PostgreSQL's own functions in one can be anything, as now() is,
// and its catalog says nothing of who calls those.

// addCondition notes a condition of a domain.
func (c *Inventory) addCondition(domain uint32, condition tree) {
	if c.conditions == nil {
		c.conditions = map[uint32][]tree{}
	}
	c.conditions[domain] = append(c.conditions[domain], condition)
}

// judgeDomains has no value be cast to a domain with a condition that is not harmless.
func (c *Inventory) judgeDomains() {
	bad := map[uint32]bool{}
	for domain, conditions := range c.conditions {
		for _, condition := range conditions {
			bad[domain] = bad[domain] || !c.harmlessCondition(condition)
		}
	}
	for _, types := range c.types {
		for i := range types {
			if t := &types[i]; bad[t.oid] {
				t.safe = false
				delete(c.coercions, t.oid)
			}
		}
	}
}

// harmlessCondition reports whether a condition depends on nothing but the value.
func (c *Inventory) harmlessCondition(t tree) bool {
	if t.err != nil || t.facts == nil || !t.facts.Outside.None() || !t.facts.Guard.None() || len(t.facts.Relations) > 0 {
		return false
	}
	rd := newReading()
	c.judgeFacts(rd, t.facts)
	return rd.status == verdict.Cacheable && rd.clock == "" && len(rd.reads) == 0
}
