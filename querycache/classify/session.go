package classify

import (
	"slices"
	"strings"

	"overdrive/querycache/sqlscan"
)

// sessionEffects adds to v what the statements leave behind in the session. It looks at tokens only, so that it also
// serves texts the parser refuses, and errs on the side of finding too much. constants says that the tokens are those of a text, and
// not of a shape.
func sessionEffects(v *Verdict, all []statement, constants bool) {
	var order assignments
	defer func() { order.settle(v) }()
	queries := len(all) > 0
	for _, s := range all {
		v.Session |= headBits(s)
		queries = queries && s.at(0).is("select", "values", "table", "with", "show")
		updates := slices.ContainsFunc(s, func(t token) bool { return t.is("update") })
		if s.readsOwn() {
			v.Session |= ReadsOwn
		}
		if s.dropsOnCommit() {
			v.Session |= DropsOnCommit
		}
		for i := range s {
			if s.configures(i) {
				v.Session |= SetsOwn
			}
			if name, ok := s.configName(i); ok && constants && !s[i].local { // set_config is SET
				order.add([]string{name}, s.at(i+4).is("null") && s.at(i+5).text == ",")
				continue
			}
			v.Session |= s.anywhere(i, updates)
		}
		setParameters(v, &order, s)
	}
	v.Prepared, v.Dropped = preparedNames(all)
	if queries && !v.Session.Has(SessionUnknown) {
		v.Session |= Queries
	}
}

// dropsOnCommit reports whether what s creates is gone at the end of the transaction.
func (s statement) dropsOnCommit() bool {
	for i := range s {
		if s[i].is("on") && s.at(i+1).is("commit") && s.at(i+2).is("drop") {
			return true
		}
	}
	return false
}

// readOnly reports whether s, which begins a transaction, says READ ONLY and not READ WRITE.
func (s statement) readOnly() bool {
	only := false
	for i, t := range s {
		if t.is("write") {
			return false
		}
		only = only || t.is("read") && s.at(i+1).is("only")
	}
	return only
}

// configures reports whether a call of set_config begins at i.
func (s statement) configures(i int) bool { return s[i].name == "set_config" && s.at(i+1).text == "(" }

// configName returns the parameter, in lower case, that a call of set_config at i names, if the first argument is a plain string. It
// is for tokens of a text: in a shape all strings are the same.
func (s statement) configName(i int) (name string, ok bool) {
	t := s.at(i + 2)
	if !s.configures(i) || t.kind != sqlscan.String || t.hides() || s.at(i+3).text != "," {
		return "", false
	}
	name = sqlscan.Fold(strings.ReplaceAll(t.text[1:len(t.text)-1], "''", "'"))
	return name, name != ""
}

// headBits tells what the first words of a statement say.
func headBits(s statement) Session {
	switch first := s.at(0); {
	case first.is("listen"):
		return Listen
	case first.is("load"):
		return Load
	case first.is("begin", "start"):
		if s.readOnly() {
			return ReadOnly
		}
	case first.is("commit", "end"), first.is("prepare") && s.at(1).is("transaction"):
		return Leaves | MayCommit
	case first.is("rollback", "abort"):
		return Leaves
	case first.is("prepare"):
		return SQLPrepare
	case first.is("discard") && s.at(1).is("all"):
		return DiscardAll
	case first.is("deallocate") && (s.at(1).is("all") || s.at(1).is("prepare") && s.at(2).is("all")):
		return DeallocateAll | Ends
	case first.is("unlisten"):
		return Ends | Unlistens
	case first.is("close", "deallocate", "drop", "discard"):
		return Ends
	case first.is("declare"):
		for i := range s {
			if s[i].is("with") && s.at(i+1).is("hold") {
				return HoldCursor
			}
		}
	}
	return 0
}

