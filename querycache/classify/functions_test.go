package classify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"overdrive/querycache/verdict"
)

const functionTables = `
CREATE TABLE account (id int PRIMARY KEY, v int); CREATE TABLE log (a int); CREATE TABLE doc (id serial, slug text);
CREATE TABLE kid (id int REFERENCES account ON DELETE CASCADE);
CREATE TABLE audited (a int); CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (1); RETURN NEW; END';
CREATE TRIGGER audit AFTER INSERT ON audited FOR EACH ROW EXECUTE FUNCTION audit();
CREATE SCHEMA far; CREATE TABLE far.log (a int); CREATE TABLE far.lone (a int);
CREATE VIEW plainly AS SELECT id FROM account;
CREATE FUNCTION hidden() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'insert into ' || 'log values (1)'; RETURN 1; END $$;
CREATE FUNCTION put() RETURNS int LANGUAGE sql AS 'INSERT INTO log VALUES (1) RETURNING 1';
CREATE VIEW writing AS SELECT put() AS a; CREATE TABLE ruled (a int); CREATE RULE r AS ON INSERT TO ruled DO ALSO INSERT INTO log VALUES (1);
CREATE TABLE defaulted (a int DEFAULT put());
CREATE FUNCTION opf(account, int) RETURNS int LANGUAGE sql AS 'SELECT put()'; CREATE OPERATOR ### (LEFTARG = account, RIGHTARG = int, FUNCTION = opf);
CREATE FUNCTION folds(int, int) RETURNS int LANGUAGE sql AS 'SELECT put()'; CREATE AGGREGATE gathers(int) (SFUNC = folds, STYPE = int);
CREATE SEQUENCE counter;
`

