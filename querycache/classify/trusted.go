package classify

import (
	"fmt"
	"strings"
)

// This file says which functions that did not come with PostgreSQL are believed to be what they are declared to be: those of
// extensions that were looked at, and those that the configuration names. All others may do anything, see doc.go.
//
// Trust hangs on what nobody but a superuser can bring about. Who installs a trusted extension owns it, superuser or not, and may add
// functions of his own to it (ALTER EXTENSION … ADD), so that membership alone says nothing. But he can make no function in C, none in
// the language internal that is no aggregate, and none that a superuser owns. Of an aggregate the owner counts as well: its first value is a text that is
// read as any type, and may be 'now'.

// known is an extension whose functions were looked at.
type knownExtension struct {
	name        string
	since, till string // versions, from and up to but not including, as elements of an array
	module      string // the file that its functions in C are in, behind $libdir/
	stable      string // of those in C that are STABLE the names that depend on nothing but arguments and settings
	sql         string // a pattern of the names of those in SQL whose bodies were looked at; empty: none
	dated       string // names that are not trusted, since they read a text as any type: 'now' may be a date there
	spatial     bool   // its functions read spatial_ref_sys, which the server does not tell
}

// knownExtensions are looked for in each database. Of each the IMMUTABLE functions in C count, but none whose name runs a text; it is not
// enough that a function has no state of its own: isn, whose functions read a mode that another sets, is left out on purpose, and so is
// earthdistance, whose functions in SQL name others without a schema.
var knownExtensions = []knownExtension{
	{name: "citext", since: "1,4", till: "2", module: "citext", sql: "regexp_(match|matches|replace|split_to_array|split_to_table)|strpos|replace|split_part|translate"},
	{name: "pg_trgm", since: "1,3", till: "2", module: "pg_trgm",
		stable: "similarity_op,word_similarity_op,word_similarity_commutator_op,strict_word_similarity_op,strict_word_similarity_commutator_op"},
	{name: "hstore", since: "1,4", till: "2", module: "hstore", dated: "populate_record"},
	{name: "ltree", since: "1,1", till: "2", module: "ltree"},
	{name: "unaccent", since: "1,1", till: "2", module: "unaccent", stable: "unaccent"},
	{name: "pgcrypto", since: "1,3", till: "2", module: "pgcrypto"},
	{name: "uuid-ossp", since: "1,1", till: "2", module: "uuid-ossp"},
	{name: "fuzzystrmatch", since: "1,1", till: "2", module: "fuzzystrmatch"},
	{name: "intarray", since: "1,2", till: "2", module: "_int"},
	{name: "btree_gist", since: "1,2", till: "2", module: "btree_gist"},
	{name: "btree_gin", since: "1,2", till: "2", module: "btree_gin"},
	{name: "cube", since: "1,4", till: "2", module: "cube"},
	{name: "seg", since: "1,3", till: "2", module: "seg"},
	{name: "vector", since: "0,4", till: "1", module: "vector"},
	{name: "postgis", since: "3,0", till: "4", module: "postgis-3", stable: "st_asgeojson",
		sql: `_?st\_[a-z0-9]+|(contains|is_contained|overlaps)_(2d|nd|geog)`, spatial: true},
}

// Letters of trust.
const (
	trustArguments = 'a' // the answer depends on arguments and settings alone
	trustSpatial   = 's' // and on the table spatial_ref_sys of PostGIS
	trustTables    = 't' // and on any table
	trustSupport   = 'x' // does not write, but is nothing to be called by name: the server calls it
)