// anywhere tells what the token i means wherever it stands in a statement that updates, or does not.
func (s statement) anywhere(i int, updates bool) Session {
	t := s[i]
	switch {
	case t.name == "":
		return 0
	case t.is("insert", "copy", "merge", "default"):
		return Draws
	case t.name == "nextval" || t.name == "setval":
		return Draws
	case strings.HasPrefix(t.name, "pg_temp"): // pg_temp itself is an alias of pg_temp_7 and the like
		return TempObject
	case t.name == "pg_settings" && updates:
		return SetsConfig // rules of this view make an UPDATE a set_config
	case t.is("temp", "temporary"):
		j := i - 1
		if s.at(j).is("local", "global") {
			j--
		}
		// CREATE [OR REPLACE] TEMP, or SELECT … INTO TEMP; a table may be called temp, too: INSERT INTO temp.
		switch before := s.at(j); {
		case before.is("create", "replace"):
			return TempObject
		case before.is("into") && !s.at(j-1).is("insert", "merge"):
			return TempObject
		}
		return 0
	case s.at(i+1).text != "(" && s.at(i-1).text != ".": // x.f may mean f(x)
		return 0
	}
	if t.local {
		return 0
	}
	return callBit(t.name)
}

// callBit tells what a call of the function leaves behind.
func callBit(function string) Session {
	switch function {
	case "pg_advisory_lock", "pg_advisory_lock_shared", "pg_try_advisory_lock", "pg_try_advisory_lock_shared":
		return AdvisoryLock
	case "set_config":
		return SetsConfig
	case "setseed":
		return SetSeed
	case "isn_weak": // of isn: it sets a variable of the library, which nothing else brings back
		return Load
	case "set_limit": // of pg_trgm, in C: it sets pg_trgm.similarity_threshold
		return Configures
	case "pg_advisory_unlock", "pg_advisory_unlock_shared", "pg_advisory_unlock_all":
		return Ends
	}
	if runsText(function) {
		return SessionUnknown
	}
	return 0
}

// markLocalConfigs marks the calls of set_config whose third argument is the word true. It goes through s once, however many
// calls there are and however they nest.
func (s statement) markLocalConfigs() {
	if !slices.ContainsFunc(s, func(t token) bool { return t.name == "set_config" }) {
		return
	}
	type bracket struct{ call, commas int } // the token that is called, or -1
	var open []bracket
	for i := range s {
		switch s[i].text {
		case "(", "[":
			call := -1
			if s[i].text == "(" && s.at(i-1).name == "set_config" {
				call = i - 1
			}
			open = append(open, bracket{call, 0})
		case ")", "]":
			open = open[:max(0, len(open)-1)]
		case ",":
			if len(open) == 0 {
				continue
			}
			b := &open[len(open)-1]
			b.commas++
			if b.call >= 0 && b.commas == 2 {
				s[b.call].local = s.at(i+1).is("true") && s.at(i+2).text == ")"
			}
		}
	}
}

// assignments are the SETs and RESETs of a text in their order.
type assignments []assignment

type assignment struct {
	names []string
	reset bool
}

func (a *assignments) add(names []string, reset bool) { *a = append(*a, assignment{names, reset}) }

// settle adds to v what the assignments come to, each name once.
func (a assignments) settle(v *Verdict) {
	set, reset := map[string]bool{}, map[string]bool{}
	var kept map[string]bool // not nil: there was a RESET ALL
	for _, one := range a {
		for _, name := range one.names {
			switch {
			case one.reset && name == "all":
				clear(reset)
				reset[name], kept = true, map[string]bool{}
			case one.reset:
				reset[name] = true
				delete(kept, name)
			default:
				set[name] = true
				delete(reset, name)
				if kept != nil {
					kept[name] = true
				}
			}
		}
	}
	take := func(to *[]string, from map[string]bool, name string) {
		if from[name] {
			*to = append(*to, name)
			delete(from, name)
		}
	}
	for _, one := range a {
		for _, name := range one.names {
			take(&v.Sets, set, name)
			take(&v.Resets, reset, name)
			take(&v.Kept, kept, name)
		}
	}
}

// setParameters adds the parameters changed by SET and RESET for the session.
func setParameters(v *Verdict, order *assignments, s statement) {
	switch {
	case s.at(0).is("reset"):
		names, _ := parameterNames(s[1:])
		v.Session |= ownBit(names) // it makes one that was never set an empty one
		order.add(names, true)
	case s.at(0).is("set"):
		rest := s[1:]
		switch {
		case rest.at(0).is("local"):
			names, _ := parameterNames(rest[1:])
			if slices.ContainsFunc(names, renames) {
				v.Session |= Renames
			}
			if slices.ContainsFunc(names, recodes) {
				v.Session |= Recodes
			}
			v.Session |= ownBit(names)
			return
		case rest.at(0).is("transaction", "constraints"):
			return
		case rest.at(0).is("session") && !rest.at(1).is("authorization"):
			rest = rest[1:] // SET SESSION x: the word means nothing
		}
		names, value := parameterNames(rest)
		v.Session |= ownBit(names)
		if value.at(0).is("to") || value.at(0).text == "=" {
			value = value[1:]
		}
		if value.at(0).is("default") || names[0] == "timezone" && value.at(0).is("local") || names[0] == "client_encoding" && len(value) == 0 { // SET NAMES
			order.add(names, true)
		} else {
			order.add(names, false)
		}
	}
}

