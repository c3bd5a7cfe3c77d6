package classify

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// This file brings an Inventory up to date. It asks for the rows that belong to the relations that have changed, puts them in place of
// those from before, and builds the Inventory of these: so what is built does not depend on the way there.

// maxUpdated bounds the relations that are asked for one by one.
const maxUpdated = 500

// keysOf tells in which columns the rows of a result set have the relations that they are about. Those of other sets change only with what
// belongs to no relation.
var keysOf = [numSets][]int{
	setFound: {2}, setStates: {0}, setRowArrays: {0}, setRowTypes: {0}, setRowUses: {0, 1}, setIndexCode: {0}, setRelations: {0},
	setInherits: {0, 1}, setForeignKeys: {0, 1}, setViewUses: {0, 1}, setDateColumns: {0}, setUnstableColumns: {0}, setTriggers: {0}, setViews: {0}, setPolicies: {0}, setGenerated: {0},
}

// errBeyond says that an Inventory cannot be brought up to date, and must be loaded as a whole.
var errBeyond = errors.New("too much has changed")

// LoadInventory returns the Inventory of now, with its signs: that of before where nothing has changed that counts. What belongs to relations that
// have not changed is taken from before; with nil, or where more has changed than relations, all is loaded. ask is as for AskCatalog, and
// in the same transaction as signs were asked for, and of the same trusted functions.
func LoadInventory(ask func(sql string) ([][]string, error), before *Inventory, signs *Signs, trusted ...string) (*Inventory, error) {
	if before != nil && before.signs != nil && before.signs.Common == signs.Common {
		next, err := before.update(ask, signs, trusted)
		if !errors.Is(err, errBeyond) {
			return next, err
		}
	}
	results, err := AskCatalog(ask, trusted...)
	if err != nil {
		return nil, err
	}
	next, err := build(results, before)
	if err != nil {
		return nil, err
	}
	next.signs = signs
	return next, nil
}

// Signs returns what was asked for before the Inventory was loaded.
func (c *Inventory) Signs() *Signs { return c.signs }

// Shows reports whether the signs are those of the Inventory: nothing has changed, not even what does not count.
func (c *Inventory) Shows(s *Signs) bool {
	if c.signs == s {
		return true
	}
	if c.signs == nil || c.signs.Common != s.Common || c.signs.Objects != s.Objects || c.signs.Rights != s.Rights {
		return false
	}
	for _, oid := range s.newer {
		if _, known := c.standings[oid]; s.whole || !known {
			continue
		}
		return false
	}
	return c.sums(s.whole) == s.sums
}

// sums returns what the sums are where the relations stand as they did.
func (c *Inventory) sums(whole bool) (sums [buckets]int64) {
	for oid, s := range c.standings {
		sums[oid%buckets] += s.row + s.rest
		if whole {
			sums[oid%buckets] += s.columns
		}
	}
	return sums
}

// update is LoadInventory where nothing has changed but what belongs to relations, and objects.
func (c *Inventory) update(ask func(sql string) ([][]string, error), signs *Signs, trusted []string) (*Inventory, error) {
	stand, err := c.restate(ask, signs)
	if err != nil {
		return nil, err
	}
	changed := c.changedIn(stand)
	for _, oid := range changed {
		if before, now := c.standings[oid].kind, stand[oid].kind; before == "c" || now == "c" || before == "f" || now == "f" || len(changed) > maxUpdated {
			return nil, errBeyond
		}
	}
	next := c
	if others := signs.Objects != c.signs.Objects; len(changed) > 0 || others {
		results, err := c.askAgain(ask, changed, others, trusted)
		if err != nil {
			return nil, err
		}
		if next, err = build(results, c); err != nil {
			return nil, err
		}
	} else {
		same := *c
		next = &same
	}
	next.standings, next.signs = stand, signs
	return next, nil
}