// Each is the part behind CREATE FUNCTION and its name, which is ITSELF, and what a call of ITSELF(1) may write.
var functionsThatAreRead = []struct{ create, want string }{
	{"(int) RETURNS bigint LANGUAGE sql AS 'SELECT sum(v) FROM account'", ""},
	{"(int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT sum(v) FROM account WHERE id = $1;'", ""},
	{"(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1'", ""},
	{"(int) RETURNS void LANGUAGE sql AS 'SELECT 1; UPDATE account SET v = 1 WHERE id = $1; SELECT 2'", "account"},
	{"(int) RETURNS void LANGUAGE sql AS 'DELETE FROM account'", "account kid"},
	{"(int) RETURNS int LANGUAGE sql AS 'WITH x AS (INSERT INTO account VALUES ($1) RETURNING id) SELECT id FROM x'", "account"},
	{"(int) RETURNS int LANGUAGE sql AS 'SELECT id FROM plainly'", ""},
	{"(x int) RETURNS int LANGUAGE plpgsql AS 'DECLARE m int; BEGIN SELECT max(v) INTO m FROM account WHERE id = x; RETURN m; END'", ""},
	{"(x int) RETURNS SETOF account LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT * FROM account; END'", ""},
	{"(x int) RETURNS SETOF int LANGUAGE plpgsql AS 'DECLARE r record; BEGIN FOR r IN SELECT id FROM account LOOP RETURN NEXT r.id; END LOOP; RETURN; END'", ""},
	{"(x int) RETURNS TABLE (i int, w int) LANGUAGE plpgsql AS '#variable_conflict use_column\nBEGIN RETURN QUERY SELECT id, v FROM account a WHERE a.id = x; END'", ""},
	{"(x int, OUT y int, OUT z int) LANGUAGE plpgsql AS 'BEGIN y := x; z := (SELECT count(*) FROM account); END'", ""},
	{"(x int) RETURNS int LANGUAGE plpgsql AS '<<outermost>> DECLARE a int[]; BEGIN <<again>> LOOP a[x + 1] := x; a[1] := (SELECT max(v) FROM account); EXIT again WHEN true; " +
		"CONTINUE again; EXIT; END LOOP again; RETURN a[1]; END outermost'", ""},
	{"(x int) RETURNS int LANGUAGE plpgsql AS 'DECLARE a int[]; BEGIN a[put()] := 1; RETURN 1; END'", "far.log log"},
	{"(x int) RETURNS int LANGUAGE plpgsql AS 'BEGIN <<l>> FOR i IN 1 .. 2 LOOP EXIT l WHEN put() > 0; END LOOP l; RETURN 1; END'", "far.log log"},
	{"(int) RETURNS int LANGUAGE plpgsql AS 'DECLARE x ALIAS FOR $1; BEGIN ASSERT x > 0, ''no''; RETURN x; END'", ""},
	{"(x int) RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE account SET v = x; RETURN 1; EXCEPTION WHEN OTHERS THEN INSERT INTO doc(slug) VALUES (''x''); RETURN 0; END'", "account doc"},
	{"(x int) RETURNS SETOF int LANGUAGE plpgsql AS 'BEGIN RETURN QUERY INSERT INTO doc(slug) VALUES (''x'') RETURNING id; END'", "doc"},
	{"(x int) RETURNS void LANGUAGE plpgsql AS 'BEGIN INSERT INTO audited VALUES (x); END'", "audited far.log log"},
	{"(x int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = far AS 'BEGIN INSERT INTO lone VALUES (x); RETURN 1; END'", "far.lone"},
	{"(x int) RETURNS void LANGUAGE plpgsql SET search_path = far AS 'BEGIN INSERT INTO log VALUES (x); END'", "far.log log"},
	{"(x int) RETURNS int LANGUAGE plpgsql SET statement_timeout = '5s' AS 'BEGIN RETURN 1; END'", ""},
	{"(x int) RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM put(); END'", "far.log log"},
	{"(x int) RETURNS int LANGUAGE plpgsql AS 'BEGIN IF x > 0 THEN UPDATE account SET v = 1; RETURN ITSELF(x - 1); END IF; RETURN 0; END'", "account"},
	{"(x int, y int DEFAULT 5) RETURNS int LANGUAGE sql AS 'SELECT $1 + $2'", ""},
	{"(x int, y int DEFAULT put()) RETURNS int LANGUAGE sql AS 'SELECT $1'", "far.log log"},
	{"(x int, y int DEFAULT put()) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'", "far.log log"},
	{"(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT id FROM account WHERE id = x; SELECT 2; END", ""},
	{"(x int) RETURNS int LANGUAGE sql RETURN x + 1", ""},
	{"(x int) RETURNS bigint LANGUAGE sql RETURN (SELECT count(*) FROM plainly)", ""},
	{"(x int) RETURNS void LANGUAGE sql BEGIN ATOMIC INSERT INTO account VALUES (x, 1) ON CONFLICT (id) DO UPDATE SET v = excluded.v; DELETE FROM kid WHERE id = x; END", "account kid"},
	{"(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC WITH w AS (UPDATE account SET v = 2 RETURNING v) SELECT v FROM w; END", "account"},
	{"(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT id FROM account FOR UPDATE; END", ""},
	{"(x int) RETURNS void LANGUAGE sql BEGIN ATOMIC MERGE INTO account USING (VALUES (1)) s(x) ON account.id = s.x WHEN MATCHED THEN DELETE; END", "account kid"},
	{"(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT put(); END", "log far.log"},
	{"(x int) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT nextval('counter'); END", ""},
	{"(x int) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.a', $1::text, false) $$", "app.a"},
	{"(x int) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.a', $1::text, true) $$", ""},
	{"(x int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.Set_Config('App.A', x::text, false), set_config('app.b', '', false); END $$", "app.a app.b"},
	{"(x int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET app.a = 'x'; SET LOCAL app.b TO 1; SET SESSION app.c.d TO on; UPDATE account SET v = 1; END $$", "account app.a app.c.d"},
	{"(x int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SET app.a.z = %L', x); EXECUTE format('set local app.b to %L;', x + 1); END $$", "app.a.z"},
	{"(x int) RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM pg_notify(''a'', ''b''); RAISE NOTICE ''%'', x; END'", ""},
}

