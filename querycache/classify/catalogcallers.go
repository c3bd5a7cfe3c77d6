package classify

import "strings"

// This file asks what may write. The answer is long, takes a server long to find out, and stands in most other queries: see
// catalogask.go.

// stealthyAggregates is a subselect of the user's aggregates over functions of stealthy.
const stealthyAggregates = `
    SELECT a.aggfnoid::oid AS oid FROM pg_catalog.pg_aggregate a JOIN stealthy s ON s.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn,
           a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)`

// codeQuery asks for what may write: rows of a word and classid, objid.
//
//	direct:  user-defined functions that may write. Only in C does the server's word for a function count: a STABLE or
//	         IMMUTABLE one in SQL or a procedural language may call others that write. Those of harmlessLibrary do not, nor do those that
//	         are trusted.
//	writing: those, the functions of stealthy, functions whose default arguments call one, and aggregates over them
//	caller:  objects that call such a function, themselves or by an operator
//	coded:   types whose values are checked or made by such a function: domains, and all types that hold one
//	code:    callers, and objects that use a type of coded
const codeQuery = writingLists + `
caller AS MATERIALIZED (
    SELECT classid, objid FROM stealth
    UNION
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
    SELECT part.whole FROM coded JOIN part ON part.part = coded.oid)
SELECT 'direct', 0, oid FROM direct
UNION ALL
SELECT 'writing', 0, oid FROM writing
UNION ALL
SELECT 'coded', 0, oid FROM coded
UNION ALL
SELECT 'caller', classid, objid FROM caller
UNION ALL
SELECT 'code', classid, objid FROM (
    SELECT classid, objid FROM caller
    UNION
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
     WHERE d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid IN (SELECT oid FROM coded)) all_code`

// writingLists begin codeQuery with what tells of functions alone.
const writingLists = `
WITH RECURSIVE found(classid, objid, relid) AS MATERIALIZED (` + foundHere + `),
trusted(oid, letter) AS MATERIALIZED (` + trustedHere + `),
stealthy AS MATERIALIZED (SELECT objid AS oid FROM found WHERE objid < ` + firstUserOID + `),
stealth AS MATERIALIZED (SELECT classid, objid FROM found WHERE objid >= ` + firstUserOID + `),
direct AS MATERIALIZED (
    SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     WHERE p.oid >= ` + firstUserOID + ` AND (p.provolatile = 'v' OR l.lanname NOT IN ('c', 'internal'))
       AND NOT (l.lanname = 'c' AND ` + harmlessLibrary + `)
       AND p.oid NOT IN (SELECT oid FROM trusted)),
writing AS MATERIALIZED (
    SELECT oid FROM direct
    UNION
    SELECT oid FROM stealthy
    UNION ` + stealthyAggregates + `
    UNION
    SELECT objid FROM stealth WHERE classid = 'pg_catalog.pg_proc'::regclass
    UNION
    SELECT d.objid FROM pg_catalog.pg_depend d
     WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.refclassid = 'pg_catalog.pg_proc'::regclass
       AND d.refobjid IN (SELECT oid FROM direct)),`

// writingQuery is codeQuery for functions alone.
var writingQuery = strings.TrimSuffix(writingLists, ",") + `
SELECT 'direct', 0, oid FROM direct
UNION ALL
SELECT 'writing', 0, oid FROM writing`

// someCodeQuery is codeQuery for what belongs to some relations, where functions and types are as they were.
var someCodeQuery = `
WITH found(classid, objid, relid) AS MATERIALIZED (` + foundHere + `),
writing(oid) AS MATERIALIZED (` + writingHere + `),
coded(oid) AS MATERIALIZED (` + codedHere + `),
own(classid, objid) AS MATERIALIZED (
    SELECT 'pg_catalog.pg_class'::regclass::oid, oid FROM pg_catalog.pg_class WHERE ` + only("oid") + `
    UNION ALL
    SELECT 'pg_catalog.pg_class'::regclass, indexrelid FROM pg_catalog.pg_index WHERE ` + only("indrelid") + `
    UNION ALL
    SELECT 'pg_catalog.pg_rewrite'::regclass, oid FROM pg_catalog.pg_rewrite WHERE ` + only("ev_class") + `
    UNION ALL
    SELECT 'pg_catalog.pg_attrdef'::regclass, oid FROM pg_catalog.pg_attrdef WHERE ` + only("adrelid") + `
    UNION ALL
    SELECT 'pg_catalog.pg_constraint'::regclass, oid FROM pg_catalog.pg_constraint WHERE ` + only("conrelid") + `
    UNION ALL
    SELECT 'pg_catalog.pg_trigger'::regclass, oid FROM pg_catalog.pg_trigger WHERE ` + only("tgrelid") + `
    UNION ALL
    SELECT 'pg_catalog.pg_policy'::regclass, oid FROM pg_catalog.pg_policy WHERE ` + only("polrelid") + `),
needs AS MATERIALIZED (SELECT d.classid, d.objid, d.refclassid, d.refobjid FROM own JOIN pg_catalog.pg_depend d ON d.classid = own.classid AND d.objid = own.objid),
caller AS MATERIALIZED (
    SELECT classid, objid FROM found
    UNION
    SELECT classid, objid FROM needs WHERE refclassid = 'pg_catalog.pg_proc'::regclass AND refobjid IN (SELECT oid FROM writing)
    UNION
    SELECT classid, objid FROM needs JOIN pg_catalog.pg_operator o ON o.oid = refobjid
     WHERE refclassid = 'pg_catalog.pg_operator'::regclass AND o.oprcode IN (SELECT oid FROM writing))
SELECT 'caller', classid, objid FROM caller
UNION ALL
SELECT 'code', classid, objid FROM (
    SELECT classid, objid FROM caller
    UNION
    SELECT classid, objid FROM needs WHERE refclassid = 'pg_catalog.pg_type'::regclass AND refobjid IN (SELECT oid FROM coded)) all_code`
