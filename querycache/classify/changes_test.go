package classify

import (
	"strings"
	"testing"
)

func TestLoadInventory_TellsEveryChangeThatCountsAndNoOther(t *testing.T) {
	dsn := startPostgres(t)
	admin := connect(t, dsn)
	execSQL(t, admin, `CREATE ROLE app LOGIN; CREATE ROLE team; CREATE TABLE t (a int PRIMARY KEY, b text); CREATE TABLE parent (a int);
		CREATE VIEW v AS SELECT a FROM t; CREATE MATERIALIZED VIEW m AS SELECT a FROM t; CREATE TYPE mood AS ENUM ('sad');
		CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION tr() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
		CREATE POLICY p ON t USING (a = 1)`)
	conn := connect(t, strings.Replace(dsn, "user=postgres", "user=app", 1))
	execSQL(t, conn, SessionSettings)
	var known *Inventory
	// differs reports whether something has changed: as a session tells that has looked before, and as one does that has not.
	differs := func(sql string) bool {
		t.Helper()
		var found [2]bool
		var next *Inventory
		for i, first := range []bool{false, true} {
			before := known.Signs()
			if first {
				before = nil
			}
			next, _ = loadInventory(t, conn, known, before)
			found[i] = !next.DifferenceFrom(known).None()
		}
		if found[0] != found[1] {
			t.Errorf("%s: a session that has looked before says %v, another one %v", sql, found[0], found[1])
		}
		known = next
		return found[0]
	}
	known, _ = loadInventory(t, conn, nil, nil)
	for _, sql := range []string{
		"CREATE TABLE fresh (a int)", "ALTER TABLE t ADD COLUMN c int", "ALTER TABLE t ALTER COLUMN b TYPE varchar(9)", "ALTER TABLE t RENAME TO tt",
		"ALTER TABLE tt RENAME TO t", "ALTER TABLE t RENAME COLUMN b TO d", "ALTER TABLE t SET SCHEMA pg_catalog; ALTER TABLE fresh RENAME TO t",
		"CREATE TABLE child () INHERITS (parent)", "ALTER TABLE child NO INHERIT parent", "DROP TABLE child",
		"CREATE OR REPLACE VIEW v AS SELECT 2 AS a", "ALTER VIEW v SET (security_invoker = true)", "DROP MATERIALIZED VIEW m",
		"CREATE OR REPLACE FUNCTION f() RETURNS int STABLE LANGUAGE sql AS 'SELECT 2'", "DROP FUNCTION f()",
		"ALTER TABLE parent ENABLE ROW LEVEL SECURITY", "ALTER TABLE parent FORCE ROW LEVEL SECURITY", "CREATE POLICY p ON parent USING (true)",
		"ALTER POLICY p ON parent USING (false)", "ALTER POLICY p ON parent TO app", "DROP POLICY p ON parent", "ALTER TABLE parent OWNER TO team",
		"GRANT SELECT ON parent TO app", "REVOKE SELECT ON parent FROM app", "GRANT SELECT (a) ON parent TO app", "REVOKE USAGE ON SCHEMA public FROM public",
		"REVOKE EXECUTE ON FUNCTION lower(text) FROM public", "GRANT team TO app", "REVOKE team FROM app", "ALTER ROLE app BYPASSRLS", "ALTER ROLE app SUPERUSER",
		"CREATE ROLE other", "DROP ROLE other", "ALTER ROLE app SET timezone = 'CET'", "ALTER ROLE app RESET timezone", "ALTER DATABASE postgres SET datestyle = 'German'",
		"ALTER ROLE app IN DATABASE postgres SET work_mem = '5MB'", "ALTER ROLE app IN DATABASE postgres RESET ALL", "ALTER DATABASE postgres RESET ALL",
		"ALTER ROLE ALL SET timezone = 'CET'", "ALTER ROLE ALL IN DATABASE postgres SET timezone = 'UTC'", "REVOKE CONNECT ON DATABASE postgres FROM public; GRANT CONNECT ON DATABASE postgres TO app",
		"CREATE TRIGGER tr BEFORE INSERT ON parent FOR EACH ROW EXECUTE FUNCTION tr()", "ALTER TABLE parent DISABLE TRIGGER tr",
		"CREATE RULE r AS ON INSERT TO parent DO ALSO SELECT 1", "ALTER TYPE mood ADD VALUE 'glad'", "ALTER TYPE mood RENAME TO temper",
		"CREATE DOMAIN d AS int", "ALTER DOMAIN d ADD CHECK (VALUE > 0)", "CREATE OPERATOR <+> (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl)",
		"CREATE CAST (temper AS int) WITH INOUT", "ALTER TABLE parent ALTER COLUMN a SET DEFAULT 7", "CREATE INDEX ON parent ((a + 1))",
		"ALTER TEXT SEARCH CONFIGURATION english ALTER MAPPING FOR asciiword WITH simple", "CREATE SCHEMA s", "ALTER SCHEMA s RENAME TO z",
		"DROP TRIGGER tr ON parent", "DROP RULE r ON parent", "ALTER TABLE parent ALTER COLUMN a DROP DEFAULT", "DROP INDEX parent_expr_idx",
		"ALTER TABLE parent ADD CONSTRAINT positive CHECK (a > 0)", "ALTER TABLE parent DROP CONSTRAINT positive",
		"CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION ev()",
	} {
		execSQL(t, admin, sql)
		if !differs(sql) {
			t.Errorf("%s: not noticed", sql)
		}
	}
	execSQL(t, admin, "CREATE TABLE kept (a int PRIMARY KEY)")
	execSQL(t, admin, "CREATE DATABASE other")
	differs("")
	for _, sql := range []string{
		"INSERT INTO kept SELECT generate_series(1, 1000)", "UPDATE kept SET a = -a", "ANALYZE kept", "VACUUM kept", "TRUNCATE kept",
		"CREATE TEMP TABLE brief (a int PRIMARY KEY, b text)", "DROP TABLE brief", "CREATE INDEX ON kept (a)",
		"ALTER DATABASE other SET datestyle = 'German'", "ALTER DATABASE other SET datestyle = 'SQL'", "ALTER ROLE app IN DATABASE other SET work_mem = '5MB'",
		"ALTER ROLE app IN DATABASE other SET role = 'team'", "ALTER ROLE app IN DATABASE other RESET ALL", "ALTER DATABASE other RESET ALL",
		"ALTER DATABASE other OWNER TO app", "DROP DATABASE other",
	} {
		execSQL(t, admin, sql)
		if differs(sql) {
			t.Errorf("%s: taken for a change", sql)
		}
	}
}

