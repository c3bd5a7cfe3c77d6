package classify

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Catalog is what one database said about itself at one moment, to one role with one search_path. It never changes.
type Catalog struct {
	searchPath string
	byID       map[RelationID]*relation
	byName     map[qualified]*relation
	visible    map[string]*relation // as an unqualified name finds it
	functions  map[string][]function
	notation   map[string]notation // what x.name may call
	operators  map[string]byte     // user-defined operators not known to be harmless -> worst volatility
	types      map[string]bool     // types of PostgreSQL a value may be cast to -> it is a date type
	writing    map[string]bool     // types that a cast to may write
	cast       string              // a user-defined cast that any expression may call unseen; empty: none
	castWrites bool                // a user-defined cast may write
}

// notation is what x.name may call: all functions and casts of the name that take one argument.
type notation struct {
	row    bool // x may be a row; otherwise only a single value
	writes bool
}

type qualified struct{ schema, name string }

// relation is a table, view or sequence.
type relation struct {
	id          RelationID
	schema      string
	name        string
	kind        byte // pg_class.relkind
	temporary   bool
	rowSecurity bool
	opaque      bool // writing it, or reading it if codeOnRead, may run code that writes anywhere
	unstable    bool // has a column of a type that is read or shown by rules beyond the settings
	dates       map[string]bool

	children []*relation // inheritance and partitions, direct
	parents  []*relation
	affects  []*relation // foreign keys that carry a change of this relation on, direct
	uses     []*relation // of a view: what in its definition may run code when read
}

// function is every function of one name in one schema that takes a certain number of arguments.
type function struct {
	schema     string
	builtin    bool
	least      int  // arguments
	most       int  // arguments; -1: any number
	volatility byte // the worst of them: i, s, v, or w for one that may write though not called volatile
	visible    bool
}

// mayWrite reports whether a user-defined function of the volatility may write.
func mayWrite(volatility byte) bool { return volatility >= 'v' }

// takes reports whether f can be called with n arguments; n is -1 where that is not plain.
func (f function) takes(n int) bool {
	return n < 0 || f.least <= n && (n <= f.most || f.most < 0)
}

// SearchPath returns the search_path that unqualified names were resolved by.
func (c *Catalog) SearchPath() string { return c.searchPath }

// RelationName returns the name of a relation with its schema, or the OID in digits where there is none such.
func (c *Catalog) RelationName(id RelationID) string {
	if r := c.byID[id]; r != nil {
		return r.schema + "." + r.name
	}
	return strconv.FormatUint(uint64(id), 10)
}

