package nodetree

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// This file reads the body of a function in SQL that the server keeps as a tree (pg_proc.prosqlbody): a list of queries, or one that gives what RETURN
// names. They may write, too.

// Command is what a query does to the rows of a relation.
type Command uint8

// What the commands do: Upsert is INSERT with ON CONFLICT, and MERGE may do all.
const (
	Update Command = 2 + iota
	Insert
	Delete
	Merge
	Upsert
)

// Write is a command that a body runs.
type Write struct {
	OID     uint32 // of the relation
	Command Command
}

// ReadBody is Read for the body of a function. What it writes is in Writes.
func ReadBody(text string) (*Facts, error) {
	v, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("read the body of a function: %w", err)
	}
	f := &Facts{}
	w := walker{facts: f, reads: &f.Outside, rules: knownInBody, writes: true}
	w.value(v)
	f.sort()
	return f, nil
}

// bodyRules are the rules that a body has besides, or in place of those of a query that reads. What is locked is none the worse for it.
const bodyRules = `
QUERY commandType querySource canSetTag utilityStmt=<> resultRelation hasAggs hasWindowFuncs hasTargetSRFs hasSubLinks
 hasDistinctOn hasRecursive hasModifyingCTE hasForUpdate hasRowSecurity hasGroupRTE isReturn cteList* rtable*
 rteperminfos* jointree* targetList* override onConflict* returningList* returningOldAlias returningNewAlias groupClause*
 groupDistinct groupingSets* havingQual* windowClause* distinctClause* sortClause* limitOffset* limitCount* limitOption rowMarks*
 setOperations* constraintDeps withCheckOptions=<>? mergeActionList* mergeUseOuterJoin mergeTargetRelation
 mergeJoinCondition* stmt_location stmt_len
ONCONFLICTEXPR action arbiterElems* arbiterWhere* constraint onConflictSet* onConflictWhere* exclRelIndex exclRelTlist*
INFERENCEELEM expr* infercollid inferopclass
ROWMARKCLAUSE rti strength waitPolicy pushedDown
MERGEACTION matched matchKind commandType override qual* targetList* updateColnos
FIELDSTORE arg* newvals* fieldnums resulttype/t
SETTODEFAULT typeId/t typeMod collation location
RETURNINGEXPR retlevelsup retold retexpr*
SUBSCRIPTINGREF refcontainertype/t refelemtype/t refrestype/t? reftypmod refcollid refupperindexpr* reflowerindexpr* refexpr*
 refassgnexpr*
`

// knownInBody is known, for a body.
var knownInBody = func() map[string]map[string]rule {
	all := maps.Clone(known)
	maps.Copy(all, compile(bodyRules))
	return all
}()

// command notes what a query writes.
func (w *walker) command(v value) {
	command, ok := number(v, "commandType")
	target, known := number(v, "resultRelation")
	switch {
	case !ok || !known || command < 1 || command > int64(Merge):
		w.refuse("it does something not known (commandType)")
		return
	case command == 1 && target == 0:
		return
	}
	entries, _ := v.get("rtable")
	if target < 1 || target > int64(len(entries.items)) {
		w.refuse("it writes something not known (resultRelation)")
		return
	}
	entry := entries.items[target-1]
	kind, isEntry := number(entry, "rtekind")
	oid, hasOID := number(entry, "relid")
	if !isEntry || kind != entryRelation || !hasOID || oid <= 0 || oid > 1<<32-1 {
		w.refuse("it writes something that is no relation")
		return
	}
	one := Write{uint32(oid), Command(command)}
	if conflict, found := v.get("onConflict"); found && conflict.kind != null && one.Command == Insert {
		one.Command = Upsert
	}
	w.facts.Writes = append(w.facts.Writes, one)
}

func compareWrites(a, b Write) int {
	return cmp.Or(cmp.Compare(a.OID, b.OID), cmp.Compare(a.Command, b.Command))
}

// sort brings the lists in order.
func (f *Facts) sort() {
	slices.SortFunc(f.Relations, func(a, b Relation) int { return cmp.Compare(a.OID, b.OID) })
	f.Relations = slices.Compact(f.Relations)
	slices.SortFunc(f.Writes, compareWrites)
	f.Writes = slices.Compact(f.Writes)
	for _, oids := range []*[]uint32{&f.Functions, &f.Operators, &f.Types, &f.Coerced, &f.Stored, &f.Domains} {
		slices.Sort(*oids)
		*oids = slices.Compact(*oids)
	}
	for _, r := range []*Reads{&f.Outside, &f.Guard} {
		slices.Sort(r.Settings)
		r.Settings = slices.Compact(r.Settings)
	}
}
