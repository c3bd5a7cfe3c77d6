package classify

import (
	"fmt"
	"strconv"
	"strings"
)

// This file asks for the bodies of functions that are called by name. What they do is worked out when one is first called, see routines.go.

// setFunctionCodeSQL asks for functions that may write: a letter for how the body is read, the functions of the user's that their default arguments
// call, and the body. Of one with a body that is a tree those that the tree calls are among them. A column that the version of the
// server does not have is NULL in the row as JSON. There is the definition, too, in which names
// can be looked for, and of one with default arguments. So there is of a function whose body is not read, since it is too long, or what the function sets for itself may change how.
var setFunctionCodeSQL = withWriting + bounded("oid, kind, calls", `
SELECT f.oid, f.kind,
       pg_catalog.array_to_string(ARRAY(SELECT d.refobjid FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = f.oid
           AND d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.refobjid IN (SELECT oid FROM writing) AND d.refobjid <> f.oid), ' ') AS calls,
       CASE f.kind WHEN 'x' THEN pg_catalog.pg_get_functiondef(f.oid) WHEN 't' THEN f.body ELSE f.prosrc END AS tree
  FROM (SELECT p.oid, p.prosrc, COALESCE(pg_catalog.to_jsonb(p) ->> 'prosqlbody', '') AS body, k.kind
          FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang CROSS JOIN LATERAL pg_catalog.unnest(
               CASE WHEN NOT (`+readable+`) THEN '{x}' WHEN p.prosrc = '' THEN '{t,x}'
                    WHEN p.pronargdefaults > 0 THEN ARRAY[CASE l.lanname WHEN 'plpgsql' THEN 'p' ELSE 's' END, 'x']
                    ELSE ARRAY[CASE l.lanname WHEN 'plpgsql' THEN 'p' ELSE 's' END] END::text[]) AS k(kind)
         WHERE `+only("p.oid")+` AND p.oid >= `+firstUserOID+` AND p.oid IN (SELECT oid FROM writing) AND p.prokind IN ('f', 'p')
           AND p.prorettype <> 'pg_catalog.trigger'::regtype AND l.lanname NOT IN ('c', 'internal')) f`)

// readable says whether the body of function p, in language l, is read.
const readable = `l.oid < ` + firstUserOID + ` AND l.lanname IN ('sql', 'plpgsql') AND pg_catalog.length(p.prosrc) <= ` + longBody + `
   AND p.oid NOT IN (SELECT objid FROM stealth WHERE classid = 'pg_catalog.pg_proc'::regclass)
   AND NOT EXISTS (SELECT FROM pg_catalog.unnest(p.proconfig) c WHERE pg_catalog.split_part(c, '=', 1) <> ALL (` + setsHarmlessly + `))
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_operator o ON o.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_catalog.pg_operator'::regclass
          AND o.oprcode IN (SELECT oid FROM writing))`

// setsHarmlessly are parameters that do not change how a body is read, nor what its names mean where they are taken to mean what they mean in any schema.
const setsHarmlessly = `'{search_path,statement_timeout,lock_timeout,work_mem,jit,client_min_messages}'::text[]`

// functionCode is a function that is called by name.
type functionCode struct {
	kind   byte
	calls  []uint32 // OIDs
	source string
}

// How a body is read.
const (
	functionPLpgSQL = 'p'
	functionSQL     = 's'
	functionTree    = 't' // in SQL, BEGIN ATOMIC
	functionUnread  = 'x' // not at all, but for the names of parameters
)

func (c *Inventory) addFunctionCode(oid uint32, row []string) error {
	if len(row[1]) != 1 {
		return fmt.Errorf("body of function %d: kind %q", oid, row[1])
	}
	code := functionCode{kind: row[1][0], source: row[3]}
	if code.source == "" { // it is too long
		return nil
	}
	for _, text := range strings.Fields(row[2]) {
		called, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return fmt.Errorf("function %d calls another: %w", oid, err)
		}
		code.calls = append(code.calls, uint32(called))
	}
	c.addOwnSet(code.source)
	if code.kind != functionUnread {
		c.functionCode[oid] = code
	}
	return nil
}