var functionsThatAreNot = []string{
	"(int) RETURNS int LANGUAGE sql AS 'SELECT hidden()'",
	"(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'select 1'; RETURN 1; END $$",
	"(int) RETURNS text LANGUAGE sql AS $$ SELECT set_config('search_path', 'far', false) $$", "(int) RETURNS text LANGUAGE sql AS $$ SELECT set_config('role', 'x', true) $$",
	"(int) RETURNS text LANGUAGE sql AS $$ SELECT set_config('work_mem', '1MB', false) $$", "(int) RETURNS text LANGUAGE sql AS $$ SELECT set_config('a' || '.b', '1', false) $$",
	"(int) RETURNS text LANGUAGE sql AS $$ SELECT set_config('a.b', '1', hidden() > 0) $$", "(int) RETURNS text LANGUAGE sql AS $$ SELECT set_config('a.b', hidden()::text, false) $$",
	"(int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET search_path = far; END $$", "(int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET LOCAL search_path TO far; END $$",
	"(int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET a.b = 1, 2; END $$", "(int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET a.b FROM CURRENT; END $$", "(int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RESET a.b; END $$",
	"(int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SET a.b = %s', 1); END $$", "(int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SET work_mem = %L', 1); END $$",
	"(int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SET a.b = %L; delete from log', 1); END $$", "(int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SET a.b = %L', hidden()); END $$",
	"(int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SET a.b = %L', 1) || '; delete from log'; END $$", "(int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SET a.%I = %L', 'b', 1); END $$",
	"(int) RETURNS SETOF int LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'select 1'; END $$",
	"(int) RETURNS SETOF int LANGUAGE plpgsql AS $$ DECLARE x int; BEGIN FOR x IN EXECUTE 'select 1' LOOP RETURN NEXT x; END LOOP; END $$",
	"(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN hidden(); END $$",
	"(int) RETURNS int LANGUAGE plpgsql AS $$ DECLARE x int; BEGIN FOR x IN 1 .. hidden() LOOP NULL; END LOOP; RETURN 1; END $$",
	"(int) RETURNS int LANGUAGE plpgsql AS $$ DECLARE a int[]; BEGIN a[hidden()] := 1; RETURN 1; END $$",
	"(int) RETURNS int LANGUAGE plpgsql AS $$ DECLARE a int[]; BEGIN a[1:hidden()] := '{1}'; RETURN 1; END $$",
	"(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN <<l>> LOOP EXIT l WHEN hidden() > 0; END LOOP; RETURN 1; END $$",
	"(int, int DEFAULT hidden()) RETURNS int LANGUAGE sql AS 'SELECT 1'",
	"(int, bigint DEFAULT nextval('counter')) RETURNS int LANGUAGE sql AS 'SELECT 1'",
	"(int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT hidden(); END",
	"(int) RETURNS int LANGUAGE sql AS 'SELECT a FROM writing'",
	"(int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT a FROM writing; END",
	"(int) RETURNS void LANGUAGE sql AS 'INSERT INTO ruled VALUES (1)'",
	"(int) RETURNS void LANGUAGE sql BEGIN ATOMIC INSERT INTO ruled VALUES (1); END",
	"(int) RETURNS void LANGUAGE sql AS 'INSERT INTO defaulted VALUES (1)'",
	"(int) RETURNS int LANGUAGE sql AS 'SELECT a ### 1 FROM account a'",
	"(int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT a ### 1 FROM account a; END",
	"(int) RETURNS int LANGUAGE sql AS 'SELECT gathers(id) FROM account'",
	"(int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT gathers(id) FROM account; END",
	`(int) RETURNS text LANGUAGE sql AS $$ SELECT U&"set\005fconfig"('app.x', 'y', false) $$`,
	"(int) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT set_config('app.x', 'y', false); END",
	"(int) RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock(1)'",
	"(int) RETURNS void LANGUAGE sql BEGIN ATOMIC SELECT pg_advisory_lock(1); END",
	"(int) RETURNS void LANGUAGE sql AS 'SELECT setseed(0.5)'",
	"(int) RETURNS xml LANGUAGE sql AS $$ SELECT query_to_xml('select put()', true, true, '') $$",
	"(int) RETURNS xml LANGUAGE sql BEGIN ATOMIC SELECT query_to_xml('select put()', true, true, ''); END",
	"(int) RETURNS void LANGUAGE plpgsql AS 'BEGIN LISTEN x; END'",
	"(int) RETURNS void LANGUAGE plpgsql AS 'BEGIN CREATE TABLE made (a int); END'",
	"(int) RETURNS void LANGUAGE plpgsql AS 'BEGIN CREATE TEMP TABLE made (a int); END'",
	"(int) RETURNS void LANGUAGE plpgsql AS 'BEGIN SET LOCAL work_mem = ''1MB''; END'",
	"(int) RETURNS void LANGUAGE plpgsql AS 'BEGIN TRUNCATE log; END'",
	"(int) RETURNS void LANGUAGE plpgsql AS 'BEGIN GRANT SELECT ON log TO public; END'",
	`(int) RETURNS text LANGUAGE sql AS 'SELECT ''\'' || ''x'''`,
	"(int) RETURNS void LANGUAGE plpgsql SET standard_conforming_strings = off AS 'BEGIN NULL; END'",
	"(int) RETURNS void LANGUAGE plpgsql SET role = postgres AS 'BEGIN NULL; END'",
	"(int) RETURNS void LANGUAGE plpgsql AS 'BEGIN SELECT * FROM nowhere; END'",
	"(int) RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM nosuch(); END'",
	"(int) RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM pg_catalog.pg_class WHERE false; END'",
	"(int) RETURNS int LANGUAGE internal VOLATILE AS 'int4abs'",
}

