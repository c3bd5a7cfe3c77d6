package classify

import (
	"fmt"
	"strconv"
	"strings"
)

// This file asks what has changed. Most of what a catalog holds belongs to a relation, and there the answer is which: so a change of one table has
// nothing loaded but what belongs to it. The rows of each relation are added up as one number, a sum over hashes of each row's key and
// xmin, which is new in every row that a transaction has written, and which VACUUM leaves alone. A server does not send all of
// these numbers but the sums over each of 256 buckets of relations, and which relations have rows with an xmin that is new. The buckets show what is
// gone.
//
// pg_attribute has more rows than all others together. None of them goes but with its relation, so in a session that has looked before it is
// enough to look for new ones. And where no catalog has a new row, or another number of rows, nothing is added up at all.

// buckets is how many sums there are. A relation belongs to that of its OID's last eight bits.
const buckets = 256

// hashed is a hash of a row of a catalog with the key, which is of whole numbers. It has 44 bits, so that the sum over a million fits
// into 64. The kind keeps the rows of different catalogs apart.
func hashed(key string, kind int) string {
	return fmt.Sprintf("(pg_catalog.hash_array_extended(ARRAY[x.xmin], (%s)::bigint * 16 + %d) >> 20)", key, kind)
}

// tableKinds are those of relations whose rows are followed.
const tableKinds = "'r', 'p', 'v', 'm', 'f', 'S', 'c'"

// isFollowed is a condition on a row of pg_class: it is that of a relation, or it hides one by its name. Temporary ones, which come and go, are left out.
const isFollowed = `x.relpersistence <> 't' AND (x.relkind IN (` + tableKinds + `)
     OR x.relname IN (SELECT relname FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relpersistence <> 't'))`

// A part is the rows of a catalog that belong to relations.
type part struct{ relation, from, key string }

// parts are all but pg_class and pg_attribute.
var parts = []part{
	{"x.typrelid", "pg_catalog.pg_type x WHERE x.typrelid <> 0", "x.oid"},
	{"e.typrelid", "pg_catalog.pg_type x JOIN pg_catalog.pg_type e ON e.oid = x.typelem AND e.typrelid <> 0 WHERE x.typrelid = 0", "x.oid"},
	{"x.inhrelid", "pg_catalog.pg_inherits x WHERE true", "x.inhparent"},
	{"x.inhparent", "pg_catalog.pg_inherits x WHERE true", "x.inhrelid"},
	{"x.conrelid", "pg_catalog.pg_constraint x WHERE x.conrelid <> 0", "x.oid"},
	{"x.indrelid", "pg_catalog.pg_index x WHERE (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL)", "x.indexrelid"},
	{"x.ev_class", "pg_catalog.pg_rewrite x WHERE true", "x.oid"},
	{"x.tgrelid", "pg_catalog.pg_trigger x WHERE true", "x.oid"},
	{"x.polrelid", "pg_catalog.pg_policy x WHERE true", "x.oid"},
	{"x.adrelid", "pg_catalog.pg_attrdef x WHERE true", "x.oid"},
}

// columnRows is where the rows of columns are.
const columnRows = `pg_catalog.pg_attribute x WHERE x.attnum > 0`

var columnHash = hashed("x.attrelid::bigint * 2048 + x.attnum", 15)

// statesQuery asks for what shows that a relation has changed: for its OID, its kind or the empty text where there is none such, and four
// numbers. The first is of its row of pg_class, which is written by far more than DDL: by TRUNCATE, for one. So the second is of the values
// in it that count. The third is of the rows of its columns, and the fourth of all others.
var statesQuery = func() string {
	all := []string{
		`SELECT x.oid AS relid, true AS own, x.relkind::text AS kind, ` + hashed("x.oid", 14) + ` AS row_h, pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', x.relname, x.relnamespace,
       x.relkind, x.relpersistence, x.relowner, x.relrowsecurity, x.relforcerowsecurity, x.reltype, x.relacl, x.reloptions), 0) >> 20 AS counts_h, 0::bigint AS columns_h, 0::bigint AS rest_h
  FROM pg_catalog.pg_class x WHERE ` + only("x.oid") + ` AND ` + isFollowed,
		`SELECT x.attrelid, false, '', 0, 0, ` + columnHash + `, 0 FROM ` + columnRows + ` AND ` + only("x.attrelid"),
	}
	for i, p := range parts {
		all = append(all, `SELECT `+p.relation+`, false, '', 0, 0, 0, `+hashed(p.key, i)+` FROM `+p.from+` AND `+only(p.relation))
	}
	return `SELECT relid, pg_catalog.max(kind), pg_catalog.sum(row_h), pg_catalog.sum(counts_h), pg_catalog.sum(columns_h), pg_catalog.sum(rest_h) FROM (
` + strings.Join(all, "\nUNION ALL\n") + `) u
 WHERE ` + belongs + ` GROUP BY relid`
}()

