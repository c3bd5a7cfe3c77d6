package classify

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"overdrive/querycache/classify/nodetree"
	"overdrive/querycache/verdict"
)

// Inventory is what one database said about itself at one moment, whoever asks. It never changes. How a role with some
// search_path sees it is a Catalog. Safe for concurrent use.
type Inventory struct {
	codeOnDDL  bool   // event triggers run when DDL does
	configures bool   // a user-defined function may set parameters of the session
	indexCode  bool   // an index calls a function that may write
	outside    bool   // code may reach the database by a connection of its own, so that what it does there stays though the statement fails
	opclass    string // the name of an operator class, by which values are sorted or compared, that may read or write tables
	byID       map[verdict.RelationID]*relation
	byName     map[qualified]*relation
	sameName   map[string][]*relation // in all schemas
	functions  map[string][]*function
	calls      map[uint32]*function // the same by OID
	notation   map[string]notation  // what x.name may call
	operators  map[string]byte      // user-defined operators not known to be harmless -> worst volatility
	operations map[uint32]operator  // user-defined operators by OID
	types      map[string][]namedType
	coercions  map[uint32]bool   // types a value may be cast to, by OID -> it is a date type
	conditions map[uint32][]tree // of domains, by OID
	unstable   map[uint32]string // types whose values are read or shown by rules beyond the settings -> name
	writing    map[string]bool   // types that a cast to may write
	cast       string            // a user-defined cast that any expression may call unseen; empty: none
	castWrites bool              // a user-defined cast may write
	castJSON   bool              // a user-defined cast to JSON may be called by functions that make JSON

	triggerCode  map[uint32]triggerCode      // functions of triggers by OID
	functionCode map[uint32]functionCode     // functions that may write, and can be read, by OID
	rowUses      map[verdict.RelationID]bool // relations with a type of rows that something else is made of

	remembered *readings
	routines   *routines
	ownSet     map[string]bool     // see OwnSet
	ownStrings map[string]bool     // strings in functions that have the form of such a name
	unnamed    bool                // a function sets one by a name that does not stand in it
	results    [][][]string        // what it was built of
	standings  map[uint32]standing // of the relations, by OID
	objects    map[objectKey]object
	signs      *Signs // of the same moment; nil: not known
}

// readings are those of an Inventory that were asked for.
type readings struct {
	mu       sync.Mutex // guards the fields below
	readings map[readKey]*reading
	held     int // relations in readings
}

// routines are those of an Inventory that were asked for.
type routines struct {
	mu    sync.Mutex // guards the fields below
	known map[routineKey]*routine
	held  int // routines in known, and what they name
}

func newRoutines() *routines { return &routines{known: map[routineKey]*routine{}} }

func newReadings() *readings { return &readings{readings: map[readKey]*reading{}} }

// namedType is one of the types of a name that a value may be cast to, or that hides such a type.
type namedType struct {
	oid    uint32
	schema string
	safe   bool // a value may be cast to it
	date   bool
}

// notation is what x.name may call: all functions and casts of the name that take one argument.
type notation struct {
	row    bool // x may be a row; otherwise only a single value
	writes bool
}

type qualified struct{ schema, name string }

// relation is a table, view or sequence.
type relation struct {
	id          verdict.RelationID
	schema      string
	name        string
	kind        byte // pg_class.relkind
	temporary   bool
	rowSecurity bool            // has policies
	owner       uint32          // OID of the role
	forced      bool            // policies hold for the owner, too
	opaque      bool            // writing it, or reading it if codeOnRead, may run code that writes anywhere
	unstable    []string        // its columns of types that are read or shown by rules beyond the settings
	coded       bool            // has a column of a type whose input may read or write tables, which a literal beside it may run
	dates       map[string]byte // columns by name: d for a date, with a time or not, t for a time of day, m for what may hold one, f for others

	tree      tree   // of a view
	policies  []tree // for SELECT
	generated []tree // columns computed when read

	children []*relation // inheritance and partitions, direct
	parents  []*relation
	affects  []cascade // foreign keys that carry a change of this relation on, direct
	triggers []trigger
	usedBy   []*relation // views with this relation in their definition, if reading it may run code
}

// tree is an expression or query as the server has it.
type tree struct {
	name  string // of a policy
	text  string
	facts *nodetree.Facts
	err   error // facts could not be read
}

// function is a function, aggregate or window function.
type function struct {
	oid        uint32
	name       string
	schema     string
	builtin    bool
	least      int    // arguments
	most       int    // arguments; -1: any number
	volatility byte   // i, s, u for a volatile one that writes nothing, v, or w for one that may write though not called volatile
	arguments  string // OIDs of their types
	signature  string // name(types of arguments) of one of PostgreSQL's that is to be looked at closely
	shares     bool   // a user-defined one whose body may change what all databases of the server share
	trust      byte   // a letter of trust; 0: none
	result     uint32 // OID of its type
	hidesCast  bool   // a call by name may silently cast a time of day to one with a zone, or a text to a name
}

// harmless reports whether a function of PostgreSQL gives the same answer as long as arguments and settings are the same.
func (f *function) harmless() bool {
	return f.builtin && (f.volatility == 'i' || f.volatility == 's' && onSettings[f.signature])
}

// readsClock reports whether f tells a time that is the same all through a statement. clock_timestamp and timeofday do not.
func (f *function) readsClock() bool {
	switch f.name {
	case "now", "transaction_timestamp", "statement_timestamp":
		return f.builtin && f.most == 0
	}
	return false
}

// zonesTime reports whether f takes a time of day with a zone.
func (f *function) zonesTime() bool { return strings.Contains(f.signature, "time with time zone") }

// operator is a user-defined operator.
type operator struct {
	name       string
	volatility byte
	harmless   bool // an immutable function in C
}

// mayWrite reports whether a user-defined function of the volatility may write.
func mayWrite(volatility byte) bool { return volatility >= 'v' }

// takes reports whether f can be called with n arguments; n is -1 where that is not plain.
func (f *function) takes(n int) bool {
	return n < 0 || f.least <= n && (n <= f.most || f.most < 0)
}

// RelationName returns the name of a relation with its schema, or the OID in digits where there is none such.
func (c *Inventory) RelationName(id verdict.RelationID) string {
	if r := c.byID[id]; r != nil {
		return r.schema + "." + r.name
	}
	return strconv.FormatUint(uint64(id), 10)
}

// RelationIDs returns the relations of the name in all schemas, or the one where schema is not empty.
func (c *Inventory) RelationIDs(schema, name string) []verdict.RelationID {
	var ids []verdict.RelationID
	for q, r := range c.byName {
		if q.name == name && (schema == "" || q.schema == schema) && r.hasRows() {
			ids = append(ids, r.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// named returns the relations of a name in all schemas.
func (c *Inventory) named(name string) []*relation { return c.sameName[name] }

// hasRows reports whether r is more than a name that hides another: an index is not, nor the type of a row.
func (r *relation) hasRows() bool { return strings.IndexByte("rpvmfS", r.kind) >= 0 }

// family returns r and all its descendants: reading or writing a parent reads or writes them.
func (r *relation) family() []*relation {
	seen := map[*relation]bool{r: true}
	todo := []*relation{r}
	for len(todo) > 0 {
		r := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, child := range r.children {
			if !seen[child] {
				seen[child] = true
				todo = append(todo, child)
			}
		}
	}
	return slices.Collect(maps.Keys(seen))
}
