package classify

import (
	"fmt"
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

// The places of answers in catalogSQL.
const (
	foundHere    = "/* the answer to stealthQuery */"
	unstableHere = "/* the answer to unstableQuery */"
	trustedHere  = "/* the answer to trustedQuery */"
)

// AskCatalog asks for all that NewInventory takes. ask runs a query and returns its rows, in text format with NULL as "": all in one
// REPEATABLE READ transaction of a session with SessionSettings, as whatever role. The functions that trusted names, as ParseFunction
// reads them, count as what they are declared to be.
func AskCatalog(ask func(sql string) ([][]string, error), trusted ...string) ([][][]string, error) {
	trustedSQL, err := trustedQuery(trusted)
	if err != nil {
		return nil, err
	}
	believed, err := askTrusted(ask, trustedSQL)
	if err != nil {
		return nil, err
	}
	found, err := askOIDs(ask, stealthQuery, 2)
	if err != nil {
		return nil, err
	}
	unstable, err := askOIDs(ask, unstableQuery, 1)
	if err != nil {
		return nil, err
	}
	answers := strings.NewReplacer(foundHere, found, unstableHere, unstable, trustedHere, believed)
	results := make([][][]string, numSets)
	for i, sql := range catalogSQL {
		if results[i], err = ask(answers.Replace(sql)); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// askOIDs returns SQL for the rows that a query gives, which have so many columns of OIDs.
func askOIDs(ask func(sql string) ([][]string, error), query string, columns int) (string, error) {
	rows, err := ask(query)
	if err != nil {
		return "", err
	}
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

// askTrusted returns SQL for the OIDs of the functions that are trusted, with their letters.
func askTrusted(ask func(sql string) ([][]string, error), query string) (string, error) {
	rows, err := ask(query)
	if err != nil {
		return "", err
	}
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