// renames reports whether names, or whose rights count, hang on the parameter.
func renames(parameter string) bool {
	switch parameter {
	case "search_path", "role", "session_authorization", "row_security":
		return true
	}
	return false
}

// recodes reports whether it hangs on the parameter how texts are read.
func recodes(parameter string) bool {
	return parameter == "client_encoding" || parameter == "standard_conforming_strings"
}

// parameterNames reads the name behind SET or RESET, in its SQL spellings too, and returns what stands behind it. There
// is always at least one name.
func parameterNames(s statement) (names []string, rest statement) {
	skip := func(n int) statement { return s[min(n, len(s)):] }
	switch first, second := s.at(0), s.at(1); {
	case first.is("characteristics"):
		return []string{"default_transaction_isolation", "default_transaction_read_only", "default_transaction_deferrable"}, nil
	case first.is("session") && second.is("authorization"):
		return []string{"session_authorization"}, skip(2)
	case first.is("time") && second.is("zone"):
		return []string{"timezone"}, skip(2)
	case first.is("transaction"):
		return []string{"transaction_isolation"}, nil
	case first.is("names"):
		return []string{"client_encoding"}, skip(1)
	case first.is("schema"):
		return []string{"search_path"}, skip(1)
	case first.is("xml") && second.is("option"):
		return []string{"xmloption"}, skip(2)
	}
	name, n := []string{s.at(0).name}, 1
	for s.at(n).text == "." {
		name = append(name, s.at(n+1).name)
		n += 2
	}
	return []string{sqlscan.Fold(strings.Join(name, "."))}, skip(n)
}

// blockBits searches the body of a DO block for words that leave something behind. The language is unknown and
// statements may stand in strings, so every run of letters counts as a word. What is built at run time stays hidden, but that
// something is: see mayHide.
func blockBits(body string) (bits Session, ddl, shared bool) {
	words := strings.FieldsFunc(strings.ReplaceAll(strings.ToLower(body), ";", " ; "), func(r rune) bool {
		return r != '_' && r != ';' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && r < 0x80
	})
	if mayHide(body) {
		bits |= Configures
	}
	before := ";"
	for i, w := range words {
		bits |= callBit(w)
		if strings.HasPrefix(w, "pg_temp") {
			bits |= TempObject
		}
		switch w {
		case "listen":
			bits |= Listen
		case "unlisten":
			bits |= Ends | Unlistens
		case "load":
			bits |= Load
		case "prepare":
			bits |= SQLPrepare
		case "temp", "temporary":
			bits |= TempObject
		case "pg_settings":
			bits |= SetsConfig
		case "hold":
			bits |= HoldCursor
		case "create", "alter", "drop", "grant", "revoke":
			ddl = true
			shared = shared || w == "grant" || w == "revoke" || i+1 < len(words) && sharedWords[words[i+1]]
		case "owned":
			shared = true
		case "execute":
			if next := slices.IndexFunc(words[i+1:], func(w string) bool { return w != "format" }); next < 0 ||
				!slices.Contains(plainly, words[i+1+next]) {
				bits |= Configures
				shared = true
			}
		case "set", "reset":
			local := i+1 < len(words) && words[i+1] == "local"
			if slices.Contains(blockOpeners, before) && !local { // else the SET of an UPDATE
				bits |= SetsConfig
			}
		}
		before = w
	}
	return bits, ddl, shared
}

// plainly are the plainWords.
var plainly = strings.Split(plainWords, "|")

// blockOpeners are the words behind which a statement begins. EXECUTE is one, for a string with a statement follows it.
var blockOpeners = []string{";", "begin", "then", "else", "loop", "execute", "format", "perform"}
