package classify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"overdrive/querycache/classify/nodetree"
	"overdrive/querycache/verdict"
)

// NewInventory builds an Inventory from what AskCatalog returns.
func NewInventory(results [][][]string) (*Inventory, error) { return build(results, nil) }

// build is NewInventory. Trees that before has are not read again.
func build(results [][][]string, before *Inventory) (*Inventory, error) {
	if len(results) != numSets {
		return nil, fmt.Errorf("catalog: got %d result sets, want %d", len(results), numSets)
	}
	c := &Inventory{
		byID:       map[verdict.RelationID]*relation{},
		byName:     map[qualified]*relation{},
		sameName:   map[string][]*relation{},
		functions:  map[string][]*function{},
		calls:      map[uint32]*function{},
		notation:   map[string]notation{},
		operators:  map[string]byte{},
		operations: map[uint32]operator{},
		types:      map[string][]namedType{},
		coercions:  map[uint32]bool{},
		unstable:   map[uint32]string{},
		writing:    map[string]bool{},
		rowUses:    map[verdict.RelationID]bool{},
		standings:  map[uint32]standing{},
		objects:    map[objectKey]object{},
		remembered: newReadings(),
		results:    results,

		triggerCode:  map[uint32]triggerCode{},
		functionCode: map[uint32]functionCode{},
		routines:     newRoutines(),
		ownSet:       map[string]bool{},
		ownStrings:   map[string]bool{},
	}
	load := c.loaders(before.treesOf())
	for i, rows := range results {
		if load[i].row == nil {
			continue
		}
		for n, row := range rows {
			if len(row) != load[i].columns {
				return nil, fmt.Errorf("catalog: result set %d, row %d: got %d columns, want %d", i, n, len(row), load[i].columns)
			}
			if err := load[i].row(row); err != nil {
				return nil, fmt.Errorf("catalog: result set %d, row %d: %w", i, n, err)
			}
		}
	}
	if len(c.functions) == 0 || len(c.types) == 0 {
		return nil, fmt.Errorf("catalog: the server named no functions or no types")
	}
	c.spreadOpaqueViews()
	c.findHiddenCasts()
	c.judgeDomains()
	return c, nil
}

// loader takes the rows of one result set.
type loader struct {
	columns int
	row     func(row []string) error
}

