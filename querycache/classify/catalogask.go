package classify

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// This file asks for the catalog. What several queries must know, and what takes a server long to find out, is asked first and
// once: the answer stands in them as a list of OIDs. A temporary table would do, too, but not every role may have one.

// unstableQuery asks for unstableTypes, and all types that hold one.
const unstableQuery = `
WITH RECURSIVE unstable(oid) AS (
    SELECT oid FROM (` + unstableTypes + `) own
    UNION
    SELECT whole FROM unstable JOIN (` + wholes + `) parts ON parts.part = unstable.oid)
SELECT oid FROM unstable`

// wholes is a subselect of the types that hold another: whole, part.
const wholes = `
        SELECT t.oid AS whole, t.typbasetype AS part FROM pg_catalog.pg_type t WHERE t.typbasetype <> 0
        UNION ALL
        SELECT t.oid, t.typelem FROM pg_catalog.pg_type t WHERE t.typelem <> 0
        UNION ALL
        SELECT r.rngtypid, r.rngsubtype FROM pg_catalog.pg_range r
        UNION ALL
        SELECT d.objid, d.refobjid FROM pg_catalog.pg_depend d
         WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.refclassid = 'pg_catalog.pg_type'::regclass
        UNION ALL
        SELECT c.reltype, a.atttypid FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
         WHERE c.reltype <> 0 AND a.attnum > 0 AND c.oid >= ` + firstUserOID + ``

// datedQuery asks for the types that are a date or a time, and all types that hold one.
const datedQuery = `
WITH RECURSIVE dated(oid) AS (
    SELECT t.oid FROM pg_catalog.pg_type t WHERE t.oid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype, 'time'::regtype, 'timetz'::regtype)
    UNION
    SELECT whole FROM dated JOIN (` + wholes + `) parts ON parts.part = dated.oid)
SELECT oid FROM dated`

// The places of answers in the queries.
const (
	trustedHere  = "/* the answer to trustedQuery */"
	datedHere    = "/* the answer to datedQuery */"
	foundHere    = "/* the answer to stealthQuery */"
	unstableHere = "/* the answer to unstableQuery */"
	directHere   = "/* direct in the answer to codeQuery */"
	writingHere  = "/* writing in the answer to codeQuery */"
	callerHere   = "/* caller in the answer to codeQuery */"
	codedHere    = "/* coded in the answer to codeQuery */"
	codeHere     = "/* code in the answer to codeQuery */"
)

// AskCatalog asks for all that NewInventory takes. ask runs a query and returns its rows, in text format with NULL as "": all in one
// REPEATABLE READ transaction of a session with SessionSettings, as whatever role. The functions that trusted names, as ParseFunction
// reads them, count as what they are declared to be.
func AskCatalog(ask func(sql string) ([][]string, error), trusted ...string) ([][][]string, error) {
	trustedSQL, err := trustedQuery(trusted)
	if err != nil {
		return nil, err
	}
	q := questions{ask: ask, results: make([][][]string, numSets)}
	for _, list := range []struct {
		set int
		sql string
	}{{setTrusted, trustedSQL}, {setDated, datedQuery}, {setFound, stealthQuery}, {setUnstable, unstableQuery}, {setCode, codeQuery}} {
		if err := q.list(list.set, list.sql); err != nil {
			return nil, err
		}
	}
	for i, sql := range catalogSQL {
		if err := q.set(i, sql); err != nil {
			return nil, err
		}
	}
	q.results[setCode] = ofNone(q.results[setCode])
	return q.results, nil
}

// questions are those for a catalog, or for a part of it.
type questions struct {
	ask     func(sql string) ([][]string, error)
	which   func(column string) string // as in narrow
	answers *strings.Replacer          // of the lists
	results [][][]string
}

// set asks for a result set, unless the query is empty.
func (q *questions) set(i int, sql string) (err error) {
	if sql == "" {
		return nil
	}
	if q.answers != nil {
		sql = q.answers.Replace(sql)
	}
	q.results[i], err = q.ask(narrow(sql, q.which))
	return err
}

// list asks for a result set that stands in the queries behind it.
func (q *questions) list(set int, sql string) error {
	if err := q.set(set, sql); err != nil {
		return err
	}
	return q.fill()
}

// fill has the lists stand in queries from now on.
func (q *questions) fill() error {
	believed, err := listOfTrusted(q.results[setTrusted])
	if err != nil {
		return err
	}
	answers := []string{trustedHere, believed}
	for _, list := range []struct {
		place   string
		set     int
		word    string
		columns int
	}{
		{datedHere, setDated, "", 1}, {foundHere, setFound, "", 3}, {unstableHere, setUnstable, "", 1}, {directHere, setCode, "direct", 1}, {writingHere, setCode, "writing", 1},
		{codedHere, setCode, "coded", 1}, {callerHere, setCode, "caller", 2}, {codeHere, setCode, "code", 2},
	} {
		rows := q.results[list.set]
		if list.word != "" {
			if rows, err = rowsOf(list.word, rows, list.columns); err != nil {
				return err
			}
		}
		sql, err := listOf(rows, list.columns)
		if err != nil {
			return err
		}
		answers = append(answers, list.place, sql)
	}
	q.answers = strings.NewReplacer(answers...)
	return nil
}

