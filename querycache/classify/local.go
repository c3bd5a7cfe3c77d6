package classify

import (
	"slices"
	"strconv"
	"strings"

	"overdrive/querycache/sqlscan"
)

// This file reads what a text sets for its transaction alone, where it does nothing else. Frameworks begin each of their transactions so:
//
//	SET LOCAL ROLE reader
//	SELECT set_config('search_path', $1, true), set_config('role', $2, true), set_config($3, $4, true)
//
// It goes by the tokens of the text itself, since a shape has no constants.

// A LocalSetting is one parameter that a text sets for its transaction.
type LocalSetting struct {
	Name  Argument // in the text it is in lower case
	Value Argument // as the server keeps it; it is told of search_path and role only, and of what has its name in a parameter
	// Default: the parameter goes back to what the session began with, and Value says nothing.
	Default bool
}

// An Argument stands in a text, or comes with it.
type Argument struct {
	Text  string
	Param int // the number of the parameter that holds it, from 1; 0: it is Text
}

// mayRename reports whether names, or whose rights count, may hang on the parameter.
func (l *LocalSetting) mayRename() bool { return l.Name.Param != 0 || renames(l.Name.Text) }

// localSettings reads the statements of a text. only: they do nothing but set parameters, and where one of them changes what names mean, none
// stands behind it in which a name is looked up. all is nil where that is not so, or where not all that is set can be read.
func localSettings(statements []statement) (all []LocalSetting, only bool) {
	known, renamed := true, false
	for _, s := range statements {
		if len(all) > maxLocals {
			return nil, false
		}
		switch {
		case s.at(0).is("set") && s.at(1).is("local"):
			one, ok := s.setLocal()
			all, known, renamed = append(all, one), known && ok, renamed || !ok || one.mayRename()
		case s.at(0).is("reset"), s.at(0).is("set") && !s.at(1).is("constraints"):
			known, renamed = false, true
		default:
			calls, ok := s.localConfigs()
			if !ok || renamed {
				return nil, false
			}
			for i := range calls {
				renamed = renamed || calls[i].mayRename()
			}
			all = append(all, calls...)
		}
	}
	if !known {
		all = nil
	}
	return all, len(statements) > 0
}

// maxLocals bounds the settings of one text that are looked at.
const maxLocals = 256

// setLocal reads a SET LOCAL. ok says that what it sets is known, as far as it matters.
func (s statement) setLocal() (one LocalSetting, ok bool) {
	names, value := parameterNames(s[2:])
	one.Name.Text = names[0]
	if value.at(0).is("to") || value.at(0).text == "=" {
		value = value[1:]
	}
	switch {
	case len(names) != 1 || names[0] == "":
		return one, false
	case one.Name.Text != "search_path" && one.Name.Text != "role":
		return one, !renames(one.Name.Text) && !recodes(one.Name.Text)
	case len(value) == 1 && value[0].is("default"):
		one.Default = true
		return one, true
	}
	list, ok := value.list()
	switch {
	case !ok:
		return one, false
	case one.Name.Text == "search_path":
		one.Value.Text = joinPath(list)
		return one, true
	}
	one.Value.Text = list[0]
	return one, len(list) == 1
}

// list reads names and strings with commas between them.
func (s statement) list() (all []string, ok bool) {
	for i, t := range s {
		if i%2 == 1 {
			if t.text != "," {
				return nil, false
			}
			continue
		}
		text, plain := t.plainString()
		if !plain {
			if text = t.name; text == "" {
				return nil, false
			}
		}
		all = append(all, text)
	}
	return all, len(s)%2 == 1
}

// plainString returns what a string says that says it letter for letter.
func (t token) plainString() (text string, ok bool) {
	if t.kind != sqlscan.String || t.hides() || t.text[0] != '\'' {
		return "", false
	}
	return strings.ReplaceAll(t.text[1:len(t.text)-1], "''", "'"), true
}

// localConfigs reads a SELECT of nothing but calls of set_config for the transaction.
func (s statement) localConfigs() (all []LocalSetting, ok bool) {
	if !s.at(0).is("select") {
		return nil, false
	}
	for rest := s[1:]; ; rest = rest[1:] {
		var one LocalSetting
		if one, rest, ok = rest.localConfig(); !ok {
			return nil, false
		}
		all = append(all, one)
		if len(rest) == 0 {
			return all, true
		}
		if rest[0].text != "," || len(all) == maxLocals {
			return nil, false
		}
	}
}

// localConfig reads one such call, with its label, off the front of s.
func (s statement) localConfig() (one LocalSetting, rest statement, ok bool) {
	if s.at(0).name == systemSchema && s.at(1).text == "." {
		s = s[2:]
	}
	if len(s) == 0 || !s.configures(0) {
		return one, nil, false
	}
	if one.Name, rest, ok = s[2:].argument(); !ok || rest.at(0).text != "," {
		return one, nil, false
	}
	one.Name.Text = sqlscan.Fold(one.Name.Text)
	if rest = rest[1:]; rest.at(0).is("null") {
		one.Default, rest = true, rest[1:].behindCast()
	} else if one.Value, rest, ok = rest.argument(); !ok {
		return one, nil, false
	}
	if rest.at(0).text != "," || !rest.at(1).is("true") || rest.at(2).text != ")" {
		return one, nil, false
	}
	if rest = rest[3:]; rest.at(0).is("as") && rest.at(1).name != "" {
		rest = rest[2:]
	}
	return one, rest, true
}

// argument reads a string or a parameter, which may be cast to text, off the front of s.
func (s statement) argument() (a Argument, rest statement, ok bool) {
	switch t := s.at(0); t.kind {
	case sqlscan.String:
		a.Text, ok = t.plainString()
	case sqlscan.Param:
		n, err := strconv.Atoi(t.text[1:])
		a.Param, ok = n, err == nil && n > 0
	}
	if !ok {
		return a, nil, false
	}
	return a, s[1:].behindCast(), true
}

// behindCast returns what stands behind a cast to text, or s where there is none.
func (s statement) behindCast() statement {
	if s.at(0).text == "::" && s.at(1).is("text") {
		return s[2:]
	}
	return s
}

// PlainPath returns a search_path in one spelling of those that mean the same. ok is false if it names no schema, or if it cannot be told what it means.
func PlainPath(text string) (plain string, ok bool) {
	names, ok := SplitPath(text)
	return joinPath(names), ok && len(names) > 0
}

// joinPath spells a search_path.
func joinPath(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = name
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_0123456789") != "" || name == "" || name[0] <= '9' {
			quoted[i] = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
	}
	return strings.Join(quoted, ", ")
}

// renamedMidway reports whether something stands in a text behind a RESET, or SET TO DEFAULT, that changes what names mean.
func renamedMidway(all []statement) bool {
	for _, s := range all[:max(len(all)-1, 0)] {
		if !s.at(0).is("reset", "set") {
			continue
		}
		var order assignments
		setParameters(new(Verdict), &order, s)
		for _, one := range order {
			if one.reset && slices.ContainsFunc(one.names, func(name string) bool { return name == "all" || renames(name) }) {
				return true
			}
		}
	}
	return false
}

// setsLocalRole reports whether s is a SET LOCAL of the role.
func (s statement) setsLocalRole() bool {
	if !s.at(0).is("set") || !s.at(1).is("local") {
		return false
	}
	names, _ := parameterNames(s[2:])
	return slices.Contains(names, "role")
}
