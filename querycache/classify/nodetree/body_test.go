package nodetree

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// query is a query that does something to its first relation.
func query(command, target int) string {
	return strings.NewReplacer(":commandType 1", fmt.Sprint(":commandType ", command), ":resultRelation 0", fmt.Sprint(":resultRelation ", target)).Replace(expr(one))
}

func TestReadBody_TellsWhatIsWritten(t *testing.T) {
	conflict := strings.Replace(query(3, 1), ":onConflict <>", ":onConflict {ONCONFLICTEXPR :action 2 :arbiterElems <> :arbiterWhere <> :constraint 0 :onConflictSet <> "+
		":onConflictWhere "+call(870, column)+" :exclRelIndex 2 :exclRelTlist <>}", 1)
	within := strings.NewReplacer(":hasModifyingCTE false", ":hasModifyingCTE true",
		":cteList <>", ":cteList ({COMMONTABLEEXPR :ctename x :aliascolnames <> :ctematerialized 0 :ctequery "+strings.Trim(query(4, 1), "()")+
			" :search_clause <> :cycle_clause <> :location 1 :cterecursive false :cterefcount 1 :ctecolnames <> :ctecoltypes <> :ctecoltypmods <> :ctecolcollations <>})").Replace(query(1, 0))
	for name, tt := range map[string]struct {
		tree string
		want []Write
	}{
		"a query that reads":      {query(1, 0), nil},
		"UPDATE":                  {query(2, 1), []Write{{16384, Update}}},
		"INSERT":                  {query(3, 1), []Write{{16384, Insert}}},
		"DELETE":                  {query(4, 1), []Write{{16384, Delete}}},
		"MERGE":                   {query(5, 1), []Write{{16384, Merge}}},
		"INSERT with ON CONFLICT": {conflict, []Write{{16384, Upsert}}},
		"several":                 {"(" + query(4, 1) + query(1, 0) + query(2, 1) + ")", []Write{{16384, Update}, {16384, Delete}}},
		"one in WITH":             {within, []Write{{16384, Delete}}},
		"one that locks what it reads": {strings.Replace(strings.Replace(query(1, 0), ":rowMarks <>", ":rowMarks ({ROWMARKCLAUSE :rti 1 :strength 4 :waitPolicy 0 :pushedDown false})", 1),
			":hasForUpdate false", ":hasForUpdate true", 1), nil},
	} {
		f, err := ReadBody(tt.tree)
		if err != nil || f.Refused != "" || !slices.Equal(f.Writes, tt.want) {
			t.Errorf("%s: got %v, %q, %v", name, f.Writes, f.Refused, err)
		}
		if len(tt.want) > 0 {
			if f, _ := Read(tt.tree); f.Refused == "" {
				t.Errorf("%s: what only reads may do it, too", name)
			}
		}
	}
}

func TestReadBody_RefusesWhatItDoesNotKnow(t *testing.T) {
	for name, tree := range map[string]string{
		"another command":               query(6, 0),
		"a command that is none":        query(0, 0),
		"a relation that is not there":  query(2, 2),
		"no relation":                   query(2, 0),
		"a write of a subselect":        strings.Replace(query(4, 1), ":rtekind 0", ":rtekind 1", 1),
		"a utility statement":           strings.Replace(query(1, 0), ":utilityStmt <>", ":utilityStmt {NOTIFYSTMT :conditionname x :payload <>}", 1),
		"a node that is not understood": expr("{XMLEXPR :op 0}"),
	} {
		if f, err := ReadBody(tree); err == nil && f.Refused == "" {
			t.Errorf("%s: not refused: %+v", name, f)
		}
	}
}
