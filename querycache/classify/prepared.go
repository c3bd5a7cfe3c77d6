package classify

import "slices"

// preparedNames finds the prepared statements that a text names, and those that it drops. Wherever a word may stand before a name, it
// counts: EXECUTE is a part of other statements, too, and a name that is none costs nothing.
func preparedNames(all []statement) (names []PreparedName, dropped []string) {
	seen := make(map[string]int)
	for _, s := range all {
		first := s.at(0)
		if first.is("prepare") && !s.at(1).is("transaction") {
			names = addName(names, seen, s.at(1), false)
		}
		if first.is("deallocate") {
			t := s.at(1)
			if t.is("prepare") && s.at(2).name != "" {
				t = s.at(2)
			}
			if t.name != "" && !t.is("all") {
				names, dropped = addName(names, seen, t, false), append(dropped, t.name)
			}
		}
		if i := slices.IndexFunc(s, func(t token) bool { return t.is("execute") }); i >= 0 {
			names = addName(names, seen, s.at(i+1), true)
		}
	}
	return names, dropped
}

// addName adds what t names, if it names something. seen has the places of names.
func addName(names []PreparedName, seen map[string]int, t token, executed bool) []PreparedName {
	if t.name == "" {
		return names
	}
	i, ok := seen[t.name]
	if !ok {
		i, names = len(names), append(names, PreparedName{Name: t.name})
		seen[t.name] = i
	}
	names[i].Executed = names[i].Executed || executed
	return names
}
