package classify

import (
	"regexp"
	"slices"
	"strings"

	"overdrive/querycache/sqlscan"
)

// This file looks at the constants of a text, which its shape does not have.

// dependsOnText reports whether constants may change what s leaves behind in the session: s is a DO block, sets a search_path, which
// may lead to temporary objects, or the role of the transaction, or calls set_config, whose first argument names the parameter.
func (s statement) dependsOnText() bool {
	if s.at(0).is("do") || s.pathValue() != nil || s.setsLocalRole() {
		return true
	}
	for i := range s {
		if s.configures(i) {
			return true
		}
	}
	return false
}

// finish returns the verdict on a text whose shape has the verdict v, adding what depends on its constants.
func (v *Verdict) finish(text []byte) *Verdict {
	finished := *v
	all := statements(text)
	if v.Own != nil && len(all) == 1 {
		finished.Own = ownStatement(all[0])
		return &finished
	}
	if v.Session.Has(SetsConfig) {
		finished.Session &^= SetsConfig
		finished.Sets, finished.Resets, finished.Kept = nil, nil, nil
		sessionEffects(&finished, all, true)
		finished.setByCode(v.ownSets)
	}
	finished.Locals, finished.OnlySets = localSettings(all)
	named := !finished.Session.Has(SetsConfig)
	for _, s := range all {
		if s.leadsToTemporary() {
			finished.Session |= TempPath
		}
		if s.setsLocally(renames) {
			finished.Session |= Renames
		}
		if s.setsLocally(recodes) {
			finished.Session |= Recodes
		}
		if !s.at(0).is("do") {
			continue
		}
		for _, t := range s {
			switch t.kind {
			case sqlscan.String, sqlscan.Dollar:
				bits, ddl, shared := blockBits(t.text)
				named = named && (!bits.Has(SetsConfig) || finished.blockSets(t))
				finished.Session |= bits
				finished.DDL = finished.DDL || ddl || shared
				finished.Shared = finished.Shared || shared
			case sqlscan.EString, sqlscan.UString:
				finished.Session |= SessionUnknown // escapes may hide anything
				finished.DDL, finished.Shared = true, true
			}
		}
	}
	finished.SetsByName = named && finished.Session.Has(SetsConfig)
	return &finished
}

// setHead is a pattern of a string that is a SET, from its quote to where the value begins.
const setHead = `\s*'\s*set\s+(session\s+|local\s+)?[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*\s*(=|\sto\s)`

// namedExecute is an EXECUTE of a SET whose parameter stands in it.
var namedExecute = regexp.MustCompile(`(?i)\bexecute(` + setHead + `([^']|'')*'|\s+format\s*\(` + setHead + `\s*%L\s*'[^;|]{0,200}\))\s*;`)

// blockSets notes which parameters of the user's own the body of a DO block sets. It returns false if their names do not all stand in it.
func (v *Verdict) blockSets(body token) bool {
	content, ok := body.content()
	if !ok || mayHide(string(namedExecute.ReplaceAll(content, []byte("execute 'select';")))) {
		return false
	}
	var names ownNames
	names.look(content, 0)
	if names.unnamed || len(names.set) > maxOwnSet {
		return false
	}
	v.Sets = append(slices.Clip(v.Sets), names.set...)
	return true
}

// leadsToTemporary reports whether s, taken from the text itself, may set a search_path with the schema of temporary
// objects in it, for the session or the transaction: what is created without a schema is then temporary.
func (s statement) leadsToTemporary() bool {
	if slices.ContainsFunc(s.pathValue(), token.mayNameTemporary) {
		return true
	}
	for i := range s {
		name, ok := s.configName(i)
		path := s.at(i + 4)
		switch {
		case !s.configures(i), ok && name != "search_path":
		case !ok, !path.isString() || path.mayNameTemporary() || s.at(i+5).text != ",":
			return true
		}
	}
	return false
}

// setsLocally reports whether s, taken from the text itself, may call set_config for the transaction alone for one of some
// parameters.
func (s statement) setsLocally(one func(parameter string) bool) bool {
	for i := range s {
		if name, ok := s.configName(i); s[i].local && (!ok || one(name)) {
			return true
		}
	}
	return false
}

// pathValue returns what stands behind the name in SET [LOCAL | SESSION] search_path or schema, or nil.
func (s statement) pathValue() statement {
	n := 1
	if s.at(n).is("local", "session") {
		n++
	}
	if !s.at(0).is("set") || !strings.EqualFold(s.at(n).name, "search_path") && !s.at(n).is("schema") {
		return nil
	}
	return s[n+1:]
}

// mayNameTemporary reports whether t is a string that may hold the name of the schema of temporary objects.
func (t token) mayNameTemporary() bool {
	return t.hides() || t.isString() && strings.Contains(strings.ToLower(t.text), "pg_temp")
}

// hides reports whether t is a string that must be decoded first: one with escapes, or of several pieces, which have a
// newline between them.
func (t token) hides() bool {
	return t.kind == sqlscan.EString || t.kind == sqlscan.UString || t.isString() && strings.ContainsAny(t.text, "\n\r")
}

func (t token) isString() bool {
	switch t.kind {
	case sqlscan.String, sqlscan.EString, sqlscan.UString, sqlscan.Dollar:
		return true
	}
	return false
}