func TestFunctions_WhatTheyWriteIsReadInTheirBodies(t *testing.T) {
	conn := connect(t, startPostgres(t))
	execSQL(t, conn, functionTables+"SET check_function_bodies = off")
	named := func(i int, text string) string { return strings.ReplaceAll(text, "ITSELF", fmt.Sprint("it", i)) }
	for i, tt := range functionsThatAreRead {
		execSQL(t, conn, named(i, "CREATE FUNCTION ITSELF"+tt.create))
	}
	for i, create := range functionsThatAreNot {
		execSQL(t, conn, named(1000+i, "CREATE FUNCTION ITSELF"+create))
	}
	catalog := loadCatalog(t, conn)
	c := New(nil)
	c.SetCatalog(catalog, c.Generation())
	for i, tt := range functionsThatAreRead {
		for _, call := range []string{"SELECT ITSELF(1)", "SELECT * FROM ITSELF(1)", "VALUES ((SELECT public.ITSELF(1)))"} {
			v := c.Judge([]byte(named(i, call)))
			wanted := strings.Fields(tt.want)
			slices.Sort(wanted)
			if got, want := strings.TrimSpace(written(catalog, v)+" "+strings.Join(v.Sets, " ")), strings.Join(wanted, " "); got != want || v.MayBeKept() || !v.Runs {
				t.Errorf("%s with ITSELF%s\n got %q (%s), want %q", call, tt.create, got, v.Reason, want)
			}
			if left := v.Session &^ (Queries | Draws | SetsOwn); left != 0 || v.Session.Has(SetsOwn) != (len(v.Sets) > 0) {
				t.Errorf("%s with ITSELF%s leaves %b", call, tt.create, left)
			}
		}
	}
	for i, create := range functionsThatAreNot {
		if v := c.Judge([]byte(named(1000+i, "SELECT ITSELF(1)"))); v.Effect != verdict.EffectEverything {
			t.Errorf("ITSELF%s\n got effect %d, want everything", create, v.Effect)
		}
	}
}

