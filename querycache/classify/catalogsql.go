package classify

import (
	"fmt"

	"overdrive/querycache/classify/nodetree"
)

// firstUserOID is the first OID that initdb does not hand out (FirstNormalObjectId in the server's sources). What is
// below came with PostgreSQL.
const (
	firstUserOID = "16384"
	firstUser    = 16384
)

// withWriting begins a query that asks what may write. It defines lists of OIDs that were asked for before:
//
//	found: the answer to stealthQuery
//	trusted: the answer to trustedQuery
//	stealthy: functions of PostgreSQL's own that set parameters, or run a text
//	stealth: objects (classid, objid) of the user's whose trees call one, or that read pg_settings
//	stealthyAggregate: the user's aggregates over those functions
//	direct, writing, caller, coded, code: see codeQuery
//	unstable: the answer to unstableQuery
const withWriting = `
WITH RECURSIVE found(classid, objid, relid) AS MATERIALIZED (` + foundHere + `),
trusted(oid, letter) AS MATERIALIZED (` + trustedHere + `),
stealthy AS MATERIALIZED (SELECT objid AS oid FROM found WHERE objid < ` + firstUserOID + `),
stealth AS MATERIALIZED (SELECT classid, objid FROM found WHERE objid >= ` + firstUserOID + `),
stealthyAggregate AS MATERIALIZED (` + stealthyAggregates + `),
direct(oid) AS MATERIALIZED (` + directHere + `),
writing(oid) AS MATERIALIZED (` + writingHere + `),
caller(classid, objid) AS MATERIALIZED (` + callerHere + `),
unstable(oid) AS MATERIALIZED (` + unstableHere + `),
coded(oid) AS MATERIALIZED (` + codedHere + `),
code(classid, objid) AS MATERIALIZED (` + codeHere + `)
`

// volatility is a column: the word of the server for the function p, or w for one that it does not call volatile and
// that may write all the same, or u for one of the user's that is volatile and writes nothing. The worse letter is the later one.
const volatility = `CASE WHEN p.provolatile = 'v' AND p.oid >= ` + firstUserOID + ` AND p.oid NOT IN (SELECT oid FROM writing) THEN 'u' WHEN p.provolatile <> 'v' AND p.oid IN (SELECT oid FROM writing) THEN 'w' ELSE p.provolatile::text END COLLATE "C"`

// shares is a column: whether the body of the function p may change roles, databases or tablespaces. It has the words for it, or
// runs a text that is not plainly of another kind, or is longer than words are looked for in.
const shares = `p.oid >= ` + firstUserOID + ` AND (pg_catalog.length(p.prosrc) > ` + longBody + `
           OR p.prosrc ~* '\m(grant|revoke|owned)\M|\m(create|alter|drop)\s+(role|user|group|database|tablespace|extension)\M'
           OR p.prosrc ~* '\mexecute\M(?!\s+(format\s*\(\s*)?''\s*((` + plainQueries + `)\M|(create|alter|drop)\s))')`

// unstableTypes is a subselect of types whose values are shown, or read, by rules beyond the settings of the session:
// names of catalog objects, which may be renamed, timetz, whose input depends on today's daylight saving time, and those of isn, whose input depends
// on a variable of the library.
const unstableTypes = `SELECT oid FROM pg_catalog.pg_type
 WHERE typnamespace = 'pg_catalog'::regnamespace AND oid < ` + firstUserOID + `
   AND (typname LIKE 'reg%' OR typname LIKE '\_reg%' OR typname IN ('timetz', '_timetz', 'aclitem', '_aclitem'))
UNION ALL
SELECT t.oid FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON t.typcategory = 'A' AND e.oid = t.typelem
  JOIN pg_catalog.pg_proc i ON i.oid = CASE WHEN e.oid IS NULL THEN t.typinput ELSE e.typinput END::oid AND i.probin = '$libdir/isn'
 WHERE t.oid >= ` + firstUserOID

