package classify

import "strings"

// fingerprintParts are queries for one number each that changes when the objects do that AskCatalog asks about. Most add
// up the xmin of all rows: it is new in every row that a transaction has written, and VACUUM leaves it alone. pg_class is
// written by far more than DDL, and roles are shown by a view that has no xmin, so there the values count. Temporary
// objects, which come and go, are left out as far as a scan can tell them, and so is what belongs to other databases of the server.
var fingerprintParts = []string{
	`SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(' ', oid, relname, relnamespace, relkind, relpersistence, relowner, relrowsecurity,
	        relforcerowsecurity, reltype, relacl, reloptions))::bigint) FROM pg_catalog.pg_class WHERE relpersistence <> 't' AND (relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
	     OR relname IN (SELECT relname FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')))`,
	`SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(' ', a.attrelid, a.attnum, a.xmin))::bigint) FROM pg_catalog.pg_attribute a
	   JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
	  WHERE c.oid >= ` + firstUserOID + ` AND c.relpersistence <> 't' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND a.attnum > 0`,
	`SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(' ', t.oid, t.xmin))::bigint) FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
	  WHERE t.oid >= ` + firstUserOID + ` AND t.typnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp')`,
	`SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(' ', i.inhrelid, i.inhparent, i.inhseqno))::bigint) FROM pg_catalog.pg_inherits i
	   JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE c.relpersistence <> 't' AND c.relkind IN ('r', 'p', 'f')`,
	`SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(' ', k.oid, k.xmin))::bigint) FROM pg_catalog.pg_constraint k LEFT JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
	  WHERE c.oid IS NULL OR c.relpersistence <> 't'`,
	`SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(' ', i.indexrelid, i.xmin))::bigint) FROM pg_catalog.pg_index i WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL`,
	`SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(' ', oid, nspname, nspowner, nspacl))::bigint) FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'`,
	`SELECT pg_catalog.sum(pg_catalog.hashtext(pg_roles::text)::bigint) FROM pg_catalog.pg_roles`,
	`SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(' ', oid, datname, datdba, datacl))::bigint) FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()`,
	xmins("pg_proc", "oid"), xmins("pg_aggregate", "aggfnoid::oid"), xmins("pg_operator", "oid"), xmins("pg_cast", "oid"),
	xmins("pg_language", "oid"), xmins("pg_rewrite", "oid"), xmins("pg_trigger", "oid"), xmins("pg_policy", "oid"),
	xmins("pg_attrdef", "oid"), xmins("pg_enum", "oid"), xmins("pg_range", "rngtypid"), xmins("pg_event_trigger", "oid"),
	xmins("pg_opclass", "oid"), xmins("pg_amproc", "oid"), xmins("pg_amop", "oid"),
	xmins("pg_ts_config", "oid"), xmins("pg_ts_config_map", "mapcfg"), xmins("pg_ts_dict", "oid"), xmins("pg_extension", "oid"),
	xmins("pg_auth_members", "roleid, member"),
	xmins("pg_db_role_setting", "setdatabase, setrole") + ` WHERE setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))`,
}

// xmins returns a query for the sum over the rows of a table, which key tells apart.
func xmins(table, key string) string {
	return "SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(' ', " + key + ", xmin))::bigint) FROM pg_catalog." + table
}

// FingerprintQuery returns a query for one text that changes whenever something has changed that AskCatalog asks
// about, or whose rights count: relations, views, policies, functions, types, operator classes, grants, roles and who is a member of them,
// settings of roles and of this database. Any role may run it; it takes some milliseconds and grows with the number of columns.
// Changes of one transaction show when it has ended.
func FingerprintQuery() string {
	return "SELECT pg_catalog.concat_ws(' ', (" + strings.Join(fingerprintParts, "),\n  (") + "))"
}
