package classify

import (
	"slices"

	"overdrive/querycache/sqlscan"
)

// This file reads the body of a function in PL/pgSQL: blocks, IF, CASE, loops, assignments, RETURN, RAISE, CALL, and statements that read or change
// rows. Each expression is the SELECT that it stands for, and is judged like any text. At whatever else it gives up: EXECUTE, cursors, COMMIT.

func (b *block) peek() token { return b.ahead(0) }

func (b *block) ahead(n int) token {
	if b.at+n >= len(b.words) {
		return token{}
	}
	return b.words[b.at+n].token
}

// take goes on if the next word is one of some.
func (b *block) take(words ...string) bool {
	if b.peek().is(words...) {
		b.at++
		return true
	}
	return false
}

// skip goes on if the next token is a sign.
func (b *block) skip(sign string) bool {
	if t := b.peek(); t.kind != sqlscan.Word && t.text == sign {
		b.at++
		return true
	}
	return false
}

// until returns the words up to a sign, or a word, that stands in no bracket and in no CASE, and goes on behind it.
func (b *block) until(end ...string) ([]word, bool) {
	brackets, cases := 0, 0
	for i := b.at; i < len(b.words); i++ {
		t := b.words[i].token
		plain := t.kind == sqlscan.Word || t.kind == sqlscan.Punct || t.kind == sqlscan.Operator
		if plain && brackets == 0 && cases == 0 && slices.Contains(end, t.text) {
			found := b.words[b.at:i]
			b.at = i + 1
			return found, true
		}
		brackets += t.nests()
		switch {
		case plain && t.text == ";":
			return nil, false
		case t.is("case"):
			cases++
		case t.is("end"):
			cases--
		}
		if brackets < 0 || cases < 0 {
			return nil, false
		}
	}
	return nil, false
}

// block reads [DECLARE …] BEGIN … [EXCEPTION …] END.
func (b *block) block() bool {
	if b.take("declare") {
		for !b.peek().is("begin") {
			if !b.declaration() {
				return false
			}
		}
	}
	if !b.take("begin") || !b.statements("end", "exception") {
		return false
	}
	if b.take("exception") {
		for b.take("when") {
			conditions, ok := b.until("then")
			if !ok || !plainWordsOnly(conditions) || !b.statements("when", "end") {
				return false
			}
		}
	}
	return b.take("end") && b.labelled()
}

// label reads <<name>> ahead of a block or a loop.
func (b *block) label() bool {
	if b.skip("<<") {
		if b.at++; b.at > len(b.words) || b.words[b.at-1].name == "" || !b.skip(">>") {
			return false
		}
	}
	return true
}

// labelled reads the name that may stand behind an END.
func (b *block) labelled() bool {
	if b.peek().name != "" {
		b.at++
	}
	return true
}

// plainWordsOnly reports whether there are but names and strings, as of conditions.
func plainWordsOnly(words []word) bool {
	return !slices.ContainsFunc(words, func(w word) bool { return w.name == "" && w.kind != sqlscan.String })
}

// declaration reads name [CONSTANT] type [NOT NULL] [DEFAULT value];.
func (b *block) declaration() bool {
	all, ok := b.until(";")
	if !ok || len(all) < 2 || all[0].name == "" || all[0].is("new", "old") {
		return false
	}
	if b.called && len(all) == 4 && all[1].is("alias") && all[2].is("for") && all[3].kind == sqlscan.Param {
		return true
	}
	for i, w := range all[1:] {
		switch {
		case w.is("cursor", "alias", "scroll"):
			return false
		case w.is("default"), w.kind == sqlscan.Punct && w.text == ":=", w.kind == sqlscan.Operator && w.text == "=":
			return b.expression(all[i+2:])
		}
	}
	return true
}

