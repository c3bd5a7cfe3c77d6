package classify

// firstUserOID is the first OID that initdb does not hand out (FirstNormalObjectId in the server's sources). What is
// below came with PostgreSQL.
const firstUserOID = "16384"

// withWriting begins a query that asks what may write. It defines
//
//	writing: user-defined functions that may write, and aggregates over them. Only in C does the server's word for a
//	         function count: a STABLE or IMMUTABLE one in SQL or a procedural language may call others that write.
//	caller:  objects (classid, objid) that call such a function, themselves or by an operator
//	coded:   types whose values are checked or made by such a function: domains, and all types that hold one
//	code:    callers, and objects that use a type of coded
const withWriting = `
WITH RECURSIVE direct AS MATERIALIZED (
    SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     WHERE p.oid >= ` + firstUserOID + ` AND (p.provolatile = 'v' OR l.lanname NOT IN ('c', 'internal'))),
writing AS MATERIALIZED (
    SELECT oid FROM direct
    UNION
    SELECT d.objid FROM pg_catalog.pg_depend d
     WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.refclassid = 'pg_catalog.pg_proc'::regclass
       AND d.refobjid IN (SELECT oid FROM direct)),
caller AS MATERIALIZED (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
     WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.refobjid IN (SELECT oid FROM writing)
    UNION
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_operator o ON o.oid = d.refobjid
     WHERE d.refclassid = 'pg_catalog.pg_operator'::regclass AND o.oprcode IN (SELECT oid FROM writing)),
part AS MATERIALIZED (
    SELECT d.objid AS whole, d.refobjid AS part FROM pg_catalog.pg_depend d
     WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.refclassid = 'pg_catalog.pg_type'::regclass
    UNION ALL
    SELECT c.reltype, a.atttypid FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
     WHERE c.reltype <> 0 AND a.attnum > 0),
coded(oid) AS (
    SELECT * FROM (
        SELECT k.contypid FROM pg_catalog.pg_constraint k
          JOIN caller ON caller.classid = 'pg_catalog.pg_constraint'::regclass AND caller.objid = k.oid WHERE k.contypid <> 0
        UNION ALL
        SELECT objid FROM caller WHERE classid = 'pg_catalog.pg_type'::regclass) domains
    UNION
    SELECT part.whole FROM coded JOIN part ON part.part = coded.oid),
code AS MATERIALIZED (
    SELECT classid, objid FROM caller
    UNION
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
     WHERE d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid IN (SELECT oid FROM coded))
`

// volatility is a column: the word of the server for the function p, or w for one that it does not call volatile and
// that may write all the same. The worse letter is the later one.
const volatility = `CASE WHEN p.provolatile <> 'v' AND p.oid IN (SELECT oid FROM writing) THEN 'w' ELSE p.provolatile::text END COLLATE "C"`

// unstableTypes is a subselect of types whose values are shown, or read, by rules beyond the settings of the session:
// names of catalog objects, which may be renamed, and timetz, whose input depends on today's daylight saving time.
const unstableTypes = `SELECT oid FROM pg_catalog.pg_type
 WHERE typnamespace = 'pg_catalog'::regnamespace AND oid < ` + firstUserOID + `
   AND (typname LIKE 'reg%' OR typname LIKE '\_reg%' OR typname IN ('timetz', '_timetz', 'aclitem', '_aclitem'))`

// safeTypes is a subselect of PostgreSQL's own types that a value may be cast to.
const safeTypes = `SELECT oid FROM pg_catalog.pg_type
 WHERE typnamespace = 'pg_catalog'::regnamespace AND oid < ` + firstUserOID + ` AND typtype IN ('b', 'r', 'm')
   AND pg_catalog.pg_type_is_visible(oid) AND oid NOT IN (` + unstableTypes + `)`

// The result sets, in the order of CatalogQueries.
const (
	setSearchPath = iota
	setRelations
	setInherits
	setForeignKeys
	setViewUses
	setFunctions
	setNotation
	setOperators
	setCasts
	setTypes
	setDateColumns
	setWritingTypes
	numSets
)