// loaders returns those of the result sets, as far as they are not only there to be asked by. Trees are those that were read already.
func (c *Inventory) loaders(trees map[string]tree) [numSets]loader {
	newTree := func(name, text string) tree {
		t, read := trees[text]
		if !read {
			t = newTree(text)
		}
		t.name = name
		return t
	}
	return [numSets]loader{
		setDatabase: {5, func(row []string) error {
			c.codeOnDDL, c.configures, c.indexCode = row[0] == "t", c.configures || row[1] == "t", c.indexCode || row[2] == "t"
			c.opclass, c.outside = row[3], row[4] == "t"
			return nil
		}},
		setFound: {3, withOID(func(_ uint32, row []string) error {
			oid, err := strconv.ParseUint(row[1], 10, 32)
			c.configures = c.configures || oid >= firstUser
			return err
		})},
		setStates:    {6, c.addStanding},
		setIndexCode: {1, func([]string) error { c.indexCode = true; return nil }},
		setRowUses:   {2, withOID(func(oid uint32, _ []string) error { c.rowUses[verdict.RelationID(oid)] = true; return nil })},
		setRowArrays: {3, func(row []string) error { return c.addNotation(row[1], "f", row[2]) }},
		setRowTypes: {4, func(row []string) error {
			c.types[row[3]] = append(c.types[row[3]], namedType{schema: row[2]})
			return nil
		}},
		setRelations: {10, c.addRelation},
		setInherits: {2, c.edge(func(parent, child *relation) {
			parent.children = append(parent.children, child)
			child.parents = append(child.parents, parent)
		})},
		setForeignKeys:  {5, c.addForeignKey},
		setTriggers:     {6, c.ofRelation(c.addTrigger)},
		setTriggerCode:  {4, withOID(c.addTriggerCode)},
		setViewUses:     {2, c.edge(func(view, used *relation) { used.usedBy = append(used.usedBy, view) })},
		setFunctions:    {12, c.addFunction},
		setFunctionCode: {4, withOID(c.addFunctionCode)},
		setNotation:     {3, func(row []string) error { return c.addNotation(row[0], row[1], row[2]) }},
		setOperators:    {4, c.addOperator},
		setCasts: {4, func(row []string) error {
			if row[2] == "i" {
				c.cast = fmt.Sprintf("from %s to %s", row[0], row[1])
			}
			c.castWrites = c.castWrites || row[3] == "v" || row[3] == "w"
			c.castJSON = c.castJSON || strings.HasPrefix(row[1], "json")
			return nil
		}},
		setTypes: {5, withOID(func(oid uint32, row []string) error {
			t := namedType{oid: oid, schema: row[1], safe: row[3] == "t", date: row[4] == "t"}
			c.types[row[2]] = append(c.types[row[2]], t)
			if t.safe {
				c.coercions[oid] = t.date
			}
			return nil
		})},
		setDomains:       {2, withOID(func(oid uint32, row []string) error { c.addCondition(oid, newTree("", row[1])); return nil })},
		setUnstableTypes: {2, withOID(func(oid uint32, row []string) error { c.unstable[oid] = row[1]; return nil })},
		setDateColumns: {3, c.ofRelation(func(r *relation, row []string) error {
			if len(row[2]) != 1 {
				return fmt.Errorf("column %q: kind %q", row[1], row[2])
			}
			if r.dates == nil {
				r.dates = map[string]byte{}
			}
			r.dates[row[1]] = row[2][0]
			return nil
		})},
		setUnstableColumns: {2, c.ofRelation(func(r *relation, row []string) error { r.unstable = append(r.unstable, row[1]); return nil })},
		setViews:           {2, c.ofRelation(func(r *relation, row []string) error { r.tree = newTree("", row[1]); return nil })},
		setPolicies: {3, c.ofRelation(func(r *relation, row []string) error {
			r.policies = append(r.policies, newTree(row[1], row[2]))
			return nil
		})},
		setGenerated: {2, c.ofRelation(func(r *relation, row []string) error {
			r.generated = append(r.generated, newTree("", row[1]))
			return nil
		})},
		setObjects:      {4, withOID(c.addObject)},
		setWritingTypes: {1, func(row []string) error { c.writing[row[0]] = true; return nil }},
	}
}

func newTree(text string) tree {
	facts, err := nodetree.Read(text)
	return tree{text: text, facts: facts, err: err}
}

func (c *Inventory) addNotation(name, row, writes string) error {
	n := c.notation[name]
	c.notation[name] = notation{row: n.row || row == "t", writes: n.writes || writes == "t"}
	return nil
}

// withOID returns a loader of rows that begin with an OID.
func withOID(add func(oid uint32, row []string) error) func(row []string) error {
	return func(row []string) error {
		oid, err := strconv.ParseUint(row[0], 10, 32)
		if err != nil {
			return fmt.Errorf("OID: %w", err)
		}
		return add(uint32(oid), row)
	}
}

// ofRelation returns a loader of rows that begin with the OID of a relation. Those of relations that are not known, as toast
// tables are not, are skipped.
func (c *Inventory) ofRelation(add func(r *relation, row []string) error) func(row []string) error {
	return withOID(func(oid uint32, row []string) error {
		if r := c.byID[verdict.RelationID(oid)]; r != nil {
			return add(r, row)
		}
		return nil
	})
}

func (c *Inventory) addRelation(row []string) error {
	id, err := strconv.ParseUint(row[0], 10, 32)
	if err != nil {
		return fmt.Errorf("OID of a relation: %w", err)
	}
	if len(row[3]) != 1 || len(row[4]) != 1 {
		return fmt.Errorf("relation %q: kind %q, persistence %q", row[2], row[3], row[4])
	}
	owner, err := strconv.ParseUint(row[8], 10, 32)
	if err != nil {
		return fmt.Errorf("OID of the owner of %q: %w", row[2], err)
	}
	r := &relation{
		id: verdict.RelationID(id), schema: row[1], name: row[2], kind: row[3][0], temporary: row[4] == "t",
		rowSecurity: row[5] == "t", opaque: row[6] == "t", coded: row[7] == "t",
		owner: uint32(owner), forced: row[9] == "t",
	}
	if c.byID[r.id] != nil {
		return fmt.Errorf("two relations have the OID %d", r.id)
	}
	c.byID[r.id] = r
	c.byName[qualified{r.schema, r.name}] = r
	c.sameName[r.name] = append(c.sameName[r.name], r)
	return nil
}