// rowsOf returns the rows of codeQuery with the word, without it.
func rowsOf(word string, all [][]string, columns int) (rows [][]string, err error) {
	for _, row := range all {
		if len(row) != 3 {
			return nil, fmt.Errorf("catalog: code: got %d columns, want 3", len(row))
		}
		if row[0] == word {
			rows = append(rows, row[3-columns:])
		}
	}
	return rows, nil
}

// ofNone returns the rows of codeQuery that are about no relation's objects.
func ofNone(rows [][]string) (kept [][]string) {
	for _, row := range rows {
		if row[0] != "caller" && row[0] != "code" {
			kept = append(kept, row)
		}
	}
	return kept
}

// listOf returns SQL for rows that have so many columns of OIDs.
func listOf(rows [][]string, columns int) (string, error) {
	lists := make([][]string, columns)
	for n, row := range rows {
		if len(row) != columns {
			return "", fmt.Errorf("catalog: OIDs, row %d: got %d columns, want %d", n, len(row), columns)
		}
		for i, oid := range row {
			if _, err := strconv.ParseUint(oid, 10, 32); err != nil {
				return "", fmt.Errorf("catalog: OIDs, row %d: %w", n, err)
			}
			lists[i] = append(lists[i], oid)
		}
	}
	var calls []string
	for _, list := range lists {
		calls = append(calls, "pg_catalog.unnest('{"+strings.Join(list, ",")+"}'::oid[])")
	}
	return "SELECT * FROM ROWS FROM (" + strings.Join(calls, ", ") + ") oids", nil
}

// listOfTrusted returns SQL for the OIDs of functions that are trusted, with their letters.
func listOfTrusted(rows [][]string) (string, error) {
	var oids, letters []string
	for n, row := range rows {
		if len(row) != 2 || len(row[1]) != 1 || row[1][0] < 'a' || row[1][0] > 'z' {
			return "", fmt.Errorf("catalog: trusted functions, row %d: got %q", n, row)
		}
		if _, err := strconv.ParseUint(row[0], 10, 32); err != nil {
			return "", fmt.Errorf("catalog: trusted functions, row %d: %w", n, err)
		}
		oids, letters = append(oids, row[0]), append(letters, row[1])
	}
	return "SELECT * FROM ROWS FROM (pg_catalog.unnest('{" + strings.Join(oids, ",") + "}'::oid[]), pg_catalog.unnest('{" +
		strings.Join(letters, ",") + "}'::text[])) trusted", nil
}

// A query for what belongs to relations can be narrowed to some of them. It holds marks, which are comments of SQL, so that as it
// stands it is about all:
//
//	only:         a condition, that one of the columns is among the relations
//	whereNamed:   a condition that holds for all relations together, and is not asked where the query is narrowed
//	ofNoRelation: a part of the query that is not about relations, and left out where the query is narrowed

func only(columns ...string) string { return "true /*only " + strings.Join(columns, "|") + "*/" }

func whereNamed(condition string) string { return "/*named*/" + condition + "/*end*/" }

func ofNoRelation(part string) string { return "/*none*/" + part + "/*end*/" }

var (
	onlyMark  = regexp.MustCompile(`true /\*only ([a-z_.|]+)\*/`)
	namedMark = regexp.MustCompile(`(?s)/\*named\*/.*?/\*end\*/`)
	noneMark  = regexp.MustCompile(`(?s)/\*none\*/.*?/\*end\*/`)
)

// narrow has a query be about relations for which which gives a condition on a column with their OIDs; nil: about all.
func narrow(sql string, which func(column string) string) string {
	if which == nil {
		return sql
	}
	sql = namedMark.ReplaceAllLiteralString(noneMark.ReplaceAllLiteralString(sql, ""), "true")
	return onlyMark.ReplaceAllStringFunc(sql, func(mark string) string {
		var conditions []string
		for _, column := range strings.Split(onlyMark.FindStringSubmatch(mark)[1], "|") {
			conditions = append(conditions, which(column))
		}
		return "(" + strings.Join(conditions, " OR ") + ")"
	})
}

// aboutNoRelation has a query be about what belongs to no relation.
func aboutNoRelation(sql string) string { return onlyMark.ReplaceAllLiteralString(sql, "false") }

// amongOIDs is a condition on a column.
func amongOIDs(oids []uint32) func(column string) string {
	texts := make([]string, len(oids))
	for i, oid := range oids {
		texts[i] = strconv.FormatUint(uint64(oid), 10)
	}
	list := " = ANY ('{" + strings.Join(texts, ",") + "}'::oid[])"
	return func(column string) string { return column + list }
}