// trustedQuery asks for the functions that are trusted, with the letter of trust.
//
// A function that takes a value of the type internal can be called by the server alone. Those of operator classes, of ANALYZE and of
// aggregates are declared without a word on volatility in many extensions, and count as VOLATILE; they write nothing.
func trustedQuery(own []string) (string, error) {
	condition, err := ownTrusted(own)
	if err != nil {
		return "", err
	}
	var values []string
	for _, e := range knownExtensions {
		values = append(values, fmt.Sprintf("(%s, '{%s}'::int[], '{%s}'::int[], %s, '{%s}'::text[], %s, %s, %t)",
			Literal(e.name), e.since, e.till, Literal("$libdir/"+e.module), e.stable, Literal("^("+e.sql+")$"), Literal(e.dated), e.spatial))
	}
	return `
WITH looked_at(name, since, till, module, stable, sql, dated, spatial) AS (VALUES ` + strings.Join(values, ",\n") + `),
member AS MATERIALIZED (
    SELECT p.oid, p.proname, p.prokind, p.provolatile, p.probin, p.proargtypes, p.proowner, l.lanname, known.*
      FROM pg_catalog.pg_extension e JOIN looked_at known ON known.name = e.extname
      JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid
       AND d.classid = 'pg_catalog.pg_proc'::regclass AND d.deptype = 'e'
      JOIN pg_catalog.pg_proc p ON p.oid = d.objid JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     WHERE CASE WHEN e.extversion ~ '^\d{1,4}(\.\d{1,4}){1,4}$' THEN pg_catalog.string_to_array(e.extversion, '.')::int[] >= known.since
                 AND pg_catalog.string_to_array(e.extversion, '.')::int[] < known.till ELSE false END),
plain AS MATERIALIZED (
    SELECT oid, CASE WHEN spatial THEN 's' ELSE 'a' END AS trust FROM member
     WHERE prokind IN ('f', 'w') AND proname <> dated AND CASE lanname
           WHEN 'c' THEN probin = module AND (provolatile = 'i' OR provolatile = 's' AND proname = ANY (stable))
           WHEN 'internal' THEN provolatile = 'i'
           WHEN 'sql' THEN provolatile = 'i' AND proname ~ sql AND proowner IN (SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper) ELSE false END),
support AS MATERIALIZED (
    SELECT oid FROM member WHERE prokind = 'f' AND lanname = 'c' AND probin = module AND 'internal'::regtype = ANY (proargtypes::oid[])
    UNION
    SELECT oid FROM plain
    UNION
    SELECT oid FROM pg_catalog.pg_proc WHERE oid < ` + firstUserOID + ` AND provolatile = 'i'
    UNION
    SELECT 0)
SELECT oid, COALESCE(pg_catalog.max(NULLIF(trust, 'x')), 'x') FROM (
SELECT oid, trust FROM plain
UNION ALL
SELECT oid, 'x' FROM support WHERE oid >= ` + firstUserOID + ` AND oid NOT IN (SELECT oid FROM plain)
UNION ALL
SELECT m.oid, CASE WHEN m.spatial THEN 's' ELSE 'a' END FROM member m JOIN pg_catalog.pg_aggregate a ON a.aggfnoid::oid = m.oid
 WHERE m.provolatile = 'i' AND m.proowner IN (SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper) AND NOT EXISTS (
       SELECT FROM pg_catalog.unnest(ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn,
                                           a.aggminvtransfn, a.aggmfinalfn]::oid[]) part WHERE part NOT IN (SELECT oid FROM support))
UNION ALL
` + condition + `) AS letters(oid, trust) GROUP BY oid`, nil
}

// ownTrusted returns a query for the functions that the configuration names. It does not believe in one that somebody else may have made:
// the owner must be a superuser, or own the database or the schema.
func ownTrusted(names []string) (string, error) {
	conditions := []string{"false"}
	for _, name := range names {
		f, err := ParseFunction(name)
		if err != nil {
			return "", fmt.Errorf("trusted function %q: %w", name, err)
		}
		condition := "n.nspname = " + Literal(f.Schema)
		if f.Name != "*" {
			condition += " AND p.proname = " + Literal(f.Name)
		}
		if f.Typed {
			condition += " AND pg_catalog.replace(pg_catalog.oidvectortypes(p.proargtypes), ' ', '') = " + Literal(strings.ReplaceAll(f.Arguments, " ", ""))
		}
		conditions = append(conditions, "("+condition+")")
	}
	return `SELECT p.oid, CASE p.provolatile WHEN 'i' THEN 'a' ELSE 't' END FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE p.oid >= ` + firstUserOID + ` AND p.prokind IN ('f', 'w', 'a') AND (` + strings.Join(conditions, " OR ") + `)
   AND (p.proowner IN (SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper) OR p.proowner = n.nspowner
     OR p.proowner = (SELECT datdba FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))`, nil
}

