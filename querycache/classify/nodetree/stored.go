package nodetree

import (
	"slices"
	"strings"
)

// parts are the OIDs of PostgreSQL's operators and functions that give a text, or a value of JSON, as it stands in their first argument, or a
// part of it: -> ->> #> #>>, and left, right, substr, substring, split_part, btrim, ltrim, rtrim, lower, upper, min and max of texts, json_extract_path
// and its kin, and the casts to texts of a length.
var parts = []int64{
	3206, 3211, 3212, 3213, 3477, 3481, 3962, 3963, 3964, 3965, 3966, 3967,
	401, 406, 408, 668, 669, 730, 860, 870, 871, 875, 876, 877, 881, 882, 883, 884, 885, 936, 937, 946, 1401,
	2073, 2074, 2088, 2129, 2145, 2244, 2245, 2971, 3060, 3061, 3217, 3940, 3951, 3953,
}

// isStored reports whether v is a text that comes from a column, and from constants that hold no word for the present, without being put together.
func isStored(v value) bool {
	column, ok := false, true
	var look func(v value)
	look = func(v value) {
		switch v.name {
		case "VAR":
			column = true
		case "CONST":
			if d, found := v.get("constvalue"); found && d.kind == datum && mayHoldWord(d.text) {
				ok = false
			}
		case "FUNCEXPR", "OPEXPR", "AGGREF", "WINDOWFUNC":
			for _, name := range []string{"funcid", "opno", "aggfnoid", "winfnoid"} {
				if n, found := number(v, name); found && !slices.Contains(parts, n) {
					ok = false
				}
			}
		case "SUBLINK", "CASETESTEXPR":
			ok = false
		}
		for _, f := range v.fields {
			look(f.value)
		}
		for _, item := range v.items {
			look(item)
		}
	}
	look(v)
	return ok && column
}

// mayHoldWord reports whether a part of a constant, or what its escapes stand for, may be a word for the present.
func mayHoldWord(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc([]string{"now", "today", "tomorrow", "yesterday", `\`}, func(word string) bool { return strings.Contains(text, word) })
}