// restate returns how the relations stand now.
func (c *Inventory) restate(ask func(sql string) ([][]string, error), signs *Signs) (map[uint32]standing, error) {
	next := Inventory{standings: make(map[uint32]standing, len(c.standings))}
	for oid, s := range c.standings {
		next.standings[oid] = s
	}
	suspects := slices.Compact(slices.Sorted(slices.Values(signs.newer)))
	if len(suspects) > maxUpdated {
		return nil, errBeyond
	}
	if len(suspects) > 0 && !signs.whole {
		if err := next.askStandings(ask, amongOIDs(suspects), func(oid uint32) bool { _, found := slices.BinarySearch(suspects, oid); return found }); err != nil {
			return nil, err
		}
	}
	sums := next.sums(signs.whole)
	if sums == signs.sums {
		return next.standings, nil
	}
	odd, list := map[uint32]bool{}, ""
	for i := range sums {
		if sums[i] != signs.sums[i] {
			odd[uint32(i)] = true
			list += "," + strconv.Itoa(i)
		}
	}
	inOdd := func(column string) string {
		return "(" + column + "::bigint & 255) = ANY ('{" + list[1:] + "}'::bigint[])"
	}
	if err := next.askStandings(ask, inOdd, func(oid uint32) bool { return odd[oid%buckets] }); err != nil {
		return nil, err
	}
	if next.sums(signs.whole) != signs.sums {
		return nil, errBeyond
	}
	return next.standings, nil
}

// askStandings asks how some of the relations stand.
func (c *Inventory) askStandings(ask func(sql string) ([][]string, error), which func(column string) string, asked func(oid uint32) bool) error {
	rows, err := ask(narrow(statesQuery, which))
	if err != nil {
		return err
	}
	for oid := range c.standings {
		if asked(oid) {
			delete(c.standings, oid)
		}
	}
	for _, row := range rows {
		if err := c.addStanding(row); err != nil {
			return err
		}
	}
	return nil
}

// addStanding takes a row of statesQuery.
func (c *Inventory) addStanding(row []string) error {
	if len(row) != 6 {
		return fmt.Errorf("catalog: states: got %d columns, want 6", len(row))
	}
	oid, err := strconv.ParseUint(row[0], 10, 32)
	if err != nil {
		return fmt.Errorf("OID of a relation: %w", err)
	}
	var numbers [4]int64
	for i := range numbers {
		if numbers[i], err = strconv.ParseInt(row[2+i], 10, 64); err != nil {
			return fmt.Errorf("state of relation %d: %w", oid, err)
		}
	}
	c.standings[uint32(oid)] = standing{kind: row[1], row: numbers[0], counts: numbers[1], columns: numbers[2], rest: numbers[3]}
	return nil
}

// changedIn returns the relations that stand otherwise, in a way that counts, ascending.
func (c *Inventory) changedIn(now map[uint32]standing) (changed []uint32) {
	for oid, a := range c.standings {
		if b, still := now[oid]; !still && a.kind != "" || still && !a.countsAs(b) {
			changed = append(changed, oid)
		}
	}
	for oid, b := range now {
		if _, known := c.standings[oid]; !known && b.kind != "" {
			changed = append(changed, oid)
		}
	}
	slices.Sort(changed)
	return changed
}

// countsAs reports whether all that counts is the same.
func (s standing) countsAs(other standing) bool {
	s.row = other.row
	return s == other
}

// askAgain returns the result sets with the rows of now for the relations that have changed, and for functions where objects have.
func (c *Inventory) askAgain(ask func(sql string) ([][]string, error), changed []uint32, objects bool, trusted []string) ([][][]string, error) {
	q := questions{ask: ask, results: slices.Clone(c.results)}
	if objects {
		u := codeUpdate{questions: &q, before: c, is: map[string]bool{}, stay: map[string]bool{}}
		if err := u.objectsAgain(); err != nil {
			return nil, err
		}
		if len(u.functions) > 0 {
			if err := u.codeAgain(trusted); err != nil {
				return nil, err
			}
			q.results[setFound] = append(slices.Clip(q.results[setFound]), ofRelations(c.results[setFound])...)
		}
	}
	if len(changed) == 0 {
		return q.results, nil
	}
	q.which = amongOIDs(changed)
	found := q.results[setFound]
	if err := q.listsAgain(); err != nil {
		return nil, err
	}
	is := map[string]bool{}
	for _, oid := range changed {
		is[strconv.FormatUint(uint64(oid), 10)] = true
	}
	for i, keys := range keysOf {
		before := c.results[i]
		switch {
		case keys == nil:
			continue
		case i == setFound:
			before = found
		case i == setStates:
			q.results[i] = nil // nobody goes by these
		default:
			if err := q.set(i, catalogSQL[i]); err != nil {
				return nil, err
			}
		}
		if reachesTypes(i, before, q.results[i], is) {
			return nil, errBeyond
		}
		q.results[i] = replaced(before, q.results[i], keys, is)
	}
	if tooLong(q.results[setViews], 1) || tooLong(q.results[setPolicies], 2) || tooLong(q.results[setGenerated], 1) {
		return nil, errBeyond
	}
	return q.results, q.settleDateNames(c.results[setDateColumns])
}