// safeTypes is a subselect of PostgreSQL's own types that a value may be cast to, and of those of extensions whose input is trusted. It
// stands behind withWriting.
const safeTypes = `SELECT oid FROM pg_catalog.pg_type
 WHERE typnamespace = 'pg_catalog'::regnamespace AND oid < ` + firstUserOID + ` AND typtype IN ('b', 'r', 'm')
   AND oid NOT IN (` + unstableTypes + `)
UNION ALL
SELECT t.oid FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON t.typcategory = 'A' AND e.oid = t.typelem
 WHERE t.oid >= ` + firstUserOID + ` AND t.typtype = 'b' AND CASE WHEN e.oid IS NULL THEN t.typinput ELSE e.typinput END::oid
       IN (SELECT oid FROM trusted WHERE letter IN ('a', 's'))`

// withSafe begins a query as withWriting does, and defines
//
//	safe: types that a value may be cast to, enumerations of the user's and domains over such types among them, and the type beneath
const withSafe = withWriting + `,
plain AS MATERIALIZED (SELECT oid FROM pg_catalog.pg_type WHERE oid IN (` + safeTypes + `) OR typtype = 'e'),
domain(oid, base) AS (
    SELECT oid, typbasetype FROM pg_catalog.pg_type WHERE typtype = 'd' AND typbasetype IN (SELECT oid FROM plain)
    UNION
    SELECT t.oid, domain.base FROM pg_catalog.pg_type t JOIN domain ON t.typtype = 'd' AND t.typbasetype = domain.oid),
safe(oid, base) AS MATERIALIZED (
    SELECT oid, oid FROM plain
    UNION ALL
    SELECT oid, base FROM domain WHERE oid NOT IN (SELECT oid FROM coded))
`

// rowArrays is a subselect of the arrays of the rows of relations.
const rowArrays = `SELECT a.oid FROM pg_catalog.pg_type a JOIN pg_catalog.pg_type e ON e.oid = a.typelem AND e.typrelid <> 0 WHERE a.typrelid = 0`

// compiled is a subselect of the functions in C. Extensions declare those of their operator classes without a word on volatility, so that
// they count as VOLATILE (pgvector, PostGIS); whoever makes a function in C is a superuser, who needs no operator class to do harm.
const compiled = `SELECT f.oid FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_language l ON l.oid = f.prolang WHERE l.lanname IN ('c', 'internal')`

// The result sets.
// The rows of most are about a relation, or two, whose OIDs they name: see keysOf. Those of setFunctions, setTriggerCode and setFunctionCode are about a function.
const (
	setDatabase = iota
	setRelations
	setInherits
	setForeignKeys
	setViewUses
	setFunctions
	setNotation
	setOperators
	setCasts
	setTypes
	setDomains
	setDateColumns
	setUnstableColumns
	setWritingTypes
	setUnstableTypes
	setViews
	setPolicies
	setGenerated
	setTriggers
	setTriggerCode
	setFunctionCode
	setTrusted  // the answer to trustedQuery
	setDated    // of datedQuery
	setFound    // the answer to stealthQuery
	setCode     // of codeQuery, what does not belong to a relation
	setUnstable // of unstableQuery
	setStates   // see changes.go
	setRowArrays
	setRowTypes
	setRowUses
	setIndexCode
	setObjects
	numSets
)

