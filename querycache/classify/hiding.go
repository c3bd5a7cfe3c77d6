package classify

import "regexp"

// mayHide reports whether a body may set parameters by words that blockBits does not see: by a text that is not one plain
// constant, by a name with escapes, or by a SET behind a comment. It looks for the same as configures does in functions.
func mayHide(body string) bool {
	if hidden.MatchString(body) {
		return true
	}
	for _, at := range executes.FindAllStringIndex(body, -1) {
		if plain := plainExecute.FindString(body[at[1]:]); plain == "" || fillsCall.MatchString(plain) {
			return true
		}
	}
	return false
}

// The patterns. A name that is filled in may be that of a function, or of a view to set parameters by. What stands behind the constant of a format is bounded, so that time grows with the length of the body alone.
var (
	hidden       = regexp.MustCompile(`(?i)\bu&["']|(\*/|--[^\n]*\n)\s*(re)?set\b`)
	executes     = regexp.MustCompile(`(?i)\bexecute\b`)
	plainExecute = regexp.MustCompile(`(?i)^(` +
		`\s*'\s*(` + plainWords + `)\b([^']|'')*'` +
		`|\s+format\s*\(\s*'\s*(` + plainWords + `)\b([^'%]|''|%%|%L|%I)*'[^;|]{0,200}\)` +
		`)\s*(;|(into|using|loop)\b)`)
	fillsCall = regexp.MustCompile(`(?is)\b(select|with|values|update|merge|copy)\b.*%I`)
)
