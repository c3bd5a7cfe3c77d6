package classify

import (
	"strings"
	"testing"
)

// What a server answers becomes part of the next query.
func TestAskCatalog_TakesNothingButOIDs(t *testing.T) {
	for _, rows := range [][][]string{
		{{"1255"}}, {{"1255", "2078"}}, {{"1255", "2078", "1", "1"}}, {{"1255", "", "0"}}, {{"1255", "-1", "0"}}, {{"1255", "4294967296", "0"}},
		{{"1255", "0x10", "0"}}, {{"1255", "1_0", "0"}}, {{"1255", "2078", "0"}, {"2618", "16384}'::oid[]); DROP TABLE t; --", "0"}},
	} {
		asked := 0
		_, err := AskCatalog(func(string) ([][]string, error) { asked++; return rows, nil })
		if err == nil || asked != 1 {
			t.Errorf("%v: got %v after %d queries, want an error after the first", rows, err, asked)
		}
	}
}

// The trees of a large database are megabytes.
func TestAskCatalog_HasTheTreesSearchedOnce(t *testing.T) {
	searches, lists := 0, 0
	_, err := AskCatalog(func(sql string) ([][]string, error) {
		if strings.Contains(sql, "typdefaultbin") {
			searches++
			return [][]string{{"1255", "2078", "0"}, {"2618", "16500", "16490"}}, nil
		}
		if strings.Contains(sql, "pg_catalog.unnest('{1255,2618}'::oid[]), pg_catalog.unnest('{2078,16500}'::oid[]), pg_catalog.unnest('{0,16490}'::oid[])") {
			lists++
		}
		if strings.Contains(sql, foundHere) || strings.Contains(sql, unstableHere) {
			t.Errorf("something is not filled in: %s", sql)
		}
		return nil, nil
	})
	if err != nil || searches != 1 || lists == 0 {
		t.Errorf("%v: %d searches, %d queries with what they found", err, searches, lists)
	}
}