// catalogSQL holds one query for each result set but the first lists. Booleans arrive as t and f.
var catalogSQL = [numSets]string{
	setStates:  statesQuery,
	setObjects: objectsQuery,

	// Whether DDL runs code; whether a function of the user's may set parameters; whether an object of extended statistics calls a function that may
	// write; the name of an operator class that does not leave all to functions in C, or the empty text; and whether code may reach the
	// database by a connection of its own.
	setDatabase: withWriting + `
SELECT EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D'),
       ` + configures + `,
       EXISTS (SELECT FROM code WHERE classid = 'pg_catalog.pg_statistic_ext'::regclass),
       (SELECT pg_catalog.min(o.opcname) FROM pg_catalog.pg_opclass o
         WHERE EXISTS (SELECT FROM pg_catalog.pg_amproc a JOIN direct ON direct.oid = a.amproc::oid
                        WHERE a.amprocfamily = o.opcfamily AND direct.oid NOT IN (` + compiled + `))
            OR EXISTS (SELECT FROM pg_catalog.pg_amop a JOIN pg_catalog.pg_operator p ON p.oid = a.amopopr JOIN direct ON direct.oid = p.oprcode::oid
                        WHERE a.amopfamily = o.opcfamily AND direct.oid NOT IN (` + compiled + `))),
       ` + outside,

	// Relations, and what else may stand before one of them on a search_path by its name: an index, the type of a row.
	//
	// opaque: writing it may run code that writes elsewhere. Code is found in rules, and functions that may write
	// in defaults, constraints, policies, indexes, partition keys, the types of columns and, for views, the definition. Triggers are asked for by themselves.
	// So may a foreign table be that leads back.
	setRelations: withWriting + `
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relrowsecurity,
       EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type <> '1')
       OR c.relkind = 'f' AND EXISTS (SELECT FROM ` + leadsBack + ` WHERE t.ftrelid = c.oid)
       OR c.oid IN (
           SELECT r.ev_class FROM pg_catalog.pg_rewrite r JOIN code ON code.classid = 'pg_catalog.pg_rewrite'::regclass AND code.objid = r.oid
           UNION ALL
           SELECT a.adrelid FROM pg_catalog.pg_attrdef a JOIN code ON code.classid = 'pg_catalog.pg_attrdef'::regclass AND code.objid = a.oid
           UNION ALL
           SELECT k.conrelid FROM pg_catalog.pg_constraint k JOIN code ON code.classid = 'pg_catalog.pg_constraint'::regclass AND code.objid = k.oid
           UNION ALL
           SELECT p.polrelid FROM pg_catalog.pg_policy p JOIN code ON code.classid = 'pg_catalog.pg_policy'::regclass AND code.objid = p.oid
           UNION ALL
           SELECT i.indrelid FROM pg_catalog.pg_index i JOIN code ON code.classid = 'pg_catalog.pg_class'::regclass AND code.objid = i.indexrelid
           UNION ALL
           SELECT code.objid FROM code WHERE code.classid = 'pg_catalog.pg_class'::regclass),
       EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               AND a.atttypid IN (SELECT oid FROM coded)),
       c.relowner, c.relforcerowsecurity
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname <> 'pg_toast' AND c.relpersistence <> 't' AND ` + only("c.oid") + ` AND (c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    OR c.relname IN (SELECT relname FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relpersistence <> 't'))`,

	setInherits: `SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class c ON c.oid = inhrelid
 WHERE c.relkind IN ('r', 'p', 'f') AND ` + only("inhparent", "inhrelid"),

	setForeignKeys: setForeignKeysSQL,
	setTriggers:    setTriggersSQL,
	setTriggerCode: setTriggerCodeSQL,

	setFunctionCode: setFunctionCodeSQL,

	// What is read through a view and may run code by being read: views, and tables with policies.
	setViewUses: `SELECT DISTINCT r.ev_class, d.refobjid FROM pg_catalog.pg_rewrite r
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
   AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
  JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND (c.relkind IN ('v', 'f') OR c.relrowsecurity)
 WHERE ` + only("r.ev_class", "d.refobjid"),

	// Functions: built-in or not, the least number of arguments, the greatest or -1 for any, the volatility, the types of the
	// arguments by OID, and of those of PostgreSQL that are not immutable, or take a type that other values are silently converted
	// to, by name.
	setFunctions: withWriting + `
SELECT p.oid, p.proname, n.nspname, p.oid < ` + firstUserOID + ` AND n.nspname = 'pg_catalog',
       p.pronargs - p.pronargdefaults - CASE WHEN p.provariadic = 0 THEN 0 ELSE 1 END,
       CASE WHEN p.provariadic = 0 THEN p.pronargs ELSE -1 END,
       ` + volatility + `, p.proargtypes::text,
       CASE WHEN p.oid < ` + firstUserOID + ` AND (p.provolatile <> 'i' OR p.proargtypes::oid[] && '{timetz,time,regclass}'::regtype[]::oid[])
            THEN pg_catalog.oidvectortypes(p.proargtypes) ELSE '' END,
       ` + shares + `, COALESCE((SELECT t.letter FROM trusted t WHERE t.oid = p.oid), ''), p.prorettype
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE p.prorettype <> 'pg_catalog.trigger'::regtype AND ` + only("p.oid"),

	// What x.f may mean where x has no field f: user-defined functions and those not immutable that take one argument,
	// and a cast to a type that is not safe; whether x may be a row; and whether the function, or the type, may write.
	setNotation: withWriting + `
SELECT p.proname,
       pg_catalog.bool_or(t.typtype IN ('c', 'p', 'd') AND (p.oid >= ` + firstUserOID + `
           OR t.typname NOT IN ('cstring', 'internal', 'trigger', 'anyarray', 'anyenum', 'anyrange', 'anymultirange'))),
       pg_catalog.bool_or(p.oid IN (SELECT oid FROM writing))
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_type t ON t.oid = p.proargtypes[0]
 WHERE p.pronargs >= 1 AND p.pronargs - p.pronargdefaults - CASE WHEN p.provariadic = 0 THEN 0 ELSE 1 END <= 1
   AND (p.oid >= ` + firstUserOID + ` AND p.oid NOT IN (SELECT oid FROM trusted WHERE letter = 'a') OR p.oid < ` + firstUserOID + ` AND p.provolatile <> 'i')
 GROUP BY 1
UNION ALL
SELECT t.typname, false, t.oid IN (SELECT oid FROM coded) FROM pg_catalog.pg_type t
 WHERE t.typrelid = 0 AND t.typtype <> 'p' AND t.oid NOT IN (` + safeTypes + `) AND t.oid NOT IN (` + rowArrays + `)`,

	// The same for arrays of the rows of a relation.
	setRowArrays: withWriting + `
SELECT c.oid, t.typname, t.oid IN (SELECT oid FROM coded) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_type e ON e.oid = c.reltype
  JOIN pg_catalog.pg_type t ON t.oid = e.typarray
 WHERE c.relpersistence <> 't' AND ` + only("c.oid") + ` AND t.oid NOT IN (` + safeTypes + `)`,

	// User-defined operators, their volatility, and whether an immutable function in C stands behind them.
	setOperators: withWriting + `
SELECT o.oid, o.oprname, ` + volatility + `, p.provolatile = 'i' AND l.lanname IN ('c', 'internal') AND p.proname <> 'populate_record'
       OR p.oid IN (SELECT oid FROM trusted WHERE letter IN ('a', 's'))
  FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE o.oid >= ` + firstUserOID,

	// Casts of the user's, unless an immutable function in C stands behind them, or they only turn an enumeration to or from a
	// text by its own input and output.
	setCasts: withWriting + `
SELECT pg_catalog.format_type(k.castsource, NULL), pg_catalog.format_type(k.casttarget, NULL), k.castcontext,
       CASE WHEN k.castmethod = 'f' THEN ` + volatility + ` WHEN k.casttarget IN (SELECT oid FROM coded) THEN 'w' ELSE 's' END
  FROM pg_catalog.pg_cast k LEFT JOIN pg_catalog.pg_proc p ON p.oid = k.castfunc LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  JOIN pg_catalog.pg_type s ON s.oid = k.castsource JOIN pg_catalog.pg_type t ON t.oid = k.casttarget
 WHERE k.oid >= ` + firstUserOID + ` AND CASE k.castmethod
       WHEN 'f' THEN NOT (p.provolatile = 'i' AND l.lanname IN ('c', 'internal') OR p.oid IN (SELECT oid FROM trusted WHERE letter = 'a'))
       WHEN 'i' THEN NOT (s.typtype = 'e' AND t.typcategory = 'S' OR s.typcategory = 'S' AND t.typtype = 'e') ELSE false END`,

	// Types of the names that those of safe have; whether a value may be cast to this one, and whether it is a date type or an array of one: its
	// input knows words for the present. What the conditions of domains are setDomains tells.
	setTypes: withSafe + `
SELECT t.oid, n.nspname, t.typname, safe.oid IS NOT NULL,
       e.typcategory = 'D' OR e.typtype IN ('r', 'm') AND e.typname ~ 'date|ts'
  FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace LEFT JOIN safe ON safe.oid = t.oid
  LEFT JOIN pg_catalog.pg_type b ON b.oid = COALESCE(safe.base, t.oid)
  LEFT JOIN pg_catalog.pg_type e ON e.oid = CASE b.typcategory WHEN 'A' THEN b.typelem ELSE b.oid END
 WHERE t.typname IN (SELECT y.typname FROM pg_catalog.pg_type y JOIN safe ON safe.oid = y.oid) AND t.typrelid = 0 AND t.oid NOT IN (` + rowArrays + `)`,

	// The types of rows, and of arrays of them, which hide such a type by their name.
	setRowTypes: withSafe + `
SELECT c.oid, t.oid, n.nspname, t.typname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_type e ON e.oid = c.reltype
  JOIN pg_catalog.pg_type t ON t.oid IN (e.oid, e.typarray) JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 WHERE c.relpersistence <> 't' AND ` + only("c.oid") + ` AND t.typname IN (SELECT y.typname FROM pg_catalog.pg_type y JOIN safe ON safe.oid = y.oid)`,

	// Relations with a type of rows that a column of the second one is of, or of which an array is; 0 stands for what is no relation.
	setRowUses: `
SELECT c.oid, CASE WHEN d.classid = 'pg_catalog.pg_class'::regclass THEN d.objid ELSE 0 END
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_type e ON e.oid = c.reltype, pg_catalog.pg_depend d
 WHERE c.relpersistence <> 't' AND c.oid >= ` + firstUserOID + ` AND d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid = e.oid
   AND d.objid NOT IN (e.typarray, c.oid) AND ` + only("c.oid") + `
UNION
SELECT c.oid, CASE WHEN d.classid = 'pg_catalog.pg_class'::regclass THEN d.objid ELSE 0 END
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_type e ON e.oid = c.reltype, pg_catalog.pg_depend d
 WHERE c.relpersistence <> 't' AND c.oid >= ` + firstUserOID + ` AND d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid = e.typarray AND ` + only("c.oid") + `
UNION
SELECT t.typrelid, d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_type p ON p.oid = d.refobjid
  JOIN pg_catalog.pg_type t ON t.oid = CASE WHEN p.typrelid <> 0 THEN p.oid ELSE p.typelem END
 WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_type'::regclass AND t.typrelid >= ` + firstUserOID + `
   AND d.objid <> t.typrelid AND ` + only("d.objid"),

	// Relations with an index that calls a function that may write.
	setIndexCode: withWriting + `
SELECT DISTINCT i.indrelid FROM code JOIN pg_catalog.pg_index i ON i.indexrelid = code.objid
 WHERE code.classid = 'pg_catalog.pg_class'::regclass AND ` + only("i.indrelid"),

	// The conditions of domains: those of the domains that one is over count for it, too.
	setDomains: `
WITH RECURSIVE over(id, part) AS (
    SELECT oid, oid FROM pg_catalog.pg_type WHERE typtype = 'd' AND oid >= ` + firstUserOID + `
    UNION
    SELECT over.id, t.typbasetype FROM over JOIN pg_catalog.pg_type t ON t.oid = over.part AND t.typtype = 'd')
` + bounded("id", `
SELECT over.id, k.conbin::text AS tree FROM over JOIN pg_catalog.pg_constraint k ON k.contypid = over.part AND k.contype = 'c' AND k.contypid <> 0`),

	// Columns of a date type, and all others of such a name: d for one that has a date, t for a time of day, m for one that may hold a date
	// within, as an array or a row does, else f.
	setDateColumns: `
WITH dated(oid) AS MATERIALIZED (` + datedHere + `),
c AS MATERIALIZED (
    SELECT a.attrelid, a.attname, CASE WHEN a.atttypid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN 'd'
           WHEN a.atttypid IN ('time'::regtype, 'timetz'::regtype) THEN 't'
           WHEN a.atttypid IN (SELECT oid FROM dated) OR a.atttypid = 'pg_catalog.record'::regtype THEN 'm' ELSE 'f' END AS kind
      FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relpersistence <> 't'
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
     WHERE a.attnum > 0 AND NOT a.attisdropped AND ` + only("a.attrelid") + `)
SELECT attrelid, attname, kind FROM c WHERE ` + whereNamed("attname IN (SELECT attname FROM c WHERE kind <> 'f')") + ``,

	// Columns of types whose values are read or shown by rules beyond the settings.
	setUnstableColumns: withWriting + `
SELECT a.attrelid, a.attname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relpersistence <> 't'
 WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN (SELECT oid FROM unstable) AND a.attrelid >= ` + firstUserOID + `::oid AND ` + only("a.attrelid"),

	// Types to cast to which may write.
	setWritingTypes: withWriting + `
SELECT DISTINCT typname FROM pg_catalog.pg_type WHERE oid IN (SELECT oid FROM coded)`,

	// Types that no value in a tree may be of. Constants that name a configuration or dictionary of text search are everywhere,
	// as in to_tsvector('english', x), and what they stand for only DDL can change.
	setUnstableTypes: withWriting + `
SELECT t.oid, t.typname FROM pg_catalog.pg_type t
 WHERE t.oid IN (SELECT oid FROM unstable) AND t.oid NOT IN ('regconfig'::regtype, 'regdictionary'::regtype)`,

	// The trees of views, of policies that hold for SELECT, and of columns that are computed when read (PostgreSQL 18). What is
	// longer than nodetree reads arrives empty.
	setViews: bounded("id", `
SELECT r.ev_class AS id, r.ev_action::text AS tree FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
 WHERE r.ev_type = '1' AND c.relkind = 'v' AND c.oid >= `+firstUserOID+` AND `+only("r.ev_class")),

	setPolicies: bounded("id, polname", `
SELECT p.polrelid AS id, p.polname, p.polqual::text AS tree FROM pg_catalog.pg_policy p
 WHERE p.polcmd IN ('r', '*') AND p.polqual IS NOT NULL AND `+only("p.polrelid")),

	setGenerated: bounded("id", `
SELECT a.adrelid AS id, a.adbin::text AS tree FROM pg_catalog.pg_attrdef a
  JOIN pg_catalog.pg_attribute c ON c.attrelid = a.adrelid AND c.attnum = a.adnum WHERE c.attgenerated = 'v' AND `+only("a.adrelid")),
}

// maxTrees bounds the trees of one query together. The longest are left out first.
const maxTrees = 32 << 20

// bounded returns a query for columns and, last, the tree of the rows that another query gives. Trees that are too long, or
// beyond maxTrees, arrive empty: nothing is known of what they belong to, and the rest of the catalog is none the worse for it.
func bounded(columns, rows string) string {
	return fmt.Sprintf(`SELECT %[1]s, CASE WHEN size <= %[3]d AND total <= %[4]d THEN tree ELSE '' END FROM (
SELECT *, pg_catalog.sum(size) OVER (ORDER BY size, %[1]s) AS total FROM (
SELECT *, pg_catalog.octet_length(tree) AS size FROM (%[2]s) r) s) t`, columns, rows, nodetree.MaxSize, maxTrees)
}
