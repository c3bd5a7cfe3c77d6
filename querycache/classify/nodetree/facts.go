package nodetree

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
)

// Relation is a relation that a tree reads, or a view that the server has already put its definition in place of.
type Relation struct {
	OID  uint32
	Kind byte // pg_class.relkind
}

// Facts is what a tree says. All lists are ascending and without repetition.
type Facts struct {
	Relations []Relation
	Functions []uint32 // functions, aggregates and window functions that are called by their own OID
	Operators []uint32
	Types     []uint32 // of all values in it
	Coerced   []uint32 // types that values are converted to through their text
	Stored    []uint32 // the same, of texts that are columns of tables, or parts of such
	Domains   []uint32 // whose conditions are tested
	Writes    []Write  // of ReadBody alone

	Outside Reads // what is read of the session
	Guard   Reads // the same inside of the conditions that policies put on a table

	Clock   bool   // a keyword such as CURRENT_DATE
	Refused string // the first thing that is not understood or never harmless; empty if there is none
}

// Reads is what an expression reads of the session.
type Reads struct {
	Identity bool     // current_user, session_user and their like
	Settings []string // names of parameters, as they are written, that current_setting is asked for
}

// None reports whether nothing is read.
func (r *Reads) None() bool { return !r.Identity && len(r.Settings) == 0 }

// OIDs that have been the same in every version of PostgreSQL.
const (
	currentSetting        = 2077 // current_setting(text)
	currentSettingMissing = 3294 // current_setting(text, boolean)
	textType              = 25
)

// Read returns what the tree in text says. An error means that text is no tree.
func Read(text string) (*Facts, error) {
	v, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("read a tree of the server: %w", err)
	}
	f := &Facts{}
	w := walker{facts: f, reads: &f.Outside, rules: known}
	w.value(v)
	f.sort()
	return f, nil
}

// walker goes through a tree. Its depth is that of the reader.
type walker struct {
	facts  *Facts
	reads  *Reads // where to note what is read of the session
	rules  map[string]map[string]rule
	writes bool // it may write
}

func (w *walker) refuse(format string, args ...any) {
	if w.facts.Refused == "" {
		w.facts.Refused = fmt.Sprintf(format, args...)
	}
}

// value looks at nodes and lists of nodes.
func (w *walker) value(v value) {
	switch v.kind {
	case null:
	case list:
		for _, item := range v.items {
			w.value(item)
		}
	case object:
		w.node(v)
	default:
		if !isCount(v) {
			w.refuse("%q stands where a node is expected", v.text)
		}
	}
}

// isCount reports whether v is a number or the letter before a list of numbers: GROUPINGSET holds such.
func isCount(v value) bool {
	_, err := strconv.Atoi(v.text)
	return v.kind == scalar && (err == nil || v.text == "i")
}

func (w *walker) node(v value) {
	fields, ok := w.rules[v.name]
	if !ok {
		w.refuse("it has a part not known to be safe: %s", v.name)
		return
	}
	for name, rule := range fields {
		if _, found := v.get(name); !found && !rule.optional {
			w.refuse("%s has no %s", v.name, name)
		}
	}
	switch v.name {
	case "QUERY":
		if w.writes {
			w.command(v)
		}
	case "RANGETBLENTRY", "RTE":
		w.rangeTableEntry(v)
	case "VAR":
		if n, ok := number(v, "varattno"); !ok || n < 0 {
			w.refuse("it reads a system column")
		}
	case "SQLVALUEFUNCTION":
		w.keyword(v)
	case "COERCEVIAIO":
		n, _ := number(v, "resulttype")
		if text, _ := v.get("arg"); isStored(text) {
			w.facts.Stored = append(w.facts.Stored, uint32(n))
		} else {
			w.facts.Coerced = append(w.facts.Coerced, uint32(n))
		}
	case "COERCETODOMAIN":
		n, _ := number(v, "resulttype")
		w.facts.Domains = append(w.facts.Domains, uint32(n))
	case "FUNCEXPR":
		if n, _ := number(v, "funcid"); n == currentSetting || n == currentSettingMissing {
			v.fields = w.setting(v)
		}
	}
	seen := map[string]bool{}
	for _, f := range v.fields {
		if seen[f.name] {
			w.refuse("%s has two fields %s", v.name, f.name)
		}
		seen[f.name] = true
		w.field(v.name, f, fields)
	}
}

