package classify

import (
	"maps"
	"slices"
	"strings"

	"overdrive/querycache/sqlscan"
)

// This file is about parameters of the user's own: those with a dot in their names, which exist from when somebody first sets them.

func isOwn(parameter string) bool { return strings.Contains(parameter, ".") }

// ownBit is SetsOwn if one of the parameters that are set is the user's own.
func ownBit(parameters []string) Session {
	if slices.ContainsFunc(parameters, isOwn) {
		return SetsOwn
	}
	return 0
}

// setsOwnAlone reports whether all that s, taken from a text, sets by set_config are parameters of the user's own, by names that stand in it. Names hang on none of
// them, for the session or for the transaction.
func (s statement) setsOwnAlone() bool {
	for i := range s {
		if name, named := s.configName(i); s.configures(i) && !(named && isOwn(name)) {
			return false
		}
	}
	return true
}

// readsOwn reports whether s may read one.
func (s statement) readsOwn() bool {
	return s.at(0).is("show") && s.at(2).text == "." || slices.ContainsFunc(s, func(t token) bool { return t.name == "current_setting" })
}

// OwnRead returns the parameters of the user's own, in lower case, that a text reads by SHOW or current_setting. others: it reads some
// whose names do not stand in it.
func OwnRead(text []byte) (names []string, others bool) {
	for _, s := range statements(text) {
		if s.at(0).is("show") && s.at(2).text == "." {
			shown, _ := parameterNames(s[1:])
			names = append(names, shown...)
		}
		for i, t := range s {
			switch arg := s.at(i + 2); {
			case t.name != "current_setting" || s.at(i+1).text != "(":
			case arg.kind != sqlscan.String || arg.hides() || s.at(i+3).text != "," && s.at(i+3).text != ")":
				others = true
			default:
				if name := sqlscan.Fold(strings.ReplaceAll(arg.text[1:len(arg.text)-1], "''", "'")); isOwn(name) {
					names = append(names, name)
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), others
}

// setByCode adds parameters of the user's own that code sets which runs.
func (v *Verdict) setByCode(names []string) {
	if len(names) == 0 {
		return
	}
	v.ownSets = names
	v.Sets = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(v.Sets), names...))))
	v.Session |= SetsOwn
}

// maxOwnSet bounds the parameters that are known of an Inventory's functions, maxOwnName the length of their names.
const (
	maxOwnSet  = 100
	maxOwnName = 200
)

// OwnSet returns the parameters of the user's own, in lower case and ascending, that functions set, as far as their names stand in the bodies: some may
// be set that are not among them, and none of them need be. The server tells of no such parameter by itself.
func (c *Inventory) OwnSet() []string {
	all := maps.Clone(c.ownSet)
	if c.unnamed {
		schemas := map[string]bool{}
		for key := range c.byName {
			schemas[key.schema] = true
		}
		for name := range c.ownStrings {
			if schema, _, _ := strings.Cut(name, "."); len(all) < maxOwnSet && !schemas[schema] {
				all[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// Configures reports whether code of the user's may set parameters.
func (c *Inventory) Configures() bool { return c.configures }
