package classify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSplitPath_ReadsWhatTheServerTakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"  ":                            "",
		`""`:                            "?", // the server takes it for a name of no letters
		`"$user", public`:               "$user|public",
		"a,b":                           "a|b",
		" A\t,\n\"B\" ":                 "a|B",
		`"a""b",c`:                      `a"b|c`,
		`a"b`:                           `a"b`,
		"a b":                           "?",
		"a,":                            "?",
		",a":                            "?",
		`"a`:                            "?",
		"ä":                             "?",
		`"ä"`:                           "ä",
		strings.Repeat("x", 64):         "?",
		strings.Repeat("a,", 100) + "a": "?",
	} {
		names, ok := SplitPath(text)
		got := strings.Join(names, "|")
		if !ok {
			got = "?"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// What a Catalog says of names and policies is compared with what the server says of them under the same search_path and role.
func TestSeen_NamesMeanWhatTheyMeanToTheServer(t *testing.T) {
	dsn := startPostgres(t)
	admin := connect(t, dsn)
	execSQL(t, admin, guardedSchema+`
		CREATE ROLE low LOGIN; CREATE ROLE team; CREATE ROLE "Odd" LOGIN IN ROLE team; CREATE SCHEMA one; CREATE SCHEMA two; CREATE SCHEMA low; CREATE SCHEMA closed;
		CREATE SCHEMA "Odd ""1"; GRANT USAGE ON SCHEMA one, two, low, "Odd ""1" TO PUBLIC;
		CREATE TABLE one.t (a int); CREATE TABLE two.t (a int); CREATE TABLE two.u (a int); CREATE TABLE low.t (a int); CREATE TABLE "Odd ""1".t (a int);
		CREATE TABLE one.pg_class (a int); CREATE INDEX u ON one.t (a); CREATE TYPE low.u AS (a int); CREATE TABLE closed.only (a int); CREATE VIEW one.only AS SELECT 1 AS a;
		CREATE FUNCTION one.lower(text) RETURNS text LANGUAGE sql AS 'SELECT $1'; CREATE FUNCTION two.lower(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
		CREATE FUNCTION one.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION two.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION two.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE TYPE one.mood AS ENUM ('a'); CREATE TYPE two.mood AS ENUM ('a'); CREATE DOMAIN one.date AS text; CREATE TABLE two.int4 (a int);
		CREATE TABLE forced (a int); ALTER TABLE forced ENABLE ROW LEVEL SECURITY; ALTER TABLE forced FORCE ROW LEVEL SECURITY; ALTER TABLE forced OWNER TO owner;
		CREATE TABLE teams (a int); ALTER TABLE teams ENABLE ROW LEVEL SECURITY; ALTER TABLE teams OWNER TO team;`)
	for _, role := range []string{"postgres", "low", "owner", "auditor", "Odd"} {
		conn := connect(t, strings.Replace(dsn, "user=postgres", "user="+role, 1))
		for _, path := range []string{
			"", `"$user", public`, "one, two", "two, one", "one, pg_catalog, two", "two, pg_catalog, one", "closed, one", "low, two, nowhere, one",
			`"Odd ""1", ONE`, "pg_temp, two, pg_catalog", "public, public, two",
		} {
			execSQL(t, conn, "SET search_path = public")
			execSQL(t, conn, "SELECT pg_catalog.set_config('search_path', '"+path+"', false)")
			c := loadCatalog(t, conn)
			where := role + " with " + path
			compareVisible(t, where, c, execSQL(t, conn, `SELECT 'r', c.oid::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
				  WHERE pg_catalog.pg_table_is_visible(c.oid) AND n.nspname OPERATOR(pg_catalog.<>) 'pg_toast'
				 UNION ALL SELECT 'f', p.oid::text FROM pg_catalog.pg_proc p WHERE pg_catalog.pg_function_is_visible(p.oid) AND p.prorettype OPERATOR(pg_catalog.<>) 2279::pg_catalog.oid
				 UNION ALL SELECT 'p', c.oid::text FROM pg_catalog.pg_class c WHERE pg_catalog.row_security_active(c.oid) AND c.relrowsecurity
				 UNION ALL SELECT 't', t.typname::text FROM pg_catalog.pg_type t WHERE pg_catalog.pg_type_is_visible(t.oid)
				   AND (t.typtype OPERATOR(pg_catalog.=) ANY ('{e,d}'::pg_catalog."char"[]) OR t.oid OPERATOR(pg_catalog.=) ANY ('{1082,23}'::pg_catalog.oid[]))`)[0].Rows)
		}
	}
}

func compareVisible(t *testing.T, where string, c *Catalog, rows [][][]byte) {
	t.Helper()
	said := map[string]map[string]bool{"r": {}, "f": {}, "p": {}, "t": {}}
	for _, row := range rows {
		said[string(row[0])][string(row[1])] = true
	}
	for id, r := range c.byID {
		oid := fmt.Sprint(id)
		if seen := c.lookup("", r.name) == r; seen != said["r"][oid] {
			t.Errorf("%s: relation %s.%s: visible %v, for the server %v", where, r.schema, r.name, seen, !seen)
		}
		if seen := c.polices(r); seen != said["p"][oid] {
			t.Errorf("%s: relation %s.%s: policed %v, for the server %v", where, r.schema, r.name, seen, !seen)
		}
	}
	for oid, f := range c.calls {
		if seen := slices.Contains(c.functionsOf("", f.name), f); seen != said["f"][fmt.Sprint(oid)] {
			t.Errorf("%s: function %s.%s(%s): visible %v, for the server %v", where, f.schema, f.name, f.arguments, seen, !seen)
		}
	}
	for _, name := range []string{"mood", "date", "int4"} {
		if _, seen := c.castable("", name); seen != said["t"][name] {
			t.Errorf("%s: type %s: castable %v, for the server %v", where, name, seen, !seen)
		}
	}
}

func TestRights_ARoleThatCannotBeTakenOnHasNone(t *testing.T) {
	dsn := startPostgres(t)
	execSQL(t, connect(t, dsn), "CREATE ROLE low LOGIN; CREATE ROLE team; CREATE ROLE other; GRANT team TO low; CREATE ROLE \"o'dd\"; GRANT \"o'dd\" TO low")
	conn := connect(t, strings.Replace(dsn, "user=postgres", "user=low", 1))
	for role, want := range map[string]bool{"": true, "none": true, "low": true, "team": true, "other": false, "postgres": false, "nobody": false, "o'dd": true} {
		var rows [][]string
		for _, row := range execSQL(t, conn, RightsQuery(role))[0].Rows {
			var cells []string
			for _, cell := range row {
				cells = append(cells, string(cell))
			}
			rows = append(rows, cells)
		}
		rights, err := ReadRights(rows)
		if err != nil || (rights != nil) != want {
			t.Errorf("role %q: got %v, %v", role, rights, err)
		}
		if want && !rights.Usage["public"] {
			t.Errorf("role %q may look into %v", role, rights.Usage)
		}
	}
}

// Whoever makes thousands of objects that hang on each other must not cost others the catalog.
func TestNewInventory_ChainsAndFansCostNoMoreThanTheirLength(t *testing.T) {
	const n = 20000
	relation := func(id int, name, kind string) []string {
		return strings.Fields(fmt.Sprint(id, " public ", name, id, " ", kind, " p f f f 10 f"))
	}
	for name, build := range map[string]func(sets [][][]string){
		"tables that inherit in a chain": func(sets [][][]string) {
			for i := range n {
				sets[setRelations] = append(sets[setRelations], relation(100000+i, "chain", "r"))
				if i > 0 {
					sets[setInherits] = append(sets[setInherits], []string{fmt.Sprint(100000 + i - 1), fmt.Sprint(100000 + i)})
				}
			}
		},
		"tables that inherit in a fan": func(sets [][][]string) {
			for i := range n {
				sets[setRelations] = append(sets[setRelations], relation(100000+i, "fan", "r"))
				switch {
				case i < n/2:
					sets[setInherits] = append(sets[setInherits], []string{fmt.Sprint(100000 + i), fmt.Sprint(100000 + n/2)})
				case i > n/2:
					sets[setInherits] = append(sets[setInherits], []string{fmt.Sprint(100000 + n/2), fmt.Sprint(100000 + i)})
				}
			}
		},
		"views over a view that writes": func(sets [][][]string) {
			for i := range n {
				sets[setRelations] = append(sets[setRelations], relation(100000+i, "view", "v"))
				sets[setViewUses] = append(sets[setViewUses], []string{fmt.Sprint(100000 + i), fmt.Sprint(max(4, 100000+i-1))})
			}
		},
	} {
		sets := handBuilt()
		build(sets)
		start := time.Now()
		c, err := seenByTest(sets)
		if err != nil {
			t.Fatal(err)
		}
		judge := New(nil)
		judge.SetCatalog(c, judge.Generation())
		kind := string(sets[setRelations][len(sets[setRelations])-1][2][:3])
		kind = map[string]string{"cha": "chain", "fan": "fan", "vie": "view"}[kind]
		for _, sql := range []string{"select * from %s%d", "update %s%d set a = 1", "insert into %s%d values (1)"} {
			for _, id := range []int{100000, 100000 + n/2, 100000 + n - 1} {
				judge.Judge(fmt.Appendf(nil, sql, kind, id))
			}
		}
		// Some 0.1 s. What is quadratic takes minutes.
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: %v", name, took)
		}
		if c.remembered.held > 2*maxHeld {
			t.Errorf("%s: %d relations are held", name, c.remembered.held)
		}
	}
}
