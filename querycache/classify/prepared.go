package classify

import (
	"slices"

	"overdrive/querycache/sqlscan"
)

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

// PreparedBody returns the statement that a text prepares by SQL, a part of the text: of "PREPARE p (int) AS SELECT $1" it is
// " SELECT $1". ok says that the text, which a server has accepted, is one PREPARE and nothing else.
func PreparedBody(text []byte) (body []byte, ok bool) {
	scan := sqlscan.Scan(text)
	next := func() string {
		scan.Next()
		return sqlscan.Fold(string(text[scan.Start:scan.End]))
	}
	if next() != "prepare" {
		return nil, false
	}
	next() // the name
	word := next()
	for depth := 0; depth > 0 || word == "("; word = next() { // the types of the parameters
		switch word {
		case "(":
			depth++
		case ")":
			depth--
		case "": // the end
			return nil, false
		}
	}
	if word != "as" {
		return nil, false
	}
	start, ended := scan.End, false
	for scan.Next() != sqlscan.End {
		semicolon := text[scan.Start] == ';'
		if ended && !semicolon {
			return nil, false
		}
		ended = ended || semicolon
	}
	return text[start:], !scan.Broken
}
