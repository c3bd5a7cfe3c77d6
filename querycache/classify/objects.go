package classify

import (
	"fmt"
	"strconv"
)

// This file is about what belongs to no relation, and is told apart all the same: functions, types, schemas and extensions. What names one
// must be judged anew when it comes, goes or changes. Nothing else can depend on one that has just come, or on one that could go: where a view
// calls a function, that stays. So it is enough to know the names, unless one has changed that answers may depend on.

// objectsQuery asks for the objects: OID, kind, name, and a number that changes when the object does.
//
//	p: functions of the user's, with what makes an aggregate of one
//	t: types of the user's, but those of the rows of relations, and ranges
//	k: the conditions of a domain together, by the OID of the domain
//	e: values of enumerations; for a name the OID of the type. Another value, or another order, has the others mean what they meant
//	n: schemas
//	x: extensions
var objectsQuery = `SELECT x.oid, 'p' AS kind, x.proname::text AS name, ` + hashed("x.oid", 0) + ` + COALESCE(pg_catalog.hashtext(a.xmin::text), 0) AS h
  FROM pg_catalog.pg_proc x LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = x.oid WHERE x.oid >= ` + firstUserOID + `
UNION ALL
SELECT x.oid, 't', x.typname::text, ` + hashed("x.oid", 1) + ` + COALESCE(pg_catalog.hashtext(r.xmin::text), 0)
  FROM pg_catalog.pg_type x LEFT JOIN pg_catalog.pg_type e ON e.oid = x.typelem LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = x.oid
 WHERE x.oid >= ` + firstUserOID + ` AND (x.typrelid = 0 AND COALESCE(e.typrelid, 0) = 0
       OR CASE WHEN x.typrelid <> 0 THEN x.typrelid ELSE e.typrelid END IN (SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'c'))
   AND x.typnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp')
UNION ALL
SELECT x.contypid, 'k', '', pg_catalog.sum(` + hashed("x.oid", 2) + `)::bigint FROM pg_catalog.pg_constraint x WHERE x.contypid >= ` + firstUserOID + ` GROUP BY x.contypid
UNION ALL
SELECT x.oid, 'e', x.enumtypid::text, pg_catalog.hashtext(pg_catalog.concat_ws(' ', x.enumtypid, x.enumlabel)) FROM pg_catalog.pg_enum x
UNION ALL
SELECT x.oid, 'n', x.nspname::text, pg_catalog.hashtext(pg_catalog.concat_ws(' ', x.oid, x.nspname, x.nspowner, x.nspacl)) FROM pg_catalog.pg_namespace x
 WHERE x.nspname !~ '^pg_(toast_)?temp'
UNION ALL
SELECT x.oid, 'x', x.extname::text, ` + hashed("x.oid", 3) + ` FROM pg_catalog.pg_extension x`

type objectKey struct {
	kind byte
	oid  uint32
}

// object is what objectsQuery tells of an object.
type object struct {
	name string
	hash int64
}

func (c *Inventory) addObject(oid uint32, row []string) error {
	if len(row[1]) != 1 {
		return fmt.Errorf("object %d: kind %q", oid, row[1])
	}
	hash, err := strconv.ParseInt(row[3], 10, 64)
	if err != nil {
		return fmt.Errorf("object %d: %w", oid, err)
	}
	c.objects[objectKey{row[1][0], oid}] = object{row[2], hash}
	return nil
}

// changedObjects are what may be named, or run by triggers, that has changed.
type changedObjects struct {
	names     *Touch
	functions map[uint32]bool
	rights    bool // there are other schemas
}

// objectsFrom tells which objects are not those of before. ok is false where more may be answered otherwise than what names them.
func (c *Inventory) objectsFrom(before *Inventory) (changed changedObjects, ok bool) {
	changed = changedObjects{names: newTouch(), functions: map[uint32]bool{}}
	if before.signs.Objects == c.signs.Objects {
		return changed, true
	}
	for key, old := range before.objects {
		if now, still := c.objects[key]; now != old && !changed.note(before, c, key, old, now, still) {
			return changed, false
		}
	}
	for key, now := range c.objects {
		if _, there := before.objects[key]; !there && !changed.note(before, c, key, object{}, now, false) {
			return changed, false
		}
	}
	return changed, true
}

// note notes an object that is another than before. stays says that it is neither new nor gone.
func (ch *changedObjects) note(before, c *Inventory, key objectKey, old, now object, stays bool) bool {
	named := func(o object) {
		if o.name != "" {
			ch.names.code[o.name] = true
		}
	}
	switch key.kind {
	case 'p':
		if stays && !sameStanding(before.calls[key.oid], c.calls[key.oid]) {
			return false
		}
		ch.functions[key.oid] = true
		named(old)
		named(now)
		return true
	case 't':
		named(old)
		named(now)
		return !stays
	case 'k':
		return !c.hasBoth(before, key.oid)
	case 'e':
		typ, err := strconv.ParseUint(old.name, 10, 32)
		return old.name == "" || err == nil && !c.hasBoth(before, uint32(typ))
	case 'n':
		ch.rights = true
		return !stays
	}
	return !stays
}

// hasBoth reports whether a type was there before and is there now.
func (c *Inventory) hasBoth(before *Inventory, oid uint32) bool {
	_, was := before.objects[objectKey{'t', oid}]
	_, is := c.objects[objectKey{'t', oid}]
	return was && is
}

// sameStanding reports whether what calls a function by its OID can be no more and no less than before: nothing is kept of it, and it may write. Functions
// of triggers are nil.
func sameStanding(old, now *function) bool {
	if old == nil || now == nil {
		return old == now
	}
	return old.trust == 0 && now.trust == 0 && mayWrite(old.volatility) && mayWrite(now.volatility)
}