// belongs is a condition on a row of a catalog: it belongs to a relation that is followed.
var belongs = `(own OR relid IN (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence <> 't' AND relkind NOT IN ('i', 'I', 't') AND ` + only("oid") + `))`

// A standing is what statesQuery tells of a relation.
type standing struct {
	kind                       string
	row, counts, columns, rest int64
}

// sumsQuery asks for the sums over the buckets, and for the relations with rows that are newer than the transaction %s. Where whole,
// columns are added up, too.
func sumsQuery(horizon string, whole bool) string {
	all := []string{`SELECT x.oid AS relid, true AS own, ` + hashed("x.oid", 14) + ` AS h, x.xmin AS made FROM pg_catalog.pg_class x WHERE ` + isFollowed}
	for i, p := range parts {
		all = append(all, `SELECT `+p.relation+`, false, `+hashed(p.key, i)+`, x.xmin FROM `+p.from)
	}
	if whole {
		all = append(all, `SELECT x.attrelid, false, `+columnHash+`, x.xmin FROM `+columnRows)
	}
	return `SELECT relid::bigint & 255, pg_catalog.sum(h), pg_catalog.array_agg(relid) FILTER (WHERE ` + newer("made", horizon) + `) FROM (
` + strings.Join(all, "\nUNION ALL\n") + `) u
 WHERE ` + belongs + ` GROUP BY 1`
}

// tallyQuery asks for how many rows there are in each catalog with rows that belong to relations, and for whether any row is newer than the
// horizon. What changes a row writes a new one.
func tallyQuery(horizon string) string {
	var counts, fresh []string
	for _, name := range []string{"class", "type", "inherits", "constraint", "index", "rewrite", "trigger", "policy", "attrdef", "attribute"} {
		if name != "attribute" { // whose rows come with a newer one, and go with their relation
			counts = append(counts, "(SELECT pg_catalog.count(*) FROM pg_catalog.pg_"+name+")")
		}
		fresh = append(fresh, "EXISTS (SELECT FROM pg_catalog.pg_"+name+" x WHERE "+newer("x.xmin", horizon)+")")
	}
	return "SELECT pg_catalog.concat_ws(' ', " + strings.Join(counts, ", ") + "), " + strings.Join(fresh, " OR ")
}

// newer is a condition on an xmin: it is that of a transaction that began no earlier than the horizon. That of a row which is frozen for billions of
// transactions may seem to be of the future. The second comparison is made for few rows.
func newer(xmin, horizon string) string {
	return "pg_catalog.age(" + xmin + ") <= (SELECT pg_catalog.age('" + horizon + "'::xid)) AND pg_catalog.age(" + xmin + ") >= 0"
}

// columnsQuery asks for the relations with columns that are newer than the horizon.
func columnsQuery(horizon string) string {
	return `SELECT oid FROM pg_catalog.pg_class WHERE relkind IN (` + tableKinds + `) AND relpersistence <> 't' AND oid IN (
SELECT x.attrelid FROM pg_catalog.pg_attribute x WHERE ` + newer("x.xmin", horizon) + `)`
}

// commonParts are queries for one number each that changes when what belongs to no relation does, objects apart.
var commonParts = []string{
	xmins("pg_proc", "oid") + ` WHERE oid < ` + firstUserOID, xmins("pg_aggregate", "aggfnoid::oid") + ` WHERE aggfnoid::oid < ` + firstUserOID,
	xmins("pg_operator", "oid"), xmins("pg_cast", "oid"), xmins("pg_language", "oid"), xmins("pg_event_trigger", "oid"),
	xmins("pg_opclass", "oid"), xmins("pg_amproc", "oid"), xmins("pg_amop", "oid"),
	xmins("pg_ts_config", "oid"), xmins("pg_ts_config_map", "mapcfg"), xmins("pg_ts_dict", "oid"), xmins("pg_statistic_ext", "oid"),
	xmins("pg_foreign_table", "ftrelid"), xmins("pg_foreign_server", "oid"), xmins("pg_foreign_data_wrapper", "oid"),
}

// rightsParts are those of what decides who may see what, schemas apart, and what a login comes with. What belongs to other databases of the server
// is left out. Roles are shown by a view that has no xmin, so there the values count.
var rightsParts = []string{
	`SELECT pg_catalog.sum(pg_catalog.hashtext(pg_roles::text)::bigint) FROM pg_catalog.pg_roles`,
	`SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(' ', oid, datname, datdba, datacl))::bigint) FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()`,
	xmins("pg_auth_members", "roleid, member"),
	xmins("pg_db_role_setting", "setdatabase, setrole") + ` WHERE setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))`,
}

// xmins returns a query for the sum over the rows of a table, which key tells apart.
func xmins(table, key string) string {
	return "SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(' ', " + key + ", xmin))::bigint) FROM pg_catalog." + table
}

