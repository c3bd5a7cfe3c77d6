package nodetree

import "strings"

// use says what is to be done with the value of a field.
type use uint8

const (
	ignore   use = iota // a number, word, name or list of such that says nothing about what is read
	descend             // nodes
	function            // OID of a function, or a list of them
	operator            // OID of an operator, or a list of them
	typ                 // OID of a type, or a list of them
	equal               // must be as in want
)

type rule struct {
	use      use
	want     string
	optional bool
}

// rules says of each node that is understood what its fields mean, for PostgreSQL 13 to 18 together. A line begins with
// the names of the node. Behind the name of a field stands
//
//   - nodes: look at them
//     /f /o /t  OIDs of functions, operators, types
//     =x      refuse any value but x
//     else the value is of no interest and must hold no node
//
// A field with / or = must be there, unless ? follows; all others may be missing, as some are in some versions.
//
// Not here, and so refused: all that writes or locks (ROWMARKCLAUSE, ONCONFLICTEXPR, MERGEACTION …), picks at random
// (TABLESAMPLECLAUSE), reads text as a type of the user's or of a date (TABLEFUNC, XMLEXPR, JSONEXPR), or
// is of no use in a query that reads.
const rules = `
QUERY commandType=1 querySource canSetTag utilityStmt=<> resultRelation=0 hasAggs hasWindowFuncs hasTargetSRFs hasSubLinks
 hasDistinctOn hasRecursive hasModifyingCTE=false hasForUpdate=false hasRowSecurity hasGroupRTE isReturn=false? cteList* rtable*
 rteperminfos* jointree* targetList* override onConflict=<> returningList=<> returningOldAlias returningNewAlias groupClause*
 groupDistinct groupingSets* havingQual* windowClause* distinctClause* sortClause* limitOffset* limitCount* limitOption rowMarks=<>
 setOperations* constraintDeps withCheckOptions=<>? mergeActionList=<>? mergeUseOuterJoin mergeTargetRelation
 mergeJoinCondition=<>? stmt_location stmt_len
RANGETBLENTRY,RTE alias* eref* rtekind relid relkind rellockmode perminfoindex tablesample=<>? subquery* security_barrier jointype
 joinmergedcols joinaliasvars* joinleftcols joinrightcols join_using_alias* functions* funcordinality values_lists* coltypes/t?
 coltypmods colcollations ctename ctelevelsup self_reference groupexprs* lateral inh inFromCl requiredPerms checkAsUser
 selectedCols insertedCols updatedCols extraUpdatedCols securityQuals*
RTEPERMISSIONINFO relid inh requiredPerms checkAsUser selectedCols insertedCols updatedCols
RANGETBLFUNCTION funcexpr* funccolcount funccolnames funccoltypes/t? funccoltypmods funccolcollations funcparams
RANGETBLREF rtindex
ALIAS aliasname colnames
FROMEXPR fromlist* quals*
JOINEXPR jointype isNatural larg* rarg* usingClause join_using_alias* quals* alias* rtindex
TARGETENTRY expr* resno resname ressortgroupref resorigtbl resorigcol resjunk
SORTGROUPCLAUSE tleSortGroupRef eqop/o sortop/o reverse_sort nulls_first hashable
GROUPINGSET kind content* location
WINDOWCLAUSE name refname partitionClause* orderClause* frameOptions startOffset* endOffset* runCondition=<>? startInRangeFunc/f
 endInRangeFunc/f inRangeColl inRangeAsc inRangeNullsFirst winref copiedOrder
COMMONTABLEEXPR ctename aliascolnames ctematerialized ctequery* search_clause=<>? cycle_clause=<>? location cterecursive
 cterefcount ctecolnames ctecoltypes/t ctecoltypmods ctecolcollations
SETOPERATIONSTMT op all larg* rarg* colTypes/t colTypmods colCollations groupClauses*
VAR varno varattno vartype/t vartypmod varcollid varnullingrels varlevelsup varreturningtype=0? varnosyn varattnosyn varnoold
 varoattno location
CONST consttype/t consttypmod constcollid constlen constbyval constisnull location constvalue
PARAM paramkind paramid paramtype/t paramtypmod paramcollid location
AGGREF aggfnoid/f aggtype/t aggcollid inputcollid aggtranstype aggargtypes/t? aggdirectargs* args* aggorder* aggdistinct*
 aggfilter* aggstar aggvariadic aggkind aggpresorted agglevelsup aggsplit aggno aggtransno location
GROUPINGFUNC args* refs cols agglevelsup location
WINDOWFUNC winfnoid/f wintype/t wincollid inputcollid args* aggfilter* runCondition=<>? winref winstar winagg location
SUBSCRIPTINGREF refcontainertype/t refelemtype/t refrestype/t? reftypmod refcollid refupperindexpr* reflowerindexpr* refexpr*
 refassgnexpr=<>
FUNCEXPR funcid/f funcresulttype/t funcretset funcvariadic funcformat funccollid inputcollid args* location
NAMEDARGEXPR arg* name argnumber location
OPEXPR,DISTINCTEXPR,NULLIFEXPR opno/o opfuncid opresulttype/t opretset opcollid inputcollid args* location
SCALARARRAYOPEXPR opno/o opfuncid hashfuncid negfuncid useOr inputcollid args* location
ROWCOMPAREEXPR,ROWCOMPARE rctype cmptype opnos/o opfamilies inputcollids largs* rargs*
BOOLEXPR boolop args* location
SUBLINK subLinkType subLinkId testexpr* operName subselect* location
FIELDSELECT arg* fieldnum resulttype/t resulttypmod resultcollid
RELABELTYPE arg* resulttype/t resulttypmod resultcollid relabelformat location
COERCEVIAIO arg* resulttype/t resultcollid coerceformat location
ARRAYCOERCEEXPR arg* elemexpr* resulttype/t resulttypmod resultcollid coerceformat location
CONVERTROWTYPEEXPR arg* resulttype/t convertformat location
COERCETODOMAIN arg* resulttype/t resulttypmod resultcollid coercionformat location
COERCETODOMAINVALUE typeId/t typeMod collation location
COLLATEEXPR,COLLATE arg* collOid location
CASEEXPR,CASE casetype/t casecollid arg* args* defresult* location
CASEWHEN,WHEN expr* result* location
CASETESTEXPR typeId/t typeMod collation
ARRAYEXPR,ARRAY array_typeid/t array_collid element_typeid/t elements* multidims list_start list_end location
ROWEXPR,ROW args* row_typeid/t row_format colnames location
COALESCEEXPR,COALESCE coalescetype/t coalescecollid args* location
MINMAXEXPR,MINMAX minmaxtype/t minmaxcollid inputcollid op args* location
SQLVALUEFUNCTION op type/t typmod location
NULLTEST arg* nulltesttype argisrow location
BOOLEANTEST arg* booltesttype location
`

// known holds rules by node and field.
var known = compile(rules)

func compile(text string) map[string]map[string]rule {
	all := map[string]map[string]rule{}
	for line := range strings.Lines(strings.ReplaceAll(strings.TrimSpace(text), "\n ", " ")) {
		words := strings.Fields(line)
		fields := map[string]rule{}
		for _, word := range words[1:] {
			name, r := compileField(word)
			fields[name] = r
		}
		for name := range strings.SplitSeq(words[0], ",") {
			all[name] = fields
		}
	}
	return all
}

func compileField(word string) (name string, r rule) {
	word, r.optional = strings.CutSuffix(word, "?")
	if name, want, found := strings.Cut(word, "="); found {
		r.use, r.want = equal, want
		return name, r
	}
	if name, found := strings.CutSuffix(word, "*"); found {
		return name, rule{use: descend, optional: true}
	}
	name, letter, _ := strings.Cut(word, "/")
	switch letter {
	case "f":
		r.use = function
	case "o":
		r.use = operator
	case "t":
		r.use = typ
	default:
		r.optional = true
	}
	return name, r
}