// written returns the names of what a statement may write, or a question mark for everything.
func written(catalog *Catalog, v *Verdict) string {
	if v.Effect == verdict.EffectEverything {
		return "?"
	}
	var names []string
	for _, id := range v.Writes {
		names = append(names, strings.TrimPrefix(catalog.RelationName(id), "public."))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestFunctions_OfOneNameAllCount(t *testing.T) {
	conn := connect(t, startPostgres(t))
	execSQL(t, conn, functionTables+`
CREATE FUNCTION g(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION g(text) RETURNS int LANGUAGE sql AS 'UPDATE account SET v = 1 RETURNING 1';
CREATE FUNCTION g(int, int) RETURNS int LANGUAGE sql AS 'SELECT hidden()';
CREATE FUNCTION far.g(int) RETURNS int LANGUAGE sql AS 'DELETE FROM public.log RETURNING 1';
CREATE FUNCTION even(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN odd($1 - 1); END'; CREATE FUNCTION odd(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN UPDATE account SET v = 1; RETURN even($1 - 1); END';
CREATE PROCEDURE bump(int, OUT x int) LANGUAGE plpgsql AS 'BEGIN UPDATE account SET v = $1; x := 1; END'; CREATE PROCEDURE bump(int, int) LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE commits() LANGUAGE plpgsql AS 'BEGIN UPDATE account SET v = 1; COMMIT; END';
CREATE PROCEDURE outer_one() LANGUAGE plpgsql AS 'DECLARE y int; BEGIN CALL bump(1, y); END';
CREATE PROCEDURE outer_two() LANGUAGE plpgsql AS 'BEGIN CALL commits(); END';
CREATE FUNCTION lies(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT odd($1)::int'`)
	catalog := loadCatalog(t, conn)
	c := New(nil)
	c.SetCatalog(catalog, c.Generation())
	for sql, want := range map[string]string{
		"SELECT g(1)": "account", "SELECT g('x')": "account", "SELECT g(1, 2)": "?", "SELECT far.g(1)": "log", "SELECT public.g(1)": "account", "SELECT pg_temp.g(1)": "?",
		"SELECT even(3)": "account", "SELECT odd(3)": "account", "INSERT INTO kid VALUES (g(1))": "account kid", "UPDATE kid SET id = 1 WHERE id = (SELECT g(2))": "account kid",
		"EXPLAIN SELECT lies(1)": "account", "EXPLAIN SELECT g(1) FROM account WHERE id = lies(1)": "account", "DECLARE c CURSOR FOR SELECT g(1)": "account",
		"COPY (SELECT g(1)) TO STDOUT": "account", "CALL bump(1, NULL)": "account", "CALL commits()": "?", "CALL outer_one()": "account", "CALL outer_two()": "?",
		"SELECT g(1), hidden()": "?", "SELECT g(hidden())": "?", "CALL bump(hidden(), NULL)": "?", "SELECT even(1) FROM writing": "?",
	} {
		v := c.Judge([]byte(sql))
		got := written(catalog, v)
		if got != want {
			t.Errorf("%s: got %q (%s), want %q", sql, got, v.Reason, want)
		}
	}
}

// What a body reads may be something else while the catalog of now is not known.
func TestFunctions_AreDoubtedWithWhatTheyRead(t *testing.T) {
	conn := connect(t, startPostgres(t))
	execSQL(t, conn, functionTables+"CREATE FUNCTION g() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM plainly'; CREATE FUNCTION h() RETURNS bigint LANGUAGE sql AS 'SELECT g()'")
	c := New(nil)
	c.SetCatalog(loadCatalog(t, conn), c.Generation())
	ddl := c.Judge([]byte("drop view plainly"))
	if ddl.Touch == nil {
		t.Fatalf("got %+v", ddl)
	}
	if v := c.Judge([]byte("SELECT h()")); v.Effect != verdict.EffectRelations || len(v.Writes) > 0 {
		t.Errorf("before: %+v", v)
	}
	c.Doubt(ddl.Touch)
	if v := c.Judge([]byte("SELECT h()")); v.Effect != verdict.EffectEverything {
		t.Errorf("in doubt: %+v", v)
	}
}

// Thousands of functions that call each other cost no more than is bounded.
func TestFunctions_AFanOfCallsIsBounded(t *testing.T) {
	conn := connect(t, startPostgres(t))
	execSQL(t, conn, `DO $do$ BEGIN FOR i IN 1 .. 1500 LOOP
		EXECUTE format('CREATE FUNCTION link%s() RETURNS int LANGUAGE plpgsql AS ''BEGIN RETURN link%s(); END''', i, i + 1); END LOOP; END $do$`)
	c := New(nil)
	c.SetCatalog(loadCatalog(t, conn), c.Generation())
	if v := c.Judge([]byte("SELECT link1()")); v.Effect != verdict.EffectEverything {
		t.Errorf("a chain without an end: %+v", v)
	}
	execSQL(t, conn, "CREATE FUNCTION link1501() RETURNS int LANGUAGE sql AS 'SELECT 1'")
	c.SetCatalog(loadCatalog(t, conn), c.Generation())
	for sql, want := range map[string]verdict.Effect{"SELECT link1400()": verdict.EffectRelations, "SELECT link1()": verdict.EffectEverything} {
		if v := c.Judge([]byte(sql)); v.Effect != want {
			t.Errorf("%s: got %d", sql, v.Effect)
		}
	}
}

func TestExecute_IsToldApartFromWhatItExecutes(t *testing.T) {
	conn := connect(t, startPostgres(t))
	execSQL(t, conn, functionTables)
	catalog := loadCatalog(t, conn)
	c := New(nil)
	c.SetCatalog(catalog, c.Generation())
	for sql, want := range map[string]string{
		"EXECUTE p": "none", "EXECUTE p(1, 'x', NULL)": "none", "EXECUTE p(lower('X'))": "none", "EXECUTE p(put())": "far.log log", "EXECUTE p(hidden())": "not told",
		"EXECUTE p((SELECT a FROM writing))": "not told", "EXECUTE p; SELECT 1": "not told", "CREATE TABLE made AS EXECUTE p": "not told", "EXPLAIN ANALYZE EXECUTE p": "not told",
	} {
		v := c.Judge([]byte(sql))
		got := "not told"
		switch {
		case v.Effect != verdict.EffectEverything:
			t.Errorf("%s: the verdict itself has effect %d", sql, v.Effect)
		case v.Bare != nil && v.Bare.Effect == verdict.EffectNone:
			got = "none"
		case v.Bare != nil:
			got = written(catalog, &Verdict{Statement: verdict.Statement{Effect: v.Bare.Effect, Writes: v.Bare.Writes}})
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", sql, got, want)
		}
	}
	c.Stale()
	if v := c.Judge([]byte("EXECUTE p")); v.Bare != nil {
		t.Error("without a catalog it is told apart")
	}
}

// What stands behind the making of a temporary table in one text may mean that table, which has other defaults than the one that the catalog knows.
func TestJudge_ATextThatMakesATemporaryTableAndWritesMayWriteEverything(t *testing.T) {
	conn := connect(t, startPostgres(t))
	execSQL(t, conn, functionTables+"CREATE FUNCTION logs() RETURNS void LANGUAGE sql AS 'INSERT INTO public.log VALUES (1)'")
	c := New(nil)
	c.SetCatalog(loadCatalog(t, conn), c.Generation())
	const made = "CREATE TEMP TABLE log (a int DEFAULT put())"
	for sql, want := range map[string]verdict.Effect{
		made: verdict.EffectNone, made + "; SELECT 1": verdict.EffectNone, made + "; INSERT INTO log DEFAULT VALUES": verdict.EffectEverything, made + "; SELECT logs()": verdict.EffectEverything,
	} {
		if v := c.Judge([]byte(sql)); v.Effect != want {
			t.Errorf("%s: got effect %d, want %d", sql, v.Effect, want)
		}
	}
}
