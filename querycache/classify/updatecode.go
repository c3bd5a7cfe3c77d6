package classify

import (
	"slices"
	"strconv"
)

// This file brings an Inventory up to date where functions have changed, and no type has. What calls a function by its OID is in the rows that belong to
// relations; those of relations that are as they were stay, for a function that has just come is called by none of them, one that has gone is called
// by none any more, and one that has changed must write as it did, or not. Else all is loaded.

// codeUpdate is what is asked for because objects have changed.
type codeUpdate struct {
	*questions
	before    *Inventory
	functions []uint32        // that have changed
	is        map[string]bool // the same
	stay      map[string]bool // those of them that were there before
}

// objectsAgain asks for the objects, and finds the functions that have changed.
func (u *codeUpdate) objectsAgain() error {
	if err := u.set(setObjects, objectsQuery); err != nil {
		return err
	}
	now := &Inventory{objects: map[objectKey]object{}}
	for _, row := range u.results[setObjects] {
		if err := withOID(now.addObject)(row); err != nil {
			return err
		}
	}
	for _, pair := range [][2]map[objectKey]object{{u.before.objects, now.objects}, {now.objects, u.before.objects}} {
		for key, o := range pair[0] {
			other, both := pair[1][key]
			text := strconv.FormatUint(uint64(key.oid), 10)
			switch {
			case o == other:
			case key.kind == 'p':
				if !u.is[text] {
					u.functions = append(u.functions, key.oid)
				}
				u.is[text], u.stay[text] = true, both
			case key.kind == 'e', key.kind == 'n' && !both: // no other set tells of these
			default:
				return errBeyond
			}
		}
	}
	if len(u.functions) > maxUpdated {
		return errBeyond
	}
	return nil
}

// codeAgain asks for the result sets that tell of functions. Which functions are trusted must be as it was: answers may depend on what those do.
func (u *codeUpdate) codeAgain(trusted []string) error {
	trustedSQL, err := trustedQuery(trusted)
	if err != nil {
		return err
	}
	if err := u.set(setTrusted, trustedSQL); err != nil {
		return err
	}
	if !sameRows(u.before.results[setTrusted], u.results[setTrusted]) {
		return errBeyond
	}
	if err := u.list(setFound, aboutNoRelation(stealthQuery)); err != nil {
		return err
	}
	if err := u.set(setCode, writingQuery); err != nil {
		return err
	}
	if !u.writesAsBefore() {
		return errBeyond
	}
	for _, row := range u.before.results[setCode] {
		if row[0] == "coded" {
			u.results[setCode] = append(u.results[setCode], row)
		}
	}
	if err := u.fill(); err != nil {
		return err
	}
	return u.functionsAgain()
}

// sameRows reports whether two lists have the same rows, in whatever order.
func sameRows(a, b [][]string) bool {
	sorted := func(rows [][]string) [][]string { return slices.SortedFunc(slices.Values(rows), slices.Compare) }
	return slices.EqualFunc(sorted(a), sorted(b), slices.Equal)
}

// writesAsBefore reports whether the rows of writingQuery are those of before, but for functions that have come or gone.
func (u *codeUpdate) writesAsBefore() bool {
	type word struct{ word, oid string }
	collect := func(rows [][]string) map[word]bool {
		all := map[word]bool{}
		for _, row := range rows {
			if row[0] != "coded" {
				all[word{row[0], row[2]}] = true
			}
		}
		return all
	}
	old, now := collect(u.before.results[setCode]), collect(u.results[setCode])
	for _, pair := range [][2]map[word]bool{{old, now}, {now, old}} {
		for w := range pair[0] {
			if !pair[1][w] && (!u.is[w.oid] || u.stay[w.oid]) {
				return false
			}
		}
	}
	return true
}

// functionsAgain asks for what is told of functions.
func (u *codeUpdate) functionsAgain() error {
	for _, i := range []int{setNotation, setOperators, setCasts} {
		if err := u.set(i, catalogSQL[i]); err != nil {
			return err
		}
	}
	u.which = amongOIDs(u.functions)
	for _, i := range []int{setFunctions, setTriggerCode, setFunctionCode} {
		if err := u.set(i, catalogSQL[i]); err != nil {
			return err
		}
		u.results[i] = replaced(u.before.results[i], u.results[i], []int{0}, u.is)
	}
	u.which = nil
	for _, i := range []int{setTriggerCode, setFunctionCode} {
		size := 0
		for _, row := range u.results[i] {
			size += len(row[len(row)-1])
		}
		if size > maxTrees { // then the longest are left out, in a query for all
			return errBeyond
		}
	}
	if err := u.rowUsesAgain(); err != nil {
		return err
	}
	return u.databaseAgain()
}

// takenRows is a subselect of the relations whose rows some functions take or give, also as arrays.
const takenRows = `SELECT CASE WHEN t.typrelid <> 0 THEN t.typrelid ELSE e.typrelid END AS relid
  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_type t ON t.oid = d.refobjid LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
 WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.refclassid = 'pg_catalog.pg_type'::regclass AND `

// rowUsesAgain asks whose rows are used of the relations that the functions use, or may have used.
func (u *codeUpdate) rowUsesAgain() error {
	rows, err := u.ask(takenRows + amongOIDs(u.functions)("d.objid"))
	if err != nil {
		return err
	}
	is := map[string]bool{}
	for _, row := range rows {
		is[row[0]] = row[0] != "" && row[0] != "0"
	}
	for _, row := range u.before.results[setRowUses] {
		if row[1] == "0" { // by what is no relation
			is[row[0]] = true
		}
	}
	var oids []uint32
	for text, used := range is {
		oid, err := strconv.ParseUint(text, 10, 32)
		if used && err == nil {
			oids = append(oids, uint32(oid))
		}
	}
	if len(oids) > maxUpdated {
		return errBeyond
	}
	if len(oids) == 0 {
		return nil
	}
	u.which = amongOIDs(oids)
	if err := u.set(setRowUses, catalogSQL[setRowUses]); err != nil {
		return err
	}
	u.which = nil
	u.results[setRowUses] = replaced(u.before.results[setRowUses], u.results[setRowUses], keysOf[setRowUses], is)
	return nil
}

// databaseAgain asks for what is told of all functions together. Nothing else is told of the database that they could change.
func (u *codeUpdate) databaseAgain() error {
	rows, err := u.ask(u.answers.Replace(withWriting + `SELECT ` + configures + `, ` + outside))
	if err != nil {
		return err
	}
	before := u.before.results[setDatabase]
	if len(rows) != 1 || len(rows[0]) != 2 || len(before) != 1 {
		return errBeyond
	}
	row := slices.Clone(before[0])
	row[1], row[4] = rows[0][0], rows[0][1]
	u.results[setDatabase] = [][]string{row}
	return nil
}
