package classify

import (
	"maps"
	"slices"
)

// A doubt is what DDL has touched, from a generation on: no catalog tells of it that was begun to be loaded before.
type doubt struct {
	touch *Touch
	in    uint64
}

// doubts are those of one state, which never change. Where many come between two looks at the catalog the older half is put together, so that a
// statement is judged by few, and where that becomes too large nothing is known any more.
type doubts []doubt

const (
	maxDoubts  = 64   // one by one
	maxTouched = 4096 // names and relations of several that were put together
)

// with returns the doubts and those of a generation. It returns false if that is too much.
func (d doubts) with(in uint64, touches []*Touch) (doubts, bool) {
	all := slices.Clip(d)
	for _, t := range touches {
		all = append(all, doubt{t, in})
	}
	if len(all) <= maxDoubts {
		return all, true
	}
	older, newer := all[:len(all)/2], all[len(all)/2:]
	sum := newTouch()
	for _, one := range older {
		sum.absorb(one.touch)
	}
	sum.tidy()
	return append(doubts{{sum, older[len(older)-1].in}}, newer...), sum.size() <= maxTouched
}

// since returns those that have come after a generation.
func (d doubts) since(generation uint64) doubts {
	return slices.DeleteFunc(slices.Clone(d), func(one doubt) bool { return one.in <= generation })
}

func (d doubts) touches() []*Touch {
	if len(d) == 0 {
		return nil
	}
	all := make([]*Touch, len(d))
	for i, one := range d {
		all[i] = one.touch
	}
	return all
}

// absorb has t, which nobody else has yet, touch what another touches.
func (t *Touch) absorb(other *Touch) {
	maps.Copy(t.relations, other.relations)
	maps.Copy(t.names, other.names)
	maps.Copy(t.code, other.code)
	t.prefixes = append(t.prefixes, other.prefixes...)
	t.triggers, t.blind, t.bends = t.triggers || other.triggers, t.blind || other.blind, t.bends || other.bends
}

// size is what t costs.
func (t *Touch) size() int { return len(t.relations) + len(t.names) + len(t.code) + len(t.prefixes) }