// A database in which transactions end all the time, and none does DDL, is not gone through each time.
func TestAskSigns_AddsNothingUpWhereNoCatalogHasANewRow(t *testing.T) {
	dsn := startPostgres(t)
	admin, conn := connect(t, dsn), connect(t, dsn)
	execSQL(t, admin, "CREATE TABLE t (a int)")
	execSQL(t, conn, SessionSettings)
	known, all := loadInventory(t, conn, nil, nil)
	for sql, most := range map[string]int{"INSERT INTO t VALUES (1)": 3, "ANALYZE t": 3, "CREATE TEMP TABLE x (a int)": 5, "CREATE TABLE u (a int)": all} {
		execSQL(t, admin, sql)
		before := known.Signs()
		if next, asked := loadInventory(t, conn, known, before); asked > most || (next == known) != (most < all) {
			t.Errorf("behind %s %d questions were asked, want %d at most; the same: %v", sql, asked, most, next == known)
		}
		known, _ = loadInventory(t, conn, known, nil)
	}
}

func TestLoginQuery_TellsWhatNewSessionsBeginWith(t *testing.T) {
	dsn := startPostgres(t)
	admin := connect(t, dsn)
	execSQL(t, admin, "CREATE ROLE app LOGIN")
	fresh := func() string {
		conn := connect(t, strings.Replace(dsn, "user=postgres", "user=app", 1))
		return string(execSQL(t, conn, LoginQuery())[0].Rows[0][0])
	}
	for _, sql := range []string{
		"ALTER ROLE app SET bytea_output = 'escape'", "ALTER DATABASE postgres SET extra_float_digits = 0", "ALTER ROLE app SET lc_monetary = 'POSIX'",
		"ALTER ROLE app SET default_text_search_config = 'pg_catalog.german'", "ALTER ROLE app SET row_security = off", "ALTER ROLE app SET search_path = 'x'",
		"ALTER ROLE app SET transform_null_equals = on", "ALTER ROLE app SET app.tenant = '7'", "ALTER ROLE app SET xmloption = 'document'",
	} {
		before := fresh()
		if before != fresh() {
			t.Fatal("two fresh sessions differ")
		}
		execSQL(t, admin, sql)
		if fresh() == before {
			t.Errorf("%s: not noticed", sql)
		}
	}
}

// To compile it takes seconds for a database with thousands of tables.
func TestSessionSettings_HaveTheServerCompileNoQuestion(t *testing.T) {
	dsn := startPostgres(t)
	execSQL(t, connect(t, dsn), "ALTER DATABASE postgres SET jit = on; ALTER DATABASE postgres SET jit_above_cost = 0")
	conn := connect(t, dsn)
	compiles := func() bool {
		for _, row := range execSQL(t, conn, "EXPLAIN ANALYZE "+statesQuery)[0].Rows {
			if strings.HasPrefix(string(row[0]), "JIT") {
				return true
			}
		}
		return false
	}
	if !compiles() {
		t.Skip("this server compiles nothing")
	}
	execSQL(t, conn, SessionSettings)
	if compiles() {
		t.Error("a question is compiled")
	}
}