// catalogSQL holds one query for each result set. Booleans arrive as t and f.
var catalogSQL = [numSets]string{
	setSearchPath: `SELECT pg_catalog.current_setting('search_path')`,

	// opaque: writing it may run code that writes elsewhere. Code is found in triggers, rules, and functions that may write
	// in defaults, constraints, policies, indexes, partition keys, the types of columns and, for views, the definition.
	setRelations: withWriting + `
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, pg_catalog.pg_table_is_visible(c.oid),
       EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D')
       OR EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type <> '1')
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
               AND a.atttypid IN (` + unstableTypes + `))
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname <> 'pg_toast'`,

	setInherits: `SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class c ON c.oid = inhrelid
 WHERE c.relkind IN ('r', 'p', 'f')`,

	// Foreign keys by which a change of the first relation changes rows of the second.
	setForeignKeys: `SELECT DISTINCT confrelid, conrelid FROM pg_catalog.pg_constraint
 WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))`,

	// What is read through a view and may run code by being read: views, and tables with policies.
	setViewUses: `SELECT DISTINCT r.ev_class, d.refobjid FROM pg_catalog.pg_rewrite r
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
   AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
  JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND (c.relkind = 'v' OR c.relrowsecurity)`,

	// One row for each name, schema and number of arguments taken: built-in or not, the least number, the greatest or -1
	// for any, and the worst volatility.
	setFunctions: withWriting + `
SELECT p.proname, n.nspname, p.oid < ` + firstUserOID + ` AND n.nspname = 'pg_catalog',
       p.pronargs - p.pronargdefaults - CASE WHEN p.provariadic = 0 THEN 0 ELSE 1 END,
       CASE WHEN p.provariadic = 0 THEN p.pronargs ELSE -1 END,
       pg_catalog.max(` + volatility + `), pg_catalog.bool_or(pg_catalog.pg_function_is_visible(p.oid))
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE p.prorettype <> 'pg_catalog.trigger'::regtype
 GROUP BY 1, 2, 3, 4, 5`,

	// What x.f may mean where x has no field f: user-defined functions and those not immutable that take one argument,
	// and a cast to a type that is not safe; whether x may be a row; and whether the function, or the type, may write.
	setNotation: withWriting + `
SELECT p.proname,
       pg_catalog.bool_or(t.typtype IN ('c', 'p', 'd') AND (p.oid >= ` + firstUserOID + `
           OR t.typname NOT IN ('cstring', 'internal', 'trigger', 'anyarray', 'anyenum', 'anyrange', 'anymultirange'))),
       pg_catalog.bool_or(p.oid IN (SELECT oid FROM writing))
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_type t ON t.oid = p.proargtypes[0]
 WHERE p.pronargs >= 1 AND p.pronargs - p.pronargdefaults - CASE WHEN p.provariadic = 0 THEN 0 ELSE 1 END <= 1
   AND (p.oid >= ` + firstUserOID + ` OR p.provolatile <> 'i')
 GROUP BY 1
UNION ALL
SELECT t.typname, false, t.oid IN (SELECT oid FROM coded) FROM pg_catalog.pg_type t
 WHERE t.typrelid = 0 AND t.typtype <> 'p' AND t.oid NOT IN (` + safeTypes + `)`,

	// User-defined operators, unless an immutable function in C stands behind each of the name; and their worst volatility.
	setOperators: withWriting + `
SELECT o.oprname, pg_catalog.max(` + volatility + `)
  FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE o.oid >= ` + firstUserOID + ` AND NOT (p.provolatile = 'i' AND l.lanname IN ('c', 'internal'))
 GROUP BY 1`,

	setCasts: withWriting + `
SELECT pg_catalog.format_type(k.castsource, NULL), pg_catalog.format_type(k.casttarget, NULL), k.castcontext, ` + volatility + `
  FROM pg_catalog.pg_cast k JOIN pg_catalog.pg_proc p ON p.oid = k.castfunc JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE k.oid >= ` + firstUserOID + ` AND NOT (p.provolatile = 'i' AND l.lanname IN ('c', 'internal'))`,

	// Types a value may be cast to, and whether it is a date type or an array of one: its input knows words for the present.
	setTypes: `
SELECT t.typname, e.typcategory = 'D' OR e.typtype IN ('r', 'm') AND e.typname ~ 'date|ts'
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_type e ON e.oid = CASE t.typcategory WHEN 'A' THEN t.typelem ELSE t.oid END
 WHERE t.oid IN (` + safeTypes + `)`,

	// Columns of a date type, so that a cast of them to another date type reads no text; and all others of such a name.
	setDateColumns: `
WITH c AS MATERIALIZED (
    SELECT a.attrelid, a.attname, t.oid < ` + firstUserOID + ` AND t.typcategory = 'D' AS date
      FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
     WHERE a.attnum > 0 AND NOT a.attisdropped)
SELECT attrelid, attname, date FROM c WHERE attname IN (SELECT attname FROM c WHERE date)`,

	// Types to cast to which may write.
	setWritingTypes: withWriting + `
SELECT DISTINCT typname FROM pg_catalog.pg_type WHERE oid IN (SELECT oid FROM coded)`,
}

// CatalogQueries returns the queries whose results NewCatalog takes, in this order. Each returns one result set; run
// them in one REPEATABLE READ transaction, as the role and with the search_path that the verdicts are for, and take
// the values in text format with NULL as "".
func CatalogQueries() []string { return catalogSQL[:] }