// statements reads statements up to one of some words.
func (b *block) statements(end ...string) bool {
	if b.depth++; b.depth > maxBodyDepth {
		return false
	}
	defer func() { b.depth-- }()
	for !b.peek().is(end...) {
		if b.at >= len(b.words) || !b.statement() {
			return false
		}
	}
	return true
}

func (b *block) statement() bool {
	if !b.label() {
		return false
	}
	switch first := b.peek(); {
	case first.is("declare", "begin"):
		return b.block() && b.skip(";")
	case b.take("if"):
		return b.branches("then", "elsif", "elseif") && b.take("if") && b.skip(";")
	case b.take("case"):
		return b.caseStatement()
	case first.is("while", "for", "foreach", "loop"):
		return b.loop()
	case b.take("exit", "continue"):
		rest, ok := b.until(";")
		if len(rest) > 0 && rest[0].name != "" && !rest[0].is("when") {
			rest = rest[1:]
		}
		return ok && (len(rest) == 0 || rest[0].is("when") && b.expression(rest[1:]))
	case b.take("return"):
		return b.returns()
	case b.take("raise"):
		return b.raises()
	case b.take("null"):
		return b.skip(";")
	case b.take("perform", "assert"):
		query, ok := b.until(";")
		return ok && b.expression(query)
	case first.is("call"):
		call, ok := b.until(";")
		return ok && b.judges(b.source(call))
	case first.is("select", "insert", "update", "delete", "merge", "with", "values"):
		query, ok := b.until(";")
		return ok && b.query(query)
	case b.take("get"):
		return b.diagnostics()
	case b.take("set"):
		return b.sets()
	case b.take("execute"):
		return b.executes()
	}
	return b.assignment()
}

// branches reads what stands behind IF or WHEN: condition word statements [more condition word statements]… [ELSE statements] END.
func (b *block) branches(behind string, more ...string) bool {
	ends := append([]string{"else", "end"}, more...)
	for {
		condition, ok := b.until(behind)
		if !ok || !b.expression(condition) || !b.statements(ends...) {
			return false
		}
		if !b.take(more...) {
			break
		}
	}
	if b.take("else") && !b.statements("end") {
		return false
	}
	return b.take("end")
}

func (b *block) caseStatement() bool {
	value, ok := b.until("when")
	if !ok || len(value) > 0 && !b.compares(value) {
		return false
	}
	return b.branches("then", "when") && b.take("case") && b.skip(";")
}

// compares judges what CASE compares with its branches: by whatever operator = there is for the two types.
func (b *block) compares(value []word) bool {
	text := b.source(value)
	return b.judges("SELECT (" + text + ") = (" + text + ")")
}

func (b *block) loop() bool {
	switch {
	case b.take("loop"):
	case b.take("while"):
		if condition, ok := b.until("loop"); !ok || !b.expression(condition) {
			return false
		}
	case b.take("foreach"):
		target, ok := b.until("in")
		if !ok || !b.target(target) || !b.take("array") {
			return false
		}
		if array, ok := b.until("loop"); !ok || !b.expression(array) {
			return false
		}
	case b.take("for"):
		target, ok := b.until("in")
		if !ok || !b.target(target) {
			return false
		}
		b.take("reverse")
		source, ok := b.until("loop")
		if !ok || !b.loopSource(source) {
			return false
		}
	}
	return b.statements("end") && b.take("end") && b.take("loop") && b.labelled() && b.skip(";")
}

// loopSource reads the query of a FOR, or its range a .. b [BY c].
func (b *block) loopSource(source []word) bool {
	for i, w := range source {
		if w.kind != sqlscan.Punct || w.text != ".." {
			continue
		}
		rest := source[i+1:]
		if by := slices.IndexFunc(rest, func(w word) bool { return w.is("by") }); by >= 0 {
			return b.expression(source[:i]) && b.expression(rest[:by]) && b.expression(rest[by+1:])
		}
		return b.expression(source[:i]) && b.expression(rest)
	}
	return len(source) > 0 && source[0].is("select", "with", "values", "insert", "update", "delete") && b.query(source)
}

