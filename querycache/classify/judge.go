package classify

import (
	"fmt"
	"maps"
	"slices"

	"github.com/multigres/multigres/go/common/parser/ast"

	"overdrive/querycache/sqlscan"
	"overdrive/querycache/verdict"
)

// judge works out the verdict on every text of a shape. Where it is about something that was touched, the catalog is not believed.
func judge(shape []byte, flags sqlscan.Flags, c *Catalog, generation uint64, doubts ...*Touch) *Verdict {
	if flags.Has(sqlscan.Encoded) {
		return &encoded
	}
	v := &Verdict{generation: generation}
	all := statements(shape)
	if len(all) == 1 {
		if v.Own = ownStatement(all[0]); v.Own != nil {
			v.Status, v.Reason, v.perText = verdict.NotAQuery, "the statement is for Overdrive itself", true
			return v
		}
	}
	sessionEffects(v, all, false)
	if len(all) == 1 {
		v.Session |= all[0].plainTransaction()
	}
	v.perText = slices.ContainsFunc(all, statement.dependsOnText)
	v.Renamed = renamedMidway(all)

	if status, reason, ok := tooDear(shape, all); !ok {
		v.Status, v.Reason = status, reason
		v.Effect, v.DDL = verdict.EffectEverything, mayBeDDL(all)
		v.share(all, false)
		v.fearCode(c, all)
		return v
	}
	stmts, err := parse(string(numbered(shape)))
	if err == nil && !tally(stmts, all) {
		err = fmt.Errorf("parse: got %d statements, want %d", len(stmts), len(all))
	}
	if err != nil {
		v.Status, v.Reason = verdict.ParseError, err.Error()
		v.Effect, v.DDL = verdict.EffectEverything, mayBeDDL(all)
		if len(all) == 1 {
			v.judgeAtomic(c, nil, all[0])
		}
		v.share(all, false)
		v.fearCode(c, all)
		return v
	}
	w := newWalker(c)
	w.doubts, w.unsettled = doubts, len(doubts) > 0
	for _, s := range stmts {
		w.statement(s)
	}
	if len(stmts) == 1 && len(all) == 1 && w.everything && w.ddl {
		if w.alters = w.alteration(stmts[0]); w.alters != nil {
			w.everything = w.runs // the DDL runs a function of the user's
		}
	}
	w.settleNotation()
	if w.temporary && len(stmts) > 1 && (w.runs || len(w.writes) > 0) { // what stands behind it may mean the temporary table, whose defaults may write
		w.everything = true
	}
	if name := longName(all); name != "" {
		w.refuse(verdict.Uncacheable, "the server shortens %q", name)
		w.everything = true
	}
	if len(w.writes) > 0 || len(w.reads) > 0 || w.temporary || w.alters != nil || w.status == verdict.Cacheable {
		if name := lostName(stmts, all); name != "" {
			w.refuse(verdict.Uncacheable, "%q is not found in the parsed statement", name)
			w.everything = true
		}
	}
	if w.doubted(doubts) {
		return judge(shape, flags, nil, generation)
	}
	v.Effect, v.Writes = w.effect()
	v.Runs, v.Within = w.runs, slices.ContainsFunc(stmts, holdsQuery)
	v.Loose = w.fires || w.runs || len(w.unknown) > 0 || w.mention.deep || len(w.mention.relations) > 0 || slices.ContainsFunc(stmts, func(n ast.Stmt) bool { return !isOfRows(n) })
	if w.fires || w.draws {
		v.Session |= Draws // a trigger may insert
	}
	if v.Effect != verdict.EffectEverything {
		v.setByCode(w.ownSets)
	}
	v.DDL, v.ByPath, v.Commits = w.ddl, w.byPath, w.commits
	if w.alters != nil {
		v.DDL = true
		if !w.everything {
			v.Touch, v.Effect, v.Writes = w.alters, verdict.EffectRelations, slices.Sorted(maps.Keys(w.alters.relations))
			v.Names = nameIDs(w.alters.code)
		}
	}
	v.Meaning = w.meaning(v, v.Within || slices.ContainsFunc(stmts, isOfRows))
	if len(all) == 1 && len(stmts) == 1 {
		v.judgeAtomic(c, stmts[0], all[0])
	}
	v.share(all, w.shared)
	if n, ok := stmts[0].(*ast.ExecuteStmt); ok && len(all) == 1 {
		v.Bare = v.bareOf(n, c, doubts)
	}
	if slices.ContainsFunc(doubts, func(t *Touch) bool { return len(t.code) > 0 }) {
		v.fearCode(nil, all) // some of it may be new
	} else {
		v.fearCode(c, all)
	}
	v.Status, v.Reason = verdictOf(w, stmts, all)
	v.Tables = tables(w.named, w.reads, w.views)
	v.Needs = slices.Sorted(maps.Keys(w.needs))
	if v.Status == verdict.Cacheable {
		v.Reads, v.Names = ids(w.reads), nameIDs(w.mention.code)
		v.plainWords, v.plainBound = w.settleWords()
		if w.clock != "" {
			v.Status, v.Reason, v.Clock = verdict.Volatile, w.clock, true
		}
	}
	return v
}