// RelationIDs returns the relations of the name in all schemas, or the one where schema is not empty.
func (c *Catalog) RelationIDs(schema, name string) []RelationID {
	var ids []RelationID
	for q, r := range c.byName {
		if q.name == name && (schema == "" || q.schema == schema) {
			ids = append(ids, r.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// NewCatalog builds a Catalog from the rows of each of CatalogQueries.
func NewCatalog(results [][][]string) (*Catalog, error) {
	if len(results) != numSets {
		return nil, fmt.Errorf("catalog: got %d result sets, want %d", len(results), numSets)
	}
	c := &Catalog{
		byID:      map[RelationID]*relation{},
		byName:    map[qualified]*relation{},
		visible:   map[string]*relation{},
		functions: map[string][]function{},
		notation:  map[string]notation{},
		operators: map[string]byte{},
		types:     map[string]bool{},
		writing:   map[string]bool{},
	}
	load := [numSets]struct {
		columns int
		row     func(row []string) error
	}{
		setSearchPath: {1, func(row []string) error { c.searchPath = row[0]; return nil }},
		setRelations:  {9, c.addRelation},
		setInherits: {2, c.edge(func(parent, child *relation) {
			parent.children = append(parent.children, child)
			child.parents = append(child.parents, parent)
		})},
		setForeignKeys: {2, c.edge(func(from, to *relation) { from.affects = append(from.affects, to) })},
		setViewUses:    {2, c.edge(func(view, used *relation) { view.uses = append(view.uses, used) })},
		setFunctions:   {7, c.addFunction},
		setNotation: {3, func(row []string) error {
			n := c.notation[row[0]]
			c.notation[row[0]] = notation{row: n.row || row[1] == "t", writes: n.writes || row[2] == "t"}
			return nil
		}},
		setOperators: {2, c.addOperator},
		setCasts: {4, func(row []string) error {
			if row[2] == "i" {
				c.cast = fmt.Sprintf("from %s to %s", row[0], row[1])
			}
			c.castWrites = c.castWrites || row[3] == "v" || row[3] == "w"
			return nil
		}},
		setTypes: {2, func(row []string) error { c.types[row[0]] = row[1] == "t"; return nil }},
		setDateColumns: {3, func(row []string) error {
			r, err := c.relationByOID(row[0])
			if r == nil {
				return err
			}
			if r.dates == nil {
				r.dates = map[string]bool{}
			}
			r.dates[row[1]] = row[2] == "t"
			return nil
		}},
		setWritingTypes: {1, func(row []string) error { c.writing[row[0]] = true; return nil }},
	}
	for i, rows := range results {
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
	return c, nil
}

func (c *Catalog) addRelation(row []string) error {
	id, err := strconv.ParseUint(row[0], 10, 32)
	if err != nil {
		return fmt.Errorf("OID of a relation: %w", err)
	}
	if len(row[3]) != 1 || len(row[4]) != 1 {
		return fmt.Errorf("relation %q: kind %q, persistence %q", row[2], row[3], row[4])
	}
	r := &relation{
		id: RelationID(id), schema: row[1], name: row[2], kind: row[3][0], temporary: row[4] == "t",
		rowSecurity: row[5] == "t", opaque: row[7] == "t", unstable: row[8] == "t",
	}
	c.byID[r.id] = r
	c.byName[qualified{r.schema, r.name}] = r
	if row[6] == "t" {
		c.visible[r.name] = r
	}
	return nil
}

func (c *Catalog) addFunction(row []string) error {
	if len(row[5]) != 1 {
		return fmt.Errorf("function %q: volatility %q", row[0], row[5])
	}
	least, err := strconv.Atoi(row[3])
	if err != nil {
		return fmt.Errorf("function %q: least arguments: %w", row[0], err)
	}
	most, err := strconv.Atoi(row[4])
	if err != nil {
		return fmt.Errorf("function %q: most arguments: %w", row[0], err)
	}
	c.functions[row[0]] = append(c.functions[row[0]], function{
		schema: row[1], builtin: row[2] == "t", least: least, most: most, volatility: row[5][0], visible: row[6] == "t",
	})
	return nil
}

func (c *Catalog) addOperator(row []string) error {
	if len(row[1]) != 1 {
		return fmt.Errorf("operator %q: volatility %q", row[0], row[1])
	}
	c.operators[row[0]] = row[1][0]
	return nil
}

// relationByOID returns nil without an error for an OID that is not among the relations, as that of a toast table.
func (c *Catalog) relationByOID(oid string) (*relation, error) {
	id, err := strconv.ParseUint(oid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("OID of a relation: %w", err)
	}
	return c.byID[RelationID(id)], nil
}

// edge returns a loader of pairs of relations.
func (c *Catalog) edge(add func(a, b *relation)) func(row []string) error {
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

// codeOnRead reports whether reading r may run code that writes anywhere: a view's definition, a table's policies.
func (r *relation) codeOnRead() bool { return r.opaque && (r.kind == 'v' || r.rowSecurity) }

// spreadOpaqueViews marks the views over relations with code that runs when they are read.
func (c *Catalog) spreadOpaqueViews() {
	for changed := true; changed; {
		changed = false
		for _, r := range c.byID {
			if r.opaque {
				continue
			}
			for _, u := range r.uses {
				if u.codeOnRead() {
					r.opaque, changed = true, true
				}
			}
		}
	}
}

// lookup returns the relation a name in a statement means, or nil.
func (c *Catalog) lookup(schema, name string) *relation {
	if schema == "" {
		return c.visible[name]
	}
	return c.byName[qualified{schema, name}]
}

// family returns r and all its descendants: reading or writing a parent reads or writes them.
func (r *relation) family() []*relation {
	return closure(r, func(r *relation) []*relation { return r.children })
}

// touched returns what writing r changes: its family and, if spread, what foreign keys carry the change on to. A foreign key
// on an ancestor acts for r, too.
func (r *relation) touched(spread bool) []*relation {
	if !spread {
		return r.family()
	}
	return closure(r, func(r *relation) []*relation {
		next := append(slices.Clone(r.children), r.affects...)
		for _, up := range closure(r, func(r *relation) []*relation { return r.parents }) {
			next = append(next, up.affects...)
		}
		return next
	})
}

// closure returns all that can be reached from r, and r.
func closure(r *relation, next func(*relation) []*relation) []*relation {
	seen := map[*relation]bool{r: true}
	todo := []*relation{r}
	for len(todo) > 0 {
		r := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, n := range next(r) {
			if !seen[n] {
				seen[n] = true
				todo = append(todo, n)
			}
		}
	}
	return slices.Collect(maps.Keys(seen))
}
