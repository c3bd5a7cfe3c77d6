package classify

import (
	"fmt"
	"slices"
	"strconv"

	"overdrive/querycache/verdict"
)

// This file asks for triggers, and for the functions that they run.

// setTriggersSQL asks for the triggers that are not switched off: table, tgtype, function, whether its WHEN runs code that may write, and the
// names of its transition tables. Before PostgreSQL 15 those that a partition has from its parent are called internal, and depend on it.
var setTriggersSQL = withWriting + `
SELECT t.tgrelid, t.tgtype, t.tgfoid,
       t.tgqual IS NOT NULL AND (
           t.oid IN (SELECT objid FROM stealth WHERE classid = 'pg_catalog.pg_trigger'::regclass)
           OR EXISTS (SELECT FROM pg_catalog.pg_depend d LEFT JOIN pg_catalog.pg_operator o
                          ON d.refclassid = 'pg_catalog.pg_operator'::regclass AND o.oid = d.refobjid
                       WHERE d.classid = 'pg_catalog.pg_trigger'::regclass AND d.objid = t.oid
                         AND (d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.refobjid <> t.tgfoid AND d.refobjid IN (SELECT oid FROM writing)
                           OR o.oprcode IN (SELECT oid FROM writing)
                           OR d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid IN (SELECT oid FROM coded)))),
       t.tgoldtable, t.tgnewtable
  FROM pg_catalog.pg_trigger t
 WHERE ` + only("t.tgrelid") + ` AND t.tgenabled <> 'D' AND (NOT t.tgisinternal OR EXISTS (
       SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_trigger'::regclass AND d.objid = t.oid AND d.refclassid = d.classid))`

// setTriggerCodeSQL asks for the functions of triggers: q for one that touches nothing but the row of its trigger, p for one in PL/pgSQL
// that may be read, x for all others, and what there is to read. What a function sets for itself, but for the search_path, may
// change how its body is read.
var setTriggerCodeSQL = bounded("oid, proname, kind", `
SELECT p.oid, p.proname, CASE WHEN p.oid < `+firstUserOID+` AND p.proname IN ('tsvector_update_trigger', 'tsvector_update_trigger_column', 'suppress_redundant_updates_trigger')
                     OR l.lanname = 'c' AND `+harmlessLibrary+` THEN 'q'
                   WHEN l.oid < `+firstUserOID+` AND l.lanname = 'plpgsql' AND pg_catalog.length(p.prosrc) <= `+longBody+` AND NOT EXISTS (
                     SELECT FROM pg_catalog.unnest(p.proconfig) c WHERE c NOT LIKE 'search\_path=%') THEN 'p' ELSE 'x' END AS kind,
       p.prosrc AS tree
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE p.prorettype = 'pg_catalog.trigger'::regtype AND `+only("p.oid"))

// trigger is a trigger of a relation, as the server has it.
type trigger struct {
	fires    ops
	before   bool   // it may change the row
	opaque   bool   // its WHEN may write anything
	function uint32 // OID
	old, new string // names of its transition tables; empty: none
}

// triggerCode is a function that triggers run.
type triggerCode struct {
	name   string
	kind   byte // as setTriggerCodeSQL tells
	source string
}

// Bits of pg_trigger.tgtype.
const (
	triggerBefore   = 1 << 1
	triggerInsert   = 1 << 2
	triggerDelete   = 1 << 3
	triggerUpdate   = 1 << 4
	triggerTruncate = 1 << 5
	triggerInstead  = 1 << 6
)

func (c *Inventory) addTrigger(r *relation, row []string) error {
	bits, err := strconv.ParseUint(row[1], 10, 16)
	if err != nil {
		return fmt.Errorf("type of a trigger of %q: %w", r.name, err)
	}
	function, err := strconv.ParseUint(row[2], 10, 32)
	if err != nil {
		return fmt.Errorf("function of a trigger of %q: %w", r.name, err)
	}
	t := trigger{
		before: bits&(triggerBefore|triggerInstead) != 0, opaque: row[3] == "t", function: uint32(function), old: row[4], new: row[5],
	}
	for bit, op := range map[uint64]ops{triggerInsert: opInsert, triggerDelete: opDelete, triggerUpdate: opUpdate, triggerTruncate: opTruncate} {
		if bits&bit != 0 {
			t.fires |= op
		}
	}
	r.triggers = append(r.triggers, t)
	return nil
}

func (c *Inventory) addTriggerCode(oid uint32, row []string) error {
	if len(row[2]) != 1 {
		return fmt.Errorf("function %d of a trigger: kind %q", oid, row[2])
	}
	c.triggerCode[oid] = triggerCode{name: row[1], kind: row[2][0], source: row[3]}
	c.addOwnSet(row[3])
	return nil
}

// triggeredBy returns the relations with triggers that run one of the functions.
func (c *Inventory) triggeredBy(functions map[uint32]bool) (ids []verdict.RelationID) {
	for id, r := range c.byID {
		if slices.ContainsFunc(r.triggers, func(t trigger) bool { return functions[t.function] }) {
			ids = append(ids, id)
		}
	}
	return ids
}

// cascade is a foreign key by which a change of the table that it refers to changes the table that has it.
type cascade struct {
	to       *relation
	onDelete bool
	onUpdate bool
	column   string // one that it refers to; empty: any column may change it
}

// setForeignKeysSQL asks for them, with a row for each column that is referred to. A generated column changes with any other.
var setForeignKeysSQL = `SELECT DISTINCT k.confrelid, k.conrelid, k.confdeltype IN ('c', 'n', 'd'), k.confupdtype IN ('c', 'n', 'd'),
       CASE WHEN a.attgenerated = '' THEN a.attname::text ELSE '' END
  FROM pg_catalog.pg_constraint k CROSS JOIN LATERAL pg_catalog.unnest(k.confkey) AS key(number)
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = key.number
 WHERE k.contype = 'f' AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd')) AND ` + only("k.confrelid", "k.conrelid")

func (c *Inventory) addForeignKey(row []string) error {
	from, err := c.relationByOID(row[0])
	if err != nil {
		return err
	}
	to, err := c.relationByOID(row[1])
	if err != nil {
		return err
	}
	if from != nil && to != nil {
		from.affects = append(from.affects, cascade{to, row[2] == "t", row[3] == "t", row[4]})
	}
	return nil
}