// skim returns the verdict on a text that is too long to be parsed.
func skim(text, shape []byte, flags sqlscan.Flags, c *Catalog) *Verdict {
	if flags.Has(sqlscan.Encoded) {
		return &oversized
	}
	all := statements(shape)
	v := &Verdict{Statement: verdict.Statement{
		Status: oversized.Status, Reason: oversized.Reason, Effect: verdict.EffectEverything, DDL: mayBeDDL(all),
	}}
	sessionEffects(v, all, false)
	v.share(all, false)
	v.fearCode(c, all)
	if slices.ContainsFunc(all, statement.dependsOnText) {
		v = v.finish(text)
	}
	return v
}

// isOfRows reports whether a statement reads or changes rows by the names that stand in it, and does nothing else.
func isOfRows(n ast.Stmt) bool {
	switch n.(type) {
	case *ast.SelectStmt, *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt:
		return true
	}
	return false
}

// fearCode notes what the code may do that a statement runs which may write everything. Without a catalog it may do all.
func (v *Verdict) fearCode(c *Catalog, all []statement) {
	if v.Effect == verdict.EffectEverything && (c == nil || c.configures) {
		v.Session |= Configures
		if c != nil || slices.ContainsFunc(all, statement.calls) {
			v.Session |= Calls
		}
	}
}

// calls reports whether s names code that it runs: it is a DO block or a CALL, runs a prepared statement, or has a name before
// a parenthesis. That may also be a table with its columns, or a type with its length.
func (s statement) calls() bool {
	if s.at(0).is("do", "call", "execute") {
		return true
	}
	for i, t := range s {
		if t.name != "" && s.at(i+1).text == "(" && (t.kind != sqlscan.Word || mayNameFunction(t.text)) {
			return true
		}
	}
	return false
}

// verdictOf tells whether the answer may be kept. The order of the checks is that of usefulness of the reason.
func verdictOf(w *walker, stmts []ast.Stmt, all []statement) (verdict.Status, string) {
	if len(all) > 1 {
		return verdict.MultipleStatements, severalStatements(all)
	}
	if _, ok := stmts[0].(*ast.SelectStmt); !ok {
		return verdict.NotAQuery, fmt.Sprintf("%s is not a query", stmts[0].StatementType())
	}
	if w.catalog == nil {
		return verdict.Unsettled, "the catalog of the database is not known at the moment"
	}
	w.settleTouched()
	w.settleDates()
	if w.catalog.opclass != "" {
		w.refuse(verdict.Uncacheable, "the database has an operator class %q with functions that are not in C", w.catalog.opclass)
	}
	if w.catalog.cast != "" {
		w.refuse(verdict.Uncacheable, "the database has a user-defined implicit cast %s", w.catalog.cast)
	}
	if len(w.writes) > 0 || w.everything || w.ddl {
		w.refuse(verdict.Uncacheable, "the statement may write")
	}
	if w.clock != "" && w.status != verdict.Cacheable {
		w.refuse(verdict.Volatile, "%s", w.clock)
	}
	return w.status, w.reason
}

func severalStatements(all []statement) string {
	return fmt.Sprintf("the text has %d statements", len(all))
}

// tally reports whether parser and tokens agree on the number of statements. Only the body of an SQL function has
// semicolons of its own.
func tally(stmts []ast.Stmt, all []statement) bool {
	if len(stmts) == len(all) {
		return true
	}
	for _, s := range stmts {
		if _, ok := s.(*ast.CreateFunctionStmt); ok {
			return len(stmts) < len(all)
		}
	}
	return false
}

// mayBeDDL tells of statements that could not be parsed whether one may change the catalog.
func mayBeDDL(all []statement) bool {
	for _, s := range all {
		switch {
		case s.at(0).is("insert", "update", "delete", "merge", "values", "table", "copy"):
		case s.at(0).is("select", "with") || s.at(0).text == "(":
			for _, t := range s {
				if t.is("into") {
					return true
				}
			}
		default:
			return true
		}
	}
	return false
}

// MaxName is the length in bytes of the longest name the server does not shorten (NAMEDATALEN - 1).
const MaxName = 63

// longName returns a name that the server shortens, so that it means another than it says, or "".
func longName(all []statement) string {
	for _, s := range all {
		for _, t := range s {
			if len(t.name) > MaxName {
				return t.name
			}
		}
	}
	return ""
}