// Untrusted returns those of names, as the configuration has them, that mean no function of the database whose owner is believed. They do
// nothing: the function was never made, is another one's, or is spelt otherwise.
func Untrusted(query func(sql string) ([][]string, error), names []string) (none []string, err error) {
	for _, name := range names {
		sql, err := ownTrusted([]string{name})
		if err != nil {
			return nil, err
		}
		rows, err := query(sql)
		if err != nil {
			return nil, fmt.Errorf("look for the trusted function %q: %w", name, err)
		}
		if len(rows) == 0 {
			none = append(none, name)
		}
	}
	return none, nil
}

// A Function is one as the configuration names it.
type Function struct {
	Schema, Name string // Name is * for all of a schema
	Arguments    string // types by their full names, with commas between them
	Typed        bool   // Arguments counts; else all of the name are meant
}

// ParseFunction reads schema.name or schema.name(types of arguments), or schema.* for all of a schema. Names stand as the catalog has them,
// without quotes.
func ParseFunction(text string) (f Function, err error) {
	rest, arguments, typed := strings.Cut(text, "(")
	f.Schema, f.Name, _ = strings.Cut(strings.TrimSpace(rest), ".")
	if typed {
		inside, closed := strings.CutSuffix(strings.TrimSpace(arguments), ")")
		if !closed || strings.ContainsAny(inside, "()'\\") || f.Name == "*" {
			return f, fmt.Errorf("must be schema.name(types of arguments)")
		}
		f.Arguments, f.Typed = strings.TrimSpace(inside), true
	}
	for _, name := range []string{f.Schema, f.Name} {
		if name == "" || len(name) > MaxName || strings.ContainsAny(name, "\"'\\\x00 \t\r\n") {
			return f, fmt.Errorf("must be schema.name or schema.name(types of arguments)")
		}
	}
	return f, nil
}

// Literal returns a string constant of SQL for a text without backslashes, or for a session with standard_conforming_strings on.
func Literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// maxTrusting bounds the tables of a database in which a function of one's own that may read any of them is trusted: an answer depends on
// all of them, and each costs a look when it is asked for.
const maxTrusting = 200

// behind returns the tables that the answer of a trusted function may depend on besides its arguments. ok is false where it cannot be told.
func (c *Inventory) behind(f *function) (tables []*relation, ok bool) {
	switch f.trust {
	case trustArguments:
		return nil, true
	case trustSpatial:
		if r := c.byName[qualified{f.schema, "spatial_ref_sys"}]; r != nil && r.unreadable() == "" && r.kind == 'r' && !r.rowSecurity {
			return []*relation{r}, true
		}
	case trustTables:
		for _, r := range c.byID {
			switch {
			case r.isSystem() || strings.IndexByte("rpm", r.kind) < 0 && r.kind != 'f':
			case r.kind == 'f' || len(tables) == maxTrusting:
				return nil, false
			default:
				tables = append(tables, r)
			}
		}
		return tables, true
	}
	return nil, false
}

// refuseTrusted is the reason where behind cannot tell.
func (f *function) refuseTrusted() string {
	if f.trust == trustTables {
		return fmt.Sprintf("function %q is trusted but not IMMUTABLE: it may read any table, and there is a foreign one, or more than %d", f.name, maxTrusting)
	}
	return fmt.Sprintf("function %q reads the table spatial_ref_sys, which is not as PostGIS makes it", f.name)
}

// isTrusted reports whether a function that did not come with PostgreSQL is one whose answer may be kept.
func (f *function) isTrusted() bool {
	return f.trust == trustArguments || f.trust == trustSpatial || f.trust == trustTables
}