// commonQuery asks for three texts, by commonParts and rightsParts, and of objects.
var commonQuery = "SELECT pg_catalog.concat_ws(' ', (" + strings.Join(commonParts, "),\n  (") + ")), pg_catalog.concat_ws(' ', (" +
	strings.Join(rightsParts, "),\n  (") + ")), (SELECT pg_catalog.concat_ws(' ', pg_catalog.count(*), pg_catalog.sum(h)) FROM (" + objectsQuery + ") o)"

// ChangeQueries returns the queries of AskSigns and LoadInventory that are not of AskCatalog, for whoever must know what names they have.
func ChangeQueries() []string {
	return []string{snapshotQuery, commonQuery, tallyQuery("3"), sumsQuery("3", true), columnsQuery("3"), statesQuery, someCodeQuery}
}

// Signs show whether a catalog has changed since an Inventory was loaded.
type Signs struct {
	Common   string // changes with what belongs to no relation and is no object: operators, casts, languages; and which functions are trusted
	Objects  string // changes with objects: functions, types, schemas, extensions
	Rights   string // changes with roles, and what logins come with
	Snapshot string // while the server says the same, no transaction has ended; empty where that cannot be told
	Horizon  string // no transaction is older that had not ended

	trusted string // what was asked of trusted functions
	tally   string // how many rows the catalogs of relations have
	whole   bool   // columns are in sums
	sums    [buckets]int64
	newer   []uint32 // OIDs of relations with rows that are newer than the horizon that was asked by
}

// snapshotQuery asks for a Snapshot and a Horizon.
const snapshotQuery = `SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN '' ELSE pg_catalog.txid_current_snapshot()::text END,
       pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()) % 4294967296`

// AskSigns asks what has changed since the signs of before, over the session that had those; nil: over another one. It returns the signs of
// now. ask and trusted are as for AskCatalog. In a REPEATABLE READ transaction they are those of what AskCatalog or Update will find.
func AskSigns(ask func(sql string) ([][]string, error), before *Signs, trusted ...string) (*Signs, error) {
	s := &Signs{whole: before == nil, trusted: strings.Join(trusted, "\n")}
	rows, err := ask(snapshotQuery)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 || len(rows[0]) != 2 {
		return nil, fmt.Errorf("catalog: snapshot: got %d rows, want one of two values", len(rows))
	}
	s.Snapshot, s.Horizon = rows[0][0], rows[0][1]
	if _, err := strconv.ParseUint(s.Horizon, 10, 32); err != nil {
		return nil, fmt.Errorf("catalog: snapshot: %w", err)
	}
	if before != nil && before.Snapshot != "" && before.Snapshot == s.Snapshot && before.trusted == s.trusted {
		return before, nil
	}
	if rows, err = ask(commonQuery); err != nil {
		return nil, err
	}
	if len(rows) != 1 || len(rows[0]) != 3 {
		return nil, fmt.Errorf("catalog: signs: got %d rows, want one of three values", len(rows))
	}
	s.Common, s.Rights, s.Objects = rows[0][0]+" "+s.trusted, rows[0][1], rows[0][2]
	return s, s.askRelations(ask, before)
}

// askRelations asks for what shows a change of relations.
func (s *Signs) askRelations(ask func(sql string) ([][]string, error), before *Signs) error {
	horizon := s.Horizon
	if before != nil {
		horizon = before.Horizon
	}
	rows, err := ask(tallyQuery(horizon))
	if err != nil {
		return err
	}
	if len(rows) != 1 || len(rows[0]) != 2 {
		return fmt.Errorf("catalog: tally: got %d rows, want one of two values", len(rows))
	}
	if s.tally = rows[0][0]; before != nil && before.tally == s.tally && rows[0][1] == "f" {
		s.sums, s.whole = before.sums, before.whole
		return nil
	}
	if rows, err = ask(sumsQuery(horizon, before == nil)); err != nil {
		return err
	}
	for _, row := range rows {
		if len(row) != 3 {
			return fmt.Errorf("catalog: sums: got %d columns, want 3", len(row))
		}
		bucket, err := strconv.ParseUint(row[0], 10, 8)
		if err != nil {
			return fmt.Errorf("catalog: sums: %w", err)
		}
		if s.sums[bucket], err = strconv.ParseInt(row[1], 10, 64); err != nil {
			return fmt.Errorf("catalog: sums: %w", err)
		}
		if row[2] == "" {
			continue
		}
		for text := range strings.SplitSeq(strings.Trim(row[2], "{}"), ",") {
			if err := s.addNewer(text); err != nil {
				return err
			}
		}
	}
	if before == nil {
		return nil
	}
	if rows, err = ask(columnsQuery(horizon)); err != nil {
		return err
	}
	for _, row := range rows {
		if err := s.addNewer(row[0]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Signs) addNewer(text string) error {
	oid, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return fmt.Errorf("catalog: sums: %w", err)
	}
	s.newer = append(s.newer, uint32(oid))
	return nil
}