func (w *walker) field(node string, f field, fields map[string]rule) {
	rule, ok := fields[f.name]
	if !ok {
		w.refuse("%s has a field not known to be safe: %s", node, f.name)
		return
	}
	switch rule.use {
	case ignore:
		if holdsNode(f.value) {
			w.refuse("%s.%s holds a node", node, f.name)
		}
	case equal:
		text := f.value.text
		if f.value.kind == null {
			text = "<>"
		}
		if f.value.kind > scalar || text != rule.want {
			w.refuse("it does more than read (%s.%s)", node, f.name)
		}
	case descend:
		if f.name == "joinaliasvars" { // all columns of a join, whether they are used or not: where they are, they stand there again
			f.value.items = slices.DeleteFunc(slices.Clone(f.value.items), func(v value) bool { return v.name == "VAR" })
		}
		if f.name == "securityQuals" {
			outer := w.reads
			w.reads = &w.facts.Guard
			defer func() { w.reads = outer }()
		}
		w.value(f.value)
	case function:
		w.oids(&w.facts.Functions, f)
	case operator:
		w.oids(&w.facts.Operators, f)
	case typ:
		w.oids(&w.facts.Types, f)
	}
}

func holdsNode(v value) bool {
	return v.kind == object || slices.ContainsFunc(v.items, holdsNode)
}

// oids adds the OID, or all of a list (o 1 2 3), that is not 0.
func (w *walker) oids(to *[]uint32, f field) {
	items := []value{f.value}
	switch {
	case f.value.kind == null:
		return
	case f.value.kind == list && len(f.value.items) > 0 && f.value.items[0].text == "o":
		items = f.value.items[1:]
	}
	for _, item := range items {
		n, err := strconv.ParseUint(item.text, 10, 32)
		if item.kind != scalar || err != nil {
			w.refuse("%s is no OID", f.name)
			return
		}
		if n != 0 {
			*to = append(*to, uint32(n))
		}
	}
}

// number returns the integer in a field.
func number(v value, name string) (int64, bool) {
	f, _ := v.get(name)
	n, err := strconv.ParseInt(f.text, 10, 64)
	return n, err == nil && f.kind == scalar
}

// Kinds of range table entries (RTEKind).
const (
	entryRelation = 0
	entryTransit  = 7 // transition table of a trigger
	entryMax      = 9
)

func (w *walker) rangeTableEntry(v value) {
	kind, ok := number(v, "rtekind")
	if !ok || kind < 0 || kind > entryMax || kind == entryTransit {
		w.refuse("it reads from something not known to be safe")
		return
	}
	oid, hasOID := number(v, "relid")
	relkind, _ := v.get("relkind")
	switch {
	case kind != entryRelation:
	case !hasOID || oid <= 0 || oid > 1<<32-1 || len(relkind.text) != 1:
		w.refuse("a relation has no OID or kind")
	default:
		w.facts.Relations = append(w.facts.Relations, Relation{OID: uint32(oid), Kind: relkind.text[0]})
	}
}

// keyword judges a keyword that is a function (SQLValueFunctionOp): the clocks come first, then current_role,
// current_user, user, session_user and current_catalog. The last one is current_schema, which tells of the search_path.
func (w *walker) keyword(v value) {
	switch op, ok := number(v, "op"); {
	case !ok || op < 0 || op > 13:
		w.refuse("it has a keyword not known to be safe")
	case op < 9:
		w.facts.Clock = true
	default:
		w.reads.Identity = true
	}
}

// setting notes what parameter a call of current_setting asks for, and returns the fields of the call that are still to be
// looked at: not its own OID, for the call is told by Settings or refused.
func (w *walker) setting(v value) []field {
	rest := slices.DeleteFunc(slices.Clone(v.fields), func(f field) bool { return f.name == "funcid" })
	args, _ := v.get("args")
	if len(args.items) == 0 {
		w.refuse("current_setting has no argument")
		return rest
	}
	name, ok := textConstant(args.items[0])
	if !ok {
		w.refuse("current_setting is given a name that is no constant")
		return rest
	}
	w.reads.Settings = append(w.reads.Settings, name)
	return rest
}

// textConstant returns the string that a CONST of type text holds: a header of four bytes, then the string.
func textConstant(v value) (string, bool) {
	typ, ok := number(v, "consttype")
	d, found := v.get("constvalue")
	if v.name != "CONST" || !ok || typ != textType || !found || d.kind != datum || len(d.text) <= 4 {
		return "", false
	}
	header := []byte(d.text[:4])
	little := binary.LittleEndian.Uint32(header) == uint32(len(d.text))<<2
	big := binary.BigEndian.Uint32(header) == uint32(len(d.text))
	if !little && !big {
		return "", false // compressed, or a format of its own
	}
	return d.text[4:], true
}