// returns reads what stands behind RETURN. A row that is not plainly NEW or OLD may have other columns than these.
func (b *block) returns() bool {
	value, ok := b.until(";")
	switch {
	case !ok:
		return false
	case len(value) > 0 && value[0].is("query"):
		return b.called && b.judges(b.source(value[1:]))
	case len(value) > 0 && value[0].is("next"):
		return b.called && (len(value) == 1 || b.expression(value[1:]))
	}
	if len(value) == 0 || len(value) == 1 && value[0].is("new", "old", "null") {
		return true
	}
	b.anyColumn = true
	return b.expression(value)
}

// raises reads what stands behind RAISE: [level] [condition | format, values…] [USING option = value, …].
func (b *block) raises() bool {
	all, ok := b.until(";")
	if !ok {
		return false
	}
	using := slices.IndexFunc(all, func(w word) bool { return w.is("using") })
	if using >= 0 {
		for _, option := range commas(all[using+1:]) {
			if len(option) < 3 || option[0].name == "" || option[1].text != "=" && option[1].text != ":=" || !b.expression(option[2:]) {
				return false
			}
		}
		all = all[:using]
	}
	format := slices.IndexFunc(all, func(w word) bool { return w.name == "" })
	if format < 0 { // a name of a condition, or nothing
		return true
	}
	if all[format].kind != sqlscan.String {
		return false
	}
	for i, value := range commas(all[format:]) {
		if i == 0 && len(value) != 1 || i > 0 && !b.expression(value) {
			return false
		}
	}
	return true
}

// commas cuts words at the commas that stand in no bracket.
func commas(words []word) (parts [][]word) {
	brackets, start := 0, 0
	for i, w := range words {
		if brackets += w.nests(); w.kind == sqlscan.Punct && w.text == "," && brackets == 0 {
			parts = append(parts, words[start:i])
			start = i + 1
		}
	}
	return append(parts, words[start:])
}

// diagnostics reads GET DIAGNOSTICS name = item, …, where nothing is computed.
func (b *block) diagnostics() bool {
	b.take("current", "stacked")
	if !b.take("diagnostics") {
		return false
	}
	all, ok := b.until(";")
	if !ok {
		return false
	}
	for _, one := range commas(all) {
		if len(one) != 3 || !b.target(one[:1]) || one[2].name == "" {
			return false
		}
	}
	return true
}

// assignment reads target := value;.
func (b *block) assignment() bool {
	target, ok := b.until(":=", "=")
	if !ok || !b.target(target) {
		return false
	}
	value, ok := b.until(";")
	return ok && b.expression(value)
}

// target reads a name that something is assigned to: a variable, a field or an element of one, or a column of NEW.
func (b *block) target(words []word) bool {
	if len(words) == 0 || words[0].name == "" || words[0].kind == sqlscan.Word && isReserved(words[0].name) {
		return false
	}
	for rest := words[1:]; len(rest) > 0; {
		switch {
		case rest[0].kind != sqlscan.Punct:
			return false
		case rest[0].text == "." && len(rest) > 1 && rest[1].name != "":
			rest = rest[2:]
		case rest[0].text == "[":
			end := closing(rest)
			if end < 0 || !b.expression(rest[1:end]) {
				return false
			}
			rest = rest[end+1:]
		default:
			return false
		}
	}
	if words[0].name == "new" {
		if len(words) < 3 {
			b.anyColumn = true
		} else {
			b.columns[words[2].name] = true
		}
	}
	return true
}

// isReserved reports whether a statement begins with the word that is not read here.
func isReserved(word string) bool {
	switch word {
	case "execute", "open", "fetch", "move", "close", "commit", "rollback", "do", "set", "reset", "create", "drop", "alter", "grant",
		"revoke", "truncate", "copy", "lock", "notify", "listen", "end", "else", "when", "loop", "exception":
		return true
	}
	return false
}