// listsAgain asks for the lists where functions and types are as they were.
func (q *questions) listsAgain() error {
	lasting := q.results[setCode]
	if err := q.list(setFound, stealthQuery); err != nil {
		return err
	}
	if err := q.set(setCode, someCodeQuery); err != nil {
		return err
	}
	q.results[setCode] = append(slices.Clip(lasting), q.results[setCode]...)
	if err := q.fill(); err != nil {
		return err
	}
	q.results[setCode] = lasting
	return nil
}

// ofRelations returns the rows of stealthQuery that are about what belongs to a relation.
func ofRelations(found [][]string) (kept [][]string) {
	for _, row := range found {
		if row[2] != "0" {
			kept = append(kept, row)
		}
	}
	return kept
}

// replaced returns the rows of before that are about none of the relations, and those of now.
func replaced(before, now [][]string, keys []int, is map[string]bool) [][]string {
	all := make([][]string, 0, len(before)+len(now))
	for _, row := range before {
		if !slices.ContainsFunc(keys, func(k int) bool { return is[row[k]] }) {
			all = append(all, row)
		}
	}
	return append(all, now...)
}

// reachesTypes reports whether, by the rows of a result set before and now, what has changed of the relations makes types others than they were: the rows of
// one are a type that others are made of; or it has columns that are coded, or unstable, and had none, or the other way round, and so is the type
// of its rows.
func reachesTypes(set int, before, now [][]string, is map[string]bool) bool {
	switch set {
	case setRowUses:
		return usesRows(before, is) || usesRows(now, is)
	case setRelations:
		const coded = 7
		has := func(row []string) bool { return row[coded] == "t" }
		return !maps.Equal(marked(before, is, has), marked(now, is, has))
	case setUnstableColumns:
		all := func([]string) bool { return true }
		return !maps.Equal(marked(before, is, all), marked(now, is, all))
	}
	return false
}

// marked returns the relations about which there is a row for which has holds.
func marked(rows [][]string, is map[string]bool, has func(row []string) bool) map[string]bool {
	all := map[string]bool{}
	for _, row := range rows {
		if is[row[0]] && has(row) {
			all[row[0]] = true
		}
	}
	return all
}

// usesRows reports whether the type of the rows of one of the relations is used by anything, or uses another such type. What holds of such a type, that it
// is unstable or has a date within, say, holds of what uses it, too.
func usesRows(rows [][]string, is map[string]bool) bool {
	return slices.ContainsFunc(rows, func(row []string) bool { return is[row[0]] || is[row[1]] })
}

// tooLong reports whether trees are too long together: then the longest are left out, in a query for all.
func tooLong(rows [][]string, column int) bool {
	sum := 0
	for _, row := range rows {
		if row[column] == "" {
			return true
		}
		sum += len(row[column])
	}
	return sum > maxTrees
}

// settleDateNames has the columns in setDateColumns be those of the names that some column of a date type has.
func (q *questions) settleDateNames(before [][]string) error {
	names := func(rows [][]string) map[string]bool {
		all := map[string]bool{}
		for _, row := range rows {
			if row[2] != "f" {
				all[row[1]] = true
			}
		}
		return all
	}
	rows := q.results[setDateColumns]
	had, has := names(before), names(rows)
	var fresh []string
	for name := range has {
		if !had[name] {
			fresh = append(fresh, Literal(name))
		}
	}
	rows = slices.DeleteFunc(rows, func(row []string) bool { return !has[row[1]] || !had[row[1]] })
	if len(fresh) > 0 {
		more, err := q.ask(narrow(q.answers.Replace(catalogSQL[setDateColumns]), func(string) string { return "a.attname IN (" + strings.Join(fresh, ", ") + ")" }))
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	q.results[setDateColumns] = rows
	return nil
}

// treesOf returns the trees that c has read, by their text.
func (c *Inventory) treesOf() map[string]tree {
	all := map[string]tree{}
	if c == nil {
		return all
	}
	for _, r := range c.byID {
		for _, t := range append(append([]tree{r.tree}, r.policies...), r.generated...) {
			if t.text != "" {
				all[t.text] = t
			}
		}
	}
	return all
}
