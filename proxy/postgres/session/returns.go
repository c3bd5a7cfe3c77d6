package session

import (
	"slices"
	"strings"
	"unicode/utf8"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/classify"
	"overdrive/querycache/sqlscan"
	"overdrive/querycache/verdict"
)

// This file is about a RESET with other statements behind it in its text. A RESET comes to what the server connection was opened with, and for
// the client that is its startup packet. Between two texts the difference is made up for (resets.go), but within one the server would
// run the rest under its own values. So behind such a RESET the text is given a SET, of whose answer the client hears nothing:
//
//	RESET DateStyle; SELECT d FROM t  ──▶  RESET DateStyle; SET DateStyle TO 'German'; SELECT d FROM t
//
// In the extended protocol each statement has its messages: see batchreset.go.

// maxInsertions bounds those of a text.
const maxInsertions = 64

// withReturns returns a Query with what must stand behind its RESETs, or msg itself where that is nothing.
func (s *Session) withReturns(v *classify.Verdict, text, msg []byte) []byte {
	if s.params.startup == nil || v.Status != verdict.MultipleStatements || s.srv.inserted != nil || s.reading(text) == unreadable {
		return msg
	}
	var b []byte
	made := insertions{batch: s.srv.owed.sent}
	from, letters := 0, 0
	for _, r := range classify.Returns(text) {
		for _, it := range s.comesBack(r.Names) {
			sql := " SET " + it.Name + " TO " + asSetting(it) + ";"
			b = append(b, text[from:r.End]...)
			letters += s.countLetters(text[from:r.End])
			from = r.End
			made.each = append(made.each, insertion{r.Nth + len(made.each) + 1, letters, len(sql)})
			b = append(b, sql...)
			letters += len(sql)
		}
	}
	if n := len(made.each); n == 0 || n > maxInsertions || len(b)+len(text)-from > MaxHeld {
		return msg
	}
	s.srv.inserted = &made
	return s.space.scratch.text(pgwire.Query, string(append(b, text[from:]...)))
}

// comesBack are the settings of the startup packet to which a RESET of some parameters comes, where the server's are others.
func (s *Session) comesBack(names []string) []settings.Setting {
	var r resets
	for _, name := range names {
		r.reset(name, 0)
	}
	return slices.DeleteFunc(s.goneTooFar(r.comesBack), func(it settings.Setting) bool { return !plainSetting(it) })
}

// plainSetting says whether a setting can be written as SQL that is read in one way only, whatever else is set.
func plainSetting(it settings.Setting) bool {
	for _, part := range strings.Split(it.Name, ".") {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") != "" {
			return false
		}
	}
	return sqlscan.IsASCII(it.Value) && strings.IndexByte(it.Value, '\\') < 0 && !strings.Contains(it.Key, "temp_tablespaces") && !strings.Contains(it.Key, "_libraries")
}

// asSetting writes a value as SET takes it. A search_path is a list of names, each a value of its own.
func asSetting(it settings.Setting) string {
	if it.Key != "search_path" {
		return classify.Literal(it.Value)
	}
	names, ok := classify.SplitPath(it.Value)
	if !ok || len(names) == 0 {
		return classify.Literal(it.Value)
	}
	for i, name := range names {
		names[i] = classify.Literal(name)
	}
	return strings.Join(names, ", ")
}

// countLetters counts as the server counts the position of an error.
func (s *Session) countLetters(text []byte) int {
	if s.readsUTF8() {
		return utf8.RuneCount(text)
	}
	return len(text)
}