func (c *Inventory) addFunction(row []string) error {
	if len(row[6]) != 1 {
		return fmt.Errorf("function %q: volatility %q", row[1], row[6])
	}
	least, err := strconv.Atoi(row[4])
	if err != nil {
		return fmt.Errorf("function %q: least arguments: %w", row[1], err)
	}
	most, err := strconv.Atoi(row[5])
	if err != nil {
		return fmt.Errorf("function %q: most arguments: %w", row[1], err)
	}
	f := &function{
		name: row[1], schema: row[2], builtin: row[3] == "t", least: least, most: most, volatility: row[6][0], arguments: row[7],
		shares: row[9] == "t",
	}
	if row[10] != "" && f.volatility != 'w' { // else its default arguments, say, call one that is not trusted
		f.trust = row[10][0]
	}
	result, err := strconv.ParseUint(row[11], 10, 32)
	if err != nil {
		return fmt.Errorf("function %q: OID of its type: %w", row[1], err)
	}
	f.result = uint32(result)
	if f.volatility != 'i' || row[8] != "" {
		f.signature = f.name + "(" + row[8] + ")"
	}
	c.functions[f.name] = append(c.functions[f.name], f)
	return withOID(func(oid uint32, _ []string) error { f.oid, c.calls[oid] = oid, f; return nil })(row)
}

// findHiddenCasts finds the functions whose call by name may silently cast a value to a type that is not stable: a time of
// day to one with a zone, by today's rules, unless the function takes one without a zone as well; a text to a relation.
func (c *Inventory) findHiddenCasts() {
	const zoned, plain, name = "time with time zone", "time without time zone", "regclass"
	for _, all := range c.functions {
		for _, f := range all {
			if !f.builtin || !strings.Contains(f.signature, zoned) {
				f.hidesCast = f.builtin && strings.Contains(f.signature, name)
				continue
			}
			without := strings.ReplaceAll(f.signature, zoned, plain)
			f.hidesCast = !slices.ContainsFunc(all, func(g *function) bool { return g.signature == without })
		}
	}
}

func (c *Inventory) addOperator(row []string) error {
	if len(row[2]) != 1 {
		return fmt.Errorf("operator %q: volatility %q", row[1], row[2])
	}
	o := operator{name: row[1], volatility: row[2][0], harmless: row[3] == "t"}
	if !o.harmless {
		c.operators[o.name] = max(c.operators[o.name], o.volatility)
	}
	return withOID(func(oid uint32, _ []string) error { c.operations[oid] = o; return nil })(row)
}

// relationByOID returns nil without an error for an OID that is not among the relations, as that of a toast table.
func (c *Inventory) relationByOID(oid string) (*relation, error) {
	id, err := strconv.ParseUint(oid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("OID of a relation: %w", err)
	}
	return c.byID[verdict.RelationID(id)], nil
}

// edge returns a loader of pairs of relations.
func (c *Inventory) edge(add func(a, b *relation)) func(row []string) error {
	return func(row []string) error {
		a, err := c.relationByOID(row[0])
		if err != nil {
			return err
		}
		b, err := c.relationByOID(row[1])
		if err != nil {
			return err
		}
		if a != nil && b != nil {
			add(a, b)
		}
		return nil
	}
}

// codeOnRead reports whether reading r may run code that writes anywhere: a view's definition, a table's policies, what is at the other end.
func (r *relation) codeOnRead() bool {
	return r.opaque && (r.kind == 'v' || r.kind == 'f' || r.rowSecurity)
}

// spreadOpaqueViews marks the views over relations with code that runs when they are read.
func (c *Inventory) spreadOpaqueViews() {
	var todo []*relation
	for _, r := range c.byID {
		if r.codeOnRead() {
			todo = append(todo, r)
		}
	}
	for len(todo) > 0 {
		r := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, view := range r.usedBy {
			if !view.opaque {
				view.opaque = true
				todo = append(todo, view)
			}
		}
	}
}
