package classify

import (
	"overdrive/querycache/classify/nodetree"
	"overdrive/querycache/verdict"
)

// Oracle judges a statement by the server's own tree of it, as debug_print_rewritten logs it of a PREPARE: names are
// resolved, views and policies put in. It returns Cacheable with the relations that are read, ascending, or another status
// and one sentence that names the culprit. The tree must be of the catalog's database at the catalog's time.
//
// It is the check on Judge, which may allow nothing that Oracle does not. It sees less in one respect: constants have
// become values, so it cannot tell 'today' from a date.
func (c *Inventory) Oracle(text string) (verdict.Status, string, []verdict.RelationID) {
	facts, err := nodetree.Read(text)
	if err != nil {
		return verdict.ParseError, err.Error(), nil
	}
	rd := newReading()
	c.judgeFacts(rd, facts)
	if !facts.Outside.None() {
		rd.refuse(verdict.Volatile, "it depends on who is asking")
	}
	if rd.clock != "" {
		rd.refuse(verdict.Volatile, "%s", rd.clock)
	}
	for _, one := range facts.Relations {
		r := c.byID[verdict.RelationID(one.OID)]
		switch {
		case r == nil:
			rd.refuse(verdict.Uncacheable, "relation %d is not known", one.OID)
		case one.Kind == 'v': // what it reads stands beside it
		default:
			c.oracleRelation(rd, r)
		}
	}
	if rd.status != verdict.Cacheable {
		return rd.status, rd.reason, nil
	}
	return verdict.Cacheable, "", ids(rd.reads)
}

func (c *Inventory) oracleRelation(rd *reading, r *relation) {
	for _, r := range r.family() {
		if reason := r.unreadable(); reason != "" {
			rd.refuse(verdict.Uncacheable, "%s", reason)
		}
		rd.reads[r] = true
	}
}
