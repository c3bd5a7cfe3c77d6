package classify

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"overdrive/querycache/sqlscan"
)

// This file reads the statements of a body that set a parameter of the user's own, as functions do that say whose rows are meant:
//
//	SET app.tenant = '7';   EXECUTE format('SET app.tenant = %L', tenant);

// sets reads what stands behind SET: [SESSION | LOCAL] name {= | TO} constant. Variables of the function are none there.
func (b *block) sets() bool {
	words, ok := b.until(";")
	if !ok {
		return false
	}
	local := len(words) > 0 && words[0].is("local")
	if local || len(words) > 0 && words[0].is("session") {
		words = words[1:]
	}
	n := len(words) - 2
	if n < 3 || n%2 == 0 || words[n].text != "=" && !words[n].is("to") {
		return false
	}
	var name strings.Builder
	for i, w := range words[:n] {
		if i%2 == 0 && w.name == "" || i%2 == 1 && w.text != "." {
			return false
		}
		name.WriteString(cmp.Or(w.name, w.text))
	}
	if value := words[n+1]; value.kind != sqlscan.String && value.name == "" && value.kind != sqlscan.Number || value.hides() {
		return false
	}
	b.setsOwn(strings.ToLower(name.String()), local)
	return true
}

// ownFormat is that of a SET of a parameter of the user's own to one value, which is filled in as a string.
var ownFormat = regexp.MustCompile(`(?i)^\s*set\s+(session\s+|local\s+)?([a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)+)\s*(?:=|\sto\s)\s*%L\s*;?\s*$`)

// executes reads what stands behind EXECUTE, where that is format of such a SET.
func (b *block) executes() bool {
	words, ok := b.until(";")
	if !ok || len(words) < 6 || !words[0].is("format") || words[1].text != "(" || words[2].kind != sqlscan.String || words[2].hides() ||
		words[3].text != "," || closing(words[1:]) != len(words)-2 {
		return false
	}
	if slices.ContainsFunc(b.catalog.functions["format"], func(f *function) bool { return !f.builtin }) {
		return false
	}
	match := ownFormat.FindStringSubmatch(strings.ReplaceAll(words[2].text[1:len(words[2].text)-1], "''", "'"))
	if match == nil || !b.expression(words) {
		return false
	}
	b.setsOwn(strings.ToLower(match[2]), strings.EqualFold(strings.TrimSpace(match[1]), "local"))
	return true
}

// setsOwn notes a parameter that is set for the session, or for the transaction alone, behind which the server knows it.
func (b *block) setsOwn(name string, local bool) {
	if !local {
		b.ownSets = append(b.ownSets, name)
	}
}
