package classify

// This file tells which statements change what all databases of a server have in common: roles and who is a member of them,
// databases, tablespaces, and what any of them sets.

// sharedWords stand behind CREATE, ALTER and DROP of such objects, and of those whose scripts may do anything.
var sharedWords = map[string]bool{
	"role": true, "user": true, "group": true, "database": true, "tablespace": true, "owned": true, "system": true,
	"extension": true, "subscription": true,
}

// share notes whether the statements may change what databases share; called tells that a function does which they call. v.DDL is
// set. Only functions that are called by name are looked at, and none without a catalog: each of two databases would keep the other
// without one.
func (v *Verdict) share(all []statement, called bool) {
	v.Shared = called
	for _, s := range all {
		v.Shared = v.Shared || v.DDL && s.sharesDDL()
	}
	v.DDL = v.DDL || v.Shared
}

// sharesDDL reports whether s, if it is DDL at all, may change what databases share. It knows the statements that do not.
func (s statement) sharesDDL() bool {
	switch first := s.at(0); {
	case first.is("create", "alter", "drop"):
		for i := 1; i < 4; i++ {
			if t := s.at(i); t.name != "" && sharedWords[t.name] {
				return true
			}
		}
		return false
	case first.is("grant", "revoke"):
		for i := range s {
			if s[i].is("on") {
				return s.at(i+1).is("database", "tablespace", "parameter")
			}
		}
		return true // of a role
	case first.text == "(" || first.is("select", "with", "values", "table", "insert", "update", "delete", "merge", "explain", "copy",
		"comment", "security", "refresh", "reindex", "vacuum", "analyze", "cluster", "truncate", "import", "set", "show", "declare", "prepare",
		"do", "call", "execute", "begin", "start", "end", "abort", "rollback"):
		return false
	case first.is("commit"):
		return s.at(1).is("prepared")
	}
	return true
}
